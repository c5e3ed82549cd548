"""The signed head against the records: genesis, checkpoint, the signer's memory, the stored head row.

Follows C2SP tlog-checkpoint and the log's own rules. Rules kept: the log's own signature is required; keys come from
outside if there are any, else from the genesis, and then the verdict is capped; any fault in the stored note is
tampering; what no signature and no memory covers is said to be unverified.
"""

from dataclasses import dataclass
from typing import Any

from lineage_service.evidence.findings import BROKEN, SELF_CONSISTENT, SIGNED, Draft
from lineage_service.evidence.trust import Trust
from lineage_service.evidence.verify import Walked
from lineage_service.ledger.checkpoint import Checkpoint, open_checkpoint
from lineage_service.ledger.errors import NoteError, ProofError
from lineage_service.ledger.keys import check_proof_of_possession
from lineage_service.ledger.merkle import Frontier
from lineage_service.ledger.note import VerifierKey, parse_vkey, split_note
from lineage_service.ledger.signer import SignerState

HeadRow = tuple[int, bytes, int, bytes]
"""(size, last leaf hash, time, frontier) as stored."""


@dataclass(frozen=True, slots=True)
class Heads:
    """What is stored or remembered of the log's end. ``memory_unread`` says why the signer's memory is not known."""

    note: bytes | None
    memory: SignerState | None
    memory_unread: str | None
    row: HeadRow | None


def claimed_size(note: bytes | None) -> int:
    """Return the size a note claims, without believing it; 0 if it claims none that can be read."""
    try:
        return Checkpoint.parse(split_note(note)[0]).size if note is not None else 0
    except NoteError:
        return 0


def judge(walked: Walked, heads: Heads, trust: Trust, draft: Draft) -> int:
    """Judge the log's end and return the level reached if nothing is found."""
    genesis_keys = _judge_genesis(walked, trust, draft)
    vouched = trust.genesis is not None and walked.genesis_leaf is not None
    keys = trust.log_keys or genesis_keys
    pinned = bool(trust.log_keys) or vouched
    if not trust.log_keys and genesis_keys:
        draft.trust.append(
            "the key in the genesis, which your genesis hash vouches for"
            if vouched
            else "nothing from outside: the key is the one the log names itself, so only its own consistency is shown"
        )
    checkpoint = _judge_note(walked, heads, keys, genesis_keys, draft)
    covered = walked.first  # by the checkpoint held elsewhere, if the walk began there
    if checkpoint is not None:
        _compare_root(checkpoint, walked, draft)
        covered = max(covered, checkpoint.size)
    covered = max(covered, _judge_memory(walked, heads, checkpoint, draft))
    _judge_tail(walked, covered, checkpoint, draft)
    _judge_row(walked, heads.row, draft)
    if draft.findings or checkpoint is None:
        return BROKEN if draft.findings else SELF_CONSISTENT
    return SIGNED if pinned else SELF_CONSISTENT


# ------------------------------------------------------------------------------------------------------------- genesis


def _judge_genesis(walked: Walked, trust: Trust, draft: Draft) -> tuple[VerifierKey, ...]:
    """Check what record 0 says of the log and its keys; return its log key."""
    genesis, leaf = walked.genesis, walked.genesis_leaf
    if genesis is None or leaf is None:
        return ()
    if trust.genesis is not None and trust.genesis != leaf.hex():
        draft.find("key", 0, f"genesis {trust.genesis}", f"genesis {leaf.hex()}", "this is not the log you trust")
    if trust.origin is not None and trust.origin != genesis["log"]:
        detail = "the key you trust belongs to another log"
        draft.find("key", 0, f"log {trust.origin}", f"log {genesis['log']}", detail)
    body = genesis["body"]
    keys = [_genesis_key(body, name, genesis["log"], draft) for name in ("log_key", "root_key")]
    log_key, root_key = keys
    if log_key is None or root_key is None:
        return ()
    if body.get("origin") != genesis["log"] or log_key.name != genesis["log"]:
        found = f"{body.get('origin')} and {log_key.name}"
        draft.find("key", 0, f"names of {genesis['log']}", found, "the genesis names another log than the record")
    if trust.log_keys and log_key not in trust.log_keys:
        _find_other_key("log", trust.log_keys[0], log_key, draft)
    if trust.root_key is not None and trust.root_key != root_key:
        _find_other_key("root", trust.root_key, root_key, draft)
    return (log_key,)


def _genesis_key(body: dict[str, Any], name: str, origin: str, draft: Draft) -> VerifierKey | None:
    try:
        check_proof_of_possession(origin, body[name], body[f"{name}_proof"])
        return parse_vkey(body[name])
    except (KeyError, TypeError, AttributeError, NoteError) as error:
        detail = f"the {name.replace('_', ' ')} in the genesis is not proven to be its owner's: {error}"
        draft.find("key", 0, "a key with a proof of possession", "none that holds", detail)
        return None


def _find_other_key(what: str, pinned: VerifierKey, found: VerifierKey, draft: Draft) -> None:
    detail = f"the {what} key in the genesis is not the one you trust"
    draft.find("key", 0, f"key {pinned.key_id.hex()}", f"key {found.key_id.hex()}", detail)


# --------------------------------------------------------------------------------------------------- checkpoint, memory


