"""A record's proof as one text file: its place, the path of hashes, the signed checkpoint they lead to.

Follows C2SP tlog-proof, version 1: a header, ``index N``, one base64 hash a line, an empty line, the checkpoint as it
was signed. The record itself travels beside it. Reading is strict: one spelling, nothing left over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lineage_service.ledger.errors import NoteError, ProofError
from lineage_service.ledger.merkle import HASH_SIZE
from lineage_service.ledger.note import decode_base64, encode_base64

MEDIA_TYPE: Final = "text/plain; charset=utf-8"
_HEADER: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")


def write_tlog_proof(index: int, proof: Sequence[bytes], checkpoint: str) -> str:
    """The text of a proof; ``checkpoint`` is the signed note, byte for byte."""
    return "\n".join((_HEADER, f"index {index}", *map(encode_base64, proof), "", checkpoint))


def read_tlog_proof(text: str) -> tuple[int, list[bytes], str]:
    """Index, path and checkpoint of :func:`write_tlog_proof`; raises :class:`ProofError` for any other text.

    Nothing is verified here: the caller checks the checkpoint's signature and the path against the record.
    """
    front, blank, checkpoint = text.partition("\n\n")
    header, *lines = front.split("\n")
    found = _INDEX.fullmatch(lines[0]) if lines else None
    if header != _HEADER or not blank or found is None:
        raise ProofError("not a C2SP tlog-proof: expected its header, an index, hashes, an empty line, a checkpoint")
    try:
        path = [decode_base64(line) for line in lines[1:]]
    except NoteError as error:
        raise ProofError(f"a line of the tlog-proof is not a hash: {error}") from error
    if any(len(digest) != HASH_SIZE for digest in path):
        raise ProofError(f"a hash of the tlog-proof has not {HASH_SIZE} bytes")
    return int(found[1]), path, checkpoint
