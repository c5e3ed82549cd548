"""The transcript of a ledger in Neo4j is what the same ledger is in a file: so it is verified and backed up."""

import contextlib
import json
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from graph_schema.kinds import Edge
from lineage_service.cli.door import run
from lineage_service.errors import InputError, StoreUnavailableError
from lineage_service.evidence.backup import back_up
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.restore import restore
from lineage_service.evidence.state_root import state_root
from lineage_service.recorder.installation import Places
from lineage_service.store.address import Address
from lineage_service.store.neo4j_contents import Neo4jContents
from lineage_service.store.opening import open_store
from lineage_service.store.protocol import Head
from lineage_service.store.sqlite import SqliteStore
from tests.graphdb.ledgers import replayed
from tests.graphdb.session import running_server
from tests.graphdb.transcripts import address_of, quietly, tables, transcript_of
from tests.ledgers import make_ledger

SIZE = 300


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Places, Places]:
    """Give one ledger twice: in a file and in Neo4j."""
    in_file = make_ledger(tmp_path_factory.mktemp("twins"), SIZE)
    return in_file, replayed(in_file, (64, 1, 150))


@pytest.fixture
def graph(twins: tuple[Places, Places]) -> Places:
    return twins[1]


def test_the_transcript_of_a_ledger_has_every_row_that_the_same_ledger_has_in_a_file(
    twins: tuple[Places, Places], tmp_path: Path
) -> None:
    in_file, graph = twins
    file, transcript = transcript_of(graph, tmp_path)
    expected, found = tables(in_file.file), tables(file)
    assert (transcript.faults, transcript.not_ours) == ([], [])
    assert [table for table, rows in expected.items() if not rows] == []
    for table, rows in expected.items():
        assert found[table] == rows, table
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shown.db", "transcript.db"]


# ----------------------------------------------------------------------------------------------------- verify, back up


def test_a_ledger_in_neo4j_is_verified_as_a_whole_and_so_is_its_continuation(
    twins: tuple[Places, Places], tmp_path: Path
) -> None:
    in_file, graph = twins
    told: list[float] = []
    report = run_verify(graph, deep=True, level=2, progress=told.append)
    assert (report.exit_code, report.level, report.incomplete) == (0, 2, ()), report.lines()
    assert report.counts["records"] == SIZE
    assert told == sorted(told)
    assert told[-1] == 1.0
    with contextlib.closing(SqliteStore(in_file.file, writing=False)) as store, store.read() as reader:
        note = reader.note()
    assert note is not None
    (tmp_path / "held").write_bytes(note)
    assert run_verify(graph, since=tmp_path / "held").exit_code == 0


def test_a_verification_leaves_nothing_behind_in_neo4j_and_none_of_our_tables_in_its_report(graph: Places) -> None:
    before = running_server().answer("MATCH (h:LedgerHead) RETURN properties(h) AS head")
    report = run_verify(graph, deep=True)
    assert running_server().answer("MATCH (h:LedgerHead) RETURN properties(h) AS head") == before
    told = [*report.verified, *report.not_verified]
    assert not [line for line in told if "table " in line or "SQLite" in line or "trigger" in line]
    assert any("neo4j-admin database check" in line for line in report.not_verified)


def ends_of(address: Address | Path) -> tuple[Head, bytes]:
    """Return the head of a ledger and the root over its graph."""
    with contextlib.closing(open_store(address, writing=False)) as store, store.read() as reader:
        head = reader.head()
        return head, state_root(reader, head.size - 1)


def test_a_backup_of_a_ledger_in_neo4j_is_restored_into_a_file_and_is_the_same_ledger(
    graph: Places, tmp_path: Path
) -> None:
    file = tmp_path / "made.db"
    made = back_up(address_of(graph), file, quietly)
    assert (made.held.records, made.held.signed, made.left_out) == (SIZE, SIZE, [])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["made.db"]
    place = Places(tmp_path / "back" / "lineage.db", graph.keys)
    restored = restore(file, place, head=None, progress=quietly, clock=lambda: 0)
    assert (restored.held, restored.remembered) == (made.held, SIZE)
    report = run_verify(place, deep=True, level=2)
    assert (report.exit_code, report.incomplete) == (0, ()), report.lines()
    assert ends_of(place.file) == ends_of(address_of(graph))


def test_no_backup_takes_the_place_of_a_file_or_stays_half_done(graph: Places, tmp_path: Path) -> None:
    (tmp_path / "made.db").write_text("mine")
    with pytest.raises(InputError, match="never written over"):
        back_up(address_of(graph), tmp_path / "made.db", quietly)
    nobody = Address("bolt://127.0.0.1:1", "neo4j", "secret")
    with pytest.raises(StoreUnavailableError, match="start the server"):
        back_up(nobody, tmp_path / "other.db", quietly)

    def broken_off(part: float) -> None:
        assert part < 0.5, "enough"

    with pytest.raises(AssertionError, match="enough"):
        back_up(address_of(graph), tmp_path / "other.db", broken_off)
    assert [path.name for path in tmp_path.iterdir()] == ["made.db"]


