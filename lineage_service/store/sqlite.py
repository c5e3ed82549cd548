"""The embedded store: ledger and graph in one SQLite file, committed with one fdatasync.

One process writes (one connection, guarded by a lock); up to four connections read snapshots; a thread of
its own runs passive checkpoints, so that no commit pays for one. Rows go in sorted by primary key, because
pages and not rows cost the time. Traps kept in mind: never ANALYZE the edge table (the planner would put a
Bloom filter over all of it into every step of a walk), and CROSS JOIN fixes the join order in every step.
"""

import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import orjson

from graph_schema import names
from graph_schema.changes import Changes, each_instant_counts
from graph_schema.kinds import KIND_BY_WORD
from lineage_service.errors import OverloadedError, StoreConflictError, StoreUnavailableError
from lineage_service.ledger.merkle import Frontier
from lineage_service.ledger.tiles import TileReader, build_tile, complete_tiles
from lineage_service.store.address import Found
from lineage_service.store.migrations import migrate_sqlite, require_migrated
from lineage_service.store.protocol import EMPTY_HEAD, Head, KnownReceipt, NewRecord, Observer, Payload
from lineage_service.store.sqlite_errors import translated
from lineage_service.store.sqlite_reader import SqliteReader
from lineage_service.store.sqlite_vault import SqliteVault
from lineage_service.store.vault import SealedValue

_WRITER_CACHE_KIB: Final = 65536
_READER_CACHE_KIB: Final = 8192
_READERS: Final = 4
_MMAP_BYTES: Final = 268_435_456
_CHECKPOINT_BYTES: Final = 32 * 1024 * 1024
_CHECKPOINT_SECONDS: Final = 0.5
_KNOWN_NODES: Final = 50_000
_KNOWN_EDGES: Final = 50_000
_WAIT_MS: Final = 5000


