"""Reading points of the embedded store: by subject, by how subjects begin, by slot."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import orjson

from lineage_service.store.protocol import Cut, Point, PointQuery
from lineage_service.store.sqlite_values import AFTER_ALL_TEXT, array, keys_of

_NO_LIMIT: Final = 2**62
_BY_ORDER: Final = itemgetter(3, 4)


class SqlitePoints:
    """The points of one snapshot."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    _POINTS_OF: Final = """
        SELECT j.key, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value
        FROM json_each(?1) j CROSS JOIN node s ON s.key = j.value CROSS JOIN point p ON p.subject = s.id
        WHERE p.ord >= ?2 AND p.ord < ?3 AND p.seq <= ?4 AND (?5 IS NULL OR p.name = ?5)
    """
    # The plus signs keep the planner on the primary key: by slot and order it would read every subject.
    _POINTS_OF_SLOTS: Final = """
        SELECT j.key, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value
        FROM json_each(?1) j CROSS JOIN node s ON s.key = j.value CROSS JOIN json_each(?6) k
        CROSS JOIN point p ON p.subject = s.id AND p.slot = k.value
        WHERE +p.ord >= ?2 AND +p.ord < ?3 AND p.seq <= ?4 AND (?5 IS NULL OR p.name = ?5)
    """
    _POINTS_UNDER: Final = """
        SELECT s.id, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value
        FROM node s CROSS JOIN json_each(?6) k CROSS JOIN point p ON p.subject = s.id AND p.slot = k.value
        WHERE s.key >= ?1 AND s.key < ?1 || ?7
          AND +p.ord >= ?2 AND +p.ord < ?3 AND p.seq <= ?4 AND (?5 IS NULL OR p.name = ?5)
    """
    # Jumps from each name to the next, and takes the last point of it that passes.
    _NEWEST_OF_EACH: Final = """
        WITH RECURSIVE named(place, subject, slot, name) AS (
          SELECT j.key, s.id, k.value, (SELECT min(p.name) FROM point p WHERE p.subject = s.id AND p.slot = k.value)
          FROM json_each(?1) j CROSS JOIN node s ON s.key = j.value CROSS JOIN json_each(?6) k
          UNION ALL
          SELECT m.place, m.subject, m.slot,
            (SELECT min(p.name) FROM point p WHERE p.subject = m.subject AND p.slot = m.slot AND p.name > m.name)
          FROM named m WHERE m.name IS NOT NULL)
        SELECT m.place, p.slot, p.name, p.ord, p.n, p.seq, p.actor, p.value
        FROM named m CROSS JOIN point p ON p.subject = m.subject AND p.slot = m.slot AND p.name = m.name
        WHERE (?5 IS NULL OR m.name = ?5) AND (p.ord, p.n) = (
          SELECT q.ord, q.n FROM point q WHERE q.subject = m.subject AND q.slot = m.slot AND q.name = m.name
          AND q.ord >= ?2 AND q.ord < ?3 AND q.seq <= ?4 ORDER BY q.ord DESC, q.n DESC LIMIT 1)
    """
    _POINTS_IN_SLOT: Final = """
        SELECT s.key, p.slot, p.name, p.ord, p.n, p.seq, a.key, p.value
        FROM point p INDEXED BY point_by_slot CROSS JOIN node s ON s.id = p.subject LEFT JOIN node a ON a.id = p.actor
        WHERE p.slot = ?6 AND p.ord >= ?2 AND p.ord < ?3 AND p.seq <= ?4 AND (?5 IS NULL OR p.name = ?5)
        ORDER BY p.ord, p.n LIMIT ?1
    """
    _POINTS_IN_SLOT_NEWEST: Final = """
        SELECT s.key, p.slot, p.name, p.ord, p.n, p.seq, a.key, p.value
        FROM point p INDEXED BY point_by_slot CROSS JOIN node s ON s.id = p.subject LEFT JOIN node a ON a.id = p.actor
        WHERE p.slot = ?6 AND p.ord >= ?2 AND p.ord < ?3 AND p.seq <= ?4 AND (?5 IS NULL OR p.name = ?5)
        ORDER BY p.ord DESC, p.n DESC LIMIT ?1
    """

    def points(self, query: PointQuery, cut: Cut) -> list[Point]:
        """Return points in order."""
        bounds = (query.start, cut.until(query.stop), cut.known_at, query.name)
        if query.subjects is not None:
            return self._points_of(query.subjects, query, bounds)
        if query.beginning is not None:
            given = (query.beginning, *bounds, array(query.families), AFTER_ALL_TEXT)
            under = self._connection.execute(self._POINTS_UNDER, given).fetchall()
            return self._merged(under, query, keys_of(self._connection, {row[0] for row in under}))
        limit = _NO_LIMIT if query.limit is None else query.limit
        statement = self._POINTS_IN_SLOT_NEWEST if query.newest_first else self._POINTS_IN_SLOT
        rows = self._connection.execute(statement, (limit, *bounds, query.slot))
        return [_point(row) for row in rows]

    def _points_of(
        self, subjects: Iterable[str], query: PointQuery, bounds: tuple[bytes, bytes, int, str | None]
    ) -> list[Point]:
        """Return points of subjects; each subject's lie together, so they are merged into one order here."""
        keys = list(dict.fromkeys(subjects))
        if not query.families:
            rows = self._connection.execute(self._POINTS_OF, (array(keys), *bounds))
        else:
            statement = self._NEWEST_OF_EACH if query.newest_of_each else self._POINTS_OF_SLOTS
            rows = self._connection.execute(statement, (array(keys), *bounds, array(query.families)))
        return self._merged(rows, query, keys)

    def _merged(
        self, rows: Iterable[tuple[Any, ...]], query: PointQuery, keys: Mapping[int, str] | Sequence[str]
    ) -> list[Point]:
        """Return the points of rows in order; ``keys`` gives the subject of each by its first field."""
        found = sorted(rows, key=_BY_ORDER, reverse=query.newest_first)[: query.limit]
        actors = keys_of(self._connection, {row[6] for row in found if row[6] is not None})
        values = orjson.loads(f"[{','.join([row[7] for row in found])}]")
        return [
            Point(keys[subject], f"{slot}:{name}" if name else slot, order, n, seq, actors.get(actor), value)
            for (subject, slot, name, order, n, seq, actor, _), value in zip(found, values, strict=True)
        ]

    _SUBJECTS: Final = """
        SELECT s.key FROM node s WHERE s.id IN (
          SELECT p.subject FROM point p INDEXED BY point_by_slot
          WHERE p.slot = ? AND p.ord >= ? AND p.ord < ? AND p.seq <= ?)
        ORDER BY s.key
    """

    def subjects(self, slot: str, start: bytes, stop: bytes | None, cut: Cut) -> list[str]:
        """Return whose points of a slot lie between two order keys."""
        bounds = (slot, start, cut.until(stop), cut.known_at)
        return [row[0] for row in self._connection.execute(self._SUBJECTS, bounds)]


def _point(row: tuple[Any, ...]) -> Point:
    subject, slot, name, order, n, seq, actor, value = row
    return Point(subject, f"{slot}:{name}" if name else slot, order, n, seq, actor, orjson.loads(value))
