"""Our seal on the heads of a log, by which one that somebody else moved is told apart, and one that is not here yet."""

import hmac
from dataclasses import dataclass, replace

from lineage_service.errors import IntegrityError, StoreUnavailableError
from lineage_service.ledger.sealing import head_mac
from lineage_service.store.protocol import UNFOLDED, Head


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
