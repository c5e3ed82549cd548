"""The records, as bytes: a state machine that is fed rows in order and says what does not fit.

Follows the record format v1, RFC 6962 (leaf hashes, tree) and the chain of ``prev``. It needs neither a store nor a
key: what it yields (roots at given sizes, genesis) is judged against checkpoints by ``heads_check``. Rules kept:

- bytes first: a row whose bytes do not have the stored leaf hash is altered, whatever it says;
- the tree is computed from bytes, never from stored hashes;
- one pass, bounded memory: per record 8 bytes are kept (see ``_Ids``), and at most 1,000 suspects.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from graph_schema.canonical import CanonicalError
from graph_schema.fold import understands
from lineage_service.evidence.findings import Finding, FindingClass
from lineage_service.evidence.record_form import (
    Fields,
    RecordFormError,
    UnknownFormError,
    canonical_instant,
    fields_of,
    quick_fields,
    read_id,
    read_record,
)
from lineage_service.evidence.suspects import Suspect, classify
from lineage_service.ledger.merkle import Frontier

GENESIS_TYPE: Final = "ledger.opened"
_LEAF: Final = b"\x00"  # RFC 6962 2.1, as in ledger.merkle; written out here because calls are what costs
_BATCH: Final = 1024
_MAX_FINDINGS: Final = 1000
_IDS_A_PASS: Final = 2_000_000
_NO_LEAF: Final = bytes(32)

BodyOf = Callable[[int], bytes | None]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a walk begins: the tree so far, the leaf hash before, the time of the record before."""

    frontier: Frontier = field(default_factory=Frontier)
    last: bytes = _NO_LEAF
    time: int = 0


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk saw: where the log ends, the roots asked for, the genesis, what is wrong, what is not understood."""

    first: int
    size: int
    last: bytes
    time: int
    frontier: Frontier
    roots: dict[int, bytes]
    origin: str | None
    genesis: dict[str, Any] | None
    genesis_leaf: bytes | None
    unsupported: dict[str, int]
    findings: list[Finding]


class RecordWalk:
    """Fed with rows by ascending number; ``sizes`` are those at which the root of the tree is wanted."""

    def __init__(self, origin: str | None, sizes: Iterable[int] = (), start: Position | None = None) -> None:
        start = start or Position()
        self._origin = origin
        self._first = self._next = start.frontier.size
        self._shift = 0
        self._frontier = start.frontier
        self._waiting: list[bytes] = []
        self._sizes = sorted({size for size in sizes if size > start.frontier.size}, reverse=True)
        self._roots = {start.frontier.size: start.frontier.root()}
        self._flush_at = self._until_flush()
        self._before, self._last, self._last_hex = _NO_LEAF, start.last, start.last.hex()
        self._stored = start.last
        self._time, self._time_text = start.time, ""
        self._ids = _Ids(start.frontier.size)
        self._suspects: list[Suspect] = []
        self._faults: list[Finding] = []
        self._unsupported: Counter[str] = Counter()
        self._understood: dict[tuple[str, int], bool] = {}
        self._genesis: dict[str, Any] | None = None
        self._genesis_leaf: bytes | None = None

    def feed_all(self, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Feed rows (seq, leaf hash as stored, bytes) by ascending seq."""
        for seq, leaf, body in rows:
            self.feed(seq, leaf, body)

    def feed(self, seq: int, leaf: bytes, body: bytes) -> None:
        """Feed one row."""
        if type(body) is not bytes or type(leaf) is not bytes:  # no column of ours can hold anything else
            body, leaf = str(body).encode(), str(leaf).encode()
        digest = sha256(_LEAF + body).digest()
        fields = quick_fields(body)
        if (
            fields is not None
            and digest == leaf
            and seq == self._next
            and fields[2] - seq == self._shift
            and fields[3] == self._last_hex
        ):
            self._take(seq, fields, body)
        else:
            self._reconsider(seq, leaf, digest, body)
        self._next = seq + 1
        self._before, self._last, self._last_hex, self._stored = self._last, digest, digest.hex(), leaf
        self._waiting.append(digest)
        if len(self._waiting) == self._flush_at:
            self._flush()

    def finish(self, body_of: BodyOf) -> Walked:
        """Return what was seen; ``body_of`` gives a record's bytes again, to compare ids that look alike."""
        self._flush()
        findings = classify(self._suspects, self._next) + self._faults
        for seq, first in self._ids.repeated(body_of):
            detail = "one event was recorded twice"
            findings.append(Finding("insert", seq, "an id used once", f"the id of record {first}", detail))
        return Walked(
            self._first,
            self._next,
            self._last,
            self._time,
            self._frontier,
            self._roots,
            self._origin,
            self._genesis,
            self._genesis_leaf,
            dict(self._unsupported),
            sorted(findings, key=lambda finding: finding.seq or 0),
        )

    # ------------------------------------------------------------------------------------------ a record that fits

    def _take(self, seq: int, fields: Fields, body: bytes) -> None:
        """Check what a record says of itself, hash and chain being right."""
        _, log, _, _, time_text, identifier, word, version, occurred_at, _, _, _ = fields
        if seq == 0 or word == GENESIS_TYPE or log != self._origin:
            self._take_origin(seq, log, word, body)
        if not self._understands(word, version):
            self._unsupported[f"{word}, version {version}"] += 1
        try:
            if time_text != self._time_text:
                time = canonical_instant(time_text)
                if time < self._time:
                    self._fault("edit", seq, "times that never decrease", time_text, "older than the record before")
                self._time, self._time_text = time, time_text
            self._ids.add(read_id(identifier, canonical_instant(occurred_at)))
        except RecordFormError as error:
            self._ids.skip(seq + 1)
            self._fault("edit", seq, "a record as the log writes them", str(error), "written by another program")

    def _understands(self, word: str, version: int) -> bool:
        known = self._understood.get((word, version))
        if known is None:
            known = understands({"v": 1, "type": word, "ev": version})
            self._understood[(word, version)] = known
        return known

    def _take_origin(self, seq: int, log: str, word: str, body: bytes) -> None:
        if self._origin is None:
            self._origin = log
        if seq == 0:
            self._genesis, self._genesis_leaf = read_record(body), sha256(_LEAF + body).digest()
            if word != GENESIS_TYPE:
                self._fault("edit", 0, GENESIS_TYPE, word, "record 0 opens the log and holds its keys")
        elif word == GENESIS_TYPE:
            self._fault("insert", seq, "a log opened once, by record 0", GENESIS_TYPE, "a second genesis")
        if log != self._origin:
            self._fault("insert", seq, f"log {self._origin}", f"log {log}", "a record of another log")

    def _fault(self, cls: FindingClass, seq: int, expected: str, found: str, detail: str) -> None:
        if len(self._faults) < _MAX_FINDINGS:
            self._faults.append(Finding(cls, seq, expected, found, detail))

    # --------------------------------------------------------------------- a record that the quick look did not pass

    def _reconsider(self, seq: int, leaf: bytes, digest: bytes, body: bytes) -> None:
        """Read slowly; take what only the quick look could not vouch for, suspect the rest."""
        record, problem, unknown = None, None, False
        try:
            record = read_record(body)
        except UnknownFormError as error:
            unknown = True
            self._unsupported[str(error)] += 1
        except (CanonicalError, RecordFormError) as error:
            problem = str(error)
        missing = self._next if seq != self._next else None
        fits = unknown or (record is not None and record["prev"] in (self._last_hex, self._stored.hex()))
        steady = unknown or (record is not None and record["seq"] - seq == self._shift)
        if record is not None:
            self._shift = record["seq"] - seq
        if missing is None and digest == leaf and problem is None and fits and steady:
            if record is not None:
                self._take(seq, fields_of(record), body)
            self._ids.skip(seq + 1)
            return
        self._ids.skip(seq + 1)
        if len(self._suspects) < _MAX_FINDINGS:
            self._suspects.append(self._suspect(seq, (leaf, digest), record, problem, missing=missing, fits=fits))

    def _suspect(
        self,
        seq: int,
        leaves: tuple[bytes, bytes],
        record: dict[str, Any] | None,
        problem: str | None,
        *,
        missing: int | None,
        fits: bool,
    ) -> Suspect:
        own = prev = foreign = None
        if record is not None:
            own, prev = record["seq"], record["prev"]
            foreign = record["log"] if self._origin not in (None, record["log"]) else None
        return Suspect(
            row=seq,
            missing=missing,
            own=own,
            stored=leaves[0].hex(),
            computed=leaves[1].hex(),
            before=self._last_hex,
            prev=prev,
            fits=fits,
            fits_before=prev == self._before.hex(),
            form=problem,
            foreign=foreign,
        )

    # ----------------------------------------------------------------------------------------------------- the tree

    def _flush(self) -> None:
        self._frontier = self._frontier.extend(self._waiting)
        self._waiting.clear()
        if self._sizes and self._frontier.size == self._sizes[-1]:
            self._roots[self._sizes.pop()] = self._frontier.root()
        self._flush_at = self._until_flush()

    def _until_flush(self) -> int:
        return min(_BATCH, self._sizes[-1] - self._frontier.size) if self._sizes else _BATCH


