"""The stores that keep the promises: the one list. A store is added here and runs exactly the same tests."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lineage_service.store.protocol import Store
from lineage_service.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Place:
    """Where one empty ledger lives: ``open`` gives a store on it, ``on_disk`` all bytes that are at rest there."""

    open: Callable[[], Store]
    on_disk: Callable[[], bytes]


def sqlite_place(folder: Path) -> Place:
    """Make an empty ledger in a SQLite file."""
    path = folder / "lineage.db"
    SqliteStore.create(path)

    def on_disk() -> bytes:
        with closing(sqlite3.connect(path)) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
        return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))

    return Place(lambda: SqliteStore(path), on_disk)


KINDS: dict[str, Callable[[Path], Place]] = {"sqlite": sqlite_place}
