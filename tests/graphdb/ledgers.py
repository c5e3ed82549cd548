"""Ledgers in the Neo4j of a test run: an empty one, one from a file, and one that is tampered with and put right.

Whoever tampers does it in Cypher, as one does who has a password of the server. What was done is undone by comparing
all that stands there with what stood there before, so that one ledger serves many tests.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import neo4j

from graph_schema.fold import fold
from graph_schema.sealing import Person
from lineage_service.evidence.record_form import read_record
from lineage_service.ledger.merkle import Frontier
from lineage_service.recorder.installation import Places
from lineage_service.store.address import Address as StoreAddress
from lineage_service.store.neo4j import Neo4jStore
from lineage_service.store.neo4j_migrations import neo4j_files, statements
from lineage_service.store.protocol import Head, NewRecord, Payload
from lineage_service.store.vault import NewPerson, SealedValue
from tests.graphdb.address import Address
from tests.graphdb.installation import empty_address


def empty_ledger() -> StoreAddress:
    """Return an empty ledger; what the last test left in the database is removed."""
    address = empty_address()
    Neo4jStore.create(address)
    return address


def replayed(places: Places, sizes: Sequence[int]) -> Places:
    """Write the ledger of a file into Neo4j, in groups of these sizes and the rest at once; return where it is then.

    Keys and signer's memory are the same. It goes through the store as the recorder would, with the same bytes.
    """
    address = empty_ledger()
    store = Neo4jStore(address)
    with contextlib.closing(store), contextlib.closing(sqlite3.connect(places.file)) as file:
        people: dict[Person, tuple[bytes, NewPerson]] = {
            ("issuer", pseudonym, "person"): (mac, NewPerson(pseudonym, key, identity))
            for mac, pseudonym, identity, key in file.execute(_PEOPLE)
        }
        macs = {person: mac for person, (mac, _) in people.items()}
        store.vault().pseudonyms(macs, {person: new for person, (_, new) in people.items()})
        rows = iter(file.execute("SELECT seq, id, type, actor, time, leaf, body FROM record ORDER BY seq"))
        size, last, time, frontier, fold_version, mac = file.execute(_HEAD).fetchone()
        final = Head(size, last, time, Frontier.from_bytes(frontier), fold_version, mac)
        for count in (*sizes, size):
            if records := [NewRecord(row[0], row[1].hex(), *row[2:]) for row in islice(rows, count)]:
                _record(store, file, records, final)
        for size, note in file.execute("SELECT size, note FROM note"):
            store.set_note(note, size)
    return Places(address, places.keys)


_PEOPLE = """
    SELECT p.mac, p.pseudonym, p.identity, k.key FROM person p JOIN subject_key k ON k.subject = p.pseudonym
"""
_HEAD = "SELECT size, last, time, frontier, fold_version, mac FROM head"
_SEALED = "SELECT seq, digest, subject, key, ciphertext FROM sealed WHERE seq BETWEEN ? AND ?"
_PAYLOADS = "SELECT seq, digest, salt, key, ciphertext FROM payload WHERE seq BETWEEN ? AND ?"


def _record(store: Neo4jStore, file: sqlite3.Connection, records: list[NewRecord], final: Head) -> None:
    with store.begin() as transaction:
        head, _ = transaction.head([])
        transaction.append(records)
        transaction.apply([(one.seq, fold(read_record(one.body))) for one in records])
        ends = records[0].seq, records[-1].seq
        transaction.keep(
            [Payload(*row) for row in file.execute(_PAYLOADS, ends)],
            [SealedValue(*row) for row in file.execute(_SEALED, ends)],
        )
        frontier = head.frontier.extend([one.leaf for one in records])
        moved = Head(frontier.size, records[-1].leaf, records[-1].time, frontier, final.fold_version)
        transaction.move_head(final if frontier.size == final.size else moved)


@dataclass(frozen=True, slots=True)
class Thing:
    """A node (kinds are its labels) or a relationship (kinds is its type, ends are where it begins and ends)."""

    id: str
    kinds: tuple[str, ...]
    properties: dict[str, Any]
    ends: tuple[str, str] | None = None


_NODES = "MATCH (n) RETURN elementId(n) AS id, labels(n) AS kinds, properties(n) AS properties"
_LINKS = """
    MATCH (a)-[e]->(b)
    RETURN elementId(e) AS id, [type(e)] AS kinds, properties(e) AS properties,
      elementId(a) AS start, elementId(b) AS end
