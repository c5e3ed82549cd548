"""Numbered schema files, applied once, in order, never edited.

Each applied file leaves its number and SHA-256. A file that differs from what was applied is refused: an
edited migration would give two installations of one version different schemas.
"""

import hashlib
import sqlite3
from importlib import resources
from typing import Final

from lineage_service.errors import StoreUnavailableError

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS migration(number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT
"""
_APPLIED: Final = "SELECT number, name, sha256 FROM migration ORDER BY number"
_RECORD: Final = "INSERT INTO migration(number, name, sha256) VALUES (?, ?, ?)"
_HAS_TABLE: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'migration'"


def sqlite_files() -> list[tuple[int, str, str]]:
    """Return (number, name, text) of every schema file of the embedded store, in order."""
    folder = resources.files("graph_schema") / "sqlite"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((int(entry.name.split("_", 1)[0]), entry.name, entry.read_text(encoding="utf-8")) for entry in found)


def migrate_sqlite(connection: sqlite3.Connection) -> list[str]:
    """Apply what is missing and return the names applied. One transaction a file: a crash repeats it."""
    connection.execute(_TABLE)
    applied = _check(connection)
    done = []
    for number, name, text in sqlite_files():
        if number in applied:
            continue
        digest = hashlib.sha256(text.encode()).hexdigest()
        connection.executescript(f"BEGIN IMMEDIATE;\n{text}")
        connection.execute(_RECORD, (number, name, digest))
        connection.execute("COMMIT")
        done.append(name)
    return done


def require_migrated(connection: sqlite3.Connection) -> None:
    """Raise StoreUnavailableError unless exactly this version's files were applied."""
    if not connection.execute(_HAS_TABLE).fetchone()[0]:
        raise StoreUnavailableError("this database holds no lineage ledger yet: run `lineage init`")
    missing = [name for number, name, _ in sqlite_files() if number not in _check(connection)]
    if missing:
        raise StoreUnavailableError(f"the schema lacks {', '.join(missing)}: run `lineage migrate`; data is safe")


def _check(connection: sqlite3.Connection) -> set[int]:
    files = {number: (name, text) for number, name, text in sqlite_files()}
    applied = set()
    for number, name, digest in connection.execute(_APPLIED):
        if number not in files:
            raise StoreUnavailableError(f"the database was migrated by a newer version ({name}): install that version")
        if hashlib.sha256(files[number][1].encode()).hexdigest() != digest:
            raise StoreUnavailableError(f"{name} was edited after it was applied: restore the original file")
        applied.add(number)
    return applied
