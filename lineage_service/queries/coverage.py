"""What the sources asked for have seen: coverage, holes, and whether an answer can be complete.

An answer is complete only relative to the sources listed: each registered source for the families asked has
covered the whole interval, and none of them is merely pushed or declared. So an answer about this very moment
is not known to be complete until each source has reported past it; the coverage says up to when it is.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from graph_schema import names, times
from graph_schema.answers import Coverage, Gap
from graph_schema.kinds import Kind
from lineage_service.queries.asking import Asking
from lineage_service.queries.writes import registers_of
from lineage_service.store.protocol import Point, PointQuery

LINEAGE = frozenset({"code", "data", "run", "model"})
MOVEMENT = frozenset({"movement"})
OBSERVES_TARGETS = frozenset({"kubernetes"})
"""Kinds of sources that see what a target serves; a registry only knows what it was told."""
OBSERVES_REGISTRIES = frozenset({"mlflow"})
"""Kinds of sources that see what a registry calls Production."""
_PROVING = frozenset({"in_path", "polled"})
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What the sources of some families saw of an interval."""

    coverage: list[Coverage]
    gaps: list[Gap]
    complete: bool


def seen_by(
    asking: Asking,
    families: frozenset[str],
    start: int | None,
    stop: int,
    *,
    targets: bool = False,
    registries: bool = False,
) -> Seen:
    """Return the coverage of an interval (microseconds; ``start`` None: since each source's registration).

    With ``targets`` the answer speaks of what is served where, which only a source that looks there can prove; with
    ``registries`` of what a registry says, likewise.
    """
    keys = asking.reader.find(Kind.SOURCE.value, "source:", None, _MANY, asking.whenever)
    registers = registers_of(Asking(asking.reader, asking.whenever), keys)
    concerned = [key for key in keys if families & set(registers.get(key, {}).get("families", ()))]
    points: dict[str, list[Point]] = {key: [] for key in concerned}
    if concerned:
        for point in asking.reader.points(PointQuery(subjects=concerned, slot="covered"), asking.whenever):
            points[point.subject].append(point)
    found = Seen([], [], complete=False)
    proven = bool(concerned)
    for key in concerned:
        proven &= _judge(key, registers[key], points[key], (start, stop), found)
    if targets:
        proven &= any(registers[key].get("kind") in OBSERVES_TARGETS for key in concerned)
    if registries:
        proven &= any(registers[key].get("kind") in OBSERVES_REGISTRIES for key in concerned)
    return Seen(found.coverage, found.gaps, proven and not found.gaps)


def _judge(
    key: str, registers: dict[str, Any], points: list[Point], asked: tuple[int | None, int], found: Seen
) -> bool:
    """Add one source's coverage and holes; return whether it proves the interval."""
    intervals = sorted(
        (times.parse_time(p.value["covered_from"]), times.parse_time(p.value["covered_to"])) for p in points
    )
    source = "/".join(names.parse(key).parts)
    first = intervals[0][0] if intervals else None
    last = max((to for _, to in intervals), default=None)
    found.coverage.append(
        {
            "source": source,
            "method": registers["method"],
            "from": None if first is None else times.format_time(first),
            "to": None if last is None else times.format_time(last),
        }
    )
    start, stop = asked
    for hole_start, hole_stop in _holes(intervals):
        if hole_stop > (start or 0) and hole_start < stop:
            detail = f"no observation from {times.format_time(hole_start)} to {times.format_time(hole_stop)}"
            found.gaps.append(Gap(kind="collector_gap", subject=source, detail=detail))
    if registers["method"] not in _PROVING or first is None or last is None:
        return False
    return (start is None or first <= start) and last >= stop


def _holes(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    reached: list[tuple[int, int]] = []
    for start, stop in intervals:
        if reached and start <= reached[-1][1]:
            reached[-1] = (reached[-1][0], max(reached[-1][1], stop))
        else:
            reached.append((start, stop))
    return [(before[1], after[0]) for before, after in pairwise(reached)]
