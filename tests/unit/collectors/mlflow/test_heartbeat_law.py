"""Whatever happens to a server: reports tell of watched time alone, and joined they tell what each alone would tell."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from collectors.delivery import Spans, Spool
from collectors.mlflow.coverage import MARGIN, Heartbeat, Problem, Problems
from collectors.mlflow.intents import IntentJournal
from graph_schema.times import parse_time

SECOND = 1_000_000
START = 1_795_393_750 * SECOND
BEHIND = MARGIN // SECOND

Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("up"), st.integers(1, 40)),
        st.tuples(st.sampled_from(("report", "report", "another worker", "the note is lost")), st.just(0)),
        st.tuples(st.just("down"), st.integers(1, 30)),
        st.tuples(st.just("lost"), st.integers(0, BEHIND)),
    ),
    max_size=25,
)
"""What happens, and for how many seconds. What is lost is noticed within the margin of reports."""


@dataclass
class Server:
    """A server with its heartbeat; beside it what it watched, what it missed, and what each report adds by itself."""

    folder: Path
    now: int = 0
    watched: set[int] = field(default_factory=set)
    missed: set[int] = field(default_factory=set)
    alone: set[int] = field(default_factory=set)
    began: int = 0
    reached: int | None = None
    boot: int = 0
    reported: bool = False
    noted: bool = False
    lost: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spool = Spool(self.folder)
        self.begin()

    def begin(self) -> None:
        """Start a worker of this run of the server."""
        spans = Spans(self.folder, watch=str(self.boot))
        journal, problems = IntentJournal(self.folder), Problems(self.folder)
        self.heartbeat = Heartbeat(self.spool, problems, journal, lambda: START + self.now * SECOND, spans)
        self.reported = False
        if not self.noted:
            self.began, self.reached = self.now, None

    def take(self, what: str, length: int) -> None:
        if what == "up":
            self.watched.update(range(self.now, self.now + length))
            self.now += length
        elif what == "down":
            self.now, self.boot, self.noted = self.now + length, self.boot + 1, False
            self.begin()
        elif what == "lost":
            start, end = START + (self.now - length) * SECOND, START + self.now * SECOND
            Problems(self.folder).note(Problem("lost", start, end))
            self.lost.append((self.now - length, self.now))
            self.missed.update(range(self.now - length, self.now))
        elif what == "report":
            assert self.heartbeat.report() == self.add()
        elif what == "another worker":
            self.begin()
        else:
            (self.folder / "coverage.json").unlink(missing_ok=True)
            self.noted = False
            if not self.reported:
                self.reached, self.began = None, min(self.began, self.now)
                self.begin()

    def add(self) -> bool:
        """Add the stretch since the last report, as a report of its own would; return whether there is one."""
        start, end = self.began if self.reached is None else self.reached, self.now - BEHIND
        if end <= start:
            return False
        hole = min([end, *(max(start, one) for one, _ in self.lost)])
        behind = max([hole, *(one for _, one in self.lost)])
        self.alone.update(range(start, end if behind == hole else hole))
        self.reached = end if behind == hole else behind
        self.lost, self.reported, self.noted = [], True, True
        return True

    def told(self) -> set[int]:
        """Return the seconds that reports tell of."""
        batch = self.spool.batch(1000)
        bodies = [entry.event["body"] for entry in batch.entries] if batch is not None else []
        stretches = [(parse_time(body["covered_from"]), parse_time(body["covered_to"])) for body in bodies]
        return {at for start, end in stretches for at in range((start - START) // SECOND, (end - START) // SECOND)}


@given(STEPS)
@example([("up", 9), ("report", 0), ("up", 9), ("another worker", 0), ("report", 0)])
@example([("up", 9), ("report", 0), ("up", 9), ("lost", 2), ("report", 0), ("up", 9), ("report", 0)])
@example([("up", 9), ("report", 0), ("up", 9), ("the note is lost", 0), ("report", 0), ("down", 3), ("up", 9)])
def test_reports_tell_of_watched_time_alone_and_joined_they_tell_what_each_alone_would_tell(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        for what, length in [*steps, ("up", 60), ("report", 0), ("up", 5), ("report", 0)]:
            server.take(what, length)
        told = server.told()
        assert told == server.alone
        assert told <= server.watched - server.missed
