"""Stored records taken up again, a group at a time: each held against its hash and its place, and folded.

What rebuilds a graph and what carries a ledger to another store read records in this one way. Rule kept: nothing but
the bytes of the records is believed; id, type, actor, time and changes are read out of them, as ``verify --deep`` does.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from graph_schema import times
from graph_schema.canonical import CanonicalError
from graph_schema.changes import Changes
from graph_schema.fold import FOLD_VERSION, fold
from lineage_service.errors import IntegrityError
from lineage_service.evidence.record_form import RecordFormError, payloads_named, record_of
from lineage_service.ledger.merkle import leaf_hash
from lineage_service.store.protocol import Head, NewRecord, Reader, RecordQuery, StoredRecord

Made = TypeVar("Made")
Watch = Callable[[int, Mapping[str, Any], Changes], None]
"""Told of every record with its number, its fields and its changes, in order."""


@dataclass(slots=True)
class Group:
    """Records that follow each other, ready for a transaction; ``payloads`` are the digests that they name."""

    records: list[NewRecord] = field(default_factory=list)
    changes: list[tuple[int, Changes]] = field(default_factory=list)
    payloads: list[str] = field(default_factory=list)

    def head_after(self, head: Head, fold_version: int = FOLD_VERSION) -> Head:
        """Return the head that follows ``head`` when this group is written, without a seal."""
        frontier = head.frontier.extend([record.leaf for record in self.records])
        last = self.records[-1]
        return Head(frontier.size, last.leaf, last.time, frontier, fold_version)


def groups(
    records: Iterable[StoredRecord],
    size: int,
    *,
    first: int = 0,
    watch: Watch | None = None,
    read: Callable[[bytes], dict[str, Any]] = record_of,
) -> Iterator[Group]:
    """Yield records in groups of ``size``, the first of which must be number ``first``; ``watch`` sees each.

    ``read`` gives the fields of a record: whoever read the same records before, and will find by the head that they are
    the same, may spare their form a second look.

    Raises:
        IntegrityError: naming the record whose bytes, place or content do not hold.
    """
    remaining = iter(records)
    while stored := list(islice(remaining, size)):
        group = Group()
        for number, one in enumerate(stored, first):
            _take(group, one, _read(one, number, read), watch)
        first += len(stored)
        yield group


def paged(reader: Reader, first: int, stop: int, size: int) -> Iterator[StoredRecord]:
    """Yield the records of a range, ``size`` of them by each query, so that other queries may run in between."""
    for at in range(first, stop, size):
        yield from list(reader.records(RecordQuery(first=at, stop=min(at + size, stop))))


@contextlib.contextmanager
def ahead(made: Iterator[Made]) -> Iterator[Iterator[Made]]:
    """Give an iterator whose next thing is made by a thread of its own while the caller is busy with the last one.

    A server that writes a group leaves this process idle, and a group takes half as long to read and fold as to write.
    What ``made`` reads from belongs to that thread until the block ends.
    """
    with ThreadPoolExecutor(1, "groups-ahead") as thread:
        yield _one_ahead(thread, made)


def _one_ahead(thread: ThreadPoolExecutor, made: Iterator[Made]) -> Iterator[Made]:
    coming = thread.submit(next, made, None)
    while (one := coming.result()) is not None:
        coming = thread.submit(next, made, None)
        yield one


def _take(group: Group, stored: StoredRecord, told: tuple[dict[str, Any], Changes], watch: Watch | None) -> None:
    record, change = told
    actor = record["actor"].get("id")
    at = times.parse_time(record["time"])
    group.records.append(NewRecord(stored.seq, record["id"], record["type"], actor, at, stored.leaf, stored.body))
    group.changes.append((stored.seq, change))
    group.payloads += payloads_named(record)
    if watch is not None:
        watch(stored.seq, record, change)


def _read(
    stored: StoredRecord, expected: int, read: Callable[[bytes], dict[str, Any]]
) -> tuple[dict[str, Any], Changes]:
    if stored.seq != expected or leaf_hash(stored.body) != stored.leaf:
        raise IntegrityError(f"record {expected} is missing or altered: run `lineage verify`")
    try:
        record = read(stored.body)
        return record, fold(record)
    except (CanonicalError, RecordFormError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise IntegrityError(
            f"record {expected} cannot be folded by this version ({type(error).__name__}: {error}): "
            "install the version that wrote it"
        ) from error
