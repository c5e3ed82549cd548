"""Who may do what, folded from the ledger and from nothing else.

Rights are records (``token.issued``, ``role.granted``, ``source.registered``). The points of the graph only say
where to look: a point counts when the record it cites folds to exactly it, when that record's bytes have the leaf
hash, and when the leaf stands in the tree whose head this process holds in memory. So a row put into any table of
the database opens no door; it is reported. The newest point of a role or a source by order key wins; a token that
was ever revoked stays revoked.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from graph_schema import times
from graph_schema.changes import instant_of
from graph_schema.fold import fold
from lineage_service.ledger.errors import LedgerError
from lineage_service.ledger.merkle import inclusion_proof, leaf_hash, verify_inclusion
from lineage_service.ledger.tiles import TileReader
from lineage_service.recorder.installation import OWN_KIND, Installation
from lineage_service.store.protocol import END_OF_TIME, Cut, Head, Point, PointQuery, Reader

RANK: Final = {"observed": 0, "claimed": 1, "authenticated": 2, "system": 3}
_SLOTS: Final = ("token", "role", "registered")
_STALE_MICROS: Final = times.MICROS_PER_SECOND
_log = logging.getLogger("lineage.authority")


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """A token as issued: the digest of its text, whose it is (a node key), its bounds, its end."""

    id: str
    digest: str
    holder: str
    families: frozenset[str]
    cap: str | None
    issued_at: int
    expires_at: int | None
    seq: int
    revoked: bool = False

    def ended(self, now: int) -> bool:
        """Tell whether the token opens nothing at ``now`` (microseconds)."""
        return self.revoked or (self.expires_at is not None and now >= self.expires_at)


@dataclass(frozen=True, slots=True)
class SourceGrant:
    """A source as registered last; ``active`` is false once it is retired."""

    key: str
    kind: str
    instance: str
    active: bool
    seq: int
    method: str = "declared"
    families: frozenset[str] = frozenset()
    cap: str = "observed"
    heartbeat_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Rights:
    """All rights at one size of the log. ``newest`` holds the last instant of each (subject, slot)."""

    size: int = -1
    tokens: Mapping[str, TokenGrant] = field(default_factory=dict)
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sources: Mapping[str, SourceGrant] = field(default_factory=dict)
    newest: Mapping[tuple[str, str], int] = field(default_factory=dict)
    unproven: int = 0


class Authority:
    """The rights of now, kept in memory and read again when the log grew. Thread-safe."""

    def __init__(self, installation: Installation, clock: Callable[[], int], alarm: Callable[[str], None]) -> None:
        """``alarm`` is told (a word) when the graph holds a right that the ledger does not prove."""
        self._installation = installation
        self._clock = clock
        self._alarm = alarm
        self._mutex = threading.Lock()
        self._proven: dict[int, Mapping[str, Any]] = {}
        self._rights = Rights()
        self._read_at = 0

    def rights(self) -> Rights:
        """Return the rights, at most a second behind what others recorded, never behind our own commands."""
        rights = self._rights
        current = rights.size == self._installation.heads.size
        recent = rights.size >= 0 and abs(self._clock() - self._read_at) <= _STALE_MICROS
        being_read = rights.size >= 0 and self._mutex.locked()  # by somebody else: one reader is enough
        return rights if current or recent or being_read else self.refresh()

    def refresh(self) -> Rights:
        """Read the rights now; called after every command that changes them."""
        with self._mutex:
            self._read_at = self._clock()
            head = self._installation.heads.head  # before the snapshot, so that the snapshot holds all of it
            with self._installation.store.read() as reader:
                self._rights = self._read(reader, head)
            return self._rights

    def _read(self, reader: Reader, head: Head) -> Rights:
        rights = rights_at(reader, head, self._proven)
        if rights.unproven:
            self._alarm("unproven rights")
            _log.error(
                "%d rights in the graph are unproven and do not count: run `lineage verify --deep`", rights.unproven
            )
        return rights


def rights_at(reader: Reader, head: Head, known: dict[int, Mapping[str, Any]] | None = None) -> Rights:
    """Return the rights that the records under ``head`` prove; ``known`` keeps records proven before, and grows."""
    cut = Cut(END_OF_TIME - 1, head.size - 1)
    found = [point for slot in _SLOTS for point in reader.points(PointQuery(slot=slot), cut)]
    tiles = TileReader(reader.hashes, reader.tile)
    kept = {} if known is None else known
    proven = [(point, record) for point in found if (record := _proof(point, reader, tiles, head, kept)) is not None]
    return Rights(
        head.size,
        _tokens(_of(proven, "token")),
        _roles(_of(proven, "role")),
        _sources(_of(proven, "registered")),
        {(point.subject, point.slot): instant_of(point.order) for point, _ in proven},
        len(found) - len(proven),
    )


def _proof(
    point: Point, reader: Reader, tiles: TileReader, head: Head, known: dict[int, Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the record that proves a point, or None."""
    record = known.get(point.seq)
    if record is None:
        record = _proven_record(point.seq, reader, tiles, head)
        if record is None or record["source"]["kind"] != OWN_KIND:
            return None
        known[point.seq] = record
    changes = fold(record)
    folded = (point.subject, point.slot, point.n, dict(point.value))
    holds = changes.order == point.order and any((s, t, n, dict(v)) == folded for s, t, n, v in changes.points)
    return record if holds else None


