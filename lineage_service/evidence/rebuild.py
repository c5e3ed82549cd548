"""A graph folded anew from the bytes of its records: what the graph is, by its law.

Rule kept: nothing of the old graph is read. Groups of records go through the very transaction that recorded them, so
that a rebuilt store has the rows the recorder would have written.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson

from graph_schema.fold import FOLD_VERSION
from lineage_service.errors import IntegrityError, StoreConflictError, StoreUnavailableError
from lineage_service.evidence.groups import Group, Watch, ahead, groups, paged
from lineage_service.evidence.meter import Meter, Progress
from lineage_service.recorder.seal import Seal
from lineage_service.store.protocol import EMPTY_HEAD, UNFOLDED, Head, RecordQuery, Store, StoredRecord
from lineage_service.store.sqlite import SqliteStore

_GROUP: Final = 2000
_GROUP_IN_PLACE: Final = 1000
_CHECKING: Final = 1
_FORGETTING: Final = 2
_FOLDING: Final = 7
"""What each costs of a rebuild in place, a record, in tenths."""


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
    head = EMPTY_HEAD
    try:
        for group in groups(records, _GROUP, watch=watch):
            head = _append(store, group)
    finally:
        store.close()
    return head


def _append(store: Store, group: Group) -> Head:
    with store.begin() as transaction:
        head, _ = transaction.head([])
        moved = group.head_after(head)
        transaction.append(group.records)
        transaction.apply(group.changes)
        transaction.move_head(moved)
    return moved


# ------------------------------------------------------------------------------------------------------------ in place


def rebuild_in_place(
    store: Store, forget: Callable[[Progress], None], seal: Seal, progress: Progress, *, size: int = _GROUP_IN_PLACE
) -> Head:
    """Fold the graph of a store anew where it is, in groups of ``size``; return the head. Nobody else may write.

    For a store that cannot exchange two graphs in one transaction. Every record is checked first; if one does not hold,
    nothing was changed. Then the head says, under our seal, that the graph was folded by version ``UNFOLDED``, which no
    program folds by: until the last group is there every service refuses it, and names this as what mends it. Nothing
    of a rebuild that was broken off is taken up again: the next one begins anew. ``forget`` removes the graph and
    nothing else.

    Raises:
        IntegrityError: if a record does not hold, or the head is not ours, or not that of its records.
    """
    with store.read() as reader:
        head = reader.head()
        seal.require(head)
        meter = Meter(progress, head.size * (_CHECKING + _FORGETTING + _FOLDING))
        end = EMPTY_HEAD
        for group in groups(paged(reader, 0, head.size, size), size):
            end = group.head_after(end, head.fold_version)
            meter.add(len(group.records) * _CHECKING)
        _require_same(end, head, "nothing was changed")
        _restate(store, seal.on(replace(head, fold_version=UNFOLDED)))
        forget(meter.part(head.size * _FORGETTING))
        end = EMPTY_HEAD
        with ahead(groups(paged(reader, 0, head.size, size), size, read=orjson.loads)) as coming:
            for group in coming:
                with store.begin() as transaction:
                    transaction.head([])
                    transaction.apply(group.changes)
                end = group.head_after(end, head.fold_version)
                meter.add(len(group.records) * _FOLDING)
        _require_same(end, head, "the graph is not whole")
    whole = seal.on(replace(head, fold_version=FOLD_VERSION))
    _restate(store, whole)
    return whole


def _require_same(end: Head, head: Head, done: str) -> None:
    """Require that the records read, which end so, are all those that the head speaks of."""
    if replace(end, mac=head.mac) != head:
        raise IntegrityError(f"the ledger's head is not that of its records: run `lineage verify`; {done}")


def _restate(store: Store, head: Head) -> None:
    """Let the head say something else of the same records."""
    with store.begin() as transaction:
        found, _ = transaction.head([])
        if (found.size, found.last) != (head.size, head.last):
            raise StoreConflictError("somebody else writes to this ledger: stop it, then repeat this command")
        transaction.move_head(head)