class _Ids:
    """Whether an id occurs twice, in 8 bytes a record.

    A set of a million ids would take 100 MB. Kept are the last 64 bits of each, which in an honest log are bits of a
    keyed hash; what repeats there is looked up and compared whole, so chance (or a collision made on purpose) accuses
    nobody. The comparison runs over slices of the value range, so that its set stays small in a log of any length.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._tails = array("Q")

    def add(self, identifier: bytes) -> None:
        """Keep the id of the next record."""
        self._tails.append(int.from_bytes(identifier[8:], "big"))

    def skip(self, seq: int) -> None:
        """Count records below ``seq`` that have no readable id (and are reported for it) as having none."""
        while len(self._tails) < seq - self._first:
            self._tails.append(0)

    def repeated(self, body_of: BodyOf) -> list[tuple[int, int]]:
        """Return (seq, first seq) of each record whose id an earlier record has."""
        doubtful = self._doubtful()
        first: dict[str, int] = {}
        found = []
        for at, tail in enumerate(self._tails if doubtful else ()):
            if tail in doubtful:
                seq = self._first + at
                identifier = str(read_record(body_of(seq) or b"")["id"])
                if identifier in first:
                    found.append((seq, first[identifier]))
                first.setdefault(identifier, seq)
        return found

    def _doubtful(self) -> set[int]:
        passes = 1 + len(self._tails) // _IDS_A_PASS
        doubtful: set[int] = set()
        for part in range(passes):
            tails = self._tails if passes == 1 else [tail for tail in self._tails if tail % passes == part]
            if len(set(tails)) != len(tails):
                doubtful.update(tail for tail, count in Counter(tails).items() if count > 1)
        doubtful.discard(0)
        return doubtful