def _proven_record(seq: int, reader: Reader, tiles: TileReader, head: Head) -> Mapping[str, Any] | None:
    stored = reader.record(seq)
    if stored is None or not 0 <= seq < head.size:
        return None
    leaf = leaf_hash(stored.body)
    try:
        verify_inclusion(seq, head.size, leaf, inclusion_proof(seq, head.size, tiles.subtree), head.frontier.root())
    except LedgerError as error:
        _log.error("record %d does not stand in the tree: %s", seq, error)
        return None
    record: Mapping[str, Any] = orjson.loads(stored.body)
    return record


Proven = tuple[Point, Mapping[str, Any]]


def _of(proven: Iterable[Proven], family: str) -> Iterator[Proven]:
    return ((point, record) for point, record in proven if point.slot.partition(":")[0] == family)


def _tokens(proven: Iterable[Proven]) -> dict[str, TokenGrant]:
    tokens: dict[str, TokenGrant] = {}
    revoked: set[str] = set()
    for point, record in proven:
        body = record["body"]
        if record["type"] == "token.revoked":
            revoked.add(body["token"])
            continue
        expires = body.get("expires_at")
        tokens[body["token"]] = TokenGrant(
            id=body["token"],
            digest=body["digest"],
            holder=point.subject,
            families=frozenset(body.get("families", ())),
            cap=body.get("assurance"),
            issued_at=instant_of(point.order),
            expires_at=None if expires is None else times.parse_time(expires),
            seq=point.seq,
        )
    return {name: replace(grant, revoked=True) if name in revoked else grant for name, grant in tokens.items()}


def _roles(proven: Iterable[Proven]) -> dict[str, frozenset[str]]:
    held: dict[str, set[str]] = {}
    for point, record in proven:  # oldest first: the newest decides
        roles = held.setdefault(point.subject, set())
        if point.value["granted"]:
            roles.add(record["body"]["role"])
        else:
            roles.discard(record["body"]["role"])
    return {subject: frozenset(roles) for subject, roles in held.items() if roles}


def _sources(proven: Iterable[Proven]) -> dict[str, SourceGrant]:
    sources: dict[str, SourceGrant] = {}
    for point, record in proven:  # oldest first: the newest decides
        body = record["body"]
        sources[point.subject] = SourceGrant(
            key=point.subject,
            kind=body["kind"],
            instance=body["instance"],
            active=bool(point.value["is"]),
            seq=point.seq,
            method=body.get("method", "declared"),
            families=frozenset(body.get("families", ())),
            cap=body.get("assurance", "observed"),
            heartbeat_seconds=body.get("heartbeat_seconds"),
        )
    return sources
