"""The heartbeat: which stretch of time was seen without a hole, told every half minute by the process that drains.

Reports of one run of the server join each other whatever worker sends them, since the end of the last one is kept in
the spool's folder. What could not be recorded is a hole: the report ends where it begins, and the next one starts
behind it.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from collectors.delivery import Spool, files
from collectors.mlflow.act import present
from collectors.mlflow.intents import IntentJournal
from graph_schema.times import MICROS_PER_SECOND, format_time

EVERY_SECONDS: Final = 30
MARGIN: Final = 2 * MICROS_PER_SECOND
"""A report ends this long before now: facts of requests that end just now are still on their way to the spool."""

_TOLD: Final = 20
_log = logging.getLogger("lineage.mlflow")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not recorded, and when it happened (microseconds)."""

    text: str
    started: int
    ended: int


class Problems:
    """What all processes of the server could not record, until the next report tells it."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet."""
        self._folder = folder
        self._kept: list[Problem] = []

    def note(self, problem: Problem) -> None:
        """Note a problem on disk, or in memory while the disk refuses; never raises."""
        _log.error("%s", problem.text)
        try:
            with files.locked(self._folder / "problems.lock", fcntl.LOCK_EX):
                files.append_durably(self._folder / "problems.ndjson", orjson.dumps(asdict(problem)) + b"\n")
        except OSError:
            self._kept.append(problem)

    def take(self) -> list[Problem]:
        """Return what was noted since the last time; the caller tells it or notes it again."""
        kept, self._kept = self._kept, []
        path = self._folder / "problems.ndjson"
        with files.locked(self._folder / "problems.lock", fcntl.LOCK_EX):
            lines = path.read_bytes().splitlines() if path.exists() else []
            path.unlink(missing_ok=True)
        return kept + [Problem(**orjson.loads(line)) for line in lines if line.endswith(b"}")]


class Heartbeat:
    """Spools ``collector.reported``. ``clock`` gives microseconds since 1970; ``boot`` names this run of the server."""

    def __init__(
        self, spool: Spool, problems: Problems, journal: IntentJournal, clock: Callable[[], int], boot: str
    ) -> None:
        """Coverage begins now, unless another worker of this run of the server began it before."""
        self._spool = spool
        self._problems = problems
        self._journal = journal
        self._clock = clock
        self._boot = boot
        self._began = clock()
        self._told_at = 0
        self._last = threading.Event()

    def beat(self) -> None:
        """Report if half a minute passed since the last report of this process."""
        now = self._clock()
        due = abs(now - self._told_at) >= EVERY_SECONDS * MICROS_PER_SECOND
        if not due and not self._last.is_set():
            return
        self._last.clear()
        if self.report():
            self._told_at = now

    def last(self) -> None:
        """Make the next beat report whatever its time: the server is about to end."""
        self._last.set()

    def report(self) -> bool:
        """Report what was covered since the last report of any worker; SpoolError if that cannot be spooled.

        Returns whether there was anything to report yet: the first report of a server comes within seconds.
        """
        now = self._clock()
        self._note_unsettled(now)
        start, end = self._start(), now - MARGIN
        if end <= start:
            return False
        problems = self._problems.take()
        covered_to, following = end, end
        if problems:
            covered_to = min(max(start, min(one.started for one in problems)), end)
            following = max(covered_to, *(one.ended for one in problems))
        try:
            self._spool.append([self._fact(now, start, covered_to, problems)])
        except Exception:
            for one in problems:
                self._problems.note(one)
            raise
        state = {"boot": self._boot, "covered_to": following}
        files.replace_durably(self._spool.path / "coverage.json", orjson.dumps(state))
        return True

    def _start(self) -> int:
        path = self._spool.path / "coverage.json"
        state = orjson.loads(path.read_bytes()) if path.exists() else {}
        return int(state["covered_to"]) if state.get("boot") == self._boot else self._began

    def _note_unsettled(self, now: int) -> None:
        for intent in self._journal.unsettled():
            text = f"a worker ended during {intent.told.get('action')}; whether it took effect is not known"
            self._problems.note(Problem(f"{text}: {orjson.dumps(intent.told).decode()}", intent.at, now))

    def _fact(self, now: int, start: int, end: int, problems: Sequence[Problem]) -> dict[str, Any]:
        told = [f"{format_time(one.started)}: {one.text}" for one in problems[:_TOLD]]
        if len(problems) > _TOLD:
            told.append(f"and {len(problems) - _TOLD} more")
        body = {
            "covered_from": format_time(start),
            "covered_to": format_time(end),
            "spooled": self._spool.waiting(),
            "problem": "\n".join(told)[:16_000],
        }
        return {
            "type": "collector.reported",
            "ev": 1,
            "occurred_at": format_time(now),
            "source": {"event_id": str(uuid.uuid4())},
            "actor": {"assurance": "system"},
            "body": present(body),
        }
