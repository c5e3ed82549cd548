"""Periods: what a slot held from when until when (specification: sections 6 and 7).

A slot is a list of entries, walked in order. Acts and sightings of one change are one movement; whatever
ends a thing ends its running period.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graph_schema import times
from graph_schema.changes import instant_of
from lineage_service.queries.asking import Asking
from lineage_service.store.protocol import Point, PointQuery


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that may move a slot.

    ``hold`` gives it ``value``; ``sweep`` moves it to Archived if it holds ``value``; ``end`` leaves it empty,
    if it holds ``value`` or whatever it holds when that is None. ``key`` is the version the entry names.
    """

    order: tuple[bytes, int]
    kind: Literal["hold", "sweep", "end"]
    value: str | None
    point: Point
    key: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """A value held from ``start`` until ``until`` (microseconds; None: still at the cut), by the word of one point."""

    value: str
    key: str
    start: int
    until: int | None
    point: Point

    @property
    def not_before(self) -> int | None:
        """Of a change that was only seen: it happened after this instant, in microseconds."""
        text = self.point.value.get("not_before")
        return None if text is None else times.parse_time(text)


ARCHIVED = "Archived"


def place_of(point: Point) -> tuple[bytes, int]:
    """Return by what points of one slot are ordered."""
    return point.order, point.n


def entry(kind: Literal["hold", "sweep", "end"], point: Point, value: str | None, key: str = "") -> Entry:
    """Return the entry that a point makes."""
    return Entry(place_of(point), kind, value, point, key)


def periods_of(entries: Iterable[Entry]) -> list[Period]:
    """Return the periods of one slot, oldest first."""
    periods: list[Period] = []
    running: Entry | None = None
    held: str | None = None
    for one in sorted(entries, key=lambda item: item.order):
        value = _next(one, held)
        if value == held:
            continue
        if running is not None and held is not None:
            periods.append(Period(held, running.key, _at(running), _at(one), running.point))
        running, held = one, value
    if running is not None and held is not None:
        periods.append(Period(held, running.key, _at(running), None, running.point))
    return periods


def _at(one: Entry) -> int:
    return instant_of(one.order[0])


def _next(one: Entry, held: str | None) -> str | None:
    if one.kind == "hold":
        return one.value
    if one.kind == "sweep":
        return ARCHIVED if held is not None and held == one.value else held
    return None if one.value is None or one.value == held else held


@dataclass(slots=True)
class Sightings:
    """Tells which sightings an act explains; knows the clock offset of each source that saw something."""

    asking: Asking
    _skews: dict[str, int] = field(default_factory=dict)

    def settled(self, points: Sequence[Point], value: Callable[[Point], object]) -> list[Point]:
        """Return the points of one slot without the sightings that are merged into one of its acts."""
        if not any(point.value.get("seen") for point in points):
            return list(points)
        acts = [(value(point), instant_of(point.order)) for point in points if not point.value.get("seen")]
        return [point for point in points if not (point.value.get("seen") and self._explained(point, value, acts))]

    def _explained(self, point: Point, value: Callable[[Point], object], acts: list[tuple[object, int]]) -> bool:
        skew = self._skew(source_of(point))
        not_before = point.value.get("not_before")
        after = -1 if not_before is None else times.parse_time(not_before) - skew
        until, seen = instant_of(point.order) + skew, value(point)
        return any(held == seen and after < at <= until for held, at in acts)

    def _skew(self, source: str) -> int:
        if source not in self._skews:
            query = PointQuery(subjects=[source], slot="covered", newest_of_each=True)
            points = self.asking.reader.points(query, self.asking.cut)
            self._skews[source] = abs(int(points[-1].value["clock_offset_us"])) if points else 0
        return self._skews[source]

    def ends(self, points: Sequence[Point], words: frozenset[str]) -> list[Point]:
        """Return the points of a generation or existence that end something; a repeated sighting ends nothing."""
        found: list[Point] = []
        held: str | None = None
        for point in self.settled(sorted(points, key=place_of), lambda p: p.value["is"]):
            word = point.value["is"]
            if word in words and not (point.value.get("seen") and word == held):
                found.append(point)
            held = word
        return found


def source_of(point: Point) -> str:
    """Return the source that a point's order key names."""
    return point.order[8:].split(b"\0", 1)[0].decode()
