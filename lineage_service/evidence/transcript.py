"""A transcript: all that a Neo4j ledger holds, written into a file with the tables of the embedded store.

So the same verification judges both stores, and a back-up of either is the same kind of file. What Neo4j says is what
stands in the file; what fits no table, or shows more than a table holds, becomes a finding of its own, so that nothing
is lost on the way. Neo4j has no snapshots: a transcript ends at the head that it began with. What has a higher number
belongs to records that came meanwhile, and is left to the next transcript; but what lies behind the head that there is
in the end belongs to no record at all, and is a finding.
"""

import contextlib
import heapq
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lineage_service.evidence.findings import Finding, FindingClass
from lineage_service.evidence.rows import Row
from lineage_service.evidence.shown import Shown
from lineage_service.evidence.transcript_rows import MOST, SHAPES, Faults, Rows, cut
from lineage_service.store.migrations import migrate_sqlite
from lineage_service.store.sqlite_copy import Progress, remove_database
from lineage_service.store.sqlite_errors import translated

if TYPE_CHECKING:  # it needs the driver, which whoever keeps a file need not have
    from lineage_service.store.neo4j_contents import Neo4jContents

NOT_OURS: Final = {
    "_Bloom_Perspective_": "how Neo4j Bloom shows the graph, which it keeps in the database",
    "_Bloom_Scene_": "what somebody looked at in Neo4j Bloom, which it keeps in the database",
}
"""Labels that no record accounts for, each with the reason why nothing may rely on what carries it."""

_BATCH: Final = 1000
_CACHE_KIB: Final = 65_536
_ASKED: Final = 500
_LEVELS: Final = 8
_COUNTED_EVERY: Final = 200

_INSERT: Final = {
    "record": "INSERT INTO record(seq, id, type, actor, time, leaf, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
    "head": "INSERT INTO head(one, size, last, time, frontier, fold_version, mac) VALUES (1, ?, ?, ?, ?, ?, ?)",
    "note": "INSERT INTO note(one, size, note) VALUES (1, ?, ?)",
    "tile": "INSERT INTO tile(level, number, hashes) VALUES (?, ?, ?)",
    "node": "INSERT INTO node(key, kind, seq) VALUES (?, ?, ?)",
    "property": """
        INSERT INTO property(node, registers, ord, seq) VALUES ((SELECT id FROM node WHERE key = ?), ?, ?, ?)
    """,
    "edge": """
        INSERT INTO edge(src, type, dst, seq, source, at, how, roles) VALUES (
          (SELECT id FROM node WHERE key = ?), ?, (SELECT id FROM node WHERE key = ?), ?,
          (SELECT id FROM node WHERE key = ?), ?, ?, ?)
    """,
    "withdrawal": """
        INSERT INTO withdrawal(src, type, dst, source, seq) VALUES (
          (SELECT id FROM node WHERE key = ?), ?, (SELECT id FROM node WHERE key = ?),
          (SELECT id FROM node WHERE key = ?), ?)
    """,
    # An actor who is no node stands as number -1, which no node has: nothing would tell it from nobody.
    "point": """
        INSERT INTO point(subject, slot, name, ord, n, seq, actor, value) VALUES (
          (SELECT id FROM node WHERE key = ?1), ?2, ?3, ?4, ?5, ?6,
          CASE WHEN ?7 IS NULL THEN NULL ELSE coalesce((SELECT id FROM node WHERE key = ?7), -1) END, ?8)
    """,
    "person": "INSERT INTO person(mac, pseudonym, identity) VALUES (?, ?, ?)",
    "subject_key": "INSERT INTO subject_key(subject, key) VALUES (?, ?)",
    "sealed": "INSERT INTO sealed(seq, digest, subject, key, ciphertext) VALUES (?, ?, ?, ?, ?)",
    "payload": "INSERT INTO payload(digest, seq, salt, key, ciphertext) VALUES (?, ?, ?, ?, ?)",
}
_SEQ: Final = {
    "record": 0, "node": 2, "property": 3, "edge": 3, "withdrawal": 4, "point": 5, "sealed": 0, "payload": 1
}  # fmt: skip
"""Where the number of its record stands in a row."""

