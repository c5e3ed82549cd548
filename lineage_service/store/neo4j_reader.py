"""Reading snapshots of the production store. Each statement stands above the method that runs it.

A snapshot is a head: whatever came after it is passed over, by the number of the record it came with. Answers come as
one row with a list, because the server takes longer to hand over a row than to find what stands in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final

import neo4j
import orjson

from lineage_service.store.neo4j_points import points, subjects
from lineage_service.store.neo4j_walk import walk
from lineage_service.store.protocol import (
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

_NO_LIMIT: Final = 2**62
_CROWD: Final = 16
"""Repeats of one node that are read as they are; of a node with more, most are passed over."""
_RECORDS_A_ROW: Final = 16
_RECORDS_A_WAY: Final = 1024


class Neo4jReader:
    """The Reader of protocol.py on one read transaction, as far as one head."""

    def __init__(self, transaction: neo4j.Transaction, head: Head, note: bytes | None) -> None:
        self._transaction = transaction
        self._head = head
        self._note = note

    def _one(self, statement: str, **parameters: Any) -> Any:
        """Run a statement that gives one row with one value; None where it gives no row."""
        row = self._transaction.run(statement, parameters).single()
        return None if row is None else row[0]

    def _within(self, cut: Cut) -> Cut:
        return Cut(cut.as_of, min(cut.known_at, self._head.size - 1))

    def head(self) -> Head:
        """Return the head."""
        return self._head

    def note(self) -> bytes | None:
        """Return the newest signed checkpoint stored."""
        return self._note

    # A few in each row: a row takes the driver longer than what stands in it, and all in one may be too large.
    _RECORDS: Final = """
        UNWIND $parts AS part
        RETURN COLLECT {
          MATCH (r:Record) WHERE r.log = 'main' AND r.seq >= part[0] AND r.seq < part[1]
          RETURN [r.seq, r.leaf, r.body] ORDER BY r.log, r.seq
        }
    """
    _RECORDS_OF_TYPE: Final = """
        MATCH (r:Record) WHERE r.type = $type AND r.seq >= $first AND r.seq < $stop
        RETURN r.seq, r.leaf, r.body ORDER BY r.type, r.seq LIMIT $limit
    """
    _RECORDS_OF_ACTOR: Final = """
        MATCH (r:Record) WHERE r.actor = $actor AND r.seq >= $first AND r.seq < $stop
        RETURN r.seq, r.leaf, r.body ORDER BY r.actor, r.seq LIMIT $limit
    """
    _RECORDS_OF_BOTH: Final = """
        MATCH (r:Record) USING INDEX SEEK r:Record(actor, seq)
        WHERE r.actor = $actor AND r.seq >= $first AND r.seq < $stop AND r.type = $type
        RETURN r.seq, r.leaf, r.body ORDER BY r.actor, r.seq LIMIT $limit
    """

    def records(self, query: RecordQuery) -> Iterator[StoredRecord]:
        """Yield records by ascending seq."""
        stop = self._head.size if query.stop is None else min(query.stop, self._head.size)
        limit = _NO_LIMIT if query.limit is None else query.limit
        if query.type is None and query.actor is None:
            yield from self._range(query.first, min(stop, query.first + limit))
            return
        bounds = {"first": query.first, "stop": stop, "limit": limit}
        if query.type is not None and query.actor is not None:
            rows = self._transaction.run(self._RECORDS_OF_BOTH, bounds, actor=query.actor, type=query.type)
        elif query.type is not None:
            rows = self._transaction.run(self._RECORDS_OF_TYPE, bounds, type=query.type)
        else:
            rows = self._transaction.run(self._RECORDS_OF_ACTOR, bounds, actor=query.actor)
        for row in rows:
            yield _record(row)

    def _range(self, first: int, stop: int) -> Iterator[StoredRecord]:
        """Yield the records of a range: those that are there, if one is missing."""
        for begin in range(first, stop, _RECORDS_A_WAY):
            end = min(begin + _RECORDS_A_WAY, stop)
            parts = [[at, min(at + _RECORDS_A_ROW, end)] for at in range(begin, end, _RECORDS_A_ROW)]
            for row in self._transaction.run(self._RECORDS, parts=parts):
                yield from map(_record, row[0])

    _BY_SEQ: Final = "MATCH (r:Record {log: 'main', seq: $seq}) RETURN r.seq, r.leaf, r.body"
    _BY_ID: Final = "MATCH (r:Record {id: $id}) RETURN r.seq, r.leaf, r.body"

    def record(self, seq: int | str) -> StoredRecord | None:
        """Return a record by number or by event id."""
        if isinstance(seq, int):
            row = self._transaction.run(self._BY_SEQ, seq=seq).single()
        else:
            row = self._transaction.run(self._BY_ID, id=seq).single()
        return None if row is None or row[0] >= self._head.size else _record(row)

    _NUMBERED: Final = """
        UNWIND $parts AS seqs
        RETURN COLLECT {
          UNWIND seqs AS seq
          MATCH (r:Record {log: 'main', seq: seq}) WHERE seq < $size
          RETURN [r.seq, r.leaf, r.body]
        }
    """

    def numbered(self, seqs: Iterable[int]) -> list[StoredRecord]:
        """Return records by number."""
        asked = list(set(seqs))
        parts = [asked[at : at + _RECORDS_A_ROW] for at in range(0, len(asked), _RECORDS_A_ROW)]
        rows = self._transaction.run(self._NUMBERED, parts=parts, size=self._head.size) if parts else ()
        return [_record(one) for one in sorted((one for row in rows for one in row[0]), key=itemgetter(0))]

    _CITED: Final = """
        UNWIND $seqs AS seq MATCH (r:Record {log: 'main', seq: seq}) WHERE seq < $size
        WITH r ORDER BY r.seq RETURN collect([r.seq, r.leaf, r.time])
    """

    def cited(self, seqs: Iterable[int]) -> list[tuple[int, bytes, int]]:
        """Return (seq, leaf hash, recorded time) of records, without their bytes."""
        found = self._one(self._CITED, seqs=list(seqs), size=self._head.size)
        return [(seq, bytes(leaf), time) for seq, leaf, time in found]

    _SEQ_AT: Final = """
        MATCH (r:Record) WHERE r.log = 'main' AND r.time <= $time AND r.seq < $size
        RETURN r.seq ORDER BY r.log DESC, r.time DESC, r.seq DESC LIMIT 1
    """

    def seq_at(self, time: int) -> int:
        """Return the largest seq recorded at or before ``time``."""
        found = self._one(self._SEQ_AT, time=time, size=self._head.size)
        return -1 if found is None else found

    # Of a node that was described often in the same words: each wording's first and last that pass the cut, by index.
    _NODES: Final = """
        UNWIND $keys AS key
        MATCH (n:Entity {key: key}) WHERE n.seq <= $known
        WITH n, n.key IN $every OR COUNT { (n)<-[:ABOUT_AGAIN]-() } <= $crowd AS all
        RETURN collect([n.key, n.seq,
          COLLECT {
            MATCH (n)<-[a:ABOUT]-() WHERE a.seq <= $known AND a.ord < $stop
            RETURN [a.ord, a.seq, a.registers] },
          COLLECT {
            WITH n, all WHERE all
            MATCH (n)<-[a:ABOUT_AGAIN]-() WHERE a.seq <= $known AND a.ord < $stop
            RETURN [a.ord, a.seq, a.registers] },
          COLLECT {
            WITH n, all WHERE NOT all
            MATCH (n)<-[first:ABOUT]-()
            CALL (n, first) {
              MATCH ()-[a:ABOUT_AGAIN]->(n)
              USING INDEX SEEK a:ABOUT_AGAIN(words, ord)
              WHERE a.words = first.words AND a.ord < $stop AND a.seq <= $known
              RETURN a ORDER BY a.words, a.ord LIMIT 1
              UNION
              MATCH ()-[a:ABOUT_AGAIN]->(n)
              USING INDEX SEEK a:ABOUT_AGAIN(words, ord)
              WHERE a.words = first.words AND a.ord < $stop AND a.seq <= $known
              RETURN a ORDER BY a.words DESC, a.ord DESC LIMIT 1
            }
            RETURN [a.ord, a.seq, a.registers] }
        ])
    """

    def nodes(self, keys: Iterable[str], cut: Cut, *, every: Iterable[str] = ()) -> dict[str, NodeFacts]:
        """Return known nodes with their property rows in order, repeats passed over where there are many."""
        cut = self._within(cut)
        asked = list(dict.fromkeys(keys))
        found = self._one(
            self._NODES, keys=asked, known=cut.known_at, stop=cut.until().hex(), every=list(every), crowd=_CROWD
        ) if asked else []
        read: dict[str, Mapping[str, Any]] = {}  # what many records say of one node is read once
        facts: dict[str, NodeFacts] = {}
        for key, seq, first, again, few in found:
            rows = []
            for order, at, text in sorted(first + again + few):
                registers = read.get(text)
                if registers is None:
                    registers = read[text] = orjson.loads(text)
                rows.append(PropertyRow(bytes.fromhex(order), at, registers))
            facts[key] = NodeFacts(key, seq, rows)
        return facts

    def walk(
        self, starts: Mapping[str, int], direction: Direction, types: tuple[int, int], depth: int, limit: int, cut: Cut
    ) -> Walk:
        """Follow edges; see ``neo4j_walk``."""
        return walk(self._one, starts, direction, types, depth, limit, self._within(cut))

    _FIND: Final = """
        MATCH (n:Entity) WHERE n.key STARTS WITH $prefix AND n.key > $after AND n.kind = $kind AND n.seq <= $known
        WITH n.key AS key ORDER BY key LIMIT $limit RETURN collect(key)
    """

    def find(self, kind: int, prefix: str, after: str | None, limit: int, cut: Cut) -> list[str]:
        """Return keys by prefix, in key order."""
        known = self._within(cut).known_at
        found: list[str] = self._one(self._FIND, prefix=prefix, after=after or "", kind=kind, known=known, limit=limit)
        return found

    def points(self, query: PointQuery, cut: Cut) -> list[Point]:
        """Return points in order; see ``neo4j_points``."""
        return points(self._one, query, self._within(cut))

    def subjects(self, slot: str, start: bytes, stop: bytes | None, cut: Cut) -> list[str]:
        """Return whose points of a slot lie between two order keys."""
        return subjects(self._one, slot, start, stop, self._within(cut))

    _HASHES: Final = """
        MATCH (r:Record) WHERE r.log = 'main' AND r.seq >= $first AND r.seq < $stop
        WITH r ORDER BY r.log, r.seq RETURN collect(r.leaf)
    """

    def hashes(self, first: int, stop: int) -> list[bytes]:
        """Return leaf hashes of a range."""
        return [bytes(leaf) for leaf in self._one(self._HASHES, first=first, stop=min(stop, self._head.size))]

    _TILE: Final = "MATCH (t:Tile {level: $level, number: $number}) RETURN t.hashes"

    def tile(self, level: int, number: int) -> bytes | None:
        """Return a complete tile."""
        if (number + 1) << (8 * (level + 1)) > self._head.size:
            return None
        found = self._one(self._TILE, level=level, number=number)
        return None if found is None else bytes(found)

    # A row each: together they may be larger than one answer should be.
    _PAYLOADS: Final = """
        UNWIND $digests AS digest MATCH (p:Payload {digest: digest}) WHERE p.seq < $size
        RETURN p.seq, p.digest, p.salt, p.key, p.ciphertext ORDER BY p.digest
    """

    def payloads(self, digests: Iterable[str]) -> list[Payload]:
        """Return raw payloads by digest."""
        asked = list(dict.fromkeys(digests))
        if not asked:
            return []
        rows = self._transaction.run(self._PAYLOADS, digests=asked, size=self._head.size)
        return [Payload(row[0], row[1], *map(bytes, row.values()[2:])) for row in rows]


def _record(row: neo4j.Record | list[Any]) -> StoredRecord:
    return StoredRecord(row[0], bytes(row[1]), row[2].encode())
