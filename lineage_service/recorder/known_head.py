"""The end of the log as this process knows it, whatever the database says: what it committed, or found sealed.

Whoever writes seals the head with a key that lies outside of the database. So a process goes on from a head that it did
not write only if another process of the same installation wrote it, and if the leaves between really lead to it.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace

from lineage_service.errors import IntegrityError
from lineage_service.ledger.sealing import head_mac
from lineage_service.store.protocol import Head

Hashes = Callable[[int, int], Sequence[bytes]]
"""Leaf hashes of a half-open range of records."""


class KnownHead:
    """The newest head that this process accounts for. Whoever shares one between threads guards it."""

    def __init__(self, origin: str, seal_key: bytes, head: Head) -> None:
        """Begin at a head; IntegrityError if it was moved by somebody without ``seal_key``."""
        self._origin = origin
        self._seal_key = seal_key
        self._require_own(head)
        self.head = head

    def sealed(self, head: Head) -> Head:
        """Return a head with our seal, by which the next process knows that we moved it there."""
        parts = (head.size, head.last, head.time, head.frontier.to_bytes(), head.fold_version)
        return replace(head, mac=head_mac(self._seal_key, self._origin, parts))

    def _require_own(self, head: Head) -> None:
        if head.size and not hmac.compare_digest(head.mac, self.sealed(head).mac):
            raise IntegrityError(
                f"the end of the log (record {head.size - 1}) was not written by this service: somebody with access to "
                "the database added or removed records. Nothing is served or signed. Run `lineage verify`, restore the "
                "newest database that verifies, or bring back the id key that belongs to it."
            )

    def extend(self, first: int, head: Head) -> None:
        """Go on to a head that this process committed; ``first`` is where its group began."""
        if first != self.head.size:
            raise IntegrityError(f"records {self.head.size} to {first - 1} were committed by somebody else")
        self.head = head

    def follow(self, head: Head, hashes: Hashes) -> list[bytes]:
        """Go on to a head that another process committed; return the leaves between.

        Raises:
            IntegrityError: if it is not sealed by this installation, or is not what these leaves make of our head.
        """
        if head.size <= self.head.size:
            return []
        self._require_own(head)
        leaves = list(hashes(self.head.size, head.size))
        if self.head.frontier.extend(leaves) != head.frontier:
            raise IntegrityError(
                f"records {self.head.size} to {head.size - 1} do not lead from the head this process knew to the one "
                "in the database: records were altered. Nothing more is written. Run `lineage verify`."
            )
        self.head = head
        return leaves
