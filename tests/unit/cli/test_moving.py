"""`lineage copy`, and `restore` and `rebuild` of a ledger on a server: what arrives, what is refused, what is said."""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lineage_service.errors import StoreUnavailableError
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.last_verdict import last_verdict
from lineage_service.evidence.moving import carry, seal
from lineage_service.evidence.rebuild import rebuild_in_place
from lineage_service.ledger.signer import SignerLock, read_state
from lineage_service.recorder.installation import Installation, Places, load_seal
from lineage_service.store.address import Address, Database
from lineage_service.store.opening import create_store, forget_graph, found_at, open_store
from lineage_service.store.protocol import UNFOLDED, Head
from lineage_service.store.sqlite import SqliteStore
from tests.conformance.kinds import emptied_server
from tests.graphdb.session import running_server
from tests.ledgers import copy_of, hostile, kept_in, make_ledger, record_all, ticking, varied_events
from tests.unit.cli.conftest import Command

RECORDS = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Make a ledger; nobody may change it."""
    return make_ledger(tmp_path_factory.mktemp("made"), RECORDS)


@pytest.fixture
def places(made: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Give a copy whose service is down, and point the commands to it."""
    monkeypatch.setenv("LINEAGE_DATA_DIR", str(tmp_path / "data"))
    return copy_of(made, tmp_path / "data")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Address:
    """Give an empty database on a server, and its account to the commands."""
    address = emptied_server()
    password = tmp_path / "neo4j.password"
    password.write_text(f"{address.password}\n")
    monkeypatch.setenv("LINEAGE_NEO4J_USER", address.user)
    monkeypatch.setenv("LINEAGE_NEO4J_PASSWORD_FILE", str(password))
    monkeypatch.setenv("LINEAGE_NEO4J_DATABASE", address.database)
    return address


def kept(database: Database) -> dict[str, object]:
    with contextlib.closing(open_store(database, writing=False)) as store:
        return kept_in(store)


def head_of(database: Database) -> Head:
    with contextlib.closing(open_store(database, writing=False)) as store, store.read() as reader:
        return reader.head()


def go_on(places: Places) -> None:
    """Let a service start, record more, and end."""
    with contextlib.closing(open_store(places.database, writing=isinstance(places.database, Path))) as store:
        installation = Installation(places, store, clock=ticking())
        record_all(installation, varied_events(installation, 5))
        installation.close()


def carried(source: Path, target: Address, until: float = 1) -> None:
    """Copy a ledger to a server without the last step, or only a part of it."""

    def progress(done: float) -> None:
        if done >= until:
            raise InterruptedError

    with (
        contextlib.closing(SqliteStore(source, writing=False)) as one,
        contextlib.closing(open_store(target, writing=False)) as other,
        contextlib.suppress(InterruptedError),
    ):
        carry(one, other, progress, size=10)


# --------------------------------------------------------------------------------------------------------------- copy


