"""One consistent state of a database as a file of its own, while others write to it, and such a file put in a place.

Rules kept: the copy is made within one snapshot, so a writer neither waits nor starts it anew; a file appears under
its name whole and durable, or not at all, mode 0600, and never in the place of another file.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lineage_service.errors import StoreUnavailableError
from lineage_service.store.sqlite import connect
from lineage_service.store.sqlite_errors import translated

Progress = Callable[[float], None]
"""Told how much of the work is done, from 0 to 1."""

_PAGES: Final = 2048
_CACHE_KIB: Final = 8192
_SNAPSHOT: Final = "SELECT count(*) FROM head"
_ONE_FILE: Final = "PRAGMA journal_mode=DELETE"
_PAGE_COUNT: Final = "PRAGMA page_count"
_PAGE_SIZE: Final = "PRAGMA page_size"
_SOUND: Final = "PRAGMA integrity_check(1)"
SIDES: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database."""


def copy_database(source: Path, target: Path, progress: Progress) -> None:
    """Copy the state that ``source`` is in now to a new file, complete in itself (no write-ahead log beside it).

    Raises:
        StoreUnavailableError: if the source cannot be read, or the target not written; nothing is left at the target.
        IntegrityError: if the source is no whole database.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        with (
            translated(f"copying {source}"),
            contextlib.closing(connect(source, cache_kib=_CACHE_KIB, read_only=True)) as live,
            contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            live.execute("BEGIN")
            live.execute(_SNAPSHOT).fetchone()  # the snapshot is taken here: what is committed later is not in it
            live.backup(copy, pages=_PAGES, progress=lambda _, left, total: progress(1 - left / max(total, 1)))
            live.execute("ROLLBACK")
            copy.execute(_ONE_FILE)
        sync(target)
    except BaseException:
        remove_database(target)
        raise


def first_fault(database: Path) -> str | None:
    """Return the first fault of a database's own structure (pages, rows, indexes); None if it is sound."""
    try:
        with contextlib.closing(connect(database, cache_kib=_CACHE_KIB, read_only=True)) as connection:
            told: str = connection.execute(_SOUND).fetchone()[0]
            pages, page = connection.execute(_PAGE_COUNT).fetchone()[0], connection.execute(_PAGE_SIZE).fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    if database.stat().st_size != pages * page:
        return f"it has {database.stat().st_size} bytes and should have {pages * page}"
    return None if told == "ok" else told


def put_in_place(beside: Path, place: Path) -> None:
    """Give a finished file its name; StoreUnavailableError if there is something of this name already."""
    try:
        os.link(beside, place)
    except FileExistsError as error:
        raise StoreUnavailableError(f"{place} exists already and is never written over: choose another") from error
    except OSError:  # a file system without hard links: here another process could still come in between
        if place.exists():
            raise StoreUnavailableError(f"{place} exists already and is never written over") from None
        beside.rename(place)
    beside.unlink(missing_ok=True)
    sync(place.parent)


def remove_database(database: Path) -> None:
    """Remove a database of ours with what lies beside it; one that a crash left behind is of no use."""
    for side in ("", *SIDES):
        database.with_name(f"{database.name}{side}").unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Force a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
