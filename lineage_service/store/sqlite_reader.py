"""Reading snapshots of the embedded store. Each statement stands above the method that runs it."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final

import orjson

from graph_schema.kinds import TRIPLES, Edge
from lineage_service.errors import IntegrityError
from lineage_service.ledger.merkle import Frontier
from lineage_service.store.protocol import (
    EMPTY_HEAD,
    Assertion,
    Cut,
    Direction,
    Head,
    NodeFacts,
    Payload,
    Point,
    PointQuery,
    PropertyRow,
    RecordQuery,
    StoredRecord,
    Walk,
)
from lineage_service.store.sqlite_points import SqlitePoints
from lineage_service.store.sqlite_values import AFTER_ALL_TEXT, array, keys_of

_NO_LIMIT: Final = 2**62
_BY_NODE_AND_ORDER: Final = itemgetter(0, 1)
_CROWD: Final = 16
"""Property rows of one node that are read as they are; of a node with more, repeats are passed over."""
_SAME_AS: Final = int(Edge.SAME_AS)
_HAVE_EQUALS: Final = {kind for start, edge, end in TRIPLES if edge == Edge.SAME_AS for kind in (start, end)}
_ALONE_ABOVE: Final = {int(edge) for edge in Edge} - {edge for _, edge, end in TRIPLES if end in _HAVE_EQUALS}
_ALONE_BELOW: Final = {int(edge) for edge in Edge} - {edge for start, edge, _ in TRIPLES if start in _HAVE_EQUALS}
"""Types of edges whose upper (lower) ends are of kinds of which no two can be declared to be the same."""


class SqliteReader:
    """The Reader of protocol.py on one connection inside a read transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._points = SqlitePoints(connection)

    _HEAD: Final = "SELECT size, last, time, frontier, fold_version, mac FROM head"

    def head(self) -> Head:
        """Return the head."""
        row = self._connection.execute(self._HEAD).fetchone()
        if row is None:
            if self.record(0) is not None:
                raise IntegrityError("the ledger has records but no head: stop the service and run `lineage verify`")
            return EMPTY_HEAD
        return Head(row[0], row[1], row[2], Frontier.from_bytes(row[3]), row[4], row[5])

    _NOTE: Final = "SELECT note FROM note"

    def note(self) -> bytes | None:
        """Return the newest signed checkpoint stored."""
        row = self._connection.execute(self._NOTE).fetchone()
        return None if row is None else row[0]

    _RECORDS: Final = "SELECT seq, leaf, body FROM record WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?"
    _RECORDS_OF_TYPE: Final = """
        SELECT seq, leaf, body FROM record WHERE type = ?4 AND seq >= ?1 AND seq < ?2 ORDER BY seq LIMIT ?3
    """
    _RECORDS_OF_ACTOR: Final = """
        SELECT seq, leaf, body FROM record WHERE actor = ?4 AND seq >= ?1 AND seq < ?2 ORDER BY seq LIMIT ?3
    """
    _RECORDS_OF_BOTH: Final = """
        SELECT seq, leaf, body FROM record WHERE actor = ?4 AND type = ?5 AND seq >= ?1 AND seq < ?2
        ORDER BY seq LIMIT ?3
    """

    def records(self, query: RecordQuery) -> Iterator[StoredRecord]:
        """Yield records by ascending seq."""
        stop = _NO_LIMIT if query.stop is None else query.stop
        bounds = (query.first, stop, _NO_LIMIT if query.limit is None else query.limit)
        if query.type is not None and query.actor is not None:
            rows = self._connection.execute(self._RECORDS_OF_BOTH, (*bounds, query.actor, query.type))
        elif query.type is not None:
            rows = self._connection.execute(self._RECORDS_OF_TYPE, (*bounds, query.type))
        elif query.actor is not None:
            rows = self._connection.execute(self._RECORDS_OF_ACTOR, (*bounds, query.actor))
        else:
            rows = self._connection.execute(self._RECORDS, bounds)
        for row in rows:
            yield StoredRecord(*row)

    _BY_SEQ: Final = "SELECT seq, leaf, body FROM record WHERE seq = ?"
    _BY_ID: Final = "SELECT seq, leaf, body FROM record WHERE id = ?"

    def record(self, seq: int | str) -> StoredRecord | None:
        """Return a record by number or by event id."""
        if isinstance(seq, int):
            row = self._connection.execute(self._BY_SEQ, (seq,)).fetchone()
        else:
            row = self._connection.execute(self._BY_ID, (bytes.fromhex(seq),)).fetchone()
        return None if row is None else StoredRecord(*row)

    _NUMBERED: Final = """
        SELECT r.seq, r.leaf, r.body FROM json_each(?) j CROSS JOIN record r ON r.seq = j.value ORDER BY r.seq
    """

    def numbered(self, seqs: Iterable[int]) -> list[StoredRecord]:
        """Return records by number."""
        return [StoredRecord(*row) for row in self._connection.execute(self._NUMBERED, (array(set(seqs)),))]

    _CITED: Final = """
        SELECT r.seq, r.leaf, r.time FROM json_each(?) j CROSS JOIN record r ON r.seq = j.value ORDER BY r.seq
    """

    def cited(self, seqs: Iterable[int]) -> list[tuple[int, bytes, int]]:
        """Return (seq, leaf hash, recorded time) of records, without their bytes."""
        return self._connection.execute(self._CITED, (array(seqs),)).fetchall()

    _TIME_OF: Final = "SELECT time FROM record WHERE seq = ?"

    def seq_at(self, time: int) -> int:
        """Return the largest seq recorded at or before ``time``: times never decrease, so halving finds it."""
        low, high = 0, self.head().size
        while low < high:
            middle = (low + high) // 2
            if self._connection.execute(self._TIME_OF, (middle,)).fetchone()[0] <= time:
                low = middle + 1
            else:
                high = middle
        return low - 1

    _NODES: Final = """
        SELECT n.id, n.key, n.seq FROM json_each(?) j CROSS JOIN node n ON n.key = j.value WHERE n.seq <= ?
    """
    # Which nodes have so many property rows that it is worth passing over repeats.
    _CROWDED: Final = """
        SELECT j.value FROM json_each(?1) j
        WHERE (SELECT 1 FROM property p WHERE p.node = j.value LIMIT 1 OFFSET ?2) IS NOT NULL
    """
    _PROPERTIES: Final = """
        SELECT p.node, p.ord, p.seq, p.registers FROM json_each(?1) j CROSS JOIN property p ON p.node = j.value
        WHERE p.seq <= ?2 AND p.ord < ?3
    """
    # Jumps from each wording to the next, and takes the first and the last row of it that pass the cut.
    _FIRST_AND_LAST: Final = """
        WITH RECURSIVE said(node, registers) AS (
          SELECT j.value, (SELECT min(p.registers) FROM property p WHERE p.node = j.value) FROM json_each(?1) j
          UNION ALL
          SELECT s.node, (SELECT min(p.registers) FROM property p WHERE p.node = s.node AND p.registers > s.registers)
          FROM said s WHERE s.registers IS NOT NULL)
        SELECT p.node, p.ord, p.seq, p.registers
        FROM said s CROSS JOIN property p ON p.node = s.node AND p.registers = s.registers AND p.ord IN (
          (SELECT q.ord FROM property q WHERE q.node = s.node AND q.registers = s.registers
           AND q.seq <= ?2 AND q.ord < ?3 ORDER BY q.ord LIMIT 1),
          (SELECT q.ord FROM property q WHERE q.node = s.node AND q.registers = s.registers
           AND q.seq <= ?2 AND q.ord < ?3 ORDER BY q.ord DESC LIMIT 1))
    """

    def nodes(self, keys: Iterable[str], cut: Cut, *, every: Iterable[str] = ()) -> dict[str, NodeFacts]:
        """Return known nodes with their property rows in order, repeats passed over where there are many."""
        found = self._connection.execute(self._NODES, (array(keys), cut.known_at)).fetchall()
        rows: dict[int, list[PropertyRow]] = {row[0]: [] for row in found}
        whole = set(every)
        crowded = self._crowded(node for node, key, _ in found if key not in whole)
        bounds = (cut.known_at, cut.until())
        usual = array(node for node in rows if node not in crowded)
        said = self._connection.execute(self._PROPERTIES, (usual, *bounds)).fetchall()
        if crowded:
            said += self._connection.execute(self._FIRST_AND_LAST, (array(crowded), *bounds))
        said.sort(key=_BY_NODE_AND_ORDER)
        read: dict[str, Any] = {}  # what many records say of one node is read once
        for node, order, seq, text in said:
            registers = read.get(text)
            if registers is None:
                registers = read[text] = orjson.loads(text)
            rows[node].append(PropertyRow(order, seq, registers))
        return {key: NodeFacts(key, seq, rows[node]) for node, key, seq in found}

    def _crowded(self, nodes: Iterable[int]) -> set[int]:
        return {row[0] for row in self._connection.execute(self._CROWDED, (array(nodes), _CROWD))}

    # One level of a walk. SAME_AS counts whatever as_of is; withdrawn assertions do not count.
    _STEP_UP: Final = """
        SELECT e.src, e.type, e.dst, e.seq, e.source, e.at, e.how, e.roles
        FROM json_each(?1) j CROSS JOIN edge e ON e.src = j.value
        WHERE e.type BETWEEN ?2 AND ?3 AND e.seq <= ?4 AND e.at <= ?5 AND NOT EXISTS (
          SELECT 1 FROM withdrawal w WHERE w.src = e.src AND w.type = e.type AND w.dst = e.dst
          AND w.source = e.source AND w.seq <= ?4)
    """
    _STEP_DOWN: Final = """
        SELECT e.src, e.type, e.dst, e.seq, e.source, e.at, e.how, e.roles
        FROM json_each(?1) j CROSS JOIN edge e INDEXED BY edge_reverse ON e.dst = j.value
        WHERE e.type BETWEEN ?2 AND ?3 AND e.seq <= ?4 AND e.at <= ?5 AND NOT EXISTS (
          SELECT 1 FROM withdrawal w WHERE w.src = e.src AND w.type = e.type AND w.dst = e.dst
          AND w.source = e.source AND w.seq <= ?4)
    """

    def walk(
        self, starts: Mapping[str, int], direction: Direction, types: tuple[int, int], depth: int, limit: int, cut: Cut
    ) -> Walk:
        """Follow edges level by level; each node is expanded once, at its least distance."""
        ids = {row[0]: starts[row[1]] for row in self._connection.execute(self._NODES, (array(starts), cut.known_at))}
        step, far, alone = (self._STEP_UP, 2, _ALONE_ABOVE) if direction == "up" else (self._STEP_DOWN, 0, _ALONE_BELOW)
        found: list[tuple[int, ...]] = []
        same: dict[tuple[int, ...], tuple[int, ...]] = {}
        distances: dict[int, int] = {}
        unlike: set[int] = set()
        waiting: dict[int, set[int]] = {}
        for node, distance in ids.items():
            waiting.setdefault(distance, set()).add(node)
        while waiting and len(distances) <= limit:
            level = min(waiting)
            nodes = waiting.pop(level).difference(distances)
            frontier = self._with_equals(nodes, level, distances, unlike, same, cut)
            if level >= depth:
                continue
            rows = self._connection.execute(step, (array(frontier), *types, cut.known_at, cut.as_of)).fetchall()
            found += rows
            unlike.update([row[far] for row in rows if row[1] in alone])
            if reached := {row[far] for row in rows}.difference(distances):
                waiting.setdefault(level + 1, set()).update(reached)
        limited = len(distances) > limit
        for level, nodes in sorted(waiting.items()) if limited else ():
            for node in nodes:
                distances.setdefault(node, level)
        found = [row for row in found if row[1] != _SAME_AS] + list(same.values())
        keys = keys_of(self._connection, {*distances, *{row[4] for row in found}})
        return Walk(
            {keys[node]: distance for node, distance in distances.items()},
            [Assertion(keys[r[0]], r[1], keys[r[2]], r[3], keys[r[4]], r[5], r[6], r[7]) for r in found],
            limited,
        )

    def _with_equals(
        self,
        nodes: set[int],
        level: int,
        distances: dict[int, int],
        unlike: set[int],
        same: dict[tuple[int, ...], tuple[int, ...]],
        cut: Cut,
    ) -> list[int]:
        """Settle new nodes at ``level`` together with everything declared to be the same; return them all.

        Nothing is declared to be the same as the nodes in ``unlike``, so nobody looks.
        """
        settled: list[int] = []
        pending = nodes
        bounds = (_SAME_AS, _SAME_AS, cut.known_at, _NO_LIMIT)
        while pending:
            distances.update(dict.fromkeys(pending, level))
            settled += pending
            asked, pending = pending - unlike, set()
            for step in (self._STEP_UP, self._STEP_DOWN) if asked else ():
                for row in self._connection.execute(step, (array(asked), *bounds)):
                    same[row[:4]] = row
                    pending.update((row[0], row[2]))
            pending.difference_update(distances)
        return settled

    _FIND: Final = """
        SELECT key FROM node WHERE key >= ? AND key < ? AND key > ? AND kind = ? AND seq <= ? ORDER BY key LIMIT ?
    """

    def find(self, kind: int, prefix: str, after: str | None, limit: int, cut: Cut) -> list[str]:
        """Return keys by prefix, in key order."""
        bounds = (prefix, prefix + AFTER_ALL_TEXT, after or "", kind, cut.known_at, limit)
        return [row[0] for row in self._connection.execute(self._FIND, bounds)]

    def points(self, query: PointQuery, cut: Cut) -> list[Point]:
        """Return points in order."""
        return self._points.points(query, cut)

    def subjects(self, slot: str, start: bytes, stop: bytes | None, cut: Cut) -> list[str]:
        """Return whose points of a slot lie between two order keys."""
        return self._points.subjects(slot, start, stop, cut)

    _HASHES: Final = "SELECT leaf FROM record WHERE seq >= ? AND seq < ? ORDER BY seq"

    def hashes(self, first: int, stop: int) -> list[bytes]:
        """Return leaf hashes of a range."""
        return [row[0] for row in self._connection.execute(self._HASHES, (first, stop))]

    _TILE: Final = "SELECT hashes FROM tile WHERE level = ? AND number = ?"

    def tile(self, level: int, number: int) -> bytes | None:
        """Return a complete tile."""
        row = self._connection.execute(self._TILE, (level, number)).fetchone()
        return None if row is None else row[0]

    _PAYLOADS: Final = """
        SELECT p.seq, p.digest, p.salt, p.key, p.ciphertext
        FROM json_each(?) j CROSS JOIN payload p ON p.digest = j.value ORDER BY p.digest
    """

    def payloads(self, digests: Iterable[str]) -> list[Payload]:
        """Return raw payloads by digest."""
        asked = list(dict.fromkeys(digests))
        return [Payload(*row) for row in self._connection.execute(self._PAYLOADS, (array(asked),))]
