"""What a deep verification says beyond "something differs": what is unchecked, what is harmless, what is withheld."""

import contextlib
import json
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from graph_schema.sealing import owner_of
from lineage_service.errors import IntegrityError, StoreUnavailableError
from lineage_service.evidence.findings import Draft
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.rebuild import fold_into, rebuild
from lineage_service.evidence.rows import differences, joined
from lineage_service.evidence.structure import check_structure, schema_version
from lineage_service.evidence.vault_check import sealed_owners
from lineage_service.ledger import keys
from lineage_service.recorder.installation import Places
from lineage_service.recorder.preparation import Incoming
from lineage_service.store.migrations import migrate_sqlite
from lineage_service.store.protocol import StoredRecord
from lineage_service.store.sqlite import SqliteStore
from tests.ledgers import MLFLOW, copy_of, fact, hostile, make_ledger, rechained, reopen, reseal, rows_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return make_ledger(tmp_path_factory.mktemp("whole"), 60)


@pytest.fixture
def ledger(whole: Places, tmp_path: Path) -> Places:
    return copy_of(whole, tmp_path / "copy")


def test_an_untouched_ledger_is_what_its_records_give(whole: Places) -> None:
    report = run_verify(whole, deep=True, level=2)
    assert (report.exit_code, report.findings, report.incomplete) == (0, (), ()), report.lines()
    for table in ("record", "head", "node", "property", "edge", "withdrawal", "point", "person", "sealed", "payload"):
        assert any(f"table {table}:" in line for line in report.verified), table
    assert report.counts["sealed"] > 40
    assert report.counts["payload"] == 3