def test_a_ledger_is_copied_to_a_server_and_back_and_the_account_of_it_is_true(
    alone: Command, places: Places, server: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(places.database)
    ended = alone("copy", "--from", f"sqlite:///{places.file}", "--to", server.url)
    assert ended.code == 0, ended.err
    said = " ".join(ended.out.split())
    assert f"{server.url} (database {server.database}) holds the ledger: {RECORDS} records" in said
    assert f"state root {before['root'].hex()}" in said  # type: ignore[attr-defined]
    assert said.endswith(f"Next: set LINEAGE_STORE={server.url}, then lineage serve.")
    assert kept(server) == before == kept(places.database)
    there = Places(server, places.keys)
    go_on(there)
    refused = alone("copy", "--from", f"sqlite:///{places.file}", "--to", "sqlite:///elsewhere.db")
    assert refused.code == 1, refused.err
    assert "an older database was restored" in refused.err
    ended = alone("copy", "--from", server.url, "--to", "sqlite:///back.db")
    assert ended.code == 0, ended.err
    assert kept(Path("back.db")) == kept(server)
    report = run_verify(Places(Path("back.db"), places.keys), deep=True)
    assert (report.exit_code, report.findings) == (0, ()), report.lines()
    assert not Path("elsewhere.db").exists()


def test_a_copy_that_was_broken_off_is_gone_on_with_by_the_same_command(
    alone: Command, places: Places, server: Address
) -> None:
    carried(places.file, server, until=0.4)
    held = head_of(server).size
    assert 0 < held < RECORDS
    ended = alone("copy", "--from", f"sqlite:///{places.file}", "--to", server.url)
    assert ended.code == 0, ended.err
    assert f"{held} of the records were there before" in ended.out
    assert kept(server) == kept(places.database)


def test_only_one_of_two_stores_may_be_a_server(
    alone: Command, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_NEO4J_PASSWORD", "x")
    ended = alone("copy", "--from", "neo4j://one.example:7687", "--to", "neo4j://two.example:7687")
    assert (ended.code, ended.out) == (64, "")
    assert "copy to a file first" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "sqlite:///data/lineage.db", "--to", "sqlite:///data/lineage.db"), 64, "both are one place"),
        (("--from", "sqlite:///data/lineage.db", "--to", "sqlite:///data/../data/lineage.db"), 64, "both are one"),
        (("--from", "sqlite:///data/lineage.db", "--to", "data/new.db"), 64, "--to data/new.db"),
        (("--from", "sqlite:///data/lineage.db", "--to", "neo4j://127.0.0.1:1"), 64, "asks for a password"),
        (("--from", "sqlite:///data/none.db", "--to", "sqlite:///new.db"), 69, "there is no ledger at"),
        (("--from", "sqlite:///data/lineage.db"), 64, "--to"),
    ],
)
def test_what_cannot_be_copied_is_named_and_nothing_is_made(
    alone: Command, places: Places, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = alone("copy", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert sorted(path.name for path in Path().rglob("*.db")) == ["lineage.db"]


def test_nothing_is_copied_beside_a_service(alone: Command, places: Places) -> None:
    with SignerLock(places.signer_state):
        ended = alone("copy", "--from", "sqlite:///data/lineage.db", "--to", "sqlite:///new.db")
    assert (ended.code, ended.out) == (69, "")
    assert "another signer is running" in ended.err
    assert not Path("new.db").exists()


def test_the_ledger_of_another_installation_is_not_copied(alone: Command, places: Places, tmp_path: Path) -> None:
    make_ledger(tmp_path / "other", 5)
    ended = alone("copy", "--from", "sqlite:///other/lineage.db", "--to", "sqlite:///new.db")
    assert (ended.code, ended.out) == (65, "")
    assert "set LINEAGE_DATA_DIR" in ended.err
    assert not Path("new.db").exists()


def test_a_ledger_that_somebody_without_our_keys_added_to_is_not_copied(alone: Command, places: Places) -> None:
    with hostile(places.file) as connection:
        connection.execute("UPDATE head SET mac = zeroblob(32)")
    ended = alone("copy", "--from", "sqlite:///data/lineage.db", "--to", "sqlite:///new.db")
    assert ended.code == 1, ended.err
    assert "was not written by this service" in ended.err
    assert not Path("new.db").exists()


def _strange_table(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE film(title)")


@pytest.mark.parametrize("make", [_strange_table, lambda file: file.write_text("a letter")])
def test_a_file_that_holds_something_else_is_refused_and_unchanged(
    alone: Command, places: Places, make: Callable[[Path], object]
) -> None:
    make(Path("new.db"))
    content = Path("new.db").read_bytes()
    ended = alone("copy", "--from", "sqlite:///data/lineage.db", "--to", "sqlite:///new.db")
    assert (ended.code, ended.out) == (69, "")
    assert "holds something that is no ledger" in ended.err
    assert Path("new.db").read_bytes() == content


def test_a_database_that_holds_something_else_is_refused_and_unchanged(
    alone: Command, places: Places, server: Address
) -> None:
    running = running_server()
    running.answer("CREATE (:Film {title: 'Metropolis'})")
    assert alone("backup", "made.db").code == 0
    lose(places)
    for command in (
        ("copy", "--from", "sqlite:///lost/lineage.db", "--to", server.url),
        ("restore", "made.db"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LINEAGE_STORE", server.url)
            ended = alone(*command)
        assert (ended.code, ended.out) == (69, ""), ended.err
        assert "holds something that is no ledger" in ended.err
    assert running.answer("MATCH (n) WHERE NOT n:Migration AND NOT n:LedgerHead RETURN labels(n) AS is") == [
        {"is": ["Film"]}
    ]


def test_what_a_place_holds_is_told_without_changing_it(places: Places, server: Address, tmp_path: Path) -> None:
    assert found_at(places.database) == "a ledger"
    assert found_at(tmp_path / "none.db") == "nothing"
    assert not (tmp_path / "none.db").exists()
    create_store(tmp_path / "empty.db")
    (tmp_path / "bare.db").touch()
    assert (found_at(tmp_path / "empty.db"), found_at(tmp_path / "bare.db")) == ("nothing", "nothing")
    assert found_at(server) == "nothing"
    carried(places.file, server, until=0.3)
    assert found_at(server) == "a ledger"


# ------------------------------------------------------------------------------------------------------------- restore


def lose(places: Places) -> None:
    """Move the database away, as if its disk were gone."""
    Path("lost").mkdir()
    for path in places.file.parent.glob("lineage.db*"):
        path.rename(Path("lost") / path.name)


@pytest.fixture
def backup(places: Places, alone: Command, server: Address, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a back-up of the file, lose that, and let the installation keep its ledger on the server."""
    ended = alone("backup", "made.db")
    assert ended.code == 0, ended.err
    lose(places)
    monkeypatch.setenv("LINEAGE_STORE", server.url)
    return Path("made.db").absolute()


def test_the_backup_of_a_file_is_restored_into_a_server_and_goes_on(
    alone: Command, places: Places, server: Address, backup: Path
) -> None:
    there = Places(server, places.keys)
    ended = alone("restore", "made.db")
    assert ended.code == 0, ended.err
    assert f"is back at {server.url} (database {server.database}): {RECORDS} records" in " ".join(ended.out.split())
    assert kept(server) == kept(Path("lost/lineage.db"))
    assert (verdict := last_verdict(there.beside)) is not None
    assert (verdict.verdict, verdict.records) == ("fine", RECORDS)
    assert not list(places.keys.glob("*restoring*"))
    go_on(there)
    before = kept(server)
    refused = alone("restore", "made.db")
    assert (refused.code, refused.out) == (69, "")
    assert "none is ever written over" in refused.err
    assert kept(server) == before


def test_a_restore_into_a_server_that_was_broken_off_is_repeated(
    alone: Command, places: Places, server: Address, backup: Path
) -> None:
    carried(backup, server, until=0.4)
    assert 0 < head_of(server).size < RECORDS
    refused = alone("rebuild")
    assert (refused.code, refused.out) == (69, "")
    assert "was broken off: repeat that command" in refused.err
    assert "repeat that command" in alone("doctor").out
    ended = alone("restore", "made.db")
    assert ended.code == 0, ended.err
    assert kept(server) == kept(Path("lost/lineage.db"))


def test_a_memory_that_was_lost_begins_anew_with_a_restore_into_a_server(
    alone: Command, places: Places, server: Address, backup: Path
) -> None:
    with contextlib.closing(SqliteStore(backup, writing=False)) as store, store.read() as reader:
        Path("held.note").write_bytes(reader.note() or b"")
    places.signer_state.unlink()
    ended = alone("restore", "made.db", "--head", "held.note")
    assert ended.code == 0, ended.err
    assert (state := read_state(places.signer_state)) is not None
    assert state.size == RECORDS
    go_on(Places(server, places.keys))


def test_a_backup_that_was_tampered_with_is_not_restored_into_a_server(
    alone: Command, places: Places, server: Address, backup: Path
) -> None:
    with contextlib.closing(sqlite3.connect(backup, isolation_level=None)) as connection:
        connection.execute("DELETE FROM point WHERE seq = (SELECT max(seq) FROM point)")
    ended = alone("restore", "made.db")
    assert (ended.code, ended.out) == (1, "")
    assert "graph" in ended.err
    assert found_at(server) == "nothing"


# ------------------------------------------------------------------------------------------------------------- rebuild


DAMAGE = (
    "MATCH (p:Point) WITH p LIMIT 7 DETACH DELETE p",
    "MATCH ()-[r:USED]->() WITH r LIMIT 2 DELETE r",
    "MATCH (e:Entity) WITH e LIMIT 3 SET e.key = e.key + 'x'",
    "MATCH (:Record)-[r:ABOUT]->() WITH r LIMIT 3 SET r.registers = '{}'",
    "CREATE (:Entity:Run {key: 'run:invented', kind: 6, seq: 1, name: 'invented'})-[:PARENT]->(:Entity)",
)


@pytest.fixture
def there(places: Places, server: Address, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Give an installation with its ledger on the server."""
    with (
        contextlib.closing(SqliteStore(places.file, writing=False)) as one,
        contextlib.closing(open_store(server, writing=False)) as other,
    ):
        seal(other, carry(one, other, lambda _fraction: None))
    monkeypatch.setenv("LINEAGE_STORE", server.url)
    return Places(server, places.keys)


def test_a_graph_that_was_damaged_is_folded_anew_on_the_server(alone: Command, there: Places) -> None:
    before = kept(there.database)
    for statement in DAMAGE:
        running_server().answer(statement)
    assert kept(there.database)["root"] != before["root"]
    ended = alone("rebuild")
    assert ended.code == 0, ended.err
    assert f"folded anew from {RECORDS} records" in ended.out
    assert kept(there.database) == before
    go_on(there)


def test_a_rebuild_that_was_broken_off_lets_nobody_serve_and_is_begun_again(alone: Command, there: Places) -> None:
    before = kept(there.database)
    address = there.database
    assert isinstance(address, Address)

    def progress(done: float) -> None:
        if done > 0.6:
            raise InterruptedError

    with contextlib.closing(open_store(address, writing=False)) as store, pytest.raises(InterruptedError):
        rebuild_in_place(store, partial(forget_graph, address), load_seal(there), progress, size=10)
    assert kept(address)["root"] != before["root"]
    with pytest.raises(StoreUnavailableError, match="run `lineage rebuild`"):
        go_on(there)
    assert alone("rebuild").code == 0
    assert kept(address) == before


def test_a_broken_ledger_on_a_server_is_not_rebuilt_and_its_graph_stays(alone: Command, there: Places) -> None:
    running_server().answer("MATCH (r:Record {seq: 9}) SET r.body = r.body + ' '")
    before = kept(there.database)
    ended = alone("rebuild")
    assert (ended.code, ended.out) == (1, "")
    assert "record 9 is missing or altered" in ended.err
    assert kept(there.database) == before


def test_a_head_on_a_server_that_somebody_moved_is_not_blessed_by_a_rebuild(alone: Command, there: Places) -> None:
    running_server().answer("MATCH (h:LedgerHead) SET h.state = replace(h.state, '[40,', '[39,')")
    before = kept(there.database)
    assert before["head"].size == RECORDS - 1  # type: ignore[attr-defined]
    ended = alone("rebuild")
    assert (ended.code, ended.out) == (1, "")
    assert "was not written by this service" in ended.err
    assert kept(there.database) == before


def test_a_copy_on_its_way_into_a_file_is_not_rebuilt(alone: Command, places: Places) -> None:
    with contextlib.closing(SqliteStore(places.file)) as store, store.begin() as transaction:
        head, _ = transaction.head([])
        transaction.move_head(replace(head, fold_version=UNFOLDED, mac=b""))
    ended = alone("rebuild")
    assert (ended.code, ended.out) == (69, "")
    assert "was broken off: repeat that command" in ended.err
