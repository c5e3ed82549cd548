"""What a source said last of itself: how far it saw, what still waited, how its clock differed.

No question of the specification: figures for whoever runs the installation (``/metrics``, `lineage doctor`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from graph_schema import times
from graph_schema.changes import instant_of
from lineage_service.store.protocol import END_OF_TIME, Cut, Point, PointQuery, Reader


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One ``collector.reported``: when it was made, its record, and what it said. Times in microseconds."""

    at: int
    seq: int
    covered_to: int
    spooled: int | None
    clock_offset: int


def newest_heartbeat(reader: Reader, source: str) -> Heartbeat | None:
    """Return the newest report of a source (a node key); None if it never reported."""
    query = PointQuery(subjects=[source], slot="covered", limit=1, newest_first=True, newest_of_each=True)
    return next(map(_read, reader.points(query, _now(reader))), None)


def heartbeats(reader: Reader, source: str, most: int) -> Iterator[Heartbeat]:
    """Give at most so many reports of a source, the newest first."""
    query = PointQuery(subjects=[source], slot="covered", limit=most, newest_first=True)
    return map(_read, reader.points(query, _now(reader)))


def _now(reader: Reader) -> Cut:
    return Cut(END_OF_TIME - 1, reader.head().size - 1)


def _read(point: Point) -> Heartbeat:
    value = point.value
    return Heartbeat(
        at=instant_of(point.order),
        seq=point.seq,
        covered_to=times.parse_time(value["covered_to"]),
        spooled=value.get("spooled"),
        clock_offset=value.get("clock_offset_us", 0),
    )