"""
_DELETE_LINKS = "MATCH ()-[e]->() WHERE elementId(e) IN $ids DELETE e"
_DELETE_NODES = "MATCH (n) WHERE elementId(n) IN $ids DETACH DELETE n"
_CREATE_NODES = """
    UNWIND $rows AS r CREATE (n) SET n:$(r.kinds), n = r.properties RETURN r.id AS old, elementId(n) AS new
"""
_CREATE_LINKS = """
    UNWIND $rows AS r MATCH (a) WHERE elementId(a) = r.start MATCH (b) WHERE elementId(b) = r.end
    CREATE (a)-[e:$(r.kind)]->(b) SET e = r.properties
"""
_RESET_NODE = """
    MATCH (n) WHERE elementId(n) = $id
    WITH n, [one IN labels(n) WHERE NOT one IN $kinds] AS more
    REMOVE n:$(more) SET n:$($kinds), n = $properties
"""
_RESET_LINK = "MATCH ()-[e]->() WHERE elementId(e) = $id SET e = $properties"


@dataclass(slots=True)
class Tampered:
    """A database of which everything is known, so that whatever is done to it can be undone."""

    session: neo4j.Session
    nodes: dict[str, Thing] = field(default_factory=dict)
    links: dict[str, Thing] = field(default_factory=dict)

    def answer(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run one statement and return its rows."""
        return self.session.run(statement, parameters).data()

    def look(self) -> None:
        """Take the present state for the right one."""
        self.nodes, self.links = self._state()

    def _state(self) -> tuple[dict[str, Thing], dict[str, Thing]]:
        nodes = [Thing(row["id"], tuple(row["kinds"]), row["properties"]) for row in self.answer(_NODES)]
        links = [
            Thing(row["id"], tuple(row["kinds"]), row["properties"], (row["start"], row["end"]))
            for row in self.answer(_LINKS)
        ]
        return {one.id: one for one in nodes}, {one.id: one for one in links}

    @contextlib.contextmanager
    def by(self, statement: str, **parameters: Any) -> Iterator[None]:
        """Tamper with one statement; afterwards everything is as it was."""
        try:
            self.answer(statement, **parameters)
            yield
        finally:
            self._undo()

    def _undo(self) -> None:
        nodes, links = self._state()
        self.answer(_DELETE_LINKS, ids=sorted(links.keys() - self.links.keys()))
        self.answer(_DELETE_NODES, ids=sorted(nodes.keys() - self.nodes.keys()))
        for one in self.nodes.values():
            if one.id in nodes and repr(nodes[one.id]) != repr(one):  # equal is not the same: 5 and 5.0
                self.answer(_RESET_NODE, id=one.id, kinds=list(one.kinds), properties=one.properties)
        for one in self.links.values():
            if one.id in links and repr(links[one.id]) != repr(one):
                self.answer(_RESET_LINK, id=one.id, properties=one.properties)
        lost = [one for one in self.nodes.values() if one.id not in nodes]
        rows = [{"id": one.id, "kinds": list(one.kinds), "properties": one.properties} for one in lost]
        moved = {row["old"]: row["new"] for row in (self.answer(_CREATE_NODES, rows=rows) if rows else [])}
        torn = [_link(one, moved) for one in self.links.values() if one.id not in links]
        if torn:
            self.answer(_CREATE_LINKS, rows=torn)
        if lost or torn:
            self.look()


@contextlib.contextmanager
def tampering(server: Address) -> Iterator[Tampered]:
    """Give a hand to tamper with what stands in a database now."""
    with server.driver() as driver, driver.session(database=server.database) as session:
        tampered = Tampered(session)
        tampered.look()
        yield tampered


def _link(one: Thing, moved: dict[str, str]) -> dict[str, Any]:
    assert one.ends is not None
    start, end = (moved.get(at, at) for at in one.ends)
    return {"start": start, "end": end, "kind": one.kinds[0], "properties": one.properties}


def apply_schema(tampered: Tampered) -> None:
    """Bring back every constraint and index that the schema files give."""
    for _, _, text in neo4j_files():
        for statement in statements(text):
            tampered.answer(statement)
    tampered.answer("CALL db.awaitIndexes(60)")
