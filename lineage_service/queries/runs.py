"""Executions of runs and how they ended (specification: section 3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graph_schema.changes import instant_of
from lineage_service.queries.asking import Asking
from lineage_service.store.protocol import Point, PointQuery

_STRENGTH: Final = {"unknown": 0, "started": 1, "running": 2, "complete": 3, "aborted": 4, "failed": 5}
_TERMINAL: Final = frozenset({"complete", "aborted", "failed"})
_BEFORE_ALL: Final = -1


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a run: its producer's name or the instant its segment starts at, and what is known."""

    name: str
    start: int
    outcome: str
    first: int
    terminal: int | None

    @property
    def failed(self) -> bool:
        """Whether what it wrote does not count."""
        return self.outcome in {"failed", "aborted"}


@dataclass(frozen=True, slots=True)
class Executions:
    """All executions of one run that are known at a cut."""

    known: Mapping[tuple[str, int], Execution]
    starts: Sequence[int]

    def place(self, name: str, at: int) -> tuple[str, int]:
        """Return which execution something of this name at this instant belongs to."""
        if name:
            return name, _BEFORE_ALL
        return "", max((start for start in self.starts if start <= at), default=_BEFORE_ALL)

    def at(self, name: str, at: int) -> Execution | None:
        """Return the execution something belongs to, if it has states."""
        return self.known.get(self.place(name, at))

    @property
    def earliest(self) -> int | None:
        """The run's earliest known time."""
        return min((execution.first for execution in self.known.values()), default=None)

    @property
    def outcome(self) -> str:
        """The outcome of the newest execution."""
        if not self.known:
            return "unknown"
        return max(self.known.values(), key=lambda one: (one.first, one.name, one.start)).outcome


NO_EXECUTIONS: Final = Executions({}, ())


def executions_of(points: Iterable[Point]) -> Executions:
    """Return the executions that state points of one run describe."""
    stated = [(_name(point), point.value["state"], instant_of(point.order)) for point in points]
    starts = sorted({at for name, state, at in stated if state == "started" and not name})
    empty = Executions({}, starts)
    grouped: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for name, state, at in stated:
        grouped.setdefault(empty.place(name, at), []).append((state, at))
    return Executions({place: _execution(place, states) for place, states in grouped.items()}, starts)


def _name(point: Point) -> str:
    return point.slot.partition(":")[2]


def _execution(place: tuple[str, int], states: Sequence[tuple[str, int]]) -> Execution:
    return Execution(
        name=place[0],
        start=place[1],
        outcome=max([state for state, _ in states], key=_STRENGTH.__getitem__),
        first=min([at for _, at in states]),
        terminal=min([at for state, at in states if state in _TERMINAL], default=None),
    )


def executions_by_run(asking: Asking, runs: Iterable[str]) -> dict[str, Executions]:
    """Return the executions of several runs, in one read."""
    subjects = sorted(set(runs))
    grouped: dict[str, list[Point]] = {run: [] for run in subjects}
    if subjects:
        for point in asking.reader.points(PointQuery(subjects=subjects, slot="state"), asking.cut):
            grouped[point.subject].append(point)
    return {run: executions_of(points) for run, points in grouped.items()}
