"""Signed heads: what is committed but unsigned, the signature over it, and the proofs of receipts.

Everything needed lies in memory: the compact range at the last signed head and the leaves since. From these
come the consistency proof for the stateful signer and the inclusion proof of each receipt, without a read.
"""

import threading
from collections.abc import Sequence
from typing import Final

from lineage_service.errors import IntegrityError
from lineage_service.ledger.checkpoint import Checkpoint
from lineage_service.ledger.errors import LedgerError
from lineage_service.ledger.merkle import Frontier, frontier_at, suffix_consistency, suffix_proofs
from lineage_service.ledger.signer import Signer
from lineage_service.ledger.tiles import TileReader
from lineage_service.recorder.known_head import Hashes, KnownHead
from lineage_service.recorder.latency import Latency
from lineage_service.store.protocol import Head, Store

_KEPT_HEADS: Final = 64
"""Heads kept for callers that are slow to fetch their proof; later ones get it from the store."""


class SignedHead:
    """A checkpoint of ``size`` records, and on demand the inclusion proofs of the leaves it added, as far as known."""

    __slots__ = ("_base", "_leaves", "_proofs", "note", "size")

    def __init__(self, note: str, size: int, base: Frontier, leaves: Sequence[bytes]) -> None:
        self.note = note
        self.size = size
        self._base = base
        self._leaves = leaves
        self._proofs: list[list[bytes]] | None = None

    def proof(self, seq: int) -> tuple[str, ...] | None:
        """Return the proof of a record this head added, as hex; None for others."""
        if not self._base.size <= seq < self._base.size + len(self._leaves):
            return None
        if self._proofs is None:  # two callers at once do the same work twice, and agree
            self._proofs = suffix_proofs(self._base, self._leaves)
        return tuple(digest.hex() for digest in self._proofs[seq - self._base.size])


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
        self._mutex = threading.Lock()
        self._signing = threading.Lock()
        self._leaves: list[bytes] = []
        self._recent: list[SignedHead] = []
        self._stored = 0
        self.failures = 0
        self.signatures = Latency()
        with store.read() as reader:
            self._known = KnownHead(origin, seal_key, reader.head())
            head = self._known.head
            seen = signer.state
            signed = seen.size if seen else 0
            if signed > head.size:
                raise IntegrityError(
                    f"the store ends at record {head.size - 1}, but the signer has seen size {signed}: an older "
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
            self._leaves = reader.hashes(signed, head.size)

    def sealed(self, head: Head) -> Head:
        """Return a head with our seal, by which the next start knows that we moved it there."""
        return self._known.sealed(head)

    @property
    def size(self) -> int:
        """How many records are committed."""
        return self._known.head.size

    @property
    def head(self) -> Head:
        """The head as this process committed or found it, whatever the database says meanwhile."""
        return self._known.head

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
            self._known.extend(first, head)
            self._leaves.extend(leaves)

    def follow(self, head: Head, hashes: Hashes) -> None:
        """Take in what other processes of this installation committed; IntegrityError if it was somebody else."""
        with self._mutex:
            self._leaves.extend(self._known.follow(head, hashes))

    def cover(self, size: int | None, seconds: float) -> SignedHead | None:
        """Return a signed head of at least ``size`` records (None: all), signing if need be; None if that fails."""
        if not self._signing.acquire(timeout=seconds):
            return None
        try:
            wanted = self.size if size is None else size
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
            base, leaves, head = self._base, list(self._leaves), self._known.head
        proof = suffix_consistency(base, leaves)
        with self.signatures.timed():
            note = self._signer.sign(base.size, proof, Checkpoint(self._origin, head.size, head.frontier.root()))
        signed = SignedHead(note.decode(), head.size, base, leaves)
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
