"""Write the ledger of a release: one small, complete database with an example of every type of event.

``python -m tests.vectors.write_release FOLDER`` makes ``FOLDER`` with the database, its keys (of tests: they protect
nothing) and what must be found in it. Clock and randomness are fixed, so that a second run gives the same records. A
folder that is committed is never written again: every later version must read, verify and fold it as it is.

Examples are picked up by type from ``examples/TYPE.json``: ``{"sender": "KIND/INSTANCE" or "lineage", "event": {…}}``,
and ``raw`` if bytes are kept with it. Two types are made here, because they speak of the ledger they stand in.
"""

import contextlib
import hashlib
import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lineage_service
from graph_schema import times
from graph_schema.events import parse_event
from lineage_service.evidence.state_root import state_root
from lineage_service.ledger.keys import SigningKey, proof_of_possession, save_key, save_secret
from lineage_service.ledger.sealing import Keyring
from lineage_service.ledger.signer import Signer, create_state
from lineage_service.recorder.heads import HeadSigner
from lineage_service.recorder.installation import PROFILE, Places
from lineage_service.recorder.payloads import Secrets
from lineage_service.recorder.preparation import Incoming, Preparation, Prepared, Sender
from lineage_service.recorder.recorder import Recorder
from lineage_service.store.sqlite import SqliteStore
from tests.vectors.write_chain import fixed_random

EXAMPLES: Final = Path(__file__).with_name("examples")
ORIGIN: Final = "vectors.example/release/000000"
START: Final = times.parse_time("2027-01-15T08:00:00Z")
MADE_HERE: Final = frozenset({"ledger.opened", "graph.sealed"})
LEAVES: Final = 260
"""More than one tile of the tree, so that a stored tile is among what must be read."""

_OWN: Final = Sender("lineage", ORIGIN, "system")
_SYSTEM: Final = {"assurance": "system"}


def example_types() -> set[str]:
    """Return the types of which there is an example, or which are made here."""
    return {path.stem for path in EXAMPLES.glob("*.json")} | MADE_HERE


def examples() -> Iterator[Incoming]:
    """Give the example of each type, in the order of their names."""
    for path in sorted(EXAMPLES.glob("*.json")):
        given = json.loads(path.read_text(encoding="utf-8"))
        raw = given["raw"].encode() if "raw" in given else None
        yield Incoming(parse_event(given["event"]), _sender(given["sender"]), raw)


def _sender(name: str) -> Sender:
    kind, _, instance = name.partition("/")
    return Sender(kind, instance, "authenticated") if instance else _OWN


@dataclass(slots=True)
class _Writer:
    """An open log whose clock and randomness give the same each time."""

    places: Places
    store: SqliteStore
    preparation: Preparation
    recorder: Recorder
    heads: HeadSigner
    log_key: SigningKey
    root_key: SigningKey

    def record(self, incoming: Incoming) -> str | None:
        """Record one event; one a request, so that numbers and pseudonyms follow the order given."""
        return self.recorder.record(self.preparation.prepare([incoming]), ack="signed").checkpoint

    def open_log(self) -> None:
        """Record 0."""
        body = {
            "origin": ORIGIN,
            "log_key": self.log_key.vkey,
            "log_key_proof": proof_of_possession(ORIGIN, self.log_key),
            "root_key": self.root_key.vkey,
            "root_key_proof": proof_of_possession(ORIGIN, self.root_key),
            "profile": PROFILE,
            "software": f"lineage-service {lineage_service.__version__}",
        }
        self.record(_own("ledger.opened", START - 30 * 86_400_000_000, body))

    def fill(self) -> None:
        """Heartbeats, until one tile of the tree is complete."""
        for number in range(self.heads.size, LEAVES - 1):
            end = START - (LEAVES - number) * 60_000_000
            body = {"covered_from": times.format_time(end - 60_000_000), "covered_to": times.format_time(end)}
            event = {"type": "collector.reported", "occurred_at": times.format_time(end), "actor": _SYSTEM}
            self.record(Incoming(parse_event({**event, "body": body}), Sender("mlflow", "prod", "observed")))

    def seal_graph(self) -> str:
        """Record the root of the graph of all records before, and return the last checkpoint."""
        with self.store.read() as reader:
            size = reader.head().size
            root = state_root(reader, size - 1).hex()
        with contextlib.closing(sqlite3.connect(self.places.file)) as connection:
            (entities,) = connection.execute("SELECT count(*) FROM node").fetchone()
        note = self.record(_own("graph.sealed", START, {"size": size, "root": root, "entities": entities}))
        assert note is not None
        return note


def _own(word: str, at: int, body: dict[str, Any]) -> Incoming:
    event = {"type": word, "occurred_at": times.format_time(at), "actor": _SYSTEM, "body": body}
    return Incoming(parse_event(event), _OWN)


def _never(_last: int, _now: int) -> Prepared:
    raise AssertionError("the clock of the vectors stands still")


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[_Writer]:
    places = Places(folder / "lineage.db", folder / "keys")
    log_key, root_key = (SigningKey(name, _seed(name)) for name in (ORIGIN, f"{ORIGIN}/root"))
    places.keys.mkdir(mode=0o700)
    save_key(places.log_key, log_key)
    save_key(places.root_key, root_key)
    save_secret(places.kek, _seed("vault"))
    save_secret(places.id_key, _seed("id"))
    create_state(places.signer_state)
    SqliteStore.create(places.file)
    store = SqliteStore(places.file)
    secrets = Secrets(ORIGIN, _seed("id"), Keyring(_seed("vault"), fixed_random("wrap")))
    preparation = Preparation(secrets, store.vault(), clock=lambda: START, random=fixed_random("seal"))
    heads = HeadSigner(Signer(log_key, places.signer_state), ORIGIN, store, secrets.id_key)
    recorder = Recorder(store, heads, clock=lambda: START, anomaly=_never)
    yield _Writer(places, store, preparation, recorder, heads, log_key, root_key)
    recorder.close()
    heads.close()
    store.close()


def _seed(label: str) -> bytes:
    return hashlib.sha256(f"a key of tests, which protects nothing: {label}".encode()).digest()


def write_ledger(folder: Path) -> tuple[Places, str]:
    """Make a ledger of all examples in an empty folder; return where it is, and its last checkpoint."""
    with _opened(folder) as writer:
        writer.open_log()
        for incoming in examples():
            writer.record(incoming)
        writer.fill()
        note = writer.seal_graph()
    with contextlib.closing(sqlite3.connect(writer.places.file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")
    return writer.places, note


def write_release(folder: Path) -> None:
    """Make the folder of a release; it must not be there yet."""
    with tempfile.TemporaryDirectory() as scratch:
        places, note = write_ledger(Path(scratch))
        with contextlib.closing(SqliteStore(places.file, writing=False)) as store, store.read() as reader:
            size = reader.head().size
            root, graph = reader.head().frontier.root().hex(), state_root(reader, size - 1).hex()
        folder.mkdir()
        (folder / "ledger.sqlite").write_bytes(places.file.read_bytes())
        kept = {path.name: path.read_text(encoding="utf-8") for path in sorted(places.keys.glob("*.key"))}
    comment = "keys of tests: they protect nothing and must never sign anything else"
    _write(folder / "keys.json", {"comment": comment, **kept})
    expected = {"release": lineage_service.__version__, "origin": ORIGIN, "records": size, "root": root, "graph": graph}
    _write(folder / "expected.json", {**expected, "types": sorted(example_types()), "note": note})


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_release(Path(sys.argv[1]))
