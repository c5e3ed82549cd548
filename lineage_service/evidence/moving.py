"""A ledger carried into another store: records, tree, checkpoint and vault byte for byte, the graph folded anew there.

Groups of records go through the very transaction that recorded them, with their sealed values and payloads, each
record held against its hash and its place (``groups``). Then all of it is read back and compared, and one hash over
each graph (``state_root``) tells that both say the same. Rules kept:

- nothing is ever written over: what the target holds must be the beginning of this very ledger, as a copy that was
  broken off leaves it, and is gone on from; anything else is refused before a byte is written;
- what was erased stays erased: nothing is read but what the source still keeps, and nothing else may be in the target;
- until everything was compared, the head of the target carries no seal, and a fold version that no program folds by: no
  service starts on it. The last step (``seal``) gives it the head of the source, with its very seal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from itertools import islice
from typing import Any, Final

import orjson

from graph_schema.changes import Changes
from graph_schema.fold import FOLD_VERSION, understands
from lineage_service.errors import IntegrityError, StoreConflictError, StoreUnavailableError
from lineage_service.evidence.groups import Group, ahead, groups, paged
from lineage_service.evidence.heads_check import claimed_size
from lineage_service.evidence.meter import Meter, Progress
from lineage_service.evidence.record_form import payloads_named
from lineage_service.evidence.rows import joined
from lineage_service.evidence.state_root import state_root
from lineage_service.ledger.merkle import leaf_hash
from lineage_service.ledger.tiles import complete_tiles
from lineage_service.store.protocol import UNFOLDED, Head, Payload, Reader, RecordQuery, Store, StoredRecord
from lineage_service.store.vault import SealedValue

_GROUP: Final = 1000
_PEOPLE: Final = 500
_WRITING: Final = 6
_COMPARING: Final = 1
_ROOT: Final = 1
"""What each costs, a record, in comparison with the others."""

_STOPPED: Final = "No service starts on the copy, and the source is as it was"


class _DifferenceError(IntegrityError):
    """The two stores do not hold the same; the message says what differs."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What both stores hold, after it was compared; ``found`` of the records were in the target before."""

    head: Head
    root: bytes
    found: int
    people: int
    sealed: int
    payloads: int


def carry(source: Store, target: Store, progress: Progress, *, size: int = _GROUP) -> Moved:
    """Copy all that ``source`` holds to ``target``, compare both, return what they hold; all that is left is ``seal``.

    Nobody else may write to either. A copy that was broken off is gone on with, a whole one is compared once more.
    ``size`` is how many records are written at once.

    Raises:
        StoreUnavailableError: if the target holds anything but the beginning of this ledger (nothing was written then),
            or this version cannot fold what the source holds.
        IntegrityError: if a record does not hold, or what was written is not what was read.
    """
    with source.read() as reader:
        head = reader.head()
        _require_folded(head)
        found = _head_of(target).size
        each = _COMPARING + 2 * _ROOT
        meter = Meter(progress, head.size * each + max(head.size - found, 0) * _WRITING)
        copy = _Copy(source, reader, target, size, meter)
        copy.require_beginning()
        copy.bring_people()
        copy.write(found)
        copy.set_note()
        people = copy.require_same(found)
        root = copy.require_same_root()
    return Moved(head, root, found, people, copy.sealed, copy.payloads)


def seal(target: Store, moved: Moved) -> None:
    """Give the target the head of its source, seal and all: from here on a service may go on with it."""
    with target.begin() as transaction:
        found, _ = transaction.head([])
        if found == moved.head:
            return
        if found != _unsealed(moved.head):
            raise StoreConflictError(f"somebody else writes to the copy. {_STOPPED}")
        transaction.move_head(moved.head)


def _unsealed(head: Head) -> Head:
    return replace(head, fold_version=UNFOLDED, mac=b"")


def _require_folded(head: Head) -> None:
    if not head.size:
        raise StoreUnavailableError("the source holds no record: there is nothing to copy")
    if head.fold_version != FOLD_VERSION:
        raise StoreUnavailableError(
            "the graph in the source is not whole, or was folded by another version: run `lineage rebuild` there, then "
            "copy. Nothing was written"
        )


def _head_of(store: Store) -> Head:
    with store.read() as reader:
        return reader.head()


