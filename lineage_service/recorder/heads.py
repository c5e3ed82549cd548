"""Signed heads: what is committed but unsigned, the signature over it, and the proofs of receipts.

Everything needed lies in memory: the compact range at the last signed head and the leaves since. From these
come the consistency proof for the stateful signer and the inclusion proof of each receipt, without a read.
"""

import hmac
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from lineage_service.errors import IntegrityError, StoreUnavailableError
from lineage_service.ledger.checkpoint import Checkpoint
from lineage_service.ledger.errors import LedgerError
from lineage_service.ledger.merkle import Frontier, frontier_at, suffix_consistency, suffix_proofs
from lineage_service.ledger.sealing import head_mac
from lineage_service.ledger.signer import Signer
from lineage_service.ledger.tiles import TileReader
from lineage_service.recorder.latency import Latency
from lineage_service.store.protocol import UNFOLDED, Head, Store

_KEPT_HEADS: Final = 64
"""Heads kept for callers that are slow to fetch their proof; later ones get it from the store."""


class SignedHead:
    """A checkpoint, and on demand the inclusion proofs in its tree of the leaves it added."""

    __slots__ = ("_base", "_leaves", "_proofs", "note", "size")

    def __init__(self, note: str, base: Frontier, leaves: Sequence[bytes]) -> None:
        self.note = note
        self.size = base.size + len(leaves)
        self._base = base
        self._leaves = leaves
        self._proofs: list[list[bytes]] | None = None

    def proof(self, seq: int) -> tuple[str, ...] | None:
        """Return the proof of a record this head added, as hex; None for others."""
        if not self._base.size <= seq < self.size:
            return None
        if self._proofs is None:  # two callers at once do the same work twice, and agree
            self._proofs = suffix_proofs(self._base, self._leaves)
        return tuple(digest.hex() for digest in self._proofs[seq - self._base.size])


@dataclass(frozen=True, slots=True)
class Seal:
    """Our seal on the heads of one log: who has the database alone can move the head, and cannot seal it."""

    key: bytes
    origin: str

    def __repr__(self) -> str:
        return f"Seal({self.origin!r})"

    def on(self, head: Head) -> Head:
        """Return a head with our seal, by which the next start knows that we moved it there."""
        parts = (head.size, head.last, head.time, head.frontier.to_bytes(), head.fold_version)
        return replace(head, mac=head_mac(self.key, self.origin, parts))

    def require(self, head: Head) -> None:
        """Refuse a head that is not ours.

        Raises:
            StoreUnavailableError: if it was left by a copy of the ledger that was broken off.
            IntegrityError: if somebody else moved it.
        """
        require_arrived(head)
        if head.size and not hmac.compare_digest(head.mac, self.on(head).mac):
            raise IntegrityError(
                f"the end of the log (record {head.size - 1}) was not written by this service: somebody with access to "
                "the database added or removed records. Nothing is served or signed. Run `lineage verify`, restore the "
                "newest database that verifies, or bring back the id key that belongs to it."
            )


def is_on_its_way(head: Head) -> bool:
    """Tell whether a copy of a ledger left this head and did not come to its end: it seals the last one only."""
    return head.size > 0 and head.fold_version == UNFOLDED and not head.mac


def require_arrived(head: Head) -> None:
    """Raise StoreUnavailableError if the ledger is still on its way here."""
    if is_on_its_way(head):
        raise StoreUnavailableError(
            f"{head.size} records of a ledger are here, and copying or restoring it was broken off: repeat that "
            "command, which goes on where it stopped. Until then nothing is served from here"
        )


class HeadSigner:
    """Signs heads of one log through its stateful signer. Thread-safe."""

    def __init__(self, signer: Signer, origin: str, store: Store, seal_key: bytes) -> None:
        """Take up where the log stands.

        Raises:
            IntegrityError: if the signer has seen more than the store holds, or another history, or if the head was
                moved by somebody without ``seal_key``.
        """
        self._signer = signer
        self._origin = origin
        self._seal = Seal(seal_key, origin)
        self._mutex = threading.Lock()
        self._signing = threading.Lock()
        self._leaves: list[bytes] = []
        self._recent: list[SignedHead] = []
        self._stored = 0
        self.failures = 0
        self.signatures = Latency()
        with store.read() as reader:
            self._head = reader.head()
            self._seal.require(self._head)
            seen = signer.state
            signed = seen.size if seen else 0
            if signed > self._head.size:
                raise IntegrityError(
                    f"the store ends at record {self._head.size - 1}, but the signer has seen size {signed}: an older "
                    "database was restored, or records were removed. Nothing is served. Restore the newest database, "
                    "or run `lineage verify` to see what is missing."
                )
            tiles = TileReader(reader.hashes, reader.tile)
            self._base = frontier_at(signed, tiles.subtree)
            if seen is not None and self._base.root() != seen.root:
                raise IntegrityError(
                    f"the store's first {signed} records are not those the signer has seen: this is another history. "
                    "Nothing is served. Restore the database that belongs to this signer, or run `lineage verify`."
                )
            self._leaves = reader.hashes(signed, self._head.size)

    def sealed(self, head: Head) -> Head:
        """Return a head with our seal."""
        return self._seal.on(head)

    @property
    def size(self) -> int:
        """How many records are committed."""
        return self._head.size

    @property
    def head(self) -> Head:
        """The head as this process committed or found it, whatever the database says meanwhile."""
        return self._head

    @property
    def unsigned(self) -> int:
        """How many committed records no signature covers yet."""
        return len(self._leaves)

    def note(self) -> str | None:
        """Return the newest checkpoint signed since the start, or None."""
        recent = self._recent
        return recent[-1].note if recent else None

    def extend(self, first: int, leaves: Sequence[bytes], head: Head) -> None:
        """Take in committed leaves; called in the order of commits."""
        with self._mutex:
            if first != self._head.size:
                raise IntegrityError(f"records {self._head.size} to {first - 1} were committed by somebody else")
            self._leaves.extend(leaves)
            self._head = head

    def cover(self, size: int | None, seconds: float) -> SignedHead | None:
        """Return a signed head of at least ``size`` records (None: all), signing if need be; None if that fails."""
        if not self._signing.acquire(timeout=seconds):
            return None
        try:
            wanted = self._head.size if size is None else size
            if wanted == 0:
                return None
            for signed in self._recent:
                if signed.size >= wanted:
                    return signed
            return self._sign()
        except LedgerError:
            self.failures += 1
            return None
        finally:
            self._signing.release()

    def _sign(self) -> SignedHead:
        with self._mutex:
            base, leaves, head = self._base, list(self._leaves), self._head
        proof = suffix_consistency(base, leaves)
        with self.signatures.timed():
            note = self._signer.sign(base.size, proof, Checkpoint(self._origin, head.size, head.frontier.root()))
        signed = SignedHead(note.decode(), base, leaves)
        with self._mutex:
            self._base = head.frontier
            del self._leaves[: len(leaves)]
        self._recent = [*self._recent[-_KEPT_HEADS + 1 :], signed]
        return signed

    def store_note(self, store: Store) -> None:
        """Store the newest checkpoint unless it is stored already."""
        recent = self._recent
        if recent and recent[-1].size > self._stored:
            store.set_note(recent[-1].note.encode(), recent[-1].size)
            self._stored = recent[-1].size

    def close(self) -> None:
        """Give up the signer's lock."""
        self._signer.close()
