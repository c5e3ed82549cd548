"""Between the two steps in which Neo4j destroys a key nobody is told that a value was altered: it is gone."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from graph_schema.sealing import Person
from lineage_service.store.neo4j import Neo4jStore
from lineage_service.store.vault import NewPerson, Sealings
from tests.conformance.log import Log, mention, run
from tests.conformance.test_vault import sealed
from tests.graphdb.address import Address as Server
from tests.graphdb.installation import empty_address
from tests.graphdb.session import running_server

ANNA: Person = ("mlflow:prod", "anna", "person")


@pytest.fixture
def store(graph_server: Server) -> Iterator[Neo4jStore]:
    address = empty_address()
    Neo4jStore.create(address)
    with closing(Neo4jStore(address)) as store:
        yield store


def test_a_key_that_was_overwritten_and_is_not_deleted_yet_is_no_key(store: Neo4jStore) -> None:
    vault = store.vault()
    vault.pseudonyms({ANNA: b"m" * 32}, {ANNA: NewPerson("p_anna", b"wrapped key", b"identity")})
    Log(store).write(mention(1, run("a")), sealed=[value := sealed(0, "d", "p_anna")])
    assert vault.look_up([0], ["p_anna"]) == Sealings([value], {"p_anna": b"identity"}, {"p_anna": b"wrapped key"})
    running_server().answer(vault._OVERWRITE_KEY.replace("$subject", "'p_anna'").replace("$nothing", "{k0: 85}"))
    assert vault.look_up([0], ["p_anna"]) == Sealings([value], {"p_anna": b"identity"}, {})
    assert [person.key for person in vault.people()] == [None]
    assert vault.erase("p_anna") == ["d"]
    assert vault.look_up([0], ["p_anna"]) == Sealings([], {}, {})
