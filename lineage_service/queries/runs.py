"""Executions of runs and how they ended (specification: section 3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from graph_schema import times
from graph_schema.changes import instant_of
from lineage_service.queries.asking import Asking
from lineage_service.store.protocol import Point, PointQuery

_STRENGTH: Final = {"unknown": 0, "started": 1, "running": 2, "complete": 3, "aborted": 4, "failed": 5}
_TERMINAL: Final = frozenset({"complete", "aborted", "failed"})
FAILED: Final = frozenset({"failed", "aborted"})
"""Outcomes of what did not come to a good end; what such an execution wrote does not count."""

_BEFORE_ALL: Final = -1
OPEN_FOR: Final = 7 * 24 * 3600 * times.MICROS_PER_SECOND
"""Microseconds after its last sign of life until which an execution that nobody saw end is said to be under way."""

Place = tuple[str, int]
"""Which execution of a run: the name its producer gave it, and the instant an unnamed one's segment starts at."""


class Execution(NamedTuple):
    """What is known of one execution of a run; instants in microseconds."""

    outcome: str
    first: int
    last: int
    terminal: int | None

    @property
    def failed(self) -> bool:
        """Whether what it wrote does not count."""
        return self.outcome in FAILED

    def joined(self, other: "Execution") -> "Execution":
        """Return what both say together of one execution."""
        ends = [one.terminal for one in (self, other) if one.terminal is not None]
        outcome = max(self.outcome, other.outcome, key=_STRENGTH.__getitem__)
        first, last = min(self.first, other.first), max(self.last, other.last)
        return Execution(outcome, first, last, min(ends, default=None))

    def outcome_at(self, instant: int) -> str:
        """Return the outcome as far as it can be known then: of one that fell silent it cannot."""
        return "unknown" if self.terminal is None and self.last + OPEN_FOR < instant else self.outcome


class Executions(NamedTuple):
    """All executions of one run that are known at a cut."""

    known: Mapping[Place, Execution]
    starts: Sequence[int]

    def place(self, name: str, at: int) -> Place:
        """Return which execution something of this name at this instant belongs to."""
        if name or not self.starts:
            return name, _BEFORE_ALL
        return "", max((start for start in self.starts if start <= at), default=_BEFORE_ALL)

    @property
    def earliest(self) -> int | None:
        """The run's earliest known time."""
        return min([execution.first for execution in self.known.values()], default=None)

    @property
    def any_failed(self) -> bool:
        """Whether an execution failed or was aborted."""
        return any(execution.failed for execution in self.known.values())

    def outcome_at(self, instant: int) -> str:
        """Return the outcome of the newest execution, as far as it can be known then."""
        if not self.known:
            return "unknown"
        (_, newest) = max(self.known.items(), key=lambda item: (item[1].first, item[0]))
        return newest.outcome_at(instant)


NO_EXECUTIONS: Final = Executions({}, ())


def executions_of(points: Iterable[Point]) -> Executions:
    """Return the executions that state points of one run describe."""
    stated = [(point.slot.partition(":")[2], point.value["state"], instant_of(point.order)) for point in points]
    starts = sorted({at for name, state, at in stated if state == "started" and not name})
    known: dict[Place, Execution] = {}
    found = Executions(known, starts)
    for name, state, at in stated:
        place = found.place(name, at)
        one = Execution(state, at, at, at if state in _TERMINAL else None)
        known[place] = known[place].joined(one) if place in known else one
    return found


@dataclass(slots=True)
class Runs:
    """The executions of the runs that one question meets; each run is read once."""

    asking: Asking
    known: dict[str, Executions] = field(default_factory=dict)

    def read(self, runs: Iterable[str]) -> None:
        """Make the executions of some runs known, in one read."""
        subjects = sorted(set(runs) - self.known.keys())
        if not subjects:
            return
        grouped: dict[str, list[Point]] = {}
        for point in self.asking.reader.points(PointQuery(subjects=subjects, slot="state"), self.asking.cut):
            grouped.setdefault(point.subject, []).append(point)
        for run in subjects:
            self.known[run] = executions_of(grouped[run]) if run in grouped else NO_EXECUTIONS
