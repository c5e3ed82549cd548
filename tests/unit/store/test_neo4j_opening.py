"""A Neo4j that cannot be used is told as what it is, with what mends it; a schema is applied once and never edited."""

from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from lineage_service.errors import StoreConflictError, StoreUnavailableError
from lineage_service.store import neo4j_migrations
from lineage_service.store.address import Address
from lineage_service.store.neo4j import Neo4jStore
from lineage_service.store.neo4j_migrations import neo4j_files, require_version, statements
from tests.conformance.log import Log, fact, head_of
from tests.graphdb.address import Address as Server
from tests.graphdb.installation import empty_address
from tests.graphdb.wiping import wipe_with_schema
from tests.served import free_port

FILES = neo4j_files()


@pytest.fixture
def address(graph_server: Server) -> Address:
    address = empty_address()
    Neo4jStore.create(address)
    return address


def test_a_server_that_is_down_is_to_be_started(address: Address) -> None:
    nowhere = replace(address, url=f"bolt://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailableError, match=r"Couldn't connect .*start the server, or see that LINEAGE_STORE"):
        Neo4jStore(nowhere)


def test_a_wrong_password_names_the_settings_and_never_the_password(address: Address) -> None:
    wrong = replace(address, password="not-the-password")
    with pytest.raises(StoreUnavailableError, match="LINEAGE_NEO4J_USER and LINEAGE_NEO4J_PASSWORD_FILE") as caught:
        Neo4jStore(wrong)
    assert "not-the-password" not in f"{caught.value!s} {wrong!r} {wrong!s}"


def test_a_database_that_is_not_there_names_its_setting(address: Address) -> None:
    with pytest.raises(StoreUnavailableError, match="LINEAGE_NEO4J_DATABASE"):
        Neo4jStore(replace(address, database="another"))


def test_an_older_server_is_refused_with_both_versions() -> None:
    class Row:
        def single(self, **_: Any) -> list[str]:
            return ["4.4.30"]

    class OldServer:
        """A simulator of ours: no such server can be had beside the other."""

        def run(self, _statement: str) -> Row:
            return Row()

    with pytest.raises(StoreUnavailableError, match=r"version 4\.4\.30; 5\.26 or newer is needed: upgrade"):
        require_version(OldServer())  # type: ignore[arg-type]


def test_an_empty_database_is_to_be_initialised(address: Address, graph_server: Server) -> None:
    graph_server.answer("MATCH (n) DETACH DELETE n")
    try:
        with pytest.raises(StoreUnavailableError, match="holds no lineage ledger yet: run `lineage init`"):
            Neo4jStore(address)
    finally:
        Neo4jStore.create(address)


def test_what_the_schema_lacks_is_named(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(neo4j_migrations, "neo4j_files", lambda: [*FILES, (99, "0099_next.cypher", "")])
        with pytest.raises(StoreUnavailableError, match=r"lacks 0099_next\.cypher: run `lineage migrate`; data"):
            Neo4jStore(address)


def test_a_migration_is_applied_once(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Neo4jStore.create(address) == []
    more = "CREATE INDEX extra IF NOT EXISTS FOR (x:Extra) ON (x.extra);"
    with monkeypatch.context() as later:
        later.setattr(neo4j_migrations, "neo4j_files", lambda: [*FILES, (99, "0099_next.cypher", more)])
        assert Neo4jStore.create(address) == ["0099_next.cypher"]
        assert Neo4jStore.create(address) == []
    with pytest.raises(StoreUnavailableError, match=r"newer version \(0099_next\.cypher\): install that version"):
        Neo4jStore(address)
    _forget(address, 99)


def test_an_edited_migration_is_refused(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    (number, name, text), *others = FILES
    with monkeypatch.context() as edited:
        edited.setattr(neo4j_migrations, "neo4j_files", lambda: [(number, name, f"{text}\n"), *others])
        for use in (Neo4jStore, Neo4jStore.create):
            with pytest.raises(StoreUnavailableError, match=r"was edited after it was applied: restore the original"):
                use(address)


def test_a_migration_that_was_broken_off_is_applied_again(address: Address, graph_server: Server) -> None:
    wipe_with_schema(graph_server)
    graph_server.answer(statements(FILES[0][2])[1])
    assert Neo4jStore.create(address) == [name for _, name, _ in FILES]
    (applied,) = graph_server.answer("MATCH (m:Migration) RETURN m.number AS number, m.sha256 AS sha256")[:1]
    assert applied == {"number": FILES[0][0], "sha256": sha256(FILES[0][2].encode()).hexdigest()}


def test_schema_files_hold_no_data_and_can_be_repeated() -> None:
    every = [statement for _, _, text in FILES for statement in statements(text)]
    assert every
    assert [one for one in every if not one.startswith("CREATE ") or "IF NOT EXISTS" not in one] == []


def test_records_cannot_share_a_number_or_an_id(address: Address, graph_server: Server) -> None:
    with closing(Neo4jStore(address)) as store:
        Log(store).write(fact(1))
        graph_server.answer("CREATE (:Record {log: 'main', seq: 1, id: 'by hand'})")
        with pytest.raises(StoreConflictError, match="nothing of it was recorded, run `lineage verify`"):
            Log(store).write(fact(2))
        assert head_of(store).size == 1


def _forget(address: Address, number: int) -> None:
    """Take a migration of a test back, so that the next test finds the schema of this version."""
    server = Server(address.url, address.user, address.password, address.database)
    server.answer("MATCH (m:Migration {number: $number}) DELETE m", number=number)
    server.answer("DROP INDEX extra IF EXISTS")
