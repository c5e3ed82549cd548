"""Wiping: what is gone, and what stays."""

import pytest

from tests.graphdb.address import Address
from tests.graphdb.wiping import wipe, wipe_with_schema

COUNT = "RETURN COUNT { (n) } + COUNT { ()-->() } AS many"
NAMES = "SHOW INDEXES YIELD name RETURN collect(name) AS names"
LOOKUPS = "SHOW INDEXES YIELD name, type WHERE type = 'LOOKUP' RETURN collect(name) AS names"


@pytest.fixture
def filled(graph_server: Address) -> Address:
    """Give a database with nodes, relationships, a constraint and an index."""
    wipe_with_schema(graph_server)
    graph_server.answer("CREATE CONSTRAINT record_seq FOR (r:Record) REQUIRE (r.log, r.seq) IS UNIQUE")
    graph_server.answer("CREATE INDEX entity_kind FOR (n:Entity) ON (n.kind)")
    graph_server.answer("UNWIND range(1, 25000) AS seq CREATE (r:Record {log: 'a', seq: seq})-[:ABOUT]->(r)")
    assert graph_server.answer(COUNT)[0]["many"] == 50000
    return graph_server


def test_wiping_leaves_no_node_and_no_relationship_and_keeps_constraints_and_indexes(filled: Address) -> None:
    before = filled.answer(NAMES)
    wipe(filled)
    assert filled.answer(COUNT) == [{"many": 0}]
    assert filled.answer(NAMES) == before
    assert {"record_seq", "entity_kind"} <= set(before[0]["names"])


def test_wiping_with_the_schema_leaves_what_a_new_database_has(filled: Address) -> None:
    wipe_with_schema(filled)
    assert filled.answer(COUNT) == [{"many": 0}]
    assert filled.answer(NAMES) == filled.answer(LOOKUPS)
    assert len(filled.answer(LOOKUPS)[0]["names"]) == 2
