"""What a store promises. Two implementations share these promises and one list of test ids, no code.

A store keeps records, the head, and the graph folded from them in one database, so that no crash can
separate them. Writing happens in one transaction per group; reading sees one snapshot. Every read that
takes a ``Cut`` returns what was true at ``as_of`` according to what was recorded by ``known_at``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol

from graph_schema.changes import Changes, after_instant
from graph_schema.fold import FOLD_VERSION
from lineage_service.ledger.merkle import Frontier
from lineage_service.store.vault import SealedValue, Vault

Direction = Literal["up", "down"]

END_OF_TIME = 253_402_300_800_000_000
"""The first instant after the year 9999, in microseconds: later than every fact."""

MAX_KEY_BYTES: Final = 8_150
"""The longest key of a node in UTF-8; of a point, its subject, slot and order key (as hex digits) together.

An index of Neo4j holds 8,164 bytes of one text, 8,155 of the four of a point. No store is given more, so that every
ledger can be moved there.
"""


@dataclass(frozen=True, slots=True)
class Cut:
    """Which facts count: true at ``as_of`` (microseconds, inclusive), recorded by ``known_at`` (a seq, inclusive)."""

    as_of: int
    known_at: int

    def until(self, stop: bytes | None = None) -> bytes:
        """Return the first order key that does not count: the first after ``as_of``, or ``stop`` if that is earlier."""
        end = after_instant(self.as_of)
        return end if stop is None else min(end, stop)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log: how many records, the last leaf hash, the last time, the compact range.

    ``mac`` is the writer's seal of all this (``ledger.sealing.head_mac``); a store keeps it and asks nothing of it.
    """

    size: int
    last: bytes
    time: int
    frontier: Frontier
    fold_version: int
    mac: bytes = b""


UNFOLDED: Final = 0
"""The fold version of a head whose graph is not whole: it is being folded anew, or the ledger is on its way here."""

EMPTY_HEAD = Head(0, bytes(32), 0, Frontier(), FOLD_VERSION)
"""The head of a log without records."""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record ready to be stored: ``body`` are the exact bytes that ``leaf`` hashes."""

    seq: int
    id: str
    type: str
    actor: str | None
    time: int
    leaf: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as stored: number, leaf hash as stored, exact bytes."""

    seq: int
    leaf: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class KnownReceipt:
    """What was answered when an event was first recorded."""

    seq: int
    leaf: bytes
    time: int


@dataclass(frozen=True, slots=True)
class Payload:
    """Raw bytes at rest: compressed, encrypted under a key of their own, named by their salted digest."""

    seq: int
    digest: str
    salt: bytes
    key: bytes
    ciphertext: bytes


class PropertyRow(NamedTuple):
    """What one record set on a node."""

    order: bytes
    seq: int
    registers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node's first mention and the property rows that pass a cut, in order."""

    key: str
    seq: int
    rows: Sequence[PropertyRow]


class Assertion(NamedTuple):
    """One source's word that an edge exists."""

    start: str
    type: int
    end: str
    seq: int
    source: str
    at: int
    how: int
    roles: int


class Point(NamedTuple):
    """What a slot of a subject holds from ``order`` on."""

    subject: str
    slot: str
    order: bytes
    n: int
    seq: int
    actor: str | None
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk found: each node with its least distance, the assertions of each edge, whether it was cut."""

    distances: Mapping[str, int]
    assertions: Sequence[Assertion]
    limited: bool


@dataclass(frozen=True, slots=True)
class PointQuery:
    """Which points: of ``subjects``, of one ``slot`` family (before the colon) and name.

    At least one of subjects and slot is given. Of subjects, several ``slots`` may be asked for instead of one, and
    instead of naming subjects one may give the ``beginning`` of their keys, with slots. ``start`` and ``stop`` bound
    the order key, half-open.

    ``newest_of_each``, for which both are given: of the points of one slot of a subject and one name that are within
    the bounds and pass the cut, only the last. ``limit`` counts what is left. It costs what the names cost, not the
    points.

    Raises:
        ValueError: if what is needed is not given.
    """

    subjects: Sequence[str] | None = None
    slot: str | None = None
    name: str | None = None
    start: bytes = b""
    stop: bytes | None = None
    limit: int | None = None
    newest_first: bool = False
    newest_of_each: bool = False
    slots: Sequence[str] = ()
    beginning: str | None = None

    def __post_init__(self) -> None:
        if self.beginning is not None and (self.subjects is not None or self.newest_of_each or not self.slots):
            raise ValueError("the beginning of subjects is given with slots, and instead of subjects")
        if self.subjects is None and self.beginning is None and self.slot is None:
            raise ValueError("name subjects, a slot, or both")
        if self.slots and ((self.subjects is None and self.beginning is None) or self.slot is not None):
            raise ValueError("several slots are asked of subjects, and instead of a slot")
        if self.newest_of_each and (self.subjects is None or not self.families):
            raise ValueError("the newest of each is asked of subjects and a slot")

    @property
    def families(self) -> list[str]:
        """The slots asked for, each once; none means all."""
        return list(dict.fromkeys(self.slots)) if self.slot is None else [self.slot]


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Which records: a half-open range of seq, optionally of one type or one actor (a pseudonym)."""

    first: int = 0
    stop: int | None = None
    type: str | None = None
    actor: str | None = None
    limit: int | None = None