def connect(path: Path, *, cache_kib: int, read_only: bool = False, wait_ms: int = _WAIT_MS) -> sqlite3.Connection:
    """Open one connection with the pragmas every connection of this store needs."""
    mode = "ro" if read_only else "rwc"
    location = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(location, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={wait_ms:d}")
    connection.execute(f"PRAGMA cache_size=-{cache_kib:d}")
    connection.execute(f"PRAGMA mmap_size={_MMAP_BYTES:d}")
    if not read_only:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA secure_delete=ON")
    return connection


@dataclass(slots=True)
class _Known:
    """What earlier groups committed and the next ones will look for: numbers of nodes, assertions of edges."""

    nodes: dict[str, int] = field(default_factory=dict)
    edges: dict[tuple[int, int, int, int], tuple[int, int, int]] = field(default_factory=dict)
    """(src, type, dst, source) to (at, how, roles) of an assertion that is in the table or dominated there."""

    def take(self, transaction: "SqliteTransaction") -> None:
        """Take in what a transaction found and added, once it is committed; begin anew rather than grow for ever."""
        if len(self.nodes) + len(transaction.fresh_nodes) > _KNOWN_NODES:
            self.nodes.clear()
        if len(self.edges) + len(transaction.fresh_edges) > _KNOWN_EDGES:
            self.edges.clear()
        self.nodes.update(transaction.fresh_nodes)
        self.edges.update(transaction.fresh_edges)


class SqliteStore:
    """The Store of protocol.py on one SQLite file."""

    def __init__(
        self, path: Path, *, writing: bool = True, observer: Observer | None = None, wait_ms: int = _WAIT_MS
    ) -> None:
        """Open an initialised store; StoreUnavailableError says what is missing.

        ``wait_ms`` is how long a write waits for another process that holds the write lock; ``observer`` hears of
        every group of records.
        """
        self.path = path
        self._observer = observer
        if not path.exists():
            raise StoreUnavailableError(f"there is no ledger at {path}: run `lineage init`")
        self._lock = threading.Lock()
        self._known = _Known()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._opened = threading.Semaphore(_READERS)
        self._stop = threading.Event()
        with translated("opening the store"):
            self._writer = connect(path, cache_kib=_WRITER_CACHE_KIB, read_only=not writing, wait_ms=wait_ms)
            require_migrated(self._writer)
        self._checkpointer: threading.Thread | None = None
        if writing:
            self._checkpointer = threading.Thread(target=self._checkpoint_at_times, name="wal-checkpoint", daemon=True)
            self._checkpointer.start()

    @property
    def engine(self) -> str:
        """SQLite and its version."""
        return f"SQLite {sqlite3.sqlite_version}"

    @staticmethod
    def create(path: Path) -> list[str]:
        """Create the file (mode 0600) or bring it to this version; return the migrations applied."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with translated("creating the store"), contextlib.closing(connect(path, cache_kib=512)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            return migrate_sqlite(connection)

    _TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table'"
    _ANYTHING: Final = "SELECT EXISTS (SELECT 1 FROM record) OR EXISTS (SELECT 1 FROM person)"

    @classmethod
    def found_at(cls, path: Path) -> Found:
        """Tell what the file holds; our tables alone are nothing."""
        if not path.exists() or path.stat().st_size == 0:
            return "nothing"
        try:
            with contextlib.closing(connect(path, cache_kib=512, read_only=True)) as connection:
                tables = {row[0] for row in connection.execute(cls._TABLES)}
                if not tables >= {"migration", "record", "person"}:
                    return "something else" if tables - {"migration"} else "nothing"
                return "a ledger" if connection.execute(cls._ANYTHING).fetchone()[0] else "nothing"
        except sqlite3.Error:
            return "something else"  # whatever it is, it is not ours to write to

    @contextlib.contextmanager
    def begin(self) -> Iterator["SqliteTransaction"]:
        """Begin a transaction; see the protocol."""
        with self._lock:
            self._require_open()
            transaction = SqliteTransaction(self._writer, self._known, self._observer)
            with translated("recording"):
                try:
                    yield transaction
                    transaction.commit()
                except BaseException:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
            self._known.take(transaction)

    def _require_open(self) -> None:
        if self._stop.is_set():
            raise StoreUnavailableError("this store was closed, so nothing was done; what was acknowledged is safe")

    @contextlib.contextmanager
    def read(self) -> Iterator[SqliteReader]:
        """Open a snapshot; waits while all connections are in use."""
        self._require_open()
        if not self._opened.acquire(timeout=30):
            raise OverloadedError("all readers have been busy for 30 s; data is safe, try again")
        try:
            connection = self._reader()
            with translated("reading"):
                connection.execute("BEGIN")
                try:
                    reader = SqliteReader(connection)
                    reader.head()  # the snapshot is taken by the first read, and it shall be the one of now
                    yield reader
                finally:
                    connection.execute("ROLLBACK")
                    self._give_back(connection)
        finally:
            self._opened.release()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._stop.is_set():
            connection.close()
        else:
            self._readers.put(connection)

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._readers.get_nowait()
        except queue.Empty:
            with translated("opening a reader"):
                return connect(self.path, cache_kib=_READER_CACHE_KIB, read_only=True)

    _SET_NOTE: Final = """
        INSERT INTO note(one, size, note) VALUES (1, ?, ?)
        ON CONFLICT(one) DO UPDATE SET size = excluded.size, note = excluded.note WHERE excluded.size >= note.size
    """

    def set_note(self, note: bytes, size: int) -> None:
        """Store a signed checkpoint unless a newer one is there."""
        with self._lock, translated("storing the checkpoint"):
            self._require_open()
            self._writer.execute(self._SET_NOTE, (size, note))

    def vault(self) -> SqliteVault:
        """Return the vault."""
        return SqliteVault(self._writer, self._lock)

    def _checkpoint_at_times(self) -> None:
        """Move the write-ahead log into the file when it is large, on a connection and a thread of its own."""
        wal = self.path.with_name(self.path.name + "-wal")
        with contextlib.closing(connect(self.path, cache_kib=512)) as connection:
            while not self._stop.wait(_CHECKPOINT_SECONDS):
                if wal.exists() and wal.stat().st_size > _CHECKPOINT_BYTES:
                    with contextlib.suppress(sqlite3.OperationalError):  # busy or full: the next round tries again
                        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close every connection. Snapshots still open keep theirs until they end."""
        self._stop.set()
        if self._checkpointer is not None:
            self._checkpointer.join()
        while not self._readers.empty():
            self._readers.get_nowait().close()
        with self._lock:  # last, because only a connection that may write leaves everything in the one file
            self._writer.close()


class SqliteTransaction:
    """One group of records on its way in."""

    def __init__(self, connection: sqlite3.Connection, known: _Known, observer: Observer | None) -> None:
        self._connection = connection
        self._known = known
        self._observer = observer
        self._found: Head | None = None
        self._last_known = 0
        self.fresh_nodes: dict[str, int] = {}
        self.fresh_edges: dict[tuple[int, int, int, int], tuple[int, int, int]] = {}

    _HEAD: Final = "SELECT size, last, time, frontier, fold_version, mac FROM head"
    _KNOWN_ID: Final = "SELECT seq, leaf, time FROM record WHERE id = ?"

    def head(self, ids: Sequence[str]) -> tuple[Head, dict[str, KnownReceipt]]:
        """Take the write lock, read the head, and look up what was recorded before."""
        self._connection.execute("BEGIN IMMEDIATE")
        if self._observer is not None:
            self._observer.begin()
        row = self._connection.execute(self._HEAD).fetchone()
        if row is None:
            self._found = EMPTY_HEAD
        else:
            self._found = Head(row[0], row[1], row[2], Frontier.from_bytes(row[3]), row[4], row[5])
        known: dict[str, KnownReceipt] = {}
        for text in ids:
            row = self._connection.execute(self._KNOWN_ID, (bytes.fromhex(text),)).fetchone()
            if row is not None:
                known[text] = KnownReceipt(*row)
        return self._found, known

    def _require_head(self) -> Head:
        """Return the head found; without the lock that comes with it each statement would commit by itself."""
        if self._found is None:
            raise StoreConflictError("a transaction begins with head(): nothing was recorded")
        return self._found

    _APPEND: Final = "INSERT INTO record(seq, id, type, actor, time, leaf, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
    _LEAVES: Final = "SELECT leaf FROM record WHERE seq >= ? AND seq < ? ORDER BY seq"
    _TILE: Final = "SELECT hashes FROM tile WHERE level = ? AND number = ?"
    _ADD_TILE: Final = "INSERT INTO tile(level, number, hashes) VALUES (?, ?, ?)"

    def append(self, records: Sequence[NewRecord]) -> None:
        """Add records and the tiles they complete."""
        self._require_head()
        self._connection.executemany(
            self._APPEND,
            [(r.seq, bytes.fromhex(r.id), r.type, r.actor, r.time, r.leaf, r.body) for r in records],
        )
        if not records:
            return
        for level, number in complete_tiles(records[0].seq, records[-1].seq + 1):
            # A tile reader of its own for each tile: what it caches must be what stands in the tables now.
            tile = build_tile(level, number, TileReader(self._leaves, self._tile))
            self._connection.execute(self._ADD_TILE, (level, number, tile))

    def _leaves(self, first: int, stop: int) -> list[bytes]:
        return [row[0] for row in self._connection.execute(self._LEAVES, (first, stop))]

    def _tile(self, level: int, number: int) -> bytes | None:
        row = self._connection.execute(self._TILE, (level, number)).fetchone()
        return None if row is None else row[0]

    _FIND_NODES: Final = "SELECT n.key, n.id FROM json_each(?) j CROSS JOIN node n ON n.key = j.value"
    _LAST_NODE: Final = "SELECT coalesce(max(id), 0) FROM node"
    _ADD_NODE: Final = "INSERT INTO node(id, key, kind, seq) VALUES (?, ?, ?, ?)"

    def _resolve(self, changes: Sequence[tuple[int, Changes]]) -> dict[str, int]:
        """Return the ids of all nodes mentioned, numbering new ones in the order of their first mention."""
        first: dict[str, int] = {}
        for seq, change in changes:
            for key in change.nodes:
                first.setdefault(key, seq)
        ids: dict[str, int] = {}
        missing: list[str] = []
        for key in first:
            if (known := self._known.nodes.get(key) or self.fresh_nodes.get(key)) is not None:
                ids[key] = known
            else:
                missing.append(key)
        if missing:
            ids.update(self._connection.execute(self._FIND_NODES, (orjson.dumps(missing).decode(),)).fetchall())
        new = [key for key in missing if key not in ids]
        last = self._connection.execute(self._LAST_NODE).fetchone()[0]
        rows = [(last + i, key, KIND_BY_WORD[names.kind_of(key)].value, first[key]) for i, key in enumerate(new, 1)]
        self._last_known = last
        self._add(self._ADD_NODE, rows)
        ids.update((row[1], row[0]) for row in rows)
        self.fresh_nodes.update((key, ids[key]) for key in missing)
        return ids

    _ADD_PROPERTIES: Final = "INSERT INTO property(node, registers, ord, seq) VALUES (?, ?, ?, ?)"
    _ADD_EDGE: Final = """
        INSERT INTO edge(src, type, dst, seq, source, at, how, roles) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    """
    # An assertion that earlier-recorded ones of its source dominate says nothing new.
    _ADD_NEW_EDGE: Final = """
        INSERT INTO edge(src, type, dst, seq, source, at, how, roles) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
        WHERE NOT EXISTS (
          SELECT 1 FROM edge e WHERE e.src = ?1 AND e.type = ?2 AND e.dst = ?3
          AND e.source = ?5 AND e.at <= ?6 AND e.how >= ?7 AND (e.roles & ?8) = ?8)
    """
    _ADD_WITHDRAWAL: Final = "INSERT INTO withdrawal(src, type, dst, source, seq) VALUES (?, ?, ?, ?, ?)"
    _ADD_POINT: Final = """
        INSERT INTO point(subject, slot, name, ord, n, seq, actor, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    """

    def apply(self, changes: Sequence[tuple[int, Changes]]) -> None:
        """Fold changes into the graph: one executemany a table, rows sorted by primary key."""
        self._require_head()
        ids = self._resolve(changes)
        properties: list[tuple[int, str, bytes, int]] = []
        withdrawals: list[tuple[int, ...]] = []
        points: list[tuple[int, str, str, bytes, int, int, int | None, str]] = []
        for seq, change in changes:
            actor = ids[change.actor] if change.actor else None
            for key, registers in change.properties.items():
                properties.append((ids[key], _json(registers), change.order, seq))
            for start, kind, end, of_source in change.withdrawals:
                withdrawals.append((ids[start], kind, ids[end], ids[of_source], seq))
            for subject, slot, n, value in change.points:
                family, _, name = slot.partition(":")
                points.append((ids[subject], family, name, change.order, n, seq, actor, _json(value)))
        self._add(self._ADD_PROPERTIES, sorted(properties))
        self._assert_edges(changes, ids)
        self._add(self._ADD_WITHDRAWAL, sorted(withdrawals))
        self._add(self._ADD_POINT, sorted(points, key=itemgetter(0, 1, 2, 3, 4)))

    def _add(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for each row; preparing one for none costs as much as a row, and small groups have many."""
        if rows:
            self._connection.executemany(statement, rows)

    def _assert_edges(self, changes: Sequence[tuple[int, Changes]], ids: Mapping[str, int]) -> None:
        """Add the assertions that say something new; most are told without asking the table.

        An edge of a node this group adds can only have been asserted within the group. Of an edge between known nodes
        one assertion is remembered that is in the table, or is dominated by one that is: what it dominates, that does.
        """
        added: list[tuple[int, ...]] = []
        asked: list[tuple[int, ...]] = []
        within: dict[tuple[int, int, int, int], list[tuple[int, int, int]]] = {}
        for seq, change in changes:
            source = ids[change.source]
            for (start, kind, end), (how, roles) in change.edges.items():
                src, dst = ids[start], ids[end]
                row = (src, kind, dst, seq, source, change.at, how, roles)
                if each_instant_counts(start, end):
                    added.append(row)
                    continue
                place, said = (src, kind, dst, source), (change.at, how, roles)
                if src > self._last_known or dst > self._last_known:
                    before = within.setdefault(place, [])
                    if not any(_dominates(one, said) for one in before):
                        before.append(said)
                        added.append(row)
                elif not ((one := self._known.edges.get(place)) and _dominates(one, said)):
                    asked.append(row)
                    self.fresh_edges.setdefault(place, said)
        self._add(self._ADD_EDGE, sorted(added))
        self._add(self._ADD_NEW_EDGE, sorted(asked))

    _ADD_SEALED: Final = "INSERT INTO sealed(seq, digest, subject, key, ciphertext) VALUES (?, ?, ?, ?, ?)"
    _ADD_PAYLOAD: Final = "INSERT INTO payload(digest, seq, salt, key, ciphertext) VALUES (?, ?, ?, ?, ?)"

    def keep(self, payloads: Sequence[Payload], sealed: Sequence[SealedValue]) -> None:
        """Keep raw payloads and sealed values."""
        self._require_head()
        self._add(self._ADD_SEALED, [(s.seq, s.digest, s.subject, s.key, s.ciphertext) for s in sealed])
        self._add(self._ADD_PAYLOAD, [(p.digest, p.seq, p.salt, p.key, p.ciphertext) for p in payloads])

    _OPEN_HEAD: Final = """
        INSERT INTO head(one, size, last, time, frontier, fold_version, mac) VALUES (1, ?, ?, ?, ?, ?, ?)
    """
    _MOVE_HEAD: Final = """
        UPDATE head SET size = ?, last = ?, time = ?, frontier = ?, fold_version = ?, mac = ?
        WHERE size = ? AND last = ?
    """

    def move_head(self, head: Head) -> None:
        """Move the head by compare-and-swap."""
        found = self._require_head()
        row = (head.size, head.last, head.time, head.frontier.to_bytes(), head.fold_version, head.mac)
        if found.size == 0:
            self._connection.execute(self._OPEN_HEAD, row)
            return
        moved = self._connection.execute(self._MOVE_HEAD, (*row, found.size, found.last))
        if moved.rowcount != 1:
            raise StoreConflictError("the head was moved by somebody else; nothing was recorded: run `lineage verify`")

    def commit(self) -> None:
        """Make the group durable; a transaction that never took the lock has nothing to do."""
        if self._connection.in_transaction:
            if self._observer is not None:
                self._observer.commit()
            self._connection.execute("COMMIT")


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _dominates(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    """Tell whether an earlier-recorded (at, how, roles) of the same source leaves nothing to say for another."""
    return one[0] <= other[0] and one[1] >= other[1] and one[2] & other[2] == other[2]
