"""Reading points of the production store: by subject, by how subjects begin, by slot."""

from collections.abc import Iterable
from itertools import product
from operator import itemgetter
from typing import Any, Final

import orjson

from lineage_service.store.neo4j_walk import Ask
from lineage_service.store.protocol import Cut, Point, PointQuery

_NO_LIMIT: Final = 2**62
_NEXT_TEXT: Final = "\0"
"""A text with this at its end is the next of all texts."""
_JUMPS: Final = 32
"""Names that are looked up one by one before the points of all others are read."""

_POINTS_OF: Final = """
    UNWIND $subjects AS subject
    MATCH (p:Point) USING INDEX SEEK p:Point(subject, slot, name, ord)
    WHERE p.subject = subject AND p.slot >= '' AND p.name >= '' AND p.ord >= $start AND p.ord < $stop
      AND p.seq <= $known
    RETURN collect([p.subject, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value])
"""
_POINTS_OF_SLOTS: Final = """
    UNWIND $subjects AS subject
    UNWIND $slots AS slot
    MATCH (p:Point) USING INDEX SEEK p:Point(subject, slot, name, ord)
    WHERE p.subject = subject AND p.slot = slot AND p.name >= '' AND p.ord >= $start AND p.ord < $stop
      AND p.seq <= $known
    RETURN collect([p.subject, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value])
"""
_POINTS_OF_NAME: Final = """
    UNWIND $subjects AS subject
    UNWIND $slots AS slot
    MATCH (p:Point) USING INDEX SEEK p:Point(subject, slot, name, ord)
    WHERE p.subject = subject AND p.slot = slot AND p.name = $name AND p.ord >= $start AND p.ord < $stop
      AND p.seq <= $known
    RETURN collect([p.subject, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value])
"""
_POINTS_UNDER: Final = """
    MATCH (p:Point) USING INDEX SEEK p:Point(subject, slot, name, ord)
    WHERE p.subject STARTS WITH $beginning AND p.slot >= '' AND p.name >= '' AND p.ord >= $start AND p.ord < $stop
      AND p.slot IN $slots AND p.seq <= $known AND ($name IS NULL OR p.name = $name)
    RETURN collect([p.subject, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value])
"""
_POINTS_IN_SLOT: Final = """
    MATCH (p:Point) USING INDEX SEEK p:Point(slot, ord)
    WHERE p.slot = $slot AND p.ord >= $start AND p.ord < $stop AND p.seq <= $known
      AND ($name IS NULL OR p.name = $name)
    WITH p ORDER BY p.slot, p.ord, p.n LIMIT $limit
    RETURN collect([p.subject, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value])
"""
_POINTS_IN_SLOT_NEWEST: Final = """
    MATCH (p:Point) USING INDEX SEEK p:Point(slot, ord)
    WHERE p.slot = $slot AND p.ord >= $start AND p.ord < $stop AND p.seq <= $known
      AND ($name IS NULL OR p.name = $name)
    WITH p ORDER BY p.slot DESC, p.ord DESC, p.n DESC LIMIT $limit
    RETURN collect([p.subject, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value])
"""


def points(ask: Ask, query: PointQuery, cut: Cut) -> list[Point]:
    """Return points in order."""
    start, stop = query.start.hex(), cut.until(query.stop).hex()
    bounds = {"start": start, "stop": stop, "known": cut.known_at, "name": query.name}
    if query.subjects is not None:
        return _points_of(ask, list(dict.fromkeys(query.subjects)), query, bounds)
    if query.beginning is not None:
        rows = ask(_POINTS_UNDER, **bounds, beginning=query.beginning, slots=query.families)
        return _in_order(rows, query)
    limit = _NO_LIMIT if query.limit is None else query.limit
    statement = _POINTS_IN_SLOT_NEWEST if query.newest_first else _POINTS_IN_SLOT
    return [_point(row) for row in ask(statement, **bounds, slot=query.slot, limit=limit)]