class _Copy:
    """One ledger, read in one snapshot, on its way to another store. It counts what it found to be the same."""

    def __init__(self, source: Store, reader: Reader, target: Store, size: int, meter: Meter) -> None:
        self._source = source
        self._reader = reader
        self._target = target
        self._size = size
        self._meter = meter
        self._head = reader.head()
        self._vaults = source.vault(), target.vault()
        self.sealed = 0
        self.payloads = 0

    # ------------------------------------------------------------------------------------------ what is there already

    def require_beginning(self) -> None:
        """Refuse a target that holds anything but the first records of this ledger, and what belongs to them."""
        with self._target.read() as there:
            held, note = there.head(), there.note()
        try:
            self._require_earlier(held, note)
            for _ in self._people(whole=False):
                pass
            self.compare(0, held.size)
        except _DifferenceError as error:
            raise StoreUnavailableError(
                f"the target holds something else than the beginning of this ledger ({error}), and nothing is ever "
                "written over: name an empty place. Nothing was written"
            ) from error

    def _require_earlier(self, held: Head, note: bytes | None) -> None:
        head = self._head
        if held.size > head.size or claimed_size(note) > claimed_size(self._reader.note()):
            raise _DifferenceError(f"it has {held.size} records, and the source has {head.size}")
        if held.size and held.fold_version not in (UNFOLDED, FOLD_VERSION):
            raise _DifferenceError("its graph was folded by another version")
        if held.size == head.size and held not in (head, _unsealed(head)):
            raise _DifferenceError("the end of its log is another one")

    def compare(self, first: int, stop: int) -> None:
        """Hold records, sealed values, payloads and tiles of both stores against each other, from ``first`` on."""
        with self._target.read() as there:
            for at in range(first, stop, self._size):
                query = RecordQuery(first=at, stop=min(at + self._size, stop))
                self._compare_records(list(self._reader.records(query)), list(there.records(query)), there)
            for level, number in complete_tiles(first, stop):
                if self._reader.tile(level, number) != there.tile(level, number):
                    raise _DifferenceError(f"tile {number} of level {level} differs")

    def _compare_records(self, expected: list[StoredRecord], found: list[StoredRecord], there: Reader) -> None:
        for one, other in zip(expected, found, strict=False):
            if leaf_hash(one.body) != one.leaf:
                raise IntegrityError(f"record {one.seq} in the source was altered: run `lineage verify` there")
            if one != other:
                raise _DifferenceError(f"record {one.seq} differs")
        if len(expected) != len(found):
            raise _DifferenceError(f"a record after {found[-1].seq if found else expected[0].seq - 1} is missing")
        seqs = [one.seq for one in expected]
        sealed, kept = (vault.sealed(seqs) for vault in self._vaults)
        if sealed != kept:
            raise _DifferenceError(f"a sealed value of records {seqs[0]} to {seqs[-1]} differs")
        named = [digest for one in expected for digest in payloads_named(orjson.loads(one.body))]
        payloads = self._reader.payloads(named)
        if payloads != there.payloads(named):
            raise _DifferenceError(f"a payload of records {seqs[0]} to {seqs[-1]} differs")
        self.sealed += len(sealed)
        self.payloads += sum(one.seq >= seqs[0] for one in payloads)  # the others were counted with their first record
        self._meter.add(len(seqs) * _COMPARING)

    def _people(self, *, whole: bool) -> Iterator[None]:
        """Yield once for everybody whom both vaults keep; unless ``whole``, the target may lack some."""
        expected, found = (map(astuple, vault.people()) for vault in self._vaults)
        for one, other in joined(expected, found, 1):
            if other is None and not whole:
                continue
            if one != other:
                raise _DifferenceError("its vault keeps somebody whom the source keeps otherwise, or not at all")
            yield None

    # ---------------------------------------------------------------------------------------------------------- copying

    def bring_people(self) -> None:
        """Keep everybody in the target who is kept in the source; whoever is there already stays as he is."""
        source, target = self._vaults
        people = source.people()
        while some := list(islice(people, _PEOPLE)):
            target.bring(some)

    def write(self, first: int) -> None:
        """Write the records from ``first`` on; each group with all that belongs to it is one transaction."""
        with ahead(self._parcels(first)) as coming:
            for group, payloads, sealed in coming:
                with self._target.begin() as transaction:
                    head, _ = transaction.head([])
                    if head.size != group.records[0].seq:
                        raise StoreConflictError(f"somebody else writes to the copy. {_STOPPED}")
                    transaction.append(group.records)
                    transaction.apply(group.changes)
                    transaction.keep(payloads, sealed)
                    transaction.move_head(group.head_after(head, UNFOLDED))
                self._meter.add(len(group.records) * _WRITING)
        if _head_of(self._target) not in (self._head, _unsealed(self._head)):
            raise IntegrityError(f"the records of the source do not lead to its head: run `lineage verify`. {_STOPPED}")

    def _parcels(self, first: int) -> Iterator[tuple[Group, list[Payload], list[SealedValue]]]:
        """Yield groups with what is kept beside their records; a payload that several name is kept with the first."""
        records = paged(self._reader, first, self._head.size, self._size)
        for group in groups(records, self._size, first=first, watch=_require_known):
            seqs = [record.seq for record in group.records]
            payloads = [payload for payload in self._reader.payloads(group.payloads) if payload.seq >= seqs[0]]
            yield group, payloads, self._vaults[0].sealed(seqs)

    def set_note(self) -> None:
        """Store the checkpoint of the source."""
        note = self._reader.note()
        if note is not None:
            self._target.set_note(note, claimed_size(note))
        with self._target.read() as there:
            if there.note() != note:
                raise IntegrityError(f"the checkpoint of the copy is another one. {_STOPPED}")

    # ---------------------------------------------------------------------------------------------------- the judgement

    def require_same(self, first: int) -> int:
        """Read back what was written from record ``first`` on, and both vaults; return how many people each keeps."""
        try:
            self.compare(first, self._head.size)
            return sum(1 for _ in self._people(whole=True))
        except _DifferenceError as error:
            raise IntegrityError(f"what was written is not what was read ({error}). {_STOPPED}") from error

    def require_same_root(self) -> bytes:
        """Hold both graphs against each other, as known at the last record; return the state root of both."""
        last = self._head.size - 1
        with self._target.read() as there:
            roots = []
            for reader in (self._reader, there):
                roots.append(state_root(reader, last))
                self._meter.add(self._head.size * _ROOT)
        if roots[0] != roots[1]:
            raise IntegrityError(
                f"the graphs differ: state root {roots[0].hex()} in the source, {roots[1].hex()} in the copy. One of "
                "them is not what the records say: `lineage verify --deep` tells whether it is that of the source, and "
                f"`lineage rebuild` mends that; then copy to an empty place. {_STOPPED}"
            )
        return roots[0]


def _require_known(seq: int, record: Mapping[str, Any], _changes: Changes) -> None:
    if not understands(record):
        raise StoreUnavailableError(
            f"record {seq} is of a kind that this version does not know, and cannot be folded: copy with the version "
            f"that wrote it. {_STOPPED}"
        )
