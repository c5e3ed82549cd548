"""The end of the log as this process knows it, whatever the database says: what it committed, or found sealed.

Whoever writes seals the head with a key that lies outside of the database. So a process goes on from a head that it did
not write only if another process of the same installation wrote it, and if the leaves between really lead to it.
"""

from collections.abc import Callable, Sequence

from lineage_service.errors import IntegrityError
from lineage_service.recorder.seal import Seal
from lineage_service.store.protocol import Head

Hashes = Callable[[int, int], Sequence[bytes]]
"""Leaf hashes of a half-open range of records."""


class KnownHead:
    """The newest head that this process accounts for. Whoever shares one between threads guards it."""

    def __init__(self, seal: Seal, head: Head) -> None:
        """Begin at a head; IntegrityError if somebody else moved it, StoreUnavailableError if it is not here yet."""
        self._seal = seal
        seal.require(head)
        self.head = head

    def sealed(self, head: Head) -> Head:
        """Return a head with our seal, by which the next process knows that we moved it there."""
        return self._seal.on(head)

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
        self._seal.require(head)
        leaves = list(hashes(self.head.size, head.size))
        if self.head.frontier.extend(leaves) != head.frontier:
            raise IntegrityError(
                f"records {self.head.size} to {head.size - 1} do not lead from the head this process knew to the one "
                "in the database: records were altered. Nothing more is written. Run `lineage verify`."
            )
        self.head = head
        return leaves
