"""Every table of the embedded store, or of the transcript of a Neo4j ledger, against the ledger.

Each table is (a) a fold of the records, which is rebuilt in a temporary store and compared, (b) bound to a record by a
digest or an authentication tag (``vault_check``), or (c) on the list of what is not under the ledger, with its reason
and no authority. A table that is none of these fails. Rules kept:

- columns are taken from the schema of a fresh store, so that a new column is compared without a change here;
- node numbers are a store's own: rows are compared by key, and the numbers only for being without a hole;
- rows are streamed and merged in order: memory does not grow with the ledger, temporary disk space does;
- of a transcript only the contents are Neo4j's: tables, indexes and node numbers are our own and show nothing.
"""

import hmac
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graph_schema.changes import Changes
from graph_schema.fold import FOLD_VERSION
from lineage_service.errors import IntegrityError
from lineage_service.evidence.findings import IN_FILE, IN_NEO4J, Draft, FindingClass, Words
from lineage_service.evidence.heads_check import claimed_size
from lineage_service.evidence.rebuild import fold_into
from lineage_service.evidence.rows import Row, differences, lenient, scratch, shown
from lineage_service.evidence.shown import Shown
from lineage_service.evidence.structure import check_structure, is_of_this_version, schema_version
from lineage_service.evidence.vault_check import Expectations, check_vault
from lineage_service.ledger.sealing import head_mac
from lineage_service.recorder.payloads import Secrets
from lineage_service.store.migrations import sqlite_files
from lineage_service.store.protocol import RecordQuery
from lineage_service.store.sqlite_reader import SqliteReader

NOT_UNDER_THE_LEDGER: Final[dict[str, str]] = {
    "sqlite_stat1": "statistics of the query planner: they change how fast an answer is found, never which",
}
"""Tables that no record accounts for, each with the reason why nothing may rely on it."""

BOUND_BY_DIGEST: Final = frozenset({"person", "subject_key", "sealed", "payload", "note"})
"""Tables compared row by row with what the records name, instead of being rebuilt."""

_MAX_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class _Folded:
    """A table that is rebuilt: its order, the columns that hold numbers of nodes, the class of a difference."""

    order: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    cls: FindingClass = "graph"


_FOLDED: Final = {
    "record": _Folded(("seq",), cls="edit"),
    "head": _Folded(("one",), left_out=("mac",), cls="tree"),
    "tile": _Folded(("level", "number"), cls="tree"),
    "migration": _Folded(("number",), cls="schema"),
    "node": _Folded(("key",), left_out=("id",)),
    "property": _Folded(("node", "ord"), nodes=("node",)),
    "edge": _Folded(("src", "type", "dst", "seq"), nodes=("src", "dst", "source")),
    "withdrawal": _Folded(("src", "type", "dst", "source", "seq"), nodes=("src", "dst", "source")),
    "point": _Folded(("subject", "slot", "name", "ord", "n"), nodes=("subject", "actor")),
}


def check_deep(
    live: sqlite3.Connection,
    folder: Path,
    secrets: Secrets | None,
    secrets_missing: str | None,
    draft: Draft,
    beside: Shown | None = None,
) -> None:
    """Compare every table of ``live`` (a snapshot whose records were verified) with what its records give.

    ``folder`` is for temporary files, about as large as the database. Without ``secrets`` the vault cannot be opened,
    and the report says so, giving ``secrets_missing`` as the reason. ``beside`` is what stands in Neo4j beside the
    tables, where ``live`` is a transcript.
    """
    lenient(live)
    if beside is None and not is_of_this_version(schema_version(live, sqlite_files()), draft):
        return
    expectations = Expectations(folder / "expected.db")
    fresh_path = folder / "rebuilt.db"
    try:
        fold_into(SqliteReader(live).records(RecordQuery()), fresh_path, _watch(expectations, beside))
    except IntegrityError as error:
        draft.incomplete.append(f"the graph and the vault: {error}")
        expectations.close()
        return
    fresh = scratch(fresh_path)
    try:
        if beside is None:
            check_structure(live, fresh, frozenset(_FOLDED) | BOUND_BY_DIGEST, NOT_UNDER_THE_LEDGER, draft)
            _check_integrity(live, draft)
            _check_node_numbers(live, draft)
        else:
            beside.check_before(live, secrets, draft)
        _check_folded((live, fresh), expectations.unknown_from, draft, beside)
        _check_note_row(live, draft)
        if secrets is not None:
            _check_head_seal(live, secrets, draft)
        words = IN_FILE if beside is None else IN_NEO4J
        check_vault(live, expectations, secrets, secrets_missing, draft, words)
    finally:
        fresh.close()
        expectations.close()


def _watch(expectations: Expectations, beside: Shown | None) -> Callable[[int, Mapping[str, Any], Changes], None]:
    """Return what sees each record on its way through the fold."""
    if beside is None:
        return expectations.watch

    def both(seq: int, record: Mapping[str, Any], changes: Changes) -> None:
        expectations.watch(seq, record, changes)
        beside.watch(seq, changes)

    return both


# --------------------------------------------------------------------------------------------------------- the seal


def _check_head_seal(live: sqlite3.Connection, secrets: Secrets, draft: Draft) -> None:
    """Tell whether the service moved the head, or somebody who has the database but no key."""
    for *parts, mac in live.execute("SELECT size, last, time, frontier, fold_version, mac FROM head"):
        size, last, time, frontier, fold_version = parts
        expected = head_mac(secrets.id_key, secrets.origin, (size, last, time, frontier, fold_version))
        if not hmac.compare_digest(mac, expected):
            draft.find("tree", None, "the service's seal", "another", "the head was not written by the service")
        else:
            draft.verified.append("the head's seal: the service moved it there")


