"""What is true of the embedded store alone: its file, its guards against careless hands, its errors, its observer."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lineage_service.errors import IntegrityError, StoreConflictError, StoreUnavailableError
from lineage_service.store.sqlite import SqliteStore
from lineage_service.store.sqlite_errors import translated
from tests.conformance.log import GaveUpError, Log, add, attempt, fact, give_up, head_of, mention, records_of, run

CARELESS = {
    "edit": "UPDATE record SET body = x'7b7d' WHERE seq = 0",
    "renumber": "UPDATE record SET seq = 7 WHERE seq = 1",
    "delete": "DELETE FROM record WHERE seq = 0",
    "truncate": "DELETE FROM record",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Make an empty ledger."""
    place = tmp_path / "data" / "lineage.db"
    SqliteStore.create(place)
    return place


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """Open an empty ledger."""
    with closing(SqliteStore(path)) as opened:
        yield opened


class Heard:
    """An observer that remembers what it heard, and how many records another connection saw then."""

    def __init__(self, path: Path) -> None:
        self.heard: list[tuple[str, int]] = []
        self._other = path

    def _note(self, moment: str) -> None:
        with closing(sqlite3.connect(self._other)) as connection:
            self.heard.append((moment, connection.execute("SELECT count(*) FROM record").fetchone()[0]))

    def begin(self) -> None:
        """Remember that a group began."""
        self._note("begin")

    def commit(self) -> None:
        """Remember that a group is about to be durable."""
        self._note("commit")


@pytest.mark.parametrize("what", CARELESS)
def test_records_are_kept_from_careless_hands(store: SqliteStore, path: Path, what: str) -> None:
    Log(store).write(fact(1), fact(2))
    before = records_of(store)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as hand,
        pytest.raises(sqlite3.IntegrityError, match="records are never"),
    ):
        hand.execute(CARELESS[what])
    assert records_of(store) == before


def test_the_file_is_for_its_owner_only(store: SqliteStore, path: Path) -> None:
    Log(store).write(fact(1))
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes
    assert set(modes.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_closed_store_is_one_file(path: Path) -> None:
    store = SqliteStore(path)
    Log(store).write(fact(1))
    assert head_of(store).size == 1
    assert {file.name for file in path.parent.iterdir()} > {path.name}
    store.close()
    assert {file.name for file in path.parent.iterdir()} == {path.name}


def test_every_commit_waits_for_the_disk(store: SqliteStore) -> None:
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.execute("PRAGMA secure_delete").fetchone() == (1,)


def test_the_observer_hears_of_each_group_before_anybody_sees_it(path: Path) -> None:
    observer = Heard(path)
    with closing(SqliteStore(path, observer=observer)) as store:
        Log(store).write(fact(1), fact(2))
        Log(store).write(fact(3))
    assert observer.heard == [("begin", 0), ("commit", 0), ("begin", 2), ("commit", 2)]


def test_the_observer_hears_of_no_commit_when_a_group_is_given_up(path: Path) -> None:
    observer = Heard(path)
    with closing(SqliteStore(path, observer=observer)) as store:
        with pytest.raises(GaveUpError):
            attempt(store, lambda t: add(t, mention(1, run("r1"))), give_up)
        assert observer.heard == [("begin", 0)]


def test_a_place_without_a_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="run `lineage init`"):
        SqliteStore(tmp_path / "nothing.db")
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE x(y)")
    with pytest.raises(StoreUnavailableError, match="holds no lineage ledger yet"):
        SqliteStore(other)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"not a database at all" * 100)
    with pytest.raises(IntegrityError, match="verify --deep"):
        SqliteStore(other)


def test_a_ledger_of_a_newer_version_is_refused(store: SqliteStore, path: Path) -> None:
    store._writer.execute("INSERT INTO migration VALUES (999, '999_future.sql', 'ff')")
    with pytest.raises(StoreUnavailableError, match=r"999_future.sql.*install that version"):
        SqliteStore(path)


def test_a_migration_edited_afterwards_is_refused(store: SqliteStore, path: Path) -> None:
    store._writer.execute("UPDATE migration SET sha256 = 'ff' WHERE number = 1")
    with pytest.raises(StoreUnavailableError, match="was edited after it was applied"):
        SqliteStore(path)


def test_creating_twice_changes_nothing(store: SqliteStore, path: Path) -> None:
    Log(store).write(fact(1))
    assert SqliteStore.create(path) == []
    assert head_of(store).size == 1


def test_a_store_opened_for_reading_does_not_write(store: SqliteStore, path: Path) -> None:
    Log(store).write(fact(1))
    with closing(SqliteStore(path, writing=False)) as reading:
        with pytest.raises(StoreUnavailableError, match=r"readonly.*make the database and its folder writable"):
            Log(reading).write(fact(2))
        assert head_of(reading).size == 1


def test_waiting_for_the_write_lock_ends_when_it_was_told_to(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    with closing(SqliteStore(path, wait_ms=100)) as store, closing(other):
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="end the process that holds the database"):
            Log(store).write(fact(1))
        assert 0.1 <= time.monotonic() - began < 4
        other.execute("ROLLBACK")
        assert Log(store).write(fact(1))[0].seq == 0


def test_errors_that_are_nobodys_fault_but_ours_are_not_translated() -> None:
    with pytest.raises(sqlite3.ProgrammingError), closing(sqlite3.connect(":memory:")) as connection, translated("x"):
        connection.execute("SELECT ?", (1, 2))


def test_what_contradicts_a_rule_of_the_schema_is_a_conflict() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE x(y PRIMARY KEY)")
        with pytest.raises(StoreConflictError, match=r"UNIQUE.*run `lineage verify`"), translated("recording"):
            connection.execute("INSERT INTO x VALUES (1), (1)")