def _points_of(ask: Ask, subjects: list[str], query: PointQuery, bounds: dict[str, Any]) -> list[Point]:
    """Return points of subjects; each subject's lie together, so they are merged into one order here."""
    if not subjects:
        return []
    if not query.families:
        rows = ask(_POINTS_OF, **bounds, subjects=subjects)
    elif query.newest_of_each:
        rows = _newest_of_each(ask, product(subjects, query.families), bounds)
    else:
        statement = _POINTS_OF_SLOTS if query.name is None else _POINTS_OF_NAME
        rows = ask(statement, **bounds, subjects=subjects, slots=query.families)
    return _in_order(rows, query)


# From each place on: the next name, whether others follow, and the last point of it that passes, if one does.
_NEXT_NAMES: Final = """
    UNWIND $places AS place
    CALL (place) {
      MATCH (p:Point) USING INDEX SEEK p:Point(subject, slot, name, ord)
      WHERE p.subject = place[0] AND p.slot = place[1] AND p.name >= place[2] AND p.ord >= ''
      RETURN p.name AS next ORDER BY p.subject, p.slot, p.name LIMIT 1
    }
    RETURN collect([place[0], place[1], next,
      EXISTS {
        MATCH (p:Point) USING INDEX SEEK p:Point(subject, slot, name, ord)
        WHERE p.subject = place[0] AND p.slot = place[1] AND p.name > next AND p.ord >= '' },
      COLLECT {
        MATCH (p:Point) USING INDEX SEEK p:Point(subject, slot, name, ord)
        WHERE p.subject = place[0] AND p.slot = place[1] AND p.name = next AND p.ord >= $start AND p.ord < $stop
          AND p.seq <= $known
        RETURN [p.subject, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value]
        ORDER BY p.subject DESC, p.slot DESC, p.name DESC, p.ord DESC, p.n DESC LIMIT 1 }
    ])
"""
_FROM_NAMES: Final = """
    UNWIND $places AS place
    MATCH (p:Point) USING INDEX SEEK p:Point(subject, slot, name, ord)
    WHERE p.subject = place[0] AND p.slot = place[1] AND p.name >= place[2] AND p.ord >= $start AND p.ord < $stop
      AND p.seq <= $known
    RETURN collect([p.subject, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value])
"""


def _newest_of_each(ask: Ask, slots: Iterable[tuple[str, str]], bounds: dict[str, Any]) -> list[list[Any]]:
    """Return each name's last point: jumping from name to name while they are few, else by reading the rest.

    A jump, which all slots take together, is a way to the server: one with very many names costs less when its
    points are read.
    """
    only = bounds["name"]
    places = [[subject, slot, only or ""] for subject, slot in slots]
    found: list[list[Any]] = []
    for _ in range(_JUMPS):
        rows = ask(_NEXT_NAMES, **bounds, places=places)
        if only is not None:
            return [point for row in rows if row[2] == only for point in row[4]]
        found += [point for row in rows for point in row[4]]
        places = [[subject, slot, name + _NEXT_TEXT] for subject, slot, name, more, _ in rows if more]
        if not places:
            return found
    return found + _last_of_each(ask(_FROM_NAMES, **bounds, places=places))


_SUBJECTS: Final = """
    MATCH (p:Point) USING INDEX SEEK p:Point(slot, ord)
    WHERE p.slot = $slot AND p.ord >= $start AND p.ord < $stop AND p.seq <= $known
    RETURN collect(DISTINCT p.subject)
"""


def subjects(ask: Ask, slot: str, start: bytes, stop: bytes | None, cut: Cut) -> list[str]:
    """Return whose points of a slot lie between two order keys."""
    found = ask(_SUBJECTS, slot=slot, start=start.hex(), stop=cut.until(stop).hex(), known=cut.known_at)
    return sorted(found)


def _last_of_each(rows: list[list[Any]]) -> list[list[Any]]:
    """Return of each name of a slot the row that is last by order key and number."""
    return list({tuple(row[:3]): row for row in sorted(rows, key=itemgetter(3, 4))}.values())


def _in_order(rows: list[list[Any]], query: PointQuery) -> list[Point]:
    rows.sort(key=itemgetter(3, 4), reverse=query.newest_first)
    return [_point(row) for row in rows[: query.limit]]


def _point(row: list[Any]) -> Point:
    subject, slot, name, order, n, seq, actor, value = row
    return Point(subject, f"{slot}:{name}" if name else slot, bytes.fromhex(order), n, seq, actor, orjson.loads(value))
