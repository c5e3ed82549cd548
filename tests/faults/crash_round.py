"""One crash round: a service takes in facts, something is killed, and every promise it made is checked."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from tests.faults.crash_promises import BrokenPromiseError, Heard, require_promises
from tests.faults.crash_service import BEGIN, COMMIT, Marks
from tests.faults.crash_site import Site

ROOT = Path(__file__).resolve().parents[2]
THREADS = 4
Victim = Literal["service", "neo4j", "both"]
_PATIENCE_SECONDS = 60
_LONGEST_RANDOM_SECONDS = 0.4
_REQUESTS_A_ROUND = 1_000_000
_SAID = {BEGIN: "before anything was written", COMMIT: "before the commit", None: "at any time"}


@dataclass(frozen=True, slots=True)
class Blow:
    """What is killed, and when: at a mark inside a transaction, or at any time (None).

    A Neo4j that is killed alone is left lying for ``outage`` seconds before it is started again.
    """

    victim: Victim
    moment: bytes | None
    outage: float = 0

    def __str__(self) -> str:
        """What is killed and when, in a few words."""
        return f"{self.victim} killed {_SAID[self.moment]}" + (f", down for {self.outage:g} s" if self.outage else "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One round: what had been promised when something was killed, and how long the log is now.

    ``unavailable`` counts requests that were told the store cannot be used. ``back`` is after how many seconds a
    service recorded facts again that had outlived its Neo4j, counted from when that answered.
    """

    blow: Blow
    receipts: int
    unanswered: int
    unavailable: int
    records: int
    back: float | None

    def __str__(self) -> str:
        """The round in one line."""
        return (
            f"{self.blow}: {self.receipts} receipts kept, {self.unanswered} facts sent again, "
            f"{self.unavailable} requests told to come later, {self.records} records"
            + ("" if self.back is None else f"; recording again after {self.back:g} s")
        )


def run_round(site: Site, token: str, number: int, blow: Blow, chance: random.Random) -> Outcome:
    """Start, kill, check. The service is killed in the end in any case."""
    marks = Marks.create(site.marks)
    service = _started(site, "tests.faults.crash_service", str(site.folder), str(site.marks))
    client: subprocess.Popen[bytes] | None = None
    heard = Heard()
    try:
        port = _out(service).readline().decode().strip()
        first = str(number * _REQUESTS_A_ROUND)
        client = _started(site, "tests.faults.crash_client", port, token, first, str(THREADS))
        listener = threading.Thread(target=heard.listen, args=(_out(client),))
        listener.start()
        wanted = chance.randrange(3, 30)
        _wait_for(lambda: len(heard.answered) > wanted, service, "the first receipts")
        _reach(marks, blow.moment, service, chance)
        back = _strike(site, blow, service, marks, heard)
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
    if site.server is not None and not site.server.running:
        site.server.start()
    receipts, records = require_promises(site.places, heard, outage=blow.victim != "service")
    return Outcome(blow, receipts, len(heard.unanswered()), len(heard.unavailable), records, back)


def _started(site: Site, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LINEAGE_")}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env={**inherited, **site.environment}, stdout=subprocess.PIPE)


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


def _strike(site: Site, blow: Blow, service: subprocess.Popen[bytes], marks: Marks, heard: Heard) -> float | None:
    """Kill; a Neo4j killed alone is started again, and the service must come back by itself."""
    if blow.victim == "service":
        service.kill()
        return None
    assert site.server is not None
    site.server.kill()
    if blow.victim == "both":
        service.kill()
        return None
    marks.let_go()
    time.sleep(blow.outage)
    site.server.start()
    up, sent = time.monotonic(), heard.last_sent
    _wait_for(lambda: heard.last_answered > sent, service, "a receipt after Neo4j was started again")
    return round(time.monotonic() - up, 2)
