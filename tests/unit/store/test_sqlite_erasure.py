"""What was erased from the embedded store is in none of its files: no page set free, no write-ahead log holds it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from graph_schema.sealing import Person
from lineage_service.store.sqlite import SqliteStore
from lineage_service.store.vault import NewPerson, SealedValue
from tests.conformance.log import Log, mention, run


def at_rest(path: Path) -> bytes:
    """Return every byte of the store's folder, once the write-ahead log was moved into the file."""
    with closing(sqlite3.connect(path)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


def test_what_was_erased_is_nowhere_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "lineage.db"
    SqliteStore.create(path)
    with closing(SqliteStore(path)) as store:
        vault, log = store.vault(), Log(store)
        for number in range(150):
            person: Person = ("mlflow:prod", f"number {number:04d}", "person")
            mark = f"of number {number:04d}"
            new = NewPerson(f"p_{number:04d}", f"key {mark}".encode(), f"identity {mark}".encode())
            vault.pseudonyms({person: mark.encode()}, {person: new})
            text = f"secret {mark} ".encode() * (1 + number % 90)
            value = SealedValue(number, f"d{number}", new.pseudonym, None, text)
            log.write(mention(number, run(number)), sealed=[value])
        assert b"secret of number 0004" in at_rest(path)
        for number in range(0, 150, 2):
            vault.erase(f"p_{number:04d}")
        disk = at_rest(path)
        erased = [f"of number {number:04d}" for number in range(0, 150, 2)]
        marks = [f"{what} {mark}" for mark in erased for what in ("secret", "key", "identity")]
        assert [mark for mark in marks if mark.encode() in disk] == []
        assert b"secret of number 0005" in disk
