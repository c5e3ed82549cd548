"""A clock that tests turn, and small facts to record."""

from dataclasses import dataclass
from typing import Any

import orjson

from graph_schema import times
from graph_schema.events import parse_event
from lineage_service.ledger.checkpoint import Checkpoint, open_checkpoint
from lineage_service.ledger.merkle import Frontier, leaf_hash, verify_inclusion
from lineage_service.ledger.note import parse_vkey
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Incoming, Prepared, Sender
from lineage_service.recorder.recorder import Receipt, Recorded
from lineage_service.store.protocol import RecordQuery

MLFLOW = Sender("mlflow", "prod")
NOON = times.parse_time("2026-11-23T12:00:00Z")
SECOND = times.MICROS_PER_SECOND
MODEL = "model:mlflow-prod::credit"
DEPLOYER = {"issuer": "mlflow:prod", "subject": "deployer1", "assurance": "authenticated", "via": "basic-auth"}


@dataclass(slots=True)
class Clock:
    """A clock that moves on by a millisecond at each look, and to anywhere when it is set."""

    now: int = NOON

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def event(word: str, body: dict[str, Any], *, at: int = NOON - SECOND, **more: Any) -> Any:
    """Return a validated event."""
    actor = more.pop("actor", DEPLOYER)
    return parse_event({"type": word, "occurred_at": times.format_time(at), "actor": actor, "body": body, **more})


def move(number: object = 1, *, at: int = NOON - SECOND, **more: Any) -> Any:
    """Return a stage move; a number of its own makes it a fact of its own."""
    body = {"model": MODEL, "version": str(number), "created_ms": 1, "to": "Production", **more.pop("body", {})}
    return event("stage.transitioned", body, at=at, **more)


def prepare(installation: Installation, *events: Any, sender: Sender = MLFLOW) -> list[Prepared]:
    """Prepare events of one source."""
    return installation.preparation.prepare([Incoming(one, sender) for one in events])


def record(installation: Installation, *events: Any, sender: Sender = MLFLOW, ack: Any = "signed") -> Recorded:
    """Record the events of one request."""
    return installation.recorder.record(prepare(installation, *events, sender=sender), ack=ack)


def bodies(installation: Installation) -> list[dict[str, Any]]:
    """Return every record, read."""
    with installation.store.read() as reader:
        return [orjson.loads(found.body) for found in reader.records(RecordQuery())]


def require_intact_chain(installation: Installation) -> None:
    """Check numbers, leaf hashes, chain, times and head of the whole log."""
    with installation.store.read() as reader:
        head, found = reader.head(), list(reader.records(RecordQuery()))
    last, time = bytes(32), ""
    for seq, stored in enumerate(found):
        body = orjson.loads(stored.body)
        assert stored.seq == body["seq"] == seq
        assert body["prev"] == last.hex()
        assert body["time"] >= time
        assert stored.leaf == leaf_hash(stored.body)
        last, time = stored.leaf, body["time"]
    assert (head.size, head.last) == (len(found), last)
    assert head.frontier == Frontier().extend([stored.leaf for stored in found])


def opened(installation: Installation, note: str | None) -> Checkpoint:
    """Return a checkpoint once the log's own signature over it was checked."""
    assert note is not None
    return open_checkpoint(note.encode(), installation.origin, [parse_vkey(installation.log_vkey)])


def require_proof(installation: Installation, receipt: Receipt, recorded: Recorded) -> None:
    """Check that a receipt's record stands in the store and, by its proof, under the signed head it came with."""
    checkpoint = opened(installation, recorded.checkpoint)
    assert checkpoint.size == recorded.size
    with installation.store.read() as reader:
        stored = reader.record(receipt.seq)
    assert stored is not None
    assert stored.leaf.hex() == receipt.hash
    assert receipt.proof is not None
    proof = [bytes.fromhex(digest) for digest in receipt.proof]
    verify_inclusion(receipt.seq, checkpoint.size, leaf_hash(stored.body), proof, checkpoint.root)
