"""Records copied byte for byte into a fresh store and folded there: what the graph is, by its law.

Rule kept: nothing of the source's graph is read, only the bytes of its records, each checked against its leaf hash and
its place. Groups of records go through the very transaction that recorded them, so that a rebuilt store has the rows
the recorder would have written.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from graph_schema import times
from graph_schema.canonical import CanonicalError
from graph_schema.changes import Changes
from graph_schema.fold import FOLD_VERSION, fold
from lineage_service.errors import IntegrityError, StoreUnavailableError
from lineage_service.evidence.record_form import RecordFormError, read_record
from lineage_service.ledger.merkle import leaf_hash
from lineage_service.store.protocol import EMPTY_HEAD, Head, NewRecord, RecordQuery, Store, StoredRecord
from lineage_service.store.sqlite import SqliteStore

_GROUP: Final = 2000

Watch = Callable[[int, Mapping[str, Any], Changes], None]
"""Told of every record with its number, its fields and its changes, in order."""


def rebuild(source: Store, target: Path) -> Head:
    """Copy all records of ``source`` to a new embedded store at ``target`` and fold them; return its head.

    Only records, head, tiles and graph are written: vault, payloads and checkpoint are not derived from records.

    Raises:
        StoreUnavailableError: if there is something at ``target``.
        IntegrityError: naming the record whose bytes, place or content do not hold.
    """
    with source.read() as reader:
        return fold_into(reader.records(RecordQuery()), target)


def fold_into(records: Iterable[StoredRecord], target: Path, watch: Watch | None = None) -> Head:
    """Write records to a new store at ``target``, as ``rebuild`` does; ``watch`` sees each on its way."""
    if target.exists():
        raise StoreUnavailableError(f"{target} exists already and is never written over: choose another place")
    SqliteStore.create(target)
    store = SqliteStore(target)
    remaining = iter(records)
    head = EMPTY_HEAD
    try:
        while group := list(islice(remaining, _GROUP)):
            head = _append(store, group, watch)
    finally:
        store.close()
    return head


def _append(store: SqliteStore, group: list[StoredRecord], watch: Watch | None) -> Head:
    with store.begin() as transaction:
        head, _ = transaction.head([])
        rows: list[NewRecord] = []
        changes: list[tuple[int, Changes]] = []
        for stored in group:
            record, change = _read(stored, head.size + len(rows))
            actor = record["actor"].get("id")
            at = times.parse_time(record["time"])
            rows.append(NewRecord(stored.seq, record["id"], record["type"], actor, at, stored.leaf, stored.body))
            changes.append((stored.seq, change))
            if watch is not None:
                watch(stored.seq, record, change)
        transaction.append(rows)
        transaction.apply(changes)
        frontier = head.frontier.extend([row.leaf for row in rows])
        moved = Head(frontier.size, rows[-1].leaf, rows[-1].time, frontier, FOLD_VERSION)
        transaction.move_head(moved)
    return moved


def _read(stored: StoredRecord, expected: int) -> tuple[dict[str, Any], Changes]:
    if stored.seq != expected or leaf_hash(stored.body) != stored.leaf:
        raise IntegrityError(f"record {expected} is missing or altered: run `lineage verify`; nothing was rebuilt")
    try:
        record = read_record(stored.body)
        return record, fold(record)
    except (CanonicalError, RecordFormError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise IntegrityError(
            f"record {expected} cannot be folded by this version ({type(error).__name__}: {error}): "
            "install the version that wrote it; nothing was rebuilt"
        ) from error