def test_a_deep_verification_changes_nothing_and_leaves_nothing(whole: Places, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in whole.file.parent.rglob("*") if path.is_file()}
    run_verify(whole, deep=True)
    after = {path: path.read_bytes() for path in whole.file.parent.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("name", ["vault.key", "id.key"])
def test_without_a_secret_the_vault_is_said_to_be_unchecked(ledger: Places, name: str) -> None:
    (ledger.keys / name).unlink()
    report = run_verify(ledger, deep=True)
    assert report.exit_code == 2
    assert any("the key-encryption key and the id key" in line and name in line for line in report.incomplete)
    assert not any("table sealed" in line for line in report.verified)
    assert any("table edge" in line for line in report.verified)


def test_another_key_encryption_key_opens_nothing(ledger: Places) -> None:
    (ledger.keys / "vault.key").unlink()
    keys.save_secret(ledger.keys / "vault.key", b"k" * 32)
    report = run_verify(ledger, deep=True)
    assert report.exit_code == 1
    assert {finding.cls for finding in report.findings} == {"vault", "payload"}


def test_a_pseudonym_that_no_record_names_is_harmless(ledger: Places) -> None:
    installation = reopen(ledger)
    event = fact("tag.removed", 1, {"node": "run:1", "name": "x"}, who="somebody-new")
    installation.preparation.prepare([Incoming(event, MLFLOW)])
    installation.close()
    report = run_verify(ledger, deep=True)
    assert report.exit_code == 0
    assert any("1 unused: harmless" in line for line in report.verified)


def test_values_destroyed_without_a_record_of_erasure_are_withheld(ledger: Places) -> None:
    with contextlib.closing(sqlite3.connect(ledger.file)) as connection:
        subject = connection.execute("SELECT subject FROM sealed WHERE key IS NULL LIMIT 1").fetchone()[0]
    store = SqliteStore(ledger.file)
    digests = store.vault().erase(subject)
    store.close()
    report = run_verify(ledger, deep=True)
    withheld = [finding for finding in report.findings if "WITHHELD" in finding.detail]
    assert report.exit_code == 1
    assert {finding.cls for finding in withheld} == {"vault"}
    assert report.counts["sealed_differences"] == len(digests)


def test_a_payload_swapped_with_another_does_not_have_its_digest(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        rows = connection.execute("SELECT digest, salt, key, ciphertext FROM payload").fetchall()
        connection.execute(
            "UPDATE payload SET salt = ?, key = ?, ciphertext = ? WHERE digest = ?", (*rows[0][1:], rows[1][0])
        )
    report = run_verify(ledger, deep=True)
    assert [finding.cls for finding in report.findings] == ["payload"]


def test_two_sealed_values_swapped_do_not_open_in_each_others_place(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        rows = connection.execute(
            "SELECT seq, digest, key, ciphertext FROM sealed WHERE key NOT NULL LIMIT 2"
        ).fetchall()
        for (seq, digest, _, _), (_, _, key, ciphertext) in zip(rows, reversed(rows), strict=True):
            statement = "UPDATE sealed SET key = ?, ciphertext = ? WHERE seq = ? AND digest = ?"
            connection.execute(statement, (key, ciphertext, seq, digest))
    report = run_verify(ledger, deep=True)
    assert [(finding.cls, finding.seq) for finding in report.findings] == [("vault", rows[0][0]), ("vault", rows[1][0])]


def test_a_graph_of_another_fold_is_not_called_tampered(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        connection.execute("UPDATE head SET fold_version = fold_version + 1")
        connection.execute("DELETE FROM point WHERE slot = 'stage'")
    reseal(ledger)
    report = run_verify(ledger, deep=True)
    assert report.exit_code == 2
    assert any("lineage rebuild" in line for line in report.incomplete)


def test_a_broken_ledger_is_not_folded(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        connection.execute("UPDATE record SET leaf = zeroblob(32) WHERE seq = 12")
    report = run_verify(ledger, deep=True)
    assert {finding.cls for finding in report.findings} == {"edit"}
    assert any("records they rest on are broken" in line for line in report.not_verified)


def test_a_damaged_text_is_a_difference_and_not_a_crash(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        connection.execute("UPDATE point SET value = CAST(x'7bff7d' AS TEXT) WHERE slot = 'token'")
    report = run_verify(ledger, deep=True)
    assert {finding.cls for finding in report.findings} == {"graph"}


def test_every_planner_statistic_is_declared_as_not_under_the_ledger(ledger: Places) -> None:
    with contextlib.closing(sqlite3.connect(ledger.file)) as connection:
        connection.execute("ANALYZE node")
        connection.commit()
    report = run_verify(ledger, deep=True)
    assert report.exit_code == 0, report.lines()
    assert any("sqlite_stat1" in line for line in report.not_verified)


FIRST = (1, "0001.sql", "CREATE TABLE a(x INTEGER) STRICT;")
SECOND = (2, "0002.sql", "CREATE TABLE b(x INTEGER) STRICT;")


def migrated(*files: tuple[int, str, str]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate_sqlite(connection)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        connection.execute("DELETE FROM migration" if name == "migration" else f"DROP TABLE {name}")
    for number, name, text in files:
        connection.executescript(text)
        connection.execute("INSERT INTO migration VALUES (?, ?, ?)", (number, name, sha256(text.encode()).hexdigest()))
    return connection


def test_a_table_of_our_own_that_nothing_compares_is_reported() -> None:
    with contextlib.closing(migrated(FIRST, SECOND)) as live:
        draft = Draft()
        check_structure(live, live, frozenset({"a", "migration"}), {}, draft)
        assert [(finding.cls, finding.found) for finding in draft.findings] == [("unlisted", "table b")]


def test_a_database_that_awaits_a_migration_is_older_and_not_tampered_with() -> None:
    with contextlib.closing(migrated(FIRST)) as live:
        assert schema_version(live, [FIRST, SECOND]) == "older"
        assert schema_version(live, [FIRST]) == "same"
        live.execute("DROP TABLE a")
        assert schema_version(live, [FIRST, SECOND]) == "same"


def test_a_database_of_a_newer_program_is_newer_and_a_mere_line_in_its_log_is_not() -> None:
    with contextlib.closing(migrated(FIRST, SECOND)) as live:
        assert schema_version(live, [FIRST]) == "newer"
        assert schema_version(live, [FIRST, SECOND]) == "same"
        live.execute("DROP TABLE b")
        assert schema_version(live, [FIRST]) == "same"


def test_a_database_of_a_newer_version_cannot_be_compared_and_is_not_fine(ledger: Places) -> None:
    with contextlib.closing(sqlite3.connect(ledger.file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE of_the_future(x INTEGER) STRICT")
        connection.execute("INSERT INTO migration VALUES (9999, '9999_future.sql', 'ab')")
    report = run_verify(ledger, deep=True)
    assert report.exit_code == 2
    assert any("newer version" in line for line in report.incomplete)


def test_owners_of_sealed_values_are_the_persons_they_stand_beside_else_the_thing_described() -> None:
    record = {
        "type": "tag.set",
        "source": {"kind": "git", "instance": "prod"},
        "body": {
            "node": "run:1",
            "hidden": {"sd": 0},
            "people": [{"id": "p_1", "name": {"sd": 1}, "email": {"sd": 2}, "note": {"sd": 3}}],
        },
    }
    assert owner_of(record) == "run:1"
    assert sealed_owners(record) == {0: "run:1", 1: "p_1", 2: "p_1", 3: "run:1"}


# -------------------------------------------------------------------------------------------------------------- rebuild


def test_a_rebuild_is_never_written_over_something(whole: Places, tmp_path: Path) -> None:
    target = tmp_path / "there"
    target.write_bytes(b"mine")
    store = SqliteStore(whole.file, writing=False)
    with pytest.raises(StoreUnavailableError):
        rebuild(store, target)
    store.close()
    assert target.read_bytes() == b"mine"


def test_an_altered_record_stops_a_rebuild(whole: Places, tmp_path: Path) -> None:
    stored = [StoredRecord(*row) for row in rows_of(whole.file)]
    stored[30] = StoredRecord(30, stored[30].leaf, stored[30].body.replace(b'"ev":1', b'"ev":2'))
    with pytest.raises(IntegrityError, match="record 30"):
        fold_into(stored, tmp_path / "rebuilt.db")


def test_a_missing_record_stops_a_rebuild(whole: Places, tmp_path: Path) -> None:
    stored = [StoredRecord(*row) for row in rows_of(whole.file)]
    with pytest.raises(IntegrityError, match="record 30"):
        fold_into([*stored[:30], *stored[31:]], tmp_path / "rebuilt.db")


def test_a_record_that_cannot_be_folded_is_named(whole: Places, tmp_path: Path) -> None:
    records = [json.loads(body) for _, _, body in rows_of(whole.file)]
    records[14]["body"] = {}
    stored = [StoredRecord(*row) for row in rechained(records)]
    with pytest.raises(IntegrityError, match="record 14 cannot be folded"):
        fold_into(stored, tmp_path / "rebuilt.db")


# ---------------------------------------------------------------------------------------------------------- row streams


@pytest.mark.parametrize(
    ("expected", "found", "different"),
    [
        ([], [], []),
        ([(1, "a")], [(1, "a")], []),
        ([(1, "a")], [], [((1, "a"), None)]),
        ([], [(1, "a")], [(None, (1, "a"))]),
        ([(1, "a"), (3, "c")], [(2, "b"), (3, "x")], [((1, "a"), None), (None, (2, "b")), ((3, "c"), (3, "x"))]),
    ],
)
def test_two_streams_are_compared_row_by_row(
    expected: list[object], found: list[object], different: list[object]
) -> None:
    assert list(differences(iter(expected), iter(found), 1)) == different  # type: ignore[arg-type]
    assert len(list(joined(iter(expected), iter(found), 1))) == len(  # type: ignore[arg-type]
        {row[0] for row in [*expected, *found]}  # type: ignore[index]
    )