class Observer(Protocol):
    """Hears of each group of records as it happens, so that a test can stop a process at the worst moment."""

    def begin(self) -> None:
        """The write lock is taken, nothing is written yet."""

    def commit(self) -> None:
        """Everything is written, nothing is durable yet."""


class Transaction(Protocol):
    """One group of records on its way into the store; nothing is visible before it commits."""

    def head(self, ids: Sequence[str]) -> tuple[Head, dict[str, KnownReceipt]]:
        """Take the write lock, then return the head and the receipts of ids recorded before."""

    def append(self, records: Sequence[NewRecord]) -> None:
        """Add records and the tree tiles they complete; their seq follow the head's without a hole."""

    def apply(self, changes: Sequence[tuple[int, Changes]]) -> None:
        """Fold changes into the graph, each with its record's seq, in ascending order."""

    def keep(self, payloads: Sequence[Payload], sealed: Sequence[SealedValue]) -> None:
        """Keep raw payloads and sealed values beside their records."""

    def move_head(self, head: Head) -> None:
        """Move the head; StoreConflictError if it is not where this transaction found it."""


class Reader(Protocol):
    """One consistent snapshot."""

    def head(self) -> Head:
        """Return the head."""

    def note(self) -> bytes | None:
        """Return the newest signed checkpoint stored, or None."""

    def records(self, query: RecordQuery) -> Iterator[StoredRecord]:
        """Yield records by ascending seq."""

    def record(self, seq: int | str) -> StoredRecord | None:
        """Return a record by number or by event id."""

    def numbered(self, seqs: Iterable[int]) -> list[StoredRecord]:
        """Return records by their numbers, by ascending seq; numbers that are none are left out."""

    def cited(self, seqs: Iterable[int]) -> list[tuple[int, bytes, int]]:
        """Return (seq, leaf hash, recorded time in microseconds) of records, without their bytes."""

    def seq_at(self, time: int) -> int:
        """Return the largest seq recorded at or before ``time`` (microseconds); -1 if none."""

    def nodes(self, keys: Iterable[str], cut: Cut, *, every: Iterable[str] = ()) -> dict[str, NodeFacts]:
        """Return the nodes known at the cut among ``keys``, with their property rows in order.

        Of rows of one node with the same registers, those between the first and the last that pass the cut may be
        left out, because they change no register; of the nodes among ``every`` none is.
        """

    def walk(
        self, starts: Mapping[str, int], direction: Direction, types: tuple[int, int], depth: int, limit: int, cut: Cut
    ) -> Walk:
        """Follow edges whose type lies in the closed range ``types`` from ``starts`` (key to distance).

        ``up`` follows arrows, ``down`` goes against them; SAME_AS is followed both ways at no distance and
        whatever ``as_of`` is. A node is expanded while its distance is below ``depth``. When more than
        ``limit`` nodes are found the level is finished and ``limited`` is set. Withdrawn assertions do not
        count.
        """

    def find(self, kind: int, prefix: str, after: str | None, limit: int, cut: Cut) -> list[str]:
        """Return keys of a kind that start with ``prefix``, known at the cut, in key order after ``after``."""

    def points(self, query: PointQuery, cut: Cut) -> list[Point]:
        """Return points by order key, oldest first unless asked otherwise."""

    def subjects(self, slot: str, start: bytes, stop: bytes | None, cut: Cut) -> list[str]:
        """Return whose points of a slot lie between two order keys (half-open) and pass the cut, in key order."""

    def hashes(self, first: int, stop: int) -> list[bytes]:
        """Return the leaf hashes of a half-open range of records."""

    def tile(self, level: int, number: int) -> bytes | None:
        """Return a complete tile of 256 hashes, or None."""

    def payloads(self, digests: Iterable[str]) -> list[Payload]:
        """Return those raw payloads that are kept among these salted digests, by ascending digest, each once."""


class Store(Protocol):
    """A store: transactions, snapshots, the note, the vault."""

    @property
    def engine(self) -> str:
        """What keeps the ledger, with its version, for people: such as ``SQLite 3.40.1``."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction; it commits when the block ends and rolls back when it raises."""

    def read(self) -> AbstractContextManager[Reader]:
        """Open a snapshot."""

    def set_note(self, note: bytes, size: int) -> None:
        """Store a signed checkpoint; an older one than stored is ignored."""

    def vault(self) -> Vault:
        """Return the vault of this store."""

    def close(self) -> None:
        """Release everything."""
