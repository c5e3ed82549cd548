"""The production store: ledger and graph in one Neo4j database, a group of records in one statement.

Written for Neo4j Community 5.26 and its Cypher alone: no plugin, nothing of the Enterprise edition. A transaction locks
the head by writing to it before it reads it, because reads are committed reads and take no lock. What a group writes
travels as one map: with a list a parameter the server would plan the statement anew for each mix of lengths. Reads are
snapshots although Neo4j has none: everything stored says the number of its record, and a reader passes over what came
after the head it was opened on (``neo4j_reader``).
"""

import contextlib
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import neo4j

from graph_schema.changes import Changes
from lineage_service.errors import StoreConflictError, StoreUnavailableError
from lineage_service.ledger.tiles import TileReader, build_tile, complete_tiles
from lineage_service.store.address import Address, Found
from lineage_service.store.neo4j_errors import once_more, translated
from lineage_service.store.neo4j_forgetting import forget_graph
from lineage_service.store.neo4j_head import Ends, ends_of, head_of, text_of
from lineage_service.store.neo4j_migrations import migrate_neo4j, require_migrated, require_version
from lineage_service.store.neo4j_reader import Neo4jReader
from lineage_service.store.neo4j_rows import Known, Rows
from lineage_service.store.neo4j_vault import Neo4jVault
from lineage_service.store.protocol import UNFOLDED, Head, KnownReceipt, NewRecord, Observer, Payload
from lineage_service.store.vault import SealedValue

_LOCK_SECONDS: Final = 30.0
_SETTLE_SECONDS: Final = 5.0
_KEPT: Final = ("tiles", "sealed", "payloads")
_FEW: Final = 100
_GROWTH: Final = 16
"""Of how many records there is a graph when the server should plan anew what writes, and how many times more next."""


