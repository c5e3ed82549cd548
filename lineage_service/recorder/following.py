"""Heads of a log whose signer is another process: this one commits and waits until that one has signed.

Any number of such processes write to one log in a database that they share; one signs. What it signed it stores beside
the records, where the others find it. Only a note that opens with the log's public key counts: who can write to the
database cannot make one.
"""

import threading
import time
from collections.abc import Sequence
from typing import Final

from lineage_service.errors import OperatorError
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.errors import LedgerError
from lineage_service.ledger.merkle import Frontier
from lineage_service.ledger.note import VerifierKey
from lineage_service.recorder.heads import SignedHead
from lineage_service.recorder.known_head import Hashes, KnownHead
from lineage_service.recorder.latency import Latency
from lineage_service.recorder.seal import Seal
from lineage_service.store.protocol import Head, Store

_LOOK_SECONDS: Final = 0.02


class HeadFollower:
    """What ``HeadSigner`` is to a recorder, without a key that signs. Thread-safe."""

    def __init__(self, store: Store, verifier: VerifierKey, seal_key: bytes) -> None:
        """Take up where the log stands, whose notes ``verifier`` opens.

        Raises:
            IntegrityError: if its head was moved by somebody without ``seal_key``.
        """
        self._store = store
        self._origin = verifier.name
        self._verifier = verifier
        self._mutex = threading.Lock()
        self._looking = threading.Lock()
        self._signed: SignedHead | None = None
        self._stored: bytes | None = None
        self.failures = 0
        self.signatures = Latency()
        with store.read() as reader:
            self._known = KnownHead(Seal(seal_key, self._origin), reader.head())

    @property
    def size(self) -> int:
        """How many records are committed, as far as this process knows."""
        return self._known.head.size

    @property
    def head(self) -> Head:
        """The head as this process committed or followed it."""
        return self._known.head

    @property
    def unsigned(self) -> int:
        """How many committed records no signature covers yet that this process has seen."""
        return self.size - (0 if self._signed is None else min(self._signed.size, self.size))

    def sealed(self, head: Head) -> Head:
        """Return a head with our seal."""
        return self._known.sealed(head)

    def note(self) -> str | None:
        """Return the newest checkpoint seen, or None."""
        return None if self._signed is None else self._signed.note

    def extend(self, first: int, leaves: Sequence[bytes], head: Head) -> None:  # noqa: ARG002  kept by who signs
        """Take in what this process committed."""
        with self._mutex:
            self._known.extend(first, head)

    def follow(self, head: Head, hashes: Hashes) -> None:
        """Take in what other processes of this installation committed; IntegrityError if it was somebody else."""
        with self._mutex:
            self._known.follow(head, hashes)

    def cover(self, size: int | None, seconds: float) -> SignedHead | None:
        """Wait for a signed head of at least ``size`` records (None: all known); None if none comes in time."""
        wanted = self.size if size is None else size
        until = time.monotonic() + seconds
        while wanted:
            with self._looking:  # one look serves all who wait
                if self._signed is None or self._signed.size < wanted:
                    self._look()
                if self._signed is not None and self._signed.size >= wanted:
                    return self._signed
            if time.monotonic() >= until:
                return None
            time.sleep(_LOOK_SECONDS)
        return None

    def _look(self) -> None:
        try:
            with self._store.read() as reader:
                note = reader.note()
            if note is None or note == self._stored:
                return
            self._stored = note
            checkpoint = open_checkpoint(note, self._origin, [self._verifier])
        except (OperatorError, LedgerError):  # what waits is committed already: it is only not seen to be signed
            self.failures += 1
            return
        if self._signed is None or checkpoint.size > self._signed.size:
            # No leaf is kept here, so proofs under it come from the store.
            self._signed = SignedHead(note.decode(), checkpoint.size, Frontier(), [])

    def store_note(self, store: Store) -> None:
        """Do nothing: who signs stores."""

    def close(self) -> None:
        """Do nothing: there is no lock to give up."""
