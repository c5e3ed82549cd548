"""Kills the running service again and again, and checks that it kept every promise it made.

``python -m tests.faults.crash --rounds 100 --random``: each round starts the service on the ledger the last one left
behind and a client that prints its receipts, kills the service with SIGKILL, and then checks: every receipt printed is
found by its number with the same hash, and by its proof under the signed head it came with; ``verify --deep`` finds
nothing; the log can be opened, what had no answer is sent again and recorded once, and new facts are signed.

Without ``--random`` every other round kills at a mark: while the write lock is held and nothing is written, or when
everything is written and nothing is durable. After ten rounds a new ledger is begun, so that rounds stay short.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from graph_schema.events import parse_event
from lineage_service.evidence.findings import EXIT_FINE, EXIT_INCOMPLETE
from lineage_service.evidence.inspection import run_verify
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.keys import load_key
from lineage_service.ledger.merkle import leaf_hash, verify_inclusion
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.preparation import Incoming, Sender
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.authority import Authority
from lineage_service.server.rights import Registrar, SourceWish
from lineage_service.store.protocol import Reader
from lineage_service.store.sqlite import SqliteStore
from tests.faults.crash_service import BEGIN, COMMIT, Marks, places_in

ROOT = Path(__file__).resolve().parents[2]
THREADS = 4
ROUNDS_A_LEDGER = 10
_PATIENCE_SECONDS = 60
_LONGEST_RANDOM_SECONDS = 0.4
_REQUESTS_A_ROUND = 1_000_000


class BrokenPromiseError(AssertionError):
    """Something that was promised before a crash does not hold after it."""


@dataclass(slots=True)
class Heard:
    """What the client printed: the requests it sent, and the answers it got."""

    sent: dict[int, list[Any]] = field(default_factory=dict)
    answered: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: list[Any] = field(default_factory=list)

    def listen(self, stream: IO[bytes]) -> None:
        """Take in lines until the client ends."""
        for data in stream:
            line = json.loads(data)
            if "sent" in line:
                self.sent[line["sent"]] = line["events"]
            elif line["status"] != 201:
                self.refused.append(line)
            else:
                self.answered[line["answered"]] = line["body"]

    def unanswered(self) -> list[Any]:
        """Return the facts nobody knows the fate of."""
        return [event for number, events in self.sent.items() if number not in self.answered for event in events]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One round: when the service was killed, what had been promised by then, how long the log is now."""

    moment: str
    receipts: int
    unanswered: int
    records: int


def new_ledger(folder: Path) -> str:
    """Make an installation with one registered source; return the source's token."""
    installation = create(places_in(folder), origin="crash.example/log")
    authority = Authority(installation, wall_clock, lambda _finding: None)
    wish = SourceWish("mlflow", "prod", families=["run", "model"], assurance="authenticated")
    issued = Registrar(installation, authority).register_source(wish, {"assurance": "system"})
    installation.close()
    return issued.token


def run_round(folder: Path, token: str, number: int, moment: bytes | None, chance: random.Random) -> Outcome:
    """Start, kill, check. ``moment`` None: at any time."""
    marks = Marks.create(folder / "marks")
    service = _started("tests.faults.crash_service", str(folder), str(folder / "marks"))
    client: subprocess.Popen[bytes] | None = None
    heard = Heard()
    try:
        port = _out(service).readline().decode().strip()
        first = str(number * _REQUESTS_A_ROUND)
        client = _started("tests.faults.crash_client", port, token, first, str(THREADS))
        listener = threading.Thread(target=heard.listen, args=(_out(client),))
        listener.start()
        wanted = chance.randrange(3, 30)
        _wait_for(lambda: len(heard.answered) > wanted, service, "the first receipts")
        _reach(marks, moment, service, chance)
        service.kill()
        service.wait(_PATIENCE_SECONDS)
        client.wait(_PATIENCE_SECONDS)
        listener.join(_PATIENCE_SECONDS)
    finally:
        for process in (service, client):
            if process is not None:
                _end(process)
    if service.returncode != -signal.SIGKILL:
        raise BrokenPromiseError(f"the service ended by itself with {service.returncode}")
    return _checked(places_in(folder), heard, moment)


