"""The database's own structure: tables, indexes and triggers, and which version of them this is.

A trigger that is gone or a table too many is tampering; a database that was not migrated yet, or was migrated by a
newer program, is not, and cannot be compared by this one. The migrations applied tell which it is: an older database
has exactly the structure that its migrations give.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final, Literal

from lineage_service.evidence.findings import Draft
from lineage_service.evidence.rows import Row, differences, shown
from lineage_service.store.migrations import migrate_sqlite

File = tuple[int, str, str]
"""A schema file: number, name, text."""

_MASTER: Final = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
_APPLIED: Final = "SELECT number, name, sha256 FROM migration ORDER BY number"


def schema_version(live: sqlite3.Connection, files: Sequence[File]) -> Literal["same", "older", "newer"]:
    """Tell whether a database is of the version of ``files``; only a consistent older or newer one is called so."""
    applied = live.execute(_APPLIED).fetchall()
    known = [(number, name, sha256(text.encode()).hexdigest()) for number, name, text in files]
    if 0 < len(applied) < len(known) and applied == known[: len(applied)]:
        return "older" if _structure(live) == _given_by(files[: len(applied)]) else "same"
    if len(applied) > len(known) and applied[: len(known)] == known:
        return "newer" if _structure(live) != _given_by(files) else "same"
    return "same"


def _structure(connection: sqlite3.Connection) -> set[Row]:
    return {row for row in connection.execute(_MASTER) if not row[1].startswith("sqlite_stat")}


def _given_by(files: Sequence[File]) -> set[Row]:
    """Return the structure that these files give, on top of what the table of migrations has itself."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate_sqlite(connection)
        own = {row for row in _structure(connection) if row[2] == "migration"}
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for _, _, text in files:
            connection.executescript(text)
        return _structure(connection) | own


def check_structure(
    live: sqlite3.Connection,
    fresh: sqlite3.Connection,
    compared: frozenset[str],
    not_under: dict[str, str],
    draft: Draft,
) -> None:
    """Compare the structure of ``live`` with that of a fresh store.

    ``compared`` are the tables this verifier looks into, ``not_under`` those that no record accounts for. A table that
    is neither is reported, also when it is one of our own: then this verifier has fallen behind.
    """
    tables = {name for kind, name, _, _ in fresh.execute(_MASTER) if kind == "table"}
    rows = live.execute(_MASTER).fetchall()
    unlisted = {row[1]: row[3] for row in rows if row[0] == "table" and row[1] not in tables | not_under.keys()}
    for name, text in unlisted.items():
        draft.find("unlisted", None, "a table that the ledger accounts for", f"table {name}", str(text))
    for name in tables - compared - not_under.keys():
        draft.find("unlisted", None, "a table that this verifier compares", f"table {name}", "nothing compares it")
    left_out = unlisted.keys() | {name for name in not_under if name not in tables}
    count = 0
    for expected, found in differences(_rows(fresh, left_out), _rows(live, left_out), 2):
        count += 1
        detail = "a table, index or trigger differs from a fresh store of this version"
        columns = ("type", "name", "table", "sql")
        draft.find("schema", None, shown(columns, expected), shown(columns, found), detail)
    if not count and not unlisted:
        draft.verified.append("the database's structure: tables, indexes and triggers are those of this version")
    present = {row[1] for row in rows}
    draft.not_verified.extend(f"table {name}: {why}" for name, why in not_under.items() if name in present)


def _rows(connection: sqlite3.Connection, left_out: set[str]) -> Iterator[Row]:
    return (row for row in connection.execute(_MASTER).fetchall() if row[2] not in left_out)
