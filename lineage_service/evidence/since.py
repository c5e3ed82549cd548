"""Where to go on from a checkpoint held elsewhere: only the records after it are read, the rest is tied to its root.

The tree of the older checkpoint is computed from stored hashes. If its root is the one that was signed then, those
hashes are the right ones (anything else would be a collision), and the walk over the newer records extends exactly
that tree. So one comparison stands for a consistency proof; the bytes of older records are not read again.
"""

from dataclasses import dataclass
from typing import Any

from lineage_service.errors import InputError
from lineage_service.evidence.findings import Draft
from lineage_service.evidence.record_form import RecordFormError, canonical_instant, read_record
from lineage_service.evidence.trust import Trust
from lineage_service.evidence.verify import Position
from lineage_service.ledger.checkpoint import Checkpoint, open_checkpoint
from lineage_service.ledger.errors import LedgerError, NoteError
from lineage_service.ledger.merkle import frontier_at, inclusion_proof, leaf_hash, verify_inclusion
from lineage_service.ledger.note import parse_vkey
from lineage_service.ledger.tiles import TileReader
from lineage_service.store.protocol import Reader


@dataclass(frozen=True, slots=True)
class Anchored:
    """The walk's beginning, and the genesis, both under the older checkpoint."""

    position: Position
    genesis: dict[str, Any]
    genesis_leaf: bytes


def go_on_from(note: bytes, reader: Reader, size: int, trust: Trust, draft: Draft) -> Anchored | None:
    """Tie the first records to ``note``; None when that fails, and the draft then says how.

    Raises:
        InputError: if the note is no checkpoint of this log.
    """
    stored = reader.record(0)
    try:
        genesis = read_record(stored.body) if stored is not None else None
        if genesis is None:
            raise InputError("there is no record 0 to tell which log this is: verify without --since", field="since")
        keys = trust.log_keys or (parse_vkey(genesis["body"]["log_key"]),)
        checkpoint = open_checkpoint(note, genesis["log"], keys)
    except (NoteError, RecordFormError, ValueError, LookupError, TypeError) as error:
        problem = f"the file is no checkpoint of this log ({error}): verify without --since"
        raise InputError(problem, field="since") from error
    if checkpoint.size == 0:
        raise InputError("the checkpoint covers no record: verify without --since", field="since")
    if checkpoint.size > size:
        detail = f"the checkpoint you hold covers {checkpoint.size} records"
        draft.find("rollback", size, f"record {size}", "the end of the log", detail)
        return None
    return _tie(checkpoint, genesis, reader, draft)


def _tie(checkpoint: Checkpoint, genesis: dict[str, Any], reader: Reader, draft: Draft) -> Anchored | None:
    size = checkpoint.size
    tiles = TileReader(reader.hashes, reader.tile)
    try:
        frontier = frontier_at(size, tiles.subtree)
        if frontier.root() != checkpoint.root:
            detail = "the log is no extension of the checkpoint you hold: verify without --since to learn where"
            expected, found = f"root {checkpoint.root.hex()}", f"root {frontier.root().hex()}"
            draft.find("fork", None, expected, found, detail)
            return None
        last = _included(size - 1, checkpoint, reader, tiles)
        first = _included(0, checkpoint, reader, tiles)
        time = canonical_instant(read_record(last[1])["time"])
    except (LedgerError, RecordFormError, ValueError) as error:
        draft.find("tree", None, "stored hashes that lead to the signed root", "others", str(error))
        return None
    draft.verified.append(f"records 0 to {size - 1} begin this log, by the checkpoint you hold")
    return Anchored(Position(frontier, last[0], time), genesis, first[0])


def _included(seq: int, checkpoint: Checkpoint, reader: Reader, tiles: TileReader) -> tuple[bytes, bytes]:
    """Return leaf hash and bytes of a record, having proven it to be in the tree of the checkpoint."""
    stored = reader.record(seq)
    body = stored.body if stored is not None else b""
    leaf = leaf_hash(body)
    proof = inclusion_proof(seq, checkpoint.size, tiles.subtree)
    verify_inclusion(seq, checkpoint.size, leaf, proof, checkpoint.root)
    return leaf, body
