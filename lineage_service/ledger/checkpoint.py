"""The signed head of a log: origin, number of leaves, root. One checkpoint answers for all records before it.

Follows C2SP tlog-checkpoint. Rules kept: decimals and base64 have one spelling; extension lines are kept, so that the
text stays what was signed; and the log's *own* signature is required, separately from whatever witnesses signed,
because "some known key signed" lets a note pass whose log line was tampered with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lineage_service.ledger.errors import NoteError
from lineage_service.ledger.merkle import EMPTY_ROOT, HASH_SIZE, MAX_SIZE
from lineage_service.ledger.note import (
    ED25519,
    NoteSigner,
    VerifierKey,
    decode_base64,
    encode_base64,
    open_note,
    sign_note,
)

_MANDATORY_LINES: Final = 3
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: under ``origin`` there are ``size`` leaves whose RFC 6962 root is ``root``."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(not line or _FORBIDDEN.search(line) for line in (self.origin, *self.extensions)):
            raise NoteError("the lines of a checkpoint are not empty and hold no control characters or lone surrogates")
        if not 0 <= self.size <= MAX_SIZE:
            raise NoteError(f"a checkpoint cannot cover {self.size} leaves")
        if len(self.root) != HASH_SIZE:
            raise NoteError(f"the root in a checkpoint has {len(self.root)} bytes, not {HASH_SIZE}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise NoteError("a checkpoint of size 0 must carry the root of the empty tree")

    def text(self) -> str:
        """The text that is signed, ending with a newline."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Reads :meth:`text`; raises :class:`NoteError` for any other spelling."""
        lines = text.split("\n")
        if lines.pop() or len(lines) < _MANDATORY_LINES:
            raise NoteError("a checkpoint has at least three lines, each ending with a newline")
        origin, size, root, *extensions = lines
        if not _DECIMAL.fullmatch(size):
            raise NoteError(f"the size of a checkpoint is a plain decimal number, not {size[:40]!r}")
        return cls(origin, int(size), decode_base64(root), tuple(extensions))


def sign_checkpoint(cp: Checkpoint, key: NoteSigner) -> bytes:
    """The checkpoint as a note with one signature line of ``key``; a log signs only heads of its own name."""
    if key.verifier.alg == ED25519 and key.verifier.name != cp.origin:
        raise NoteError(f"the key of {key.verifier.name!r} cannot sign a checkpoint of log {cp.origin!r}")
    return sign_note(cp.text(), key)


def open_checkpoint(raw: bytes, origin: str, log_keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint of log ``origin``, signed by at least one of its own keys; else :class:`NoteError`.

    ``log_keys`` come from the caller's trust, never from the note or from what came with it. Lines of other keys
    (witnesses) count for nothing here; check those with :func:`lineage_service.ledger.note.open_note`.
    """
    for key in log_keys:
        if key.alg != ED25519 or key.name != origin:
            raise NoteError(
                f"{key.name!r} ({key.key_id.hex()}, algorithm {key.alg:#04x}) is not a key of log {origin!r}"
            )
    checkpoint = Checkpoint.parse(open_note(raw, log_keys).text)
    if checkpoint.origin != origin:
        raise NoteError(f"the checkpoint is of log {checkpoint.origin!r}, not of {origin!r}")
    return checkpoint
