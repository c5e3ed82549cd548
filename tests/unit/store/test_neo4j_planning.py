"""What writes is planned for the graph there is: a plan made for an empty one would look at every relationship."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import neo4j
import pytest

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.kinds import Edge
from lineage_service.store.address import Address
from lineage_service.store.neo4j import Neo4jStore, Neo4jTransaction, connect
from lineage_service.store.protocol import UNFOLDED
from tests.conformance.log import Log, edge
from tests.graphdb.address import Address as Server
from tests.graphdb.installation import empty_address

LOOKS_AT_ALL = "DirectedAllRelationshipsScan"
READS_WHOLE_INDEX = "IndexScan"
RECORDS = 130
"""More than the hundred after which it is planned anew for the first time."""


@pytest.fixture
def address(graph_server: Server) -> Address:
    """Give an empty ledger on a server that planned what writes while it was empty."""
    address = empty_address()
    Neo4jStore.create(address)
    return address


@pytest.fixture
def session(address: Address) -> Iterator[neo4j.Session]:
    with connect(address) as driver, driver.session(database=address.database) as session:
        yield session


def facts(count: int) -> list[Changes]:
    """Return facts that each assert an edge to a node of their own, and one to the node before."""
    runs = [names.run(f"r{number}") for number in range(count + 1)]
    versions = [names.dataset_version("s3://bucket", f"table{number}", "1") for number in range(count + 1)]
    return [edge(number + 1, runs[number], Edge.USED, versions[number]) for number in range(count)]


def executed(session: neo4j.Session) -> str:
    """Return the plan by which the server executes what writes."""
    for act in ("stop", "clear", "collect"):  # a server collects from its start, and clears nothing while it does
        session.run(f"CALL db.stats.{act}('QUERIES')").consume()
    Neo4jTransaction.warm_up(session)
    session.run("CALL db.stats.stop('QUERIES')").consume()
    told = [row["data"] for row in session.run("CALL db.stats.retrieve('QUERIES')")]
    told = [one for one in told if one["query"] == Neo4jTransaction._WRITE and one["invocations"]]
    [plan] = [one["queryExecutionPlan"] for one in told]
    return str(plan)


def test_a_ledger_that_grows_has_its_writing_planned_for_what_is_there(
    address: Address, session: neo4j.Session
) -> None:
    Neo4jTransaction.warm_up(session, anew=True)
    assert LOOKS_AT_ALL in executed(session)
    with closing(Neo4jStore(address)) as store:
        log = Log(store)
        for fact in facts(RECORDS):
            log.write(fact)
    plan = executed(session)
    assert LOOKS_AT_ALL not in plan
    assert READS_WHOLE_INDEX not in plan


def test_a_graph_that_is_folded_anew_has_its_writing_planned_for_what_is_there(
    address: Address, session: neo4j.Session
) -> None:
    told = facts(RECORDS)
    with closing(Neo4jStore(address)) as store:
        Log(store).write(*told)
        with store.begin() as transaction:
            head, _ = transaction.head([])
            transaction.move_head(replace(head, fold_version=UNFOLDED))
    Neo4jStore.forget_graph(address, lambda _part: None)
    Neo4jTransaction.warm_up(session, anew=True)
    assert LOOKS_AT_ALL in executed(session)
    with closing(Neo4jStore(address)) as store:
        for number, fact in enumerate(told):
            with store.begin() as transaction:
                transaction.head([])
                transaction.apply([(number, fact)])
    plan = executed(session)
    assert LOOKS_AT_ALL not in plan
    assert READS_WHOLE_INDEX not in plan