_BEHIND: Final[dict[str, FindingClass]] = {"record": "insert"}


@dataclass(frozen=True, slots=True)
class Transcript:
    """What came of it: what fits no table as findings, how many of each table, and what was left alone as sentences."""

    faults: Sequence[Finding]
    counts: Mapping[str, int]
    not_ours: Sequence[str]


def transcribe(
    contents: "Neo4jContents",
    file: Path,
    progress: Progress,
    *,
    everything: bool = True,
    shown: Shown | None = None,
) -> Transcript:
    """Write a new file (mode 0600) that holds what a Neo4j ledger holds.

    Args:
        contents: the database, opened for reading.
        file: the file to make; it is complete in itself, and not yet forced to the disk.
        progress: told how much is done, from 0 to 1.
        everything: also the graph and the vault; else records, tree, head and checkpoint alone.
        shown: takes in what people see in Neo4j beside the tables.

    Raises:
        StoreUnavailableError: if the server or the disk refuses; nothing is left at ``file``.
    """
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        with (
            translated(f"writing {file}"),
            contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection,
        ):
            # What is left of it after a crash is thrown away, so it may be written as fast as the disk takes it.
            for setting in ("journal_mode=MEMORY", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
                connection.execute(f"PRAGMA {setting}")
            migrate_sqlite(connection)
            counted = _Counted(progress, contents.count(everything=everything))
            transcription = _Transcription(contents, connection, counted, shown)
            connection.execute("BEGIN")
            transcription.run(everything=everything)
            connection.execute("COMMIT")
    except BaseException:
        remove_database(file)
        raise
    progress(1.0)
    faults = transcription.faults
    return Transcript(faults.findings, dict(faults.counts), transcription.not_ours)


class _Counted:
    """Tells how much is done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = max(total, 1)
        self._done = 0

    def each(self, rows: Iterable[Any]) -> Iterator[Any]:
        """Yield rows, counting them."""
        for row in rows:
            self._done += 1
            if not self._done % _COUNTED_EVERY:
                self._progress(min(self._done / self._total, 1.0))
            yield row


class _Transcription:
    """One pass over a database."""

    def __init__(
        self, contents: "Neo4jContents", connection: sqlite3.Connection, counted: _Counted, shown: Shown | None
    ) -> None:
        self.faults = Faults()
        self.not_ours: list[str] = []
        self._contents = contents
        self._connection = connection
        self._each = counted.each
        self._shown = shown
        self._rows = Rows(self.faults)
        self._size: int | None = None
        self._behind: dict[str, list[tuple[int, str]]] = {}

    def run(self, *, everything: bool) -> None:
        """Write it all; the end of the log is looked at first and last."""
        self._write("note", self._nodes("note", self._contents.checkpoints(), self._rows.note))
        self._write_head()
        self._write("record", self._nodes("record", self._contents.records(), self._rows.record))
        self._write("tile", self._nodes("tile", self._contents.tiles(), self._rows.tile))
        if everything:
            self._write_graph()
            self._write_vault()
            for labels, properties in self._each(self._contents.migrations()):
                self._rows.migration(labels, properties)
            self._look_at_strangers()
        self._judge_what_lies_behind()

    def _nodes(
        self, table: str, nodes: Iterable[Any], row_of: Callable[[Sequence[str], Any], Row | None]
    ) -> Iterator[Row]:
        for labels, properties in self._each(nodes):
            if self._is_behind(table, properties):
                continue
            row = row_of(labels, properties)
            if row is not None:
                yield row

    # --------------------------------------------------------------------------------------------- the end of the log

    def _write_head(self) -> None:
        for at, (labels, properties) in enumerate(self._contents.ends()):
            row, before = self._rows.head(labels, properties)
            if at == 0 and self._shown is not None:
                self._shown.before = before
            if row is not None:
                self._size = row[0] if self._size is None else self._size
                self._put("head", [row])
        for labels, properties in self._contents.other_heads():
            self._rows.head(labels, properties)
            self._rows.tell("head", properties)("one log", f"log {cut(properties.get('log'))}", "a head of another log")

    def _is_behind(self, table: str, properties: Mapping[str, Any]) -> bool:
        """Tell whether something lies behind the head; what lies farthest behind is kept in mind.

        It is not looked at any closer: of a group that is being committed a part may be seen before the rest.
        """
        seq = _last_under(properties) if table == "tile" else properties.get("seq")
        if self._size is None or type(seq) is not int or seq < self._size:
            return False
        farthest = self._behind.setdefault(table, [])
        told = ", ".join(f"{name}={cut(value)}" for name, value in sorted(properties.items()))
        heapq.heappush(farthest, (seq, cut(told)))
        if len(farthest) > MOST:
            heapq.heappop(farthest)
        return True

    def _judge_what_lies_behind(self) -> None:
        """Whatever was met had its record under the head by then, if it has one: the head is read after it."""
        ends = self._contents.ends() if self._behind else []
        row, _ = Rows(Faults()).head(*ends[0]) if ends else (None, None)
        end = self._size if row is None else row[0]
        for table, farthest in self._behind.items():
            for seq, told in sorted(farthest):
                if end is not None and seq >= end:
                    shape = SHAPES[table]
                    number = None if table == "tile" else seq
                    detail = f"Neo4j: {shape.what} that belongs to no record: the log ends before it"
                    cls = _BEHIND.get(table, shape.cls)
                    self.faults.add(f"{table}_behind", Finding(cls, number, f"{end} records", cut(told), detail))

    # -------------------------------------------------------------------------------------------------------- the graph

    def _write_graph(self) -> None:
        contents = self._contents
        self._write("node", self._nodes("node", contents.entities(), self._rows.entity))
        self._write("property", self._said())
        self._write("edge", self._links("edge", contents.edges(), self._rows.edge))
        self._write("withdrawal", self._links("withdrawal", contents.withdrawals(), self._rows.withdrawal))
        self._write("point", self._points())

    def _said(self) -> Iterator[Row]:
        for kind, start, end, properties in self._each(self._contents.said()):
            read = None if self._is_behind("property", properties) else self._rows.said(start, end, properties)
            if read is None:
                continue
            row, words = read
            if kind == "ABOUT" and self._shown is not None:
                self._shown.find_first(words, row[0], row[3])
            yield row

    def _links(
        self, table: str, links: Iterable[Any], row_of: Callable[[str, Any, Any, Any], Row | None]
    ) -> Iterator[Row]:
        for kind, start, end, properties in self._each(links):
            if self._is_behind(table, properties):
                continue
            row = row_of(kind, start, end, properties)
            if row is not None:
                yield row

    def _points(self) -> Iterator[Row]:
        for labels, properties, links in self._each(self._contents.points()):
            row = None if self._is_behind("point", properties) else self._rows.point(labels, properties)
            if row is None:
                continue
            if self._shown is not None:
                self._shown.find_point(properties, links)
            yield row

    # -------------------------------------------------------------------------------------------------------- the vault

    def _write_vault(self) -> None:
        contents = self._contents
        self._write("subject_key", self._nodes("subject_key", contents.subject_keys(), self._rows.subject_key))
        self._write("person", self._nodes("person", contents.pseudonyms(), self._rows.person))
        self._pair()
        self._write("sealed", self._nodes("sealed", contents.sealed(), self._rows.sealed))
        self._write("payload", self._nodes("payload", contents.payloads(), self._rows.payload))

    _LONELY: Final = """
        SELECT subject FROM (
          SELECT subject FROM subject_key WHERE NOT EXISTS (SELECT 1 FROM person WHERE pseudonym = subject)
          UNION SELECT pseudonym FROM person WHERE NOT EXISTS (SELECT 1 FROM subject_key WHERE subject = pseudonym))
        WHERE subject > ? ORDER BY subject LIMIT ?
    """
    _FORGET_KEY: Final = "DELETE FROM subject_key WHERE subject = ?"
    _FORGET_PERSON: Final = "DELETE FROM person WHERE pseudonym = ?"

    def _pair(self) -> None:
        """Look again at those of whom only the key or only the pseudonym was seen: the other may have come since."""
        rows, after = Rows(Faults()), ""
        while subjects := [row[0] for row in self._connection.execute(self._LONELY, (after, _ASKED))]:
            for subject, (keys, people) in zip(subjects, self._contents.of_subjects(subjects), strict=True):
                self._connection.execute(self._FORGET_KEY, (subject,))
                self._connection.execute(self._FORGET_PERSON, (subject,))
                self._put("subject_key", [row for node in keys[:1] if (row := rows.subject_key(*node)) is not None])
                self._put("person", [row for node in people[:1] if (row := rows.person(*node)) is not None])
            after = subjects[-1]

    # ------------------------------------------------------------------------------------------------- what is not ours

    def _look_at_strangers(self) -> None:
        seen: dict[str, int] = {}
        for labels, properties in self._each(self._contents.strange_nodes()):
            if labels and NOT_OURS.keys() >= set(labels):
                for label in labels:
                    seen[label] = seen.get(label, 0) + 1
                continue
            found = f"{_labelled(labels)} {cut(properties)}"
            self._strange("unlisted", "nodes that a record accounts for", found, "a node that nothing accounts for")
        for kind, start, end, properties in self._each(self._contents.strange_relationships()):
            if start and end and NOT_OURS.keys() >= {*start, *end}:
                continue
            found = f"{_labelled(start)}-[:{kind} {cut(properties)}]->{_labelled(end)}"
            detail = "a relationship of a kind that no record gives"
            self._strange("graph", "relationships that a record accounts for", found, detail)
        self.not_ours += [f"{count} nodes :{label}: {NOT_OURS[label]}" for label, count in sorted(seen.items())]

    def _strange(self, cls: FindingClass, expected: str, found: str, detail: str) -> None:
        self.faults.add(f"strange_{cls}", Finding(cls, None, expected, found, f"Neo4j: {detail}"))

    # ---------------------------------------------------------------------------------------------------------- writing

    def _write(self, table: str, rows: Iterable[Row]) -> None:
        remaining = iter(rows)
        while batch := list(islice(remaining, _BATCH)):
            self._put(table, batch)

    def _put(self, table: str, batch: Sequence[Row]) -> None:
        """Insert rows; where one does not go in, they are inserted one by one to find which."""
        self._connection.execute("SAVEPOINT batch")
        try:
            self._connection.executemany(_INSERT[table], batch)
        except sqlite3.IntegrityError:
            self._connection.execute("ROLLBACK TO batch")
            for row in batch:
                self._put_one(table, row)
        self._connection.execute("RELEASE batch")

    def _put_one(self, table: str, row: Row) -> None:
        try:
            self._connection.execute(_INSERT[table], row)
        except sqlite3.IntegrityError as error:
            shape = SHAPES[table]
            seq = row[_SEQ[table]] if table in _SEQ else None
            if "NOTNULL" in error.sqlite_errorname:
                expected, detail = "nodes that there are", f"{shape.what} that names a node that is not there"
            else:
                expected, detail = "one of each", f"{shape.what} beside another one that says it is the same"
            told = ", ".join(cut(value) for value in row if isinstance(value, str | int))
            self.faults.add(table, Finding(shape.cls, seq, expected, cut(told), f"Neo4j: {detail}"))


def _last_under(tile: Mapping[str, Any]) -> int | None:
    """Return the number of the last record under a tile; None if it is no tile."""
    level, number = tile.get("level"), tile.get("number")
    if type(level) is not int or type(number) is not int or not 0 <= level < _LEVELS or number < 0:
        return None
    return (number + 1 << 8 * (level + 1)) - 1


def _labelled(labels: Sequence[str]) -> str:
    return f"({''.join(f':{label}' for label in labels)})"