def _judge_note(
    walked: Walked,
    heads: Heads,
    keys: tuple[VerifierKey, ...],
    genesis_keys: tuple[VerifierKey, ...],
    draft: Draft,
) -> Checkpoint | None:
    if heads.note is None:
        _judge_missing_note(walked, heads, draft)
        return None
    if walked.origin is None or not keys:
        draft.incomplete.append("the checkpoint's signature: no key of this log is known")
        return None
    try:
        return open_checkpoint(heads.note, walked.origin, keys)
    except NoteError as error:
        fault = str(error)
    try:
        checkpoint = open_checkpoint(heads.note, walked.origin, genesis_keys)
    except NoteError:
        draft.find("checkpoint", None, f"a checkpoint signed by {keys[0].key_id.hex()}", "none that holds", fault)
        return None
    detail = "the checkpoint is signed by the key in the genesis, not by the one you trust"
    draft.find("key", checkpoint.size - 1, f"key {keys[0].key_id.hex()}", f"key {genesis_keys[0].key_id.hex()}", detail)
    return None


def _judge_missing_note(walked: Walked, heads: Heads, draft: Draft) -> None:
    """The checkpoint is stored when a log is opened: without one, either that moment was a crash, or it was removed."""
    if walked.size > 1 or (heads.memory is not None and heads.memory.size > 1):
        draft.find("checkpoint", None, "a signed checkpoint", "none", "the stored checkpoint was removed")
    else:
        draft.incomplete.append(
            f"{walked.size} records without a stored checkpoint: the service stores one within a second; start it"
        )


def _judge_memory(walked: Walked, heads: Heads, checkpoint: Checkpoint | None, draft: Draft) -> int:
    """Compare the signer's memory; return how many records it vouches for."""
    if heads.memory_unread is not None:
        draft.not_verified.append(
            f"rollback: the signer's memory cannot be read here ({heads.memory_unread}), so an older database with its "
            "older checkpoint would look the same; compare with a checkpoint held elsewhere"
        )
        return 0
    memory = heads.memory
    if memory is None or memory.size < walked.first:
        return 0
    if memory.size > walked.size:
        noted = checkpoint.size if checkpoint is not None else claimed_size(heads.note)
        if noted <= walked.size:
            draft.find(
                "rollback",
                walked.size,
                f"{memory.size} records, which the signer has signed",
                f"{walked.size} records",
                "an older database was restored, or the end of the log and its checkpoint were removed together",
            )
        return 0
    found = walked.roots.get(memory.size)
    if checkpoint is not None and checkpoint.size == memory.size:
        found = checkpoint.root
    if found != memory.root:
        if not draft.findings:
            _find_fork(memory.size, memory.root, found, draft)
        return 0
    draft.verified.append(f"the signer's memory: it signed {memory.size} records, and they are these")
    return memory.size


def _find_fork(size: int, remembered: bytes, found: bytes | None, draft: Draft) -> None:
    detail = f"the signer signed another history of {size} records"
    draft.find("fork", None, f"root {remembered.hex()}", f"root {found.hex() if found else 'none'}", detail)


def _compare_root(checkpoint: Checkpoint, walked: Walked, draft: Draft) -> None:
    size, root = checkpoint.size, checkpoint.root
    if size < walked.first:
        draft.not_verified.append(f"the root of the stored checkpoint, whose {size} records are older than those read")
        return
    if size > walked.size:
        if not draft.findings:
            detail = f"the checkpoint covers {size} records"
            draft.find("truncate", walked.size, f"record {walked.size}", "the end of the log", detail)
        return
    found = walked.roots.get(size)
    if found == root:
        draft.verified.append(f"the checkpoint: its signature holds and its root is that of records 0 to {size - 1}")
    elif not draft.findings:  # a finding about records says more than the root, which then differs because of it
        detail = (
            "the records agree with each other but not with the signed root: one was altered and everything after it "
            "written anew"
        )
        draft.find("edit", None, f"root {root.hex()}", f"root {found.hex() if found else 'none'}", detail)


def _judge_tail(walked: Walked, covered: int, checkpoint: Checkpoint | None, draft: Draft) -> None:
    tail = walked.size - covered
    if checkpoint is None or draft.findings:
        return
    if tail > 0:
        draft.counts["unsigned"] = tail
        draft.incomplete.append(
            f"{tail} records at the end (from {covered} on) are under no signature yet: the running service signs "
            "within a second; verify again, and start the service if it is stopped"
        )
    elif covered > checkpoint.size:
        draft.verified.append(
            f"records {checkpoint.size} to {covered - 1}, newer than the stored checkpoint, by the signer's memory"
        )


def _judge_row(walked: Walked, row: HeadRow | None, draft: Draft) -> None:
    """Compare the head row, from which the log goes on. A broken log makes it wrong, which is not said twice."""
    if draft.findings:
        return
    if row is None:
        if walked.size:
            draft.find("tree", None, f"a head of size {walked.size}", "none", "the head row was removed")
        return
    size, last, time, stored = row
    try:
        frontier = Frontier.from_bytes(stored)
    except ProofError as error:
        draft.find("tree", None, "the compact range of the tree", "bytes that are none", str(error))
        return
    if (size, last, time, frontier) != (walked.size, walked.last, walked.time, walked.frontier):
        found = f"size {size}, last leaf {last.hex()}, time {time}"
        expected = f"size {walked.size}, last leaf {walked.last.hex()}, time {walked.time}"
        draft.find("tree", None, expected, found, "the head row does not belong to these records")
    else:
        draft.verified.append("the head row: size, last leaf, time and compact range")
