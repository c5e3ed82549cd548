"""Numbered schema files, applied once, in order, never edited.

Each applied file leaves its number and SHA-256. A file that differs from what was applied is refused: an
edited migration would give two installations of one version different schemas.
"""

import sqlite3
from typing import Final

from lineage_service.errors import StoreUnavailableError
from lineage_service.store.schema_files import SchemaFile, digest_of, numbered_files, require_all, require_unedited

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS migration(number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT
"""
_APPLIED: Final = "SELECT number, name, sha256 FROM migration ORDER BY number"
_RECORD: Final = "INSERT INTO migration(number, name, sha256) VALUES (?, ?, ?)"
_HAS_TABLE: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'migration'"


def sqlite_files() -> list[SchemaFile]:
    """Return (number, name, text) of every schema file of the embedded store, in order."""
    return numbered_files("sqlite", ".sql")


def migrate_sqlite(connection: sqlite3.Connection) -> list[str]:
    """Apply what is missing and return the names applied. One transaction a file: a crash repeats it."""
    connection.execute(_TABLE)
    applied = _check(connection)
    done = []
    for number, name, text in sqlite_files():
        if number in applied:
            continue
        connection.executescript(f"BEGIN IMMEDIATE;\n{text}")
        connection.execute(_RECORD, (number, name, digest_of(text)))
        connection.execute("COMMIT")
        done.append(name)
    return done


def require_migrated(connection: sqlite3.Connection) -> None:
    """Raise StoreUnavailableError unless exactly this version's files were applied."""
    if not connection.execute(_HAS_TABLE).fetchone()[0]:
        raise StoreUnavailableError("this database holds no lineage ledger yet: run `lineage init`")
    require_all(_check(connection), sqlite_files())


def _check(connection: sqlite3.Connection) -> set[int]:
    return require_unedited(connection.execute(_APPLIED), sqlite_files())