# ----------------------------------------------------------------------------------------------------------- commands


@pytest.fixture
def served_by_neo4j(graph: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Point the commands to the ledger in Neo4j."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("LINEAGE_DATA_DIR", str(graph.keys.parent))
    monkeypatch.setenv("LINEAGE_STORE", address_of(graph).url)
    monkeypatch.setenv("LINEAGE_NEO4J_USER", address_of(graph).user)
    monkeypatch.setenv("LINEAGE_NEO4J_PASSWORD", address_of(graph).password)
    monkeypatch.setenv("LINEAGE_NEO4J_DATABASE", address_of(graph).database)
    return graph


def test_the_commands_verify_and_back_up_a_ledger_in_neo4j(
    served_by_neo4j: Places, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(("verify", "--deep", "--level", "2", "--json")) == 0
    assert json.loads(capfd.readouterr().out)["exit_code"] == 0
    assert run(("backup", "made.db")) == 0
    assert f"{SIZE} records, under a signed head of {SIZE}." in capfd.readouterr().out
    assert run_verify(Places(Path("made.db"), served_by_neo4j.keys), deep=True).exit_code == 0


def test_a_backup_is_made_of_an_altered_database_too_and_says_what_it_cannot_hold(
    served_by_neo4j: Places, capfd: pytest.CaptureFixture[str]
) -> None:
    running_server().answer("MATCH (a:Run) MATCH (b:Person) WITH a, b LIMIT 1 CREATE (a)-[:APPROVED_BY]->(b)")
    try:
        assert run(("backup", "made.db")) == 1
        told = capfd.readouterr().out
        assert run(("verify", "--deep")) == 1
        assert "APPROVED_BY" in capfd.readouterr().out
    finally:
        running_server().answer("MATCH ()-[e:APPROVED_BY]->() DELETE e")
    assert "BUT not all that stands in Neo4j is in made.db" in told
    assert "(:Entity:Run)-[:APPROVED_BY {}]->(:Entity:Person)" in told
    assert run_verify(Places(Path("made.db"), served_by_neo4j.keys), deep=True).exit_code == 0


# ------------------------------------------------------------------------------------------------ tiles, locks, streams


def test_a_tile_that_was_changed_or_removed_is_caught(twins: tuple[Places, Places]) -> None:
    graph = twins[1]
    tile = running_server().answer("MATCH (t:Tile) RETURN properties(t) AS properties")[0]["properties"]
    for statement, found in (
        ("SET t.hashes = $hashes", "hashes=0000"),
        ("SET t.level = 1", "hashes="),
        ("SET t.log = 'main'", "log=main"),
        ("DELETE t", "no such row"),
    ):
        running_server().answer(f"MATCH (t:Tile) {statement}", hashes=bytes(8192))
        report = run_verify(graph, deep=True)
        running_server().answer("MATCH (t:Tile) DELETE t")
        running_server().answer("CREATE (t:Tile) SET t = $tile", tile=tile)
        assert {(one.cls, one.seq) for one in report.findings} == {("tree", None)}, report.lines()
        assert any(found in one.found for one in report.findings), report.lines()


def test_a_key_that_was_overwritten_and_is_not_deleted_yet_is_in_no_back_up(graph: Places, tmp_path: Path) -> None:
    server = running_server()
    kept = server.answer("MATCH (k:SubjectKey) RETURN properties(k) AS kept LIMIT 1")[0]["kept"]
    server.answer("MATCH (k:SubjectKey {subject: $subject}) SET k.k0 = 85, k.bytes = 0", subject=kept["subject"])
    file, transcript = transcript_of(graph, tmp_path)
    server.answer("MATCH (k:SubjectKey {subject: $subject}) SET k = $kept", subject=kept["subject"], kept=kept)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        subjects = [subject for (subject,) in connection.execute("SELECT subject FROM subject_key")]
    assert transcript.faults == []
    assert subjects
    assert kept["subject"] not in subjects


def test_a_transcript_waits_for_the_group_that_is_on_its_way(graph: Places, tmp_path: Path) -> None:
    """While the head is locked nobody can tell where the log ends."""
    server = running_server()
    with server.driver() as driver, driver.session(database=server.database) as session:
        group = session.begin_transaction()
        group.run("MATCH (h:LedgerHead) SET h.lock = 'writer'").consume()
        ended: list[int] = []
        verifier = threading.Thread(target=lambda: ended.append(run_verify(graph).exit_code))
        verifier.start()
        verifier.join(1.0)
        waits = verifier.is_alive()
        group.rollback()
        verifier.join()
    assert waits
    assert ended == [0]


def test_the_streams_name_every_type_of_edge_and_every_label_that_is_written() -> None:
    names = [f"{edge.name}" for edge in Edge]
    for statement in (Neo4jContents._EDGES, Neo4jContents._STRANGE_RELATIONSHIPS):
        words = set(statement.replace("'", " ").replace("|", " ").replace(":", " ").replace("]", " ").split())
        assert set(names) <= {word.strip(",") for word in words}