def _started(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LINEAGE_")}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)


def _out(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(_PATIENCE_SECONDS)
    _out(process).close()


def _wait_for(holds: Callable[[], bool], service: subprocess.Popen[bytes], what: str) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if service.poll() is not None or time.monotonic() > end:
            raise BrokenPromiseError(f"waited in vain for {what}; the service's exit code is {service.returncode}")
        time.sleep(0.001)


def _reach(marks: Marks, moment: bytes | None, service: subprocess.Popen[bytes], chance: random.Random) -> None:
    """Return when it is time to kill."""
    if moment is None:
        time.sleep(chance.uniform(0, _LONGEST_RANDOM_SECONDS))
        return
    marks.ask(moment)
    _wait_for(lambda: marks.standing() == moment, service, "the mark")
    time.sleep(0.02)  # the writer may have passed here just before it was asked to stop: now it stands
    _wait_for(lambda: marks.standing() == moment, service, "the mark")


# ------------------------------------------------------------------------------------------------ after the crash


def _checked(places: Places, heard: Heard, moment: bytes | None) -> Outcome:
    if heard.refused:
        raise BrokenPromiseError(f"the service refused a sound request: {heard.refused[0]}")
    with closing(SqliteStore(places.file, writing=False)) as store, store.read() as reader:
        count = sum(_require_kept(reader, body, places) for body in heard.answered.values())
    _require_sound(places, {EXIT_FINE, EXIT_INCOMPLETE})  # what nobody was promised may be without a signature yet
    _require_writable(places, heard)
    _require_sound(places, {EXIT_FINE})
    with _opened(places) as installation:
        records = installation.heads.size
    named = {BEGIN: "begin", COMMIT: "commit", None: "random"}[moment]
    return Outcome(named, count, len(heard.unanswered()), records)


def _require_kept(reader: Reader, body: dict[str, Any], places: Places) -> int:
    """Check the receipts of one answer: found by number, same hash, and proven where a proof came with them."""
    log_key = load_key(places.log_key)
    for receipt in body["receipts"]:
        stored = reader.record(receipt["seq"])
        if stored is None or stored.leaf.hex() != receipt["hash"] or leaf_hash(stored.body).hex() != receipt["hash"]:
            raise BrokenPromiseError(f"the receipt {receipt} was printed, and its record is lost or another one")
        if json.loads(stored.body)["id"] != receipt["id"]:
            raise BrokenPromiseError(f"record {receipt['seq']} is not the fact that the receipt was for")
        if receipt.get("proof"):
            checkpoint = open_checkpoint(body["checkpoint"].encode(), log_key.name, [log_key.verifier])
            proof = [bytes.fromhex(digest) for digest in receipt["proof"]]
            verify_inclusion(receipt["seq"], checkpoint.size, stored.leaf, proof, checkpoint.root)
    return len(body["receipts"])


def _require_sound(places: Places, exits: set[int]) -> None:
    report = run_verify(places, deep=True)
    if report.findings or report.exit_code not in exits:
        raise BrokenPromiseError("\n".join(["verify --deep:", *report.lines()]))


def _opened(places: Places) -> closing[Installation]:
    """Give an installation for the length of a block."""
    return closing(Installation(places, SqliteStore(places.file)))


def _require_writable(places: Places, heard: Heard) -> None:
    """Send again what had no answer, and one answered request: each is one fact, and the head is signed."""
    answered = next(iter(heard.answered))
    sender = Sender("mlflow", "prod")
    events = [*heard.unanswered(), *heard.sent[answered]]
    with _opened(places) as installation:
        incoming = [Incoming(parse_event(event), sender) for event in events]
        recorded = installation.recorder.record(installation.preparation.prepare(incoming), ack="signed")
        if {receipt.ack for receipt in recorded.receipts} != {"signed"}:
            raise BrokenPromiseError("after the crash the signer refuses to sign")
        promised = [(receipt["seq"], receipt["hash"]) for receipt in heard.answered[answered]["receipts"]]
        again = [(receipt.seq, receipt.hash) for receipt in recorded.receipts[len(heard.unanswered()) :]]
        if again != promised:
            raise BrokenPromiseError(f"a fact sent again got {again} instead of its receipt {promised}")


def moments(rounds: int, *, at_random: bool) -> list[bytes | None]:
    """Return when to kill in each round: all at random, or every other one at a mark."""
    if at_random:
        return [None] * rounds
    return [(COMMIT, None, BEGIN, None)[number % 4] for number in range(rounds)]


def run_rounds(folder: Path, plan: list[bytes | None], chance: random.Random) -> Iterator[Outcome]:
    """Run all rounds, on a new ledger every tenth."""
    token = ""
    for number, moment in enumerate(plan):
        place = folder / f"ledger {number // ROUNDS_A_LEDGER}"
        if number % ROUNDS_A_LEDGER == 0:
            token = new_ledger(place)
        yield run_round(place, token, number, moment, chance)


def main() -> None:
    """Run as many rounds as asked for; a broken promise ends the run with its sentence."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--random", action="store_true", help="kill at any time, never at a mark")
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of an earlier run")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        plan = moments(asked.rounds, at_random=asked.random)
        for number, outcome in enumerate(run_rounds(Path(folder), plan, random.Random(seed)), 1):  # noqa: S311
            print(f"round {number}: {outcome}", flush=True)
    print("every promise was kept")


if __name__ == "__main__":
    main()
