"""What the sources asked for have seen: coverage, holes, and whether an answer can be complete.

An answer is complete only relative to the sources listed: each registered source for the families asked has
covered the whole interval, and none of them is merely pushed or declared. So an answer about this very moment
is not known to be complete until each source has reported past it; the coverage says up to when it is.

A source that was retired answers for the time before that, to the last moment: who stopped reporting long before it
was retired leaves the time between unproven. Of what happened later it is not asked, and not listed. A time at which
nobody looked any more is proven by nobody.

What a source covered is the union of all that it reported by N. Of reports that begin together the one that reaches
furthest says it for all, and it is the newest of its name (``graph_schema.fold.archive.fold_reported``): so only that
one is read, and the cost follows the spans that were watched without a hole, not the reports of them.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from graph_schema import names, times
from graph_schema.answers import Coverage, Gap
from graph_schema.changes import instant_of
from graph_schema.kinds import Kind
from lineage_service.queries.asking import Asking
from lineage_service.queries.writes import registers_of
from lineage_service.store.protocol import PointQuery

LINEAGE = frozenset({"code", "data", "run", "model"})
MOVEMENT = frozenset({"movement"})
OBSERVES_TARGETS = frozenset({"kubernetes"})
"""Kinds of sources that see what a target serves; a registry only knows what it was told."""
OBSERVES_REGISTRIES = frozenset({"mlflow"})
"""Kinds of sources that see what a registry calls Production."""
_PROVING = frozenset({"in_path", "polled"})
_MANY = 10_000
_Interval = tuple[int, int]
"""Microseconds, half-open."""


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
    named = [key for key in keys if families & set(registers.get(key, {}).get("families", ()))]
    retired, covered = _reported(asking, named)
    concerned = [key for key in named if start is None or key not in retired or retired[key] > start]
    found = Seen([], [], complete=False)
    # One that is not retired must see the whole interval by itself; only after one that is can there be nobody.
    alone = retired.keys().isdisjoint(concerned)
    proven = bool(concerned) and (alone or _watched([covered[key] for key in concerned], start, stop))
    for key in concerned:
        proven &= _judge(key, registers[key], covered[key], (start, stop, retired.get(key)), found)
    if targets:
        proven &= any(registers[key].get("kind") in OBSERVES_TARGETS for key in concerned)
    if registries:
        proven &= any(registers[key].get("kind") in OBSERVES_REGISTRIES for key in concerned)
    return Seen(found.coverage, found.gaps, proven and not found.gaps)


def _reported(asking: Asking, sources: list[str]) -> tuple[dict[str, int], dict[str, list[_Interval]]]:
    """Return the sources that are retired by now, and since when, and intervals whose union is what each reported.

    Instants are in microseconds, intervals in order of their beginnings. A report whose end lies before its beginning
    covers nothing, there.
    """
    retired: dict[str, int] = {}
    covered: dict[str, list[_Interval]] = {key: [] for key in sources}
    query = PointQuery(subjects=sources, slots=("registered", "covered"), newest_of_each=True)
    for point in asking.reader.points(query, asking.whenever) if sources else ():
        if point.slot != "registered":
            begun, reached = times.parse_time(point.value["covered_from"]), times.parse_time(point.value["covered_to"])
            covered[point.subject].append((begun, max(begun, reached)))
        elif not point.value["is"]:
            retired[point.subject] = instant_of(point.order)
    return retired, {key: sorted(intervals) for key, intervals in covered.items()}


def _watched(covered: list[list[_Interval]], start: int | None, stop: int) -> bool:
    """Tell whether from the first report on, to the end of the interval asked for, somebody always looked."""
    every = sorted(interval for intervals in covered for interval in intervals)
    if not every or max(to for _, to in every) < stop:
        return False
    return not any(after > (start or 0) and before < stop for before, after in _holes(every))


def _judge(
    key: str,
    registers: dict[str, Any],
    intervals: list[_Interval],
    asked: tuple[int | None, int, int | None],
    found: Seen,
) -> bool:
    """Add one source's coverage and holes; return whether it proves the interval as far as it is asked for it."""
    start, stop, retired = asked
    source = "/".join(names.parse(key).parts)
    first = intervals[0][0] if intervals else None
    last = max((to for _, to in intervals), default=None)
    found.coverage.append(
        {
            "source": source,
            "method": registers["method"],
            "from": None if first is None else times.format_time(first),
            "to": None if last is None else times.format_time(last),
            "retired": None if retired is None else times.format_time(retired),
        }
    )
    for hole_start, hole_stop in _holes(intervals):
        if hole_stop > (start or 0) and hole_start < stop:
            detail = f"no observation from {times.format_time(hole_start)} to {times.format_time(hole_stop)}"
            found.gaps.append(Gap(kind="collector_gap", subject=source, detail=detail))
    if registers["method"] not in _PROVING or first is None or last is None:
        return False
    return (start is None or first <= start) and last >= (stop if retired is None else min(stop, retired))


def _holes(intervals: list[_Interval]) -> list[_Interval]:
    reached: list[_Interval] = []
    for start, stop in intervals:
        if reached and start <= reached[-1][1]:
            reached[-1] = (reached[-1][0], max(reached[-1][1], stop))
        else:
            reached.append((start, stop))
    return [(before[1], after[0]) for before, after in pairwise(reached)]
