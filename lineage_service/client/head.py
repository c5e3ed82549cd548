"""The newest signed head that this client saw, sent back with every request.

So a log that was rolled back or forked meets somebody who remembers.

A checkpoint is a signed note (C2SP tlog-checkpoint) whose second and third line are size and root. The signature is not
judged here: remembering needs no key, and whoever wants proof verifies with the log's key.
"""

import base64
import binascii
from dataclasses import dataclass

from lineage_service.client.errors import RolledBackError

_LINES = 3
_ROOT_BYTES = 32


@dataclass(frozen=True, slots=True)
class SeenHead:
    """A head by its size (records) and root (lowercase hex), with the note that signs it."""

    size: int
    root: str
    note: str


def read_note(note: object) -> SeenHead | None:
    """Return what a checkpoint says; None if it is no checkpoint."""
    if not isinstance(note, str):
        return None
    lines = note.split("\n")
    if len(lines) < _LINES or not (lines[1].isascii() and lines[1].isdecimal()):
        return None
    try:
        root = base64.b64decode(lines[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return SeenHead(int(lines[1]), root.hex(), note) if len(root) == _ROOT_BYTES else None


class Memory:
    """Remembers the largest head."""

    def __init__(self) -> None:
        self.newest: SeenHead | None = None

    def header(self) -> dict[str, str]:
        """Return the header that tells the service what was seen; empty if nothing was."""
        seen = self.newest
        return {"If-Checkpoint": f"{seen.size} {seen.root}"} if seen else {}

    def meet(self, note: object) -> None:
        """Take in a checkpoint; RolledBackError if it signs another history of the same length.

        A smaller one is no contradiction: heads are signed after records are committed, and answers may cite an
        earlier one.
        """
        head, seen = read_note(note), self.newest
        if head is None:
            return
        if seen is None or head.size > seen.size:
            self.newest = head
        elif head.size == seen.size and head.root != seen.root:
            raise RolledBackError(
                f"two heads of {head.size} records were signed: root {seen.root} seen before, {head.root} now. The "
                "history was replaced. Rely on nothing it says; keep both checkpoints, and run `lineage verify`."
            )
