"""The writer: numbers, chains, stores and signs what callers prepared, in groups.

One caller writes all that waits (up to 2,000 records) in one transaction, signs, and wakes the others with their
results (``queue``). So one producer pays for no hand-over, and many share each commit: where the last group held the
requests of several callers, the next one waits for as many, for 2 ms at most. Rules kept:

* ids recorded before are dropped: a repeat gets the original receipt;
* no savepoints: if the database refuses a group, it is replayed request by request, and a poisoned one
  fails alone; a database that cannot be used at all fails the group at once;
* a head is signed only after it is committed: a signature over a head that rolls back would be an
  equivocation. A newer signed head that covers a request is success;
* after the commit nothing may fail the request: without a signature in 2 s the answer is ``committed``;
* what a database did not bring to its end is done again, for 10 s at most, and built anew each time: if it was
  committed after all, the ids say so and the original receipts are given;
* where processes share a log, each goes on from what the others committed, if they are of this installation.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from graph_schema import canonical, times
from graph_schema.changes import Changes
from graph_schema.fold import FOLD_VERSION
from lineage_service.errors import (
    IntegrityError,
    OperatorError,
    OverloadedError,
    StoreConflictError,
    StoreRefusedError,
    StoreRetryError,
    StoreUnavailableError,
)
from lineage_service.ledger.errors import LedgerError
from lineage_service.ledger.merkle import inclusion_proof, leaf_hash
from lineage_service.ledger.tiles import TileReader
from lineage_service.recorder.following import HeadFollower
from lineage_service.recorder.heads import HeadSigner, SignedHead
from lineage_service.recorder.latency import Latency
from lineage_service.recorder.preparation import Prepared
from lineage_service.recorder.queue import Ack, Queue, Request
from lineage_service.store.protocol import Head, KnownReceipt, NewRecord, Payload, Store
from lineage_service.store.vault import SealedValue

SIGN_SECONDS: Final = 2.0
_BACKWARDS_MICROS: Final = times.MICROS_PER_SECOND
_COVER_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 10.0
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the log promises about one event: its place, its leaf hash, and a proof under a signed head.

    ``proof`` is the inclusion proof in the tree of ``size`` leaves that ``checkpoint`` signs; None when the
    event was recorded before, or is not covered by a signature yet.
    """

    id: str
    seq: int
    hash: str
    time: str
    ack: Ack
    proof: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The receipts of one request, and the head that covers them: size and signed checkpoint if there is one."""

    receipts: list[Receipt]
    size: int
    checkpoint: str | None


@dataclass(slots=True)
class _Group:
    """What one transaction writes."""

    head: Head
    records: list[NewRecord] = field(default_factory=list)
    changes: list[tuple[int, Changes]] = field(default_factory=list)
    payloads: dict[str, Payload] = field(default_factory=dict)
    sealed: list[SealedValue] = field(default_factory=list)
    anomaly: bool = False


class Recorder:
    """The one writer of a log."""

    def __init__(
        self,
        store: Store,
        signer: HeadSigner | HeadFollower,
        *,
        clock: Callable[[], int],
        anomaly: Callable[[int, int], Prepared],
        shared: bool = False,
    ) -> None:
        """``clock`` gives microseconds; ``anomaly(last, now)`` prepares the fact that the clock went back.

        ``shared`` tells that other processes of this installation may write to the log as well.
        """
        self._shared = shared
        self._store = store
        self._signer = signer
        self._clock = clock
        self._anomaly = anomaly
        self._write_lock = threading.Lock()
        self._queue = Queue()
        self.failures = 0
        self.commits = Latency()
        self._told_back = -1
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._cover_at_times, name="head-keeper", daemon=True)
        self._keeper.start()

    @property
    def queued(self) -> int:
        """How many records wait to be written."""
        return self._queue.records

    def record(self, prepared: Sequence[Prepared], *, ack: Ack = "signed") -> Recorded:
        """Record the events of one request, all or none; return when they are committed, or signed.

        Raises:
            OverloadedError: if too much is waiting; nothing was recorded.
            StoreUnavailableError: if the store cannot write; nothing was recorded.
        """
        if not prepared:
            return Recorded([], self._signer.size, None)
        request = Request(prepared, ack)
        if self._queue.enter(request):
            self._lead(request)
        if request.error is not None:
            raise request.error
        return self._receipts(request)

    def _lead(self, request: Request) -> None:
        """Write what waits, let the next caller lead, and give each of this group its result."""
        taken: list[Request] = []
        try:
            with self._write_lock:
                taken = self._queue.take()
                self._write_what_waits(taken)
        finally:
            self._queue.pass_on(request)
            self._deliver(taken)

    def _deliver(self, taken: Sequence[Request]) -> None:
        """Wake the callers of a group, those who await a signature when there is one; one signature covers all."""
        awaiting: list[Request] = []
        for request in taken:
            if request.error is None and request.ack == "signed":
                awaiting.append(request)
            else:
                request.wake()
        try:
            signed = self._signer.cover(awaiting[0].size, SIGN_SECONDS) if awaiting else None
            for request in awaiting:
                request.signed = signed
        finally:
            for request in awaiting:
                request.wake()

    def _write_what_waits(self, taken: Sequence[Request]) -> None:
        try:
            self._write(taken)
        except Exception as error:  # noqa: BLE001  whatever it is, every waiting caller must be told
            unusable = isinstance(error, StoreUnavailableError) and not isinstance(error, StoreRefusedError)
            if unusable or len(taken) == 1:
                self._fail(taken, error)
                return
            for request in taken:  # one of them is poisoned: it fails alone
                self._write_alone(request)
        except BaseException:
            self._fail(taken, OverloadedError("the service was interrupted; nothing of this was recorded, try again"))
            raise

    def _write_alone(self, request: Request) -> None:
        try:
            self._write([request])
        except Exception as error:  # noqa: BLE001  as above; it is raised in the caller's own thread
            self._fail([request], error)

    def _fail(self, requests: Sequence[Request], error: Exception) -> None:
        self.failures += 1
        for request in requests:
            if not request.done:
                request.error, request.done = error, True

    def _write(self, requests: Sequence[Request]) -> None:
        until, pause = time.monotonic() + _RETRY_SECONDS, _FIRST_PAUSE
        while True:
            try:
                self._write_once(requests)
            except StoreRetryError:
                if time.monotonic() + pause > until:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def _write_once(self, requests: Sequence[Request]) -> None:
        with self.commits.timed(), self._store.begin() as transaction:
            ids = [item.id for request in requests for item in request.prepared]
            head, known = transaction.head(ids)
            if head.size != self._signer.size:
                self._meet_others(head)
            results, group = self._build(requests, head, known)
            if group.records:
                transaction.append(group.records)
                transaction.apply(group.changes)
                transaction.keep(list(group.payloads.values()), group.sealed)
                transaction.move_head(group.head)
        # Committed. Only memory is touched from here on.
        if group.anomaly:
            self._told_back = head.time
        self._signer.extend(head.size, [record.leaf for record in group.records], group.head)
        first = head.size
        for request, receipts in zip(requests, results, strict=True):
            request.results = receipts
            request.fresh = {receipt.seq for receipt in receipts if receipt.seq >= first}
            request.size = group.head.size
            request.done = True

    def _meet_others(self, head: Head) -> None:
        """Go on from a head that is not the one this process left."""
        if not self._shared:
            raise StoreConflictError(
                f"the log has {head.size} records, this process left it at {self._signer.size}: another process "
                "writes to it. Nothing was recorded; stop one of them and run `lineage verify`"
            )
        if head.size < self._signer.size:
            raise StoreConflictError(
                f"the log has {head.size} records, this process knows of {self._signer.size}: an older database was "
                "restored, or records were removed. Nothing was recorded; run `lineage verify`"
            )
        with self._store.read() as reader:
            self._signer.follow(head, reader.hashes)

    def _build(
        self, requests: Sequence[Request], head: Head, known: dict[str, KnownReceipt]
    ) -> tuple[list[list[KnownReceipt]], _Group]:
        now = self._clock()
        at = max(now, head.time)
        group = _Group(head)
        last = head.last
        if now < head.time - _BACKWARDS_MICROS and head.time != self._told_back:  # once, not with every group
            group.anomaly = True
            last = self._add(group, self._anomaly(head.time, now), last, at)
        results = []
        for request in requests:
            receipts = []
            for item in request.prepared:
                receipt = known.get(item.id)
                if receipt is None:
                    last = self._add(group, item, last, at)
                    receipt = known[item.id] = KnownReceipt(group.records[-1].seq, last, at)
                receipts.append(receipt)
            results.append(receipts)
        frontier = head.frontier.extend([record.leaf for record in group.records])
        time_of_head = at if group.records else head.time
        group.head = self._signer.sealed(Head(frontier.size, last, time_of_head, frontier, FOLD_VERSION))
        return results, group

    @staticmethod
    def _add(group: _Group, item: Prepared, last: bytes, at: int) -> bytes:
        seq = group.head.size + len(group.records)
        body = canonical.encode_unchecked(
            {**item.template, "seq": seq, "prev": last.hex(), "time": times.format_time(at)}
        )
        leaf = leaf_hash(body)
        actor = item.template["actor"].get("id")
        group.records.append(NewRecord(seq, item.id, item.template["type"], actor, at, leaf, body))
        group.changes.append((seq, item.changes))
        if item.payload is not None and item.payload.digest not in group.payloads:
            kept = item.payload
            group.payloads[kept.digest] = Payload(seq, kept.digest, kept.salt, kept.key, kept.ciphertext)
        for row in item.sealed:
            group.sealed.append(SealedValue(seq, row.digest, row.subject, row.key, row.ciphertext))
        return leaf

    def _receipts(self, request: Request) -> Recorded:
        signed = request.signed
        reached: Ack = "committed" if signed is None else "signed"
        receipts = [
            Receipt(
                item.id,
                known.seq,
                known.leaf.hex(),
                times.format_time(known.time),
                reached,
                self._proof(signed, known.seq) if signed is not None and known.seq in request.fresh else None,
            )
            for item, known in zip(request.prepared, request.results, strict=True)
        ]
        if signed is None:
            return Recorded(receipts, request.size, None)
        return Recorded(receipts, signed.size, signed.note)

    def _proof(self, signed: SignedHead, seq: int) -> tuple[str, ...] | None:
        """Return the proof of a record under a head: from memory, or from the store if another head added it.

        The record is committed, so a store that cannot be read now costs the receipt its proof and nothing else.
        """
        proof = signed.proof(seq)
        if proof is not None:
            return proof
        try:
            with self._store.read() as reader:
                tiles = TileReader(reader.hashes, reader.tile)
                return tuple(digest.hex() for digest in inclusion_proof(seq, signed.size, tiles.subtree))
        except (OperatorError, LedgerError):
            self.failures += 1
            return None

    def _cover_at_times(self) -> None:
        """Cover what nobody waits for within a second, and keep the stored checkpoint fresh."""
        while not self._stop.wait(_COVER_SECONDS):
            self.keep_head()

    def keep_head(self) -> None:
        """Sign what is unsigned and store the newest checkpoint; a store that cannot write is tried again."""
        try:
            if self._shared:
                self._look_at_others()
            self._signer.cover(None, SIGN_SECONDS)
            self._signer.store_note(self._store)
        except (OperatorError, IntegrityError, LedgerError):
            self._signer.failures += 1

    def _look_at_others(self) -> None:
        """Take in what other processes committed, so that it is signed here and rights are those of now."""
        with self._store.read() as reader:
            head = reader.head()
            if head.size > self._signer.size and self._write_lock.acquire(blocking=False):
                try:
                    self._signer.follow(head, reader.hashes)
                finally:
                    self._write_lock.release()

    def close(self) -> None:
        """Sign and store the last head, then stop."""
        self._stop.set()
        self._keeper.join()
        with self._write_lock:
            self.keep_head()


def wall_clock() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000
