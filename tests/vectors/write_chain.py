"""Write ``chain.json``: a small ledger made with a fixed clock and fixed randomness, so that every byte of it is known.

``python -m tests.vectors.write_chain`` regenerates the file; a test compares. A change of a byte here is a change of
what every verifier in the world must read: it needs a new record version, never an edit of this file.
"""

import hashlib
import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graph_schema.events import parse_event
from lineage_service.ledger.keys import SigningKey, proof_of_possession
from lineage_service.ledger.merkle import Frontier
from lineage_service.ledger.sealing import Keyring
from lineage_service.ledger.signer import Signer, create_state
from lineage_service.recorder.heads import HeadSigner
from lineage_service.recorder.payloads import Secrets
from lineage_service.recorder.preparation import Incoming, Preparation, Prepared, Sender
from lineage_service.recorder.recorder import Recorder
from lineage_service.store.protocol import RecordQuery
from lineage_service.store.sqlite import SqliteStore

TARGET = Path(__file__).with_name("chain.json")
ORIGIN = "vectors.example/log/000000"
START = 1_800_000_000_000_000
OWN = Sender("lineage", ORIGIN, "system")
MLFLOW = Sender("mlflow", "prod", "authenticated")
GIT = Sender("git", "team", "claimed")


def fixed_random(label: str) -> Callable[[int], bytes]:
    """Return a source of bytes that gives the same ones each time."""
    counter = itertools.count()

    def give(count: int) -> bytes:
        return hashlib.shake_256(f"{label} {next(counter)}".encode()).digest(count)

    return give


def events(log_key: SigningKey, root_key: SigningKey) -> list[tuple[dict[str, Any], Sender, bytes | None]]:
    """Return what happens in the vector's world: every field class occurs, and names that need encoding."""
    person = {"issuer": "mlflow:prod", "subject": "dana", "assurance": "authenticated", "via": "basic-auth"}
    opened = {
        "origin": ORIGIN,
        "log_key": log_key.vkey,
        "log_key_proof": proof_of_possession(ORIGIN, log_key),
        "root_key": root_key.vkey,
        "root_key_proof": proof_of_possession(ORIGIN, root_key),
        "profile": "LJ1/RFC6962/C2SP-checkpoint/Ed25519",
        "software": "vectors",
    }
    model = "model:prod::credit risk/β"
    run = {
        "run": "r 1/é",
        "state": "complete",
        "name": "nightly",
        "params": [["C", "1.0"], ["note", "private"]],
        "metrics": [{"key": "auc", "value": "0.91"}],
        "inputs": [{"namespace": "s3a://lake", "name": "a b.parquet", "roles": ["training"]}],
        "outputs": [{"namespace": "s3://lake", "name": "scores", "version": "2027-01", "digest": "sha256:00ff"}],
        "commit": {"sha": "a" * 40, "repository": "https://git.example/x", "dirty": True},
    }
    author = {"issuer": "git", "subject": "dana@example.org", "name": "Dana D", "email": "dana@example.org"}
    behalf = {"issuer": "github", "subject": "omar", "via": "actions", "ref": "https://ci.example/1"}
    stage: dict[str, Any] = {"model": model, "version": "3", "created_ms": 1_799_999_999_000, "to": "Production"}
    stage |= {"archive_others": True, "reason": "better"}
    alias = {"model": model, "version": "3", "alias": "ch@mp"}
    return [
        (_event("ledger.opened", {"assurance": "system"}, opened), OWN, None),
        (_event("run.observed", person, run), MLFLOW, b'{"raw":"bytes"}'),
        (_event("commit.observed", {**person, "assurance": "claimed"}, _commit(author)), GIT, None),
        (_event("stage.transitioned", {**person, "on_behalf_of": behalf}, stage), MLFLOW, None),
        (_event("alias.moved", {"assurance": "observed"}, alias), MLFLOW, None),
    ]


def _commit(author: dict[str, str]) -> dict[str, Any]:
    return {"repository": "https://git.example/x", "sha": "a" * 40, "parents": ["b" * 40], "author": author}


def _event(word: str, actor: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": word,
        "occurred_at": "2027-01-15T08:00:00.123456Z",
        "source": {"order": 7, "event_id": "e-1"},
        "actor": actor,
        "body": body,
    }


def _never(_last: int, _now: int) -> Prepared:
    raise AssertionError("the clock of the vectors stands still")


def write() -> dict[str, Any]:
    """Return the vector: records with their leaf hashes, roots of each size, and the signed head."""
    log_key, root_key = SigningKey(ORIGIN, bytes(range(32))), SigningKey(f"{ORIGIN}/root", bytes(range(1, 33)))
    secrets = Secrets(ORIGIN, bytes(32), Keyring(bytes(32), fixed_random("wrap")))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lineage.db"
        SqliteStore.create(path)
        store = SqliteStore(path)
        preparation = Preparation(secrets, store.vault(), clock=lambda: START, random=fixed_random("seal"))
        incoming = [Incoming(parse_event(event), sender, raw) for event, sender, raw in events(log_key, root_key)]
        prepared = [one for item in incoming for one in preparation.prepare([item])]
        create_state(Path(folder) / "signer.state")
        heads = HeadSigner(Signer(log_key, Path(folder) / "signer.state"), ORIGIN, store, secrets.id_key)
        recorder = Recorder(store, heads, clock=lambda: START, anomaly=_never)
        note = recorder.record(prepared, ack="signed").checkpoint
        recorder.close()
        heads.close()
        with store.read() as reader:
            stored = list(reader.records(RecordQuery()))
        store.close()
    frontier, roots = Frontier(), {}
    for record in stored:
        frontier = frontier.extend([record.leaf])
        roots[str(frontier.size)] = frontier.root().hex()
    return {
        "comment": "bytes as UTF-8 text; leaf = SHA-256(0x00 bytes); roots by RFC 6962; note by C2SP signed-note",
        "origin": ORIGIN,
        "vkey": log_key.vkey,
        "records": [{"seq": one.seq, "body": one.body.decode(), "leaf": one.leaf.hex()} for one in stored],
        "roots": roots,
        "note": note,
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(write(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
