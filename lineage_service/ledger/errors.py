"""Everything the ledger can refuse, split by what is at fault.

::

    LedgerError
    ├── NoteError            a signed note, key string or checkpoint is malformed, or its signature does not hold
    ├── ProofError           a hash, frontier or Merkle proof does not fit the tree it is said to belong to
    ├── TileError            a tile's path does not parse, or its stored bytes have the wrong length
    ├── KeyFileError         a key, secret or signer state file is missing, unsafe, damaged or could not be written
    └── SignerRefusedError   the signer saw a history that the offered head does not extend

Foreign exceptions (``ValueError``, ``OSError``, ``InvalidSignature``) never leave the package: they are translated
where they arise, so that a caller can tell a hostile input from a bug.
"""

from __future__ import annotations


class LedgerError(Exception):
    """Root of all errors of the ledger; catch it to mean "this evidence or key material cannot be used"."""


class NoteError(LedgerError):
    """A signed note, verifier key string, checkpoint or detached signature must not be believed."""


class ProofError(LedgerError):
    """A Merkle hash, frontier or proof does not lead to the root it was checked against."""


class TileError(LedgerError):
    """A tile was asked for by a path that does not parse, or was stored with the wrong length."""


class KeyFileError(LedgerError):
    """A file that holds a key, a secret or the signer's state is missing, unsafe, damaged or cannot be written."""


class SignerRefusedError(LedgerError):
    """The signer will not sign the offered head because it does not extend what the signer saw last.

    ``seen_size`` and ``seen_root`` are the last head the signer signed (0 and the empty root if none): a
    caller whose log holds that head retries with a consistency proof from ``seen_size``; one whose log does not was
    rolled back or forked.
    """

    def __init__(self, message: str, *, seen_size: int, seen_root: bytes) -> None:
        super().__init__(message)
        self.seen_size = seen_size
        self.seen_root = seen_root