# ------------------------------------------------------------------------------------------------------------ indexes


def _check_integrity(live: sqlite3.Connection, draft: Draft) -> None:
    """Let SQLite compare its indexes with the tables: an answer may come from either."""
    said = [row[0] for row in live.execute(f"PRAGMA integrity_check({_MAX_SHOWN})")]
    if said == ["ok"]:
        draft.verified.append("the indexes hold what the tables hold")
    else:
        draft.find("schema", None, "ok", "; ".join(said), "SQLite's own integrity check")


# ------------------------------------------------------------------------------------------------------ folded tables


def _check_folded(
    stores: tuple[sqlite3.Connection, sqlite3.Connection], unknown_from: int | None, draft: Draft, beside: Shown | None
) -> None:
    """Compare the folded tables of ``stores`` (the live one, the fresh one), and what stands beside them."""
    version = stores[0].execute("SELECT fold_version FROM head").fetchone()
    other_fold = version is not None and version[0] != FOLD_VERSION
    graph = Draft()
    words = IN_FILE if beside is None else IN_NEO4J
    for table, folded in _FOLDED.items():
        if folded.cls == "schema" and beside is not None:
            continue
        told = graph if other_fold and folded.cls == "graph" else draft
        _compare(table, folded, stores, unknown_from, told, words)
    if beside is not None:
        beside.compare(unknown_from, graph if other_fold else draft)
    if unknown_from is not None:
        draft.incomplete.append(f"the graph from record {unknown_from} on, the first of a kind not known here")
    if graph.findings:  # another fold gives other rows: that is no tampering, and no proof of the opposite either
        draft.findings = [finding for finding in draft.findings if not finding.detail.startswith(words.of("head"))]
        draft.incomplete.append(
            f"the graph was folded by version {version[0]}, this program folds by version {FOLD_VERSION}: "
            "run `lineage rebuild`, then verify again"
        )
        return
    draft.verified += graph.verified


def _compare(
    table: str,
    folded: _Folded,
    stores: tuple[sqlite3.Connection, sqlite3.Connection],
    unknown_from: int | None,
    draft: Draft,
    words: Words,
) -> None:
    """Compare one table of ``stores`` (the live one, the fresh one).

    A newer version may have folded a record that this one cannot, and its facts may stand for later ones: rows of the
    graph are then compared only up to that record.
    """
    live, fresh = stores
    columns = [name for name in _columns(fresh, table) if name not in folded.left_out]
    columns = [*folded.order, *(name for name in columns if name not in folded.order)]
    statement = _selection(table, columns, folded)
    seq = columns.index("seq") if "seq" in columns else None
    limit = unknown_from if folded.cls == "graph" else None
    count = 0
    for expected, found in differences(_rows(fresh, statement), _rows(live, statement), len(folded.order)):
        row = expected or found
        number = row[seq] if seq is not None and row is not None else None
        if limit is not None and (number is None or number >= limit):
            continue
        count += 1
        if count <= _MAX_SHOWN:
            change = "added" if expected is None else "removed" if found is None else "changed"
            detail = f"{words.of(table)}: {words.one} was {change}"
            draft.find(folded.cls, number, shown(columns, expected), shown(columns, found), detail)
    draft.counts[f"{table}_differences"] = count
    if not count:
        until = "" if limit is None else f" before record {limit}"
        one = words.one.removeprefix("a ")
        draft.verified.append(f"{words.of(table)}: every {one}{until} is what the records give")


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _selection(table: str, columns: list[str], folded: _Folded) -> str:
    """Return the statement that reads a table with keys in place of node numbers; a number without a node shows as #n.

    Names come from our own schema, never from the database under test.
    """
    chosen, joins = [], []
    for at, name in enumerate(columns):
        if name in folded.nodes:
            chosen.append(f"CASE WHEN t.{name} IS NULL THEN NULL ELSE coalesce(n{at}.key, '#' || t.{name}) END")
            joins.append(f"LEFT JOIN node n{at} ON n{at}.id = t.{name}")
        else:
            chosen.append(f"t.{name}")
    order = ", ".join(str(at + 1) for at in range(len(folded.order)))
    return f"SELECT {', '.join(chosen)} FROM {table} t {' '.join(joins)} ORDER BY {order}"


def _rows(connection: sqlite3.Connection, statement: str) -> Iterator[Row]:
    yield from connection.execute(statement)


_NODE_NUMBERS: Final = "SELECT count(*), coalesce(min(id), 1), coalesce(max(id), 0) FROM node"


def _check_node_numbers(live: sqlite3.Connection, draft: Draft) -> None:
    """The numbers of nodes run from 1 without a hole: a renumbered node nobody refers to would show nowhere else."""
    count, first, last = live.execute(_NODE_NUMBERS).fetchone()
    if (first, last) != (1, count):
        detail = "table node: a number was changed"
        draft.find("graph", None, f"numbers 1 to {count}", f"numbers {first} to {last}", detail)


_NOTE_ROWS: Final = "SELECT one, size, note FROM note"


def _check_note_row(live: sqlite3.Connection, draft: Draft) -> None:
    """The note was verified; here its row: only one, and filed under the size that it states."""
    for one, size, note in live.execute(_NOTE_ROWS):
        if one != 1 or size != claimed_size(note):
            detail = "the checkpoint is filed under another size than it states"
            draft.find("checkpoint", None, f"size {claimed_size(note)}", f"size {size} in row {one}", detail)