class Neo4jStore:
    """The Store of protocol.py on one Neo4j database."""

    def __init__(self, address: Address, *, writing: bool = True, observer: Observer | None = None) -> None:
        """Open an initialised store; StoreUnavailableError says what is missing.

        ``observer`` hears of every group of records. A store that is not for writing spares itself the warming-up.
        """
        self.address = address
        self._observer = observer
        self._known = Known()
        self._settled = 0
        self._anew = 0
        self._planned_for = _FEW
        self._closing = threading.Lock()
        self._open_readers = 0
        self._closed = False
        self._driver = connect(address)
        self._bookmarks = neo4j.GraphDatabase.bookmark_manager() if address.url.startswith("neo4j") else None
        self._vault = Neo4jVault(self._session)
        try:
            with translated(f"opening {address}"), self._session() as session:
                self._version = require_version(session)
                require_migrated(session)
                if writing:
                    self._planned_for = _to_be_planned_at(Neo4jTransaction.warm_up(session))
        except BaseException:
            self._driver.close()
            raise

    @property
    def engine(self) -> str:
        """The server and its version, and whether what packs our messages is the slow part of the driver."""
        packs = "its Rust extension" if importlib.util.find_spec("neo4j._rust") else (
            "no Rust extension, so that writing takes much longer: pip install neo4j-rust-ext"
        )
        return f"Neo4j {self._version}; driver {neo4j.__version__} with {packs}"

    @staticmethod
    def create(address: Address) -> list[str]:
        """Create an empty ledger or bring one to this version; return the migrations applied."""
        with (
            translated(f"creating the store at {address}"),
            connect(address) as driver,
            driver.session(database=address.database) as session,
        ):
            return migrate_neo4j(session)

    _FOUND: Final = """
        RETURN EXISTS { MATCH (n) WHERE NOT n:Migration AND NOT n:LedgerHead }, EXISTS { MATCH (:Migration) },
          EXISTS {
            MATCH (n) WHERE NOT n:(Migration|LedgerHead|Checkpoint|Record|Tile|Entity|Point|Pseudonym|SubjectKey
              |SealedValue|Payload)
          }
    """

    @classmethod
    def found_at(cls, address: Address) -> Found:
        """Tell what the database holds; our schema alone is nothing."""
        with (
            translated(f"looking at {address}"),
            connect(address) as driver,
            driver.session(database=address.database, default_access_mode=neo4j.READ_ACCESS) as session,
        ):
            require_version(session)
            anything, ours, others = session.run(cls._FOUND).single(strict=True)
        if not anything:
            return "nothing"
        return "a ledger" if ours and not others else "something else"

    @staticmethod
    def forget_graph(address: Address, progress: Callable[[float], None]) -> None:
        """Remove the graph and nothing else, in steps; no store open on it may have folded anything yet."""
        with (
            translated(f"removing the graph at {address}", writing=True),
            connect(address) as driver,
            driver.session(database=address.database) as session,
        ):
            forget_graph(session, progress)

    def _session(self, *, reading: bool = False) -> neo4j.Session:
        """Return a session; those of one store see each other's writes, wherever the driver sends them."""
        self._require_open()
        access = neo4j.READ_ACCESS if reading else neo4j.WRITE_ACCESS
        return self._driver.session(
            database=self.address.database, default_access_mode=access, bookmark_manager=self._bookmarks
        )

    @contextlib.contextmanager
    def begin(self) -> Iterator["Neo4jTransaction"]:
        """Begin a transaction; see the protocol."""
        with translated("recording", writing=True), self._session() as session:
            self._plan_anew(session)
            transaction = Neo4jTransaction(session, self._known, self._observer, self._settle)
            try:
                yield transaction
                transaction.commit()
            finally:
                transaction.end()
        self._known.take(transaction.rows)
        self._settle(transaction.size)
        if not transaction.folds_anew:
            self._anew = 0
            return
        if self._anew == 0:
            self._planned_for = _FEW  # however long the log is, its graph begins anew
        self._anew += transaction.rows.folded

    def _settle(self, size: int) -> None:
        """Note that everything below ``size`` is visible as a whole."""
        self._settled = max(self._settled, size)

    def _plan_anew(self, session: neo4j.Session) -> None:
        """Have the statement that writes planned anew once the graph has grown much since.

        Planned while the database was empty, it looks for an edge among all relationships there are: that costs little
        then, and minutes for a large group later. The server plans anew by itself too, but not within ten seconds,
        which is long while a ledger is copied or folded anew.
        """
        grown = self._anew or self._settled
        if grown >= self._planned_for:
            self._planned_for = _to_be_planned_at(grown)
            Neo4jTransaction.warm_up(session, anew=True)

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("this store was closed, so nothing was done; what was acknowledged is safe")

    @contextlib.contextmanager
    def read(self) -> Iterator[Neo4jReader]:
        """Open a snapshot."""
        self._enter()
        try:
            with translated("reading"), self._session(reading=True) as session:
                transaction, ends = once_more(lambda: self._begun(session))
                head = ends.head
                if head.size > self._settled:
                    if not self._wait_until_settled(head.size):
                        head = ends.before
                    elif self._bookmarks is not None:  # another server of a cluster: one that has what was settled
                        transaction.close()
                        transaction = session.begin_transaction()
                with transaction:
                    yield Neo4jReader(transaction, head, ends.note)
        finally:
            self._leave()

    @staticmethod
    def _begun(session: neo4j.Session) -> tuple[neo4j.Transaction, Ends]:
        transaction = session.begin_transaction()
        try:
            return transaction, ends_of(transaction)
        except BaseException:
            transaction.close()
            raise

    _TAKE_LOCK: Final = "MATCH (h:LedgerHead {log: 'main'}) SET h.lock = 'reader' RETURN h.size"

    def _wait_until_settled(self, size: int) -> bool:
        """Wait until the group that ends at ``size``, of another process, is visible as a whole; tell whether it is.

        Neo4j shows the parts of a commit one after another, and lets its locks fall when all are shown. A group of our
        own is settled when its commit returned. Of another process's the lock of the head tells: we take it for a
        moment. Whoever keeps it from us for long is a later writer or a stuck one: what stood before is settled.
        """
        with self._session() as session:
            try:
                with session.begin_transaction(timeout=_SETTLE_SECONDS) as probe:
                    probe.run(self._TAKE_LOCK).consume()
                    if self._bookmarks is None:
                        probe.rollback()
                    else:
                        probe.commit()  # only a commit leaves a bookmark to wait for elsewhere
            except neo4j.exceptions.Neo4jError:
                return False
        self._settle(size)
        return True

    def _enter(self) -> None:
        with self._closing:
            self._require_open()
            self._open_readers += 1

    def _leave(self) -> None:
        with self._closing:
            self._open_readers -= 1
            last = self._closed and self._open_readers == 0
        if last:
            self._driver.close()

    _SET_NOTE: Final = """
        MERGE (c:Checkpoint {log: 'main'})
        WITH c WHERE coalesce(c.size, -1) <= $size
        SET c.size = $size, c.note = $note
    """

    def set_note(self, note: bytes, size: int) -> None:
        """Store a signed checkpoint unless a newer one is there."""
        with translated("storing the checkpoint"), self._session() as session:
            session.execute_write(lambda tx: tx.run(self._SET_NOTE, note=note, size=size).consume())

    def vault(self) -> Neo4jVault:
        """Return the vault."""
        return self._vault

    def close(self) -> None:
        """Close the driver, or let the last open snapshot do so."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            idle = self._open_readers == 0
        if idle:
            self._driver.close()


def _to_be_planned_at(size: int) -> int:
    """Return of how many records there will be a graph, when one of ``size`` grows, at the next planning."""
    planned = _FEW
    while planned <= size:
        planned *= _GROWTH
    return planned


def connect(address: Address) -> neo4j.Driver:
    """Return a driver; it connects when it is first used."""
    return neo4j.GraphDatabase.driver(
        address.url,
        auth=(address.user, address.password),
        connection_acquisition_timeout=30,
        connection_timeout=5,
        liveness_check_timeout=2,  # what lay unused for longer may be broken: a restarted server shall not be noticed
        max_transaction_retry_time=5,
        notifications_min_severity="OFF",
        telemetry_disabled=True,
    )


class Neo4jTransaction:
    """One group of records on its way in: gathered here, written by one statement when the block ends."""

    @classmethod
    def warm_up(cls, session: neo4j.Session, *, anew: bool = False) -> int:
        """Let the server plan what writes, which takes about a second, before anybody waits; return the log's size."""
        written: dict[str, Any] = {name: [] for name in (*Rows(Known()).parameters(), *_KEPT)}
        written |= {"first": 0, "state": None, "before": None, "size": None}
        with session.begin_transaction() as transaction:
            row = transaction.run(cls._HEAD, lock="", ids=[]).single()
            transaction.run(cls._WRITE_PLANNED_ANEW if anew else cls._WRITE, p=written).consume()
            transaction.rollback()
        return 0 if row is None else head_of(row[0]).size

    def __init__(
        self, session: neo4j.Session, known: Known, observer: Observer | None, settle: Callable[[int], None]
    ) -> None:
        self._session = session
        self._settle = settle
        self._observer = observer
        self._transaction: neo4j.Transaction | None = None
        self._found: Head | None = None
        self._head: Head | None = None
        self._kept: dict[str, list[list[Any]]] = {name: [] for name in _KEPT}
        self.rows = Rows(known)
        self.size = 0

    # The write comes first and takes the lock; what is read after it is what the last holder committed.
    _HEAD: Final = """
        MATCH (h:LedgerHead {log: 'main'})
        SET h.lock = $lock
        WITH h
        RETURN h.state, COLLECT {
          UNWIND $ids AS id MATCH (r:Record {id: id}) RETURN [id, r.seq, r.leaf, r.time]
        }
    """

    def head(self, ids: Sequence[str]) -> tuple[Head, dict[str, KnownReceipt]]:
        """Take the write lock, read the head, and look up what was recorded before."""
        self._transaction = self._session.begin_transaction(timeout=_LOCK_SECONDS)
        row = self._transaction.run(self._HEAD, lock=str(time.time_ns()), ids=list(ids)).single()
        if row is None:
            raise StoreUnavailableError("this database holds no lineage ledger yet: run `lineage init`")
        if self._observer is not None:
            self._observer.begin()
        self._found = head_of(row[0])
        self.size = self._found.size
        self._settle(self.size)  # the lock is ours, so whoever wrote before us is done
        return self._found, {known[0]: KnownReceipt(*known[1:]) for known in row[1]}

    @property
    def folds_anew(self) -> bool:
        """Whether the graph of this log is not whole yet: what it holds has nothing to do with the log's size."""
        return self._found is not None and self._found.fold_version == UNFOLDED and bool(self.rows.folded)

    def _require_head(self) -> Head:
        if self._found is None:
            raise StoreConflictError("a transaction begins with head(): nothing was recorded")
        return self._found

    def append(self, records: Sequence[NewRecord]) -> None:
        """Add records and the tiles they complete."""
        self._require_head()
        self.rows.append(records)
        if not records:
            return
        fresh = _Fresh(self._require_transaction(), records)
        for level, number in complete_tiles(records[0].seq, records[-1].seq + 1):
            fresh.tiles[level, number] = build_tile(level, number, TileReader(fresh.leaves, fresh.tile))
        self._kept["tiles"] += [[level, number, tile] for (level, number), tile in fresh.tiles.items()]

    def _require_transaction(self) -> neo4j.Transaction:
        if self._transaction is None:
            raise StoreConflictError("a transaction begins with head(): nothing was recorded")
        return self._transaction

    def apply(self, changes: Sequence[tuple[int, Changes]]) -> None:
        """Fold changes into the graph."""
        self._require_head()
        self.rows.fold(changes)

    def keep(self, payloads: Sequence[Payload], sealed: Sequence[SealedValue]) -> None:
        """Keep raw payloads and sealed values."""
        self._require_head()
        self._kept["payloads"] += [[p.digest, p.seq, p.salt, p.key, p.ciphertext] for p in payloads]
        self._kept["sealed"] += [[s.seq, s.digest, s.subject, s.key, s.ciphertext] for s in sealed]

    def move_head(self, head: Head) -> None:
        """Move the head; written with all the rest, from where it was found."""
        self._require_head()
        if self._head is not None:
            raise StoreConflictError("the head was moved already; nothing was recorded: run `lineage verify`")
        self._head = head

    _STATEMENT: Final = """
        CALL () {
          UNWIND $p.nodes AS r
          MERGE (n:Entity {key: r[0]})
          ON CREATE SET n:$(r[1]), n.kind = r[2], n.seq = r[3], n.name = r[4]
        }
        CALL () {
          UNWIND $p.records AS r
          CREATE (:Record {
            log: 'main', seq: r[0], id: r[1], type: r[2], actor: r[3], time: r[4], leaf: r[5], body: r[6]})
        }
        CALL () {
          UNWIND $p.said AS r
          MATCH (x:Record {log: 'main', seq: r[0]})
          MATCH (n:Entity {key: r[1]})
          WITH x, n, r, r[5] OR (n.seq < $p.first AND EXISTS {
            MATCH ()-[said:ABOUT]->(n) USING INDEX SEEK said:ABOUT(words) WHERE said.words = r[2]
          }) AS again
          CREATE (x)-[:$(CASE WHEN again THEN 'ABOUT_AGAIN' ELSE 'ABOUT' END) {
            words: r[2], ord: r[3], seq: r[0], registers: r[4]}]->(n)
        }
        CALL () {
          UNWIND $p.edges AS r
          MATCH (a:Entity {key: r[0]})
          MATCH (b:Entity {key: r[1]})
          WITH a, b, r
          WHERE r[8] OR a.seq >= $p.first OR b.seq >= $p.first OR NOT EXISTS {
            MATCH (a)-[e]->(b)
            WHERE type(e) = r[2] AND e.source = r[4] AND e.at <= r[5] AND e.how IN r[9]
              AND all(role IN r[7] WHERE role IN e.roles)
          }
          CREATE (a)-[:$(r[2]) {seq: r[3], source: r[4], at: r[5], how: r[6], roles: r[7]}]->(b)
        }
        CALL () {
          UNWIND $p.withdrawals AS r
          MATCH (a:Entity {key: r[0]})
          MATCH (b:Entity {key: r[1]})
          CREATE (a)-[:WITHDRAWN {type: r[2], source: r[3], seq: r[4]}]->(b)
        }
        CALL () {
          UNWIND $p.points AS r
          MATCH (x:Record {log: 'main', seq: r[0]})
          MATCH (s:Entity {key: r[1]})
          CREATE (x)-[:SETS]->(p:Point)-[:OF]->(s)
          SET p = r[3]
          WITH p, r
          CALL (p, r) {
            UNWIND r[4] AS named
            MATCH (n:Entity {key: named[1]})
            CREATE (p)-[:NAMES {field: named[0]}]->(n)
          }
          CALL (p, r) {
            MATCH (who:Entity {key: r[2]})
            CREATE (p)-[:BY]->(who)
          }
        }
        CALL () { UNWIND $p.tiles AS r CREATE (:Tile {level: r[0], number: r[1], hashes: r[2]}) }
        CALL () {
          UNWIND $p.sealed AS r
          CREATE (:SealedValue {seq: r[0], digest: r[1], subject: r[2], key: r[3], ciphertext: r[4]})
        }
        CALL () {
          UNWIND $p.payloads AS r
          CREATE (:Payload {digest: r[0], seq: r[1], salt: r[2], key: r[3], ciphertext: r[4]})
        }
        MATCH (h:LedgerHead {log: 'main'})
        SET h.state = coalesce($p.state, h.state), h.before = coalesce($p.before, h.before),
            h.size = coalesce($p.size, h.size)
    """
    # Both begin alike, or the server would keep a plan of each, and planning the one anew would not help the other.
    _WRITE: Final = f"CYPHER replan=default {_STATEMENT}"
    _WRITE_PLANNED_ANEW: Final = f"CYPHER replan=force {_STATEMENT}"

    def commit(self) -> None:
        """Write everything by one statement and make it durable; one that never took the lock has nothing to do."""
        if self._transaction is None:
            return
        found, head = self._require_head(), self._head
        rows = self.rows.parameters()
        if head is not None or any(rows.values()) or any(self._kept.values()):
            written = {
                **rows,
                **self._kept,
                "first": self.rows.first,
                "state": None if head is None else text_of(head),
                "before": None if head is None else text_of(found),
                "size": None if head is None else head.size,
            }
            self._transaction.run(self._WRITE, p=written).consume()
        if self._observer is not None:
            self._observer.commit()
        self._transaction.commit()
        if head is not None:
            self.size = head.size

    def end(self) -> None:
        """Roll back what was not committed."""
        if self._transaction is not None and not self._transaction.closed():
            self._transaction.close()


