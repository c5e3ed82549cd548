"""The database's own structure: tables, indexes and triggers (in Neo4j constraints and indexes), and of which version.

A trigger or a constraint that is gone or a table too many is tampering; a database that was not migrated yet, or was
migrated by a newer program, is not, and cannot be compared by this one. The migrations applied tell which it is: an
older database has exactly the structure that its migrations give.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal

from lineage_service.evidence.findings import Draft
from lineage_service.evidence.rows import Row, differences, shown
from lineage_service.store.migrations import migrate_sqlite

if TYPE_CHECKING:  # it needs the driver, which whoever keeps a file need not have
    from lineage_service.store.neo4j_structure import Schema

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


def is_of_this_version(version: Literal["same", "older", "newer"], draft: Draft) -> bool:
    """Tell whether a database is of this version; if it is not, the draft says what could not be compared and why."""
    if version != "same":
        draft.incomplete.append(
            "graph, vault and payloads: the database was not migrated to this version yet, run `lineage migrate`"
            if version == "older"
            else "graph, vault and payloads: the database was migrated by a newer version, verify with that one"
        )
    return version == "same"


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


# --------------------------------------------------------------------------------------------------------------- Neo4j

_MIGRATION: Final = ("number", "name", "sha256")
_SAME_RULE: Final = 4
_RULE: Final = ("sort", "name", "type", "entity", "of", "properties")
_SERVER: Final = (
    "Neo4j itself: the server's settings and plugins, and whether its index files hold what its store holds "
    "(`neo4j-admin database check`, on a stopped server)"
)


def neo4j_version(schema: "Schema") -> Literal["same", "older", "newer"]:
    """Tell whether a Neo4j database is of this version, by the same rule as ``schema_version``."""
    applied, known = list(schema.applied), list(schema.files)
    if 0 < len(applied) < len(known) and applied == known[: len(applied)]:
        return "older" if schema.found == schema.given_by_applied else "same"
    if len(applied) > len(known) and applied[: len(known)] == known:
        return "newer" if schema.found != schema.given else "same"
    return "same"


def check_neo4j_structure(schema: "Schema", draft: Draft) -> None:
    """Compare constraints, indexes and applied schema files of a Neo4j database with those of this version."""
    found = len(draft.findings)
    for one, other in differences(iter(sorted(schema.given)), iter(sorted(schema.found)), _SAME_RULE):
        detail = "Neo4j: a constraint or an index differs from those of this version"
        draft.find("schema", None, shown(_RULE, one), shown(_RULE, other), detail)
    for row in sorted(set(schema.files) ^ set(schema.applied), key=repr):
        expected, applied = (row, None) if row in schema.files else (None, row)
        detail = "Neo4j, nodes :Migration: one was added, removed or changed"
        draft.find("schema", None, shown(_MIGRATION, expected), shown(_MIGRATION, applied), detail)
    for name, state in schema.unready:
        draft.incomplete.append(f"Neo4j: the index {name} cannot be used ({state}): look at the server's own log")
    if len(draft.findings) == found:
        draft.verified.append("Neo4j: constraints, indexes and schema files applied are those of this version")
    draft.not_verified.append(_SERVER)
