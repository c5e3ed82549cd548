"""The heartbeat: which stretch of time was seen without a hole, told every half minute by the process that drains.

A report begins where the watch began: when this run of the server did, or where the last hole ended. That is so
whatever worker sends it, since span and end of the last one are kept in the spool's folder; without a folder each
worker watches and reports for itself. What could not be recorded is a hole: the report ends where it begins, and the
next one starts behind it.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from collectors.delivery import Spans, Waiting, files
from collectors.mlflow.act import present
from collectors.mlflow.intents import Intent
from graph_schema.times import MICROS_PER_SECOND, format_time

EVERY_SECONDS: Final = 30
LOOK_SECONDS: Final = 3
"""How often it is looked for intents of processes that died."""

ENDED: Final = "the MLflow process ended before it answered"
MARGIN: Final = 2 * MICROS_PER_SECOND
"""A report ends this long before now: facts of requests that end just now are still on their way to the spool."""

_TOLD: Final = 20
_log = logging.getLogger("lineage.mlflow")


def _any(_intent: Intent) -> bool:
    """Stand for a server whose things are all known."""
    return True


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not recorded, and when it happened (microseconds)."""

    text: str
    started: int
    ended: int


class Troubles(Protocol):
    """What could not be recorded, until a report tells it; :class:`Problems` and :class:`MemoryProblems` are such."""

    def note(self, problem: Problem) -> None:
        """Note a problem; never raises."""

    def take(self) -> list[Problem]:
        """Return what was noted since the last time."""


class Journal(Protocol):
    """Where intents are written down before a change."""

    def begin(self, intent: Intent) -> None:
        """Put an intent where it outlives this process; SpoolError if that fails."""

    def settle(self, intent: Intent) -> None:
        """Note that the outcome of an intent is told."""

    def unsettled(self) -> Iterator[Intent]:
        """Give intents of processes that died before their outcome."""

    def close(self) -> None:
        """Let go of connections; what was begun stays begun."""


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


class MemoryProblems:
    """What this process could not record, for a plugin without a disk."""

    def __init__(self) -> None:
        """Nothing is noted yet."""
        self._kept: list[Problem] = []

    def note(self, problem: Problem) -> None:
        """Note a problem in memory."""
        _log.error("%s", problem.text)
        self._kept.append(problem)

    def take(self) -> list[Problem]:
        """Return what was noted since the last time."""
        kept, self._kept = self._kept, []
        return kept


class Heartbeat:
    """Spools ``collector.reported``. ``clock`` gives microseconds since 1970."""

    def __init__(
        self,
        spool: Waiting,
        problems: Troubles,
        journal: Journal,
        clock: Callable[[], int],
        spans: Spans,
        *,
        is_known: Callable[[Intent], bool] = _any,
    ) -> None:
        """Coverage begins now, unless another worker of this run of the server began it before.

        ``spans``: of this run of the server, where workers tell each other how far they covered.
        ``is_known`` tells whether MLflow has what an intent was about.
        """
        self._spans = spans
        self._standing = ""
        self._is_known = is_known
        self._spool = spool
        self._problems = problems
        self._journal = journal
        self._clock = clock
        self._began = clock()
        self._told_at = 0
        self._looked_at = 0
        self._last = threading.Event()

    def beat(self) -> None:
        """Report if half a minute passed since the last report of this process."""
        now = self._clock()
        if abs(now - self._looked_at) >= LOOK_SECONDS * MICROS_PER_SECOND:
            self._note_unsettled(now)
            self._looked_at = now
        due = abs(now - self._told_at) >= EVERY_SECONDS * MICROS_PER_SECOND
        if not due and not self._last.is_set():
            return
        self._last.clear()
        if self.report():
            self._told_at = now

    def always_say(self, text: str) -> None:
        """Say a text in every report from now on: something that is wrong with this server, and no hole by itself."""
        self._standing = text
        self._told_at = 0  # the next beat reports

    def last(self) -> None:
        """Make the next beat report whatever its time: the server is about to end."""
        self._last.set()

    def report(self) -> bool:
        """Report the span up to now, if it grew since the last report of any worker; SpoolError if the disk refuses.

        Returns whether there was anything to report yet: the first report of a server comes within seconds.
        """
        now = self._clock()
        self._note_unsettled(now)
        reached = self._spans.reached
        start, end = self._began if reached is None else reached, now - MARGIN
        if end <= start:
            return False
        begun = self._spans.beginning(start)
        problems = self._problems.take()
        covered_to, following = _around(problems, start, end)
        try:
            self._spool.append([self._fact(now, begun, covered_to, problems)])
        except Exception:
            for one in problems:
                self._problems.note(one)
            raise
        self._spans.keep(begun if following == covered_to else following, following)
        return True

    def _note_unsettled(self, now: int) -> None:
        """Tell of each intent whose process died: as a fact about what it was aimed at, and as a hole."""
        for intent in self._journal.unsettled():
            self._spool.append([intent.unresolved(self._is_known(intent), ENDED)])
            text = f"a worker ended during {intent.told.get('action')}; whether it took effect is not known"
            self._problems.note(Problem(f"{text}: {orjson.dumps(intent.named).decode()}", intent.at, now))

    def _fact(self, now: int, start: int, end: int, problems: Sequence[Problem]) -> dict[str, Any]:
        told = [self._standing] if self._standing else []
        told += [f"{format_time(one.started)}: {one.text}" for one in problems[:_TOLD]]
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


def _around(problems: Sequence[Problem], start: int, end: int) -> tuple[int, int]:
    """Return where the hole begins and ends that problems make between two instants; both are the end without one."""
    if not problems:
        return end, end
    hole = min(max(start, min(one.started for one in problems)), end)
    behind = max(hole, *(one.ended for one in problems))
    return (hole, behind) if behind > hole else (end, end)