class _Fresh:
    """Leaves and tiles as they will stand when the group is written: those of the database and the group's own."""

    def __init__(self, transaction: neo4j.Transaction, records: Sequence[NewRecord]) -> None:
        self._transaction = transaction
        self._first = records[0].seq
        self._leaves = [record.leaf for record in records]
        self.tiles: dict[tuple[int, int], bytes] = {}

    _LEAVES: Final = """
        MATCH (r:Record) WHERE r.log = 'main' AND r.seq >= $first AND r.seq < $stop
        WITH r ORDER BY r.log, r.seq RETURN collect(r.leaf)
    """
    _TILE: Final = "MATCH (t:Tile {level: $level, number: $number}) RETURN t.hashes"

    def leaves(self, first: int, stop: int) -> list[bytes]:
        """Return the leaf hashes of a half-open range of records."""
        stored: list[bytes] = []
        if first < self._first:
            row = self._transaction.run(self._LEAVES, first=first, stop=min(stop, self._first)).single(strict=True)
            stored = row[0]
        return stored + self._leaves[max(first - self._first, 0) : max(stop - self._first, 0)]

    def tile(self, level: int, number: int) -> bytes | None:
        """Return a complete tile, or None."""
        if (level, number) in self.tiles:
            return self.tiles[level, number]
        row = self._transaction.run(self._TILE, level=level, number=number).single()
        return None if row is None else row[0]
