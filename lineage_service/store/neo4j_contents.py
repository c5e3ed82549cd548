"""Everything that a Neo4j database holds, as it stands there, for whoever compares it with the records.

Nothing is folded, corrected or passed over on the way. Each kind of node and of relationship is one stream, read by
whole labels and types and not along the graph, so that a second node where one is allowed, or one that belongs to
nobody, comes as well; what carries no label or type of ours comes in streams of its own. The streams together hold each
node and each relationship of the database. Rules kept:

- the end of the log is read under the lock of the head: no group of records is on its way then, so that what stands
  behind that end was put there by nobody whom the lock binds;
- the checkpoint is read before the end of the log, or it could sign more records than there are;
- a stream holds no more in memory than one portion of its rows, here and on the server.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import neo4j

from lineage_service.errors import StoreUnavailableError
from lineage_service.store.address import Address
from lineage_service.store.neo4j import connect
from lineage_service.store.neo4j_errors import translated
from lineage_service.store.neo4j_migrations import require_version
from lineage_service.store.neo4j_structure import Schema, schema_of

Node = tuple[list[str], dict[str, Any]]
"""A node: its labels and its properties."""

Link = tuple[str, Any, Any, dict[str, Any]]
"""A relationship: type, where it begins, where it ends, properties.

An end is the number of a record, the key of an entity, or None where another kind of node stands.
"""

_PORTION: Final = 1000
_PORTION_OF_PAYLOADS: Final = 16
"""Payloads are up to some megabytes long."""
_AS_LONG_AS_IT_TAKES: Final = 0.0
_LOCK_SECONDS: Final = 30.0
_READ_ONLY: Final = ("ForbiddenOnReadOnlyDatabase", "WriteOnReadOnlyAccessDatabase")


@contextlib.contextmanager
def contents_of(address: Address) -> Iterator["Neo4jContents"]:
    """Open all that a database holds; nothing is ever written.

    Raises:
        StoreUnavailableError: if the server cannot be reached, is too old or refuses, or if there is no ledger.
    """
    doing = f"reading what {address} holds"
    with (
        translated(doing),
        connect(address) as driver,
        # Sessions that may write go to the leader of a cluster: only there is the end of the log surely the newest.
        driver.session(database=address.database, fetch_size=_PORTION) as session,
        driver.session(database=address.database, fetch_size=_PORTION_OF_PAYLOADS) as beside,
    ):
        require_version(session)
        with session.begin_transaction(timeout=_AS_LONG_AS_IT_TAKES) as transaction:
            contents = Neo4jContents(transaction, beside)
            contents.require_ledger(address)
            yield contents


class Neo4jContents:
    """The streams, on one read transaction; payloads and the end of the log come by a session beside it."""

    def __init__(self, transaction: neo4j.Transaction, beside: neo4j.Session) -> None:
        self._transaction = transaction
        self._beside = beside

    def _rows(self, statement: str, **parameters: Any) -> Iterator[Any]:
        for row in self._transaction.run(statement, parameters):
            yield row.values()

    _OURS: Final = "RETURN EXISTS { (:LedgerHead) } OR EXISTS { (:Migration) } OR EXISTS { (:Record) }"

    def require_ledger(self, address: Address) -> None:
        """Raise StoreUnavailableError if there is nothing of a ledger."""
        if not self._transaction.run(self._OURS).single(strict=True)[0]:
            raise StoreUnavailableError(f"there is no ledger at {address}: give the place of its database")

    _COUNT_NODES: Final = "MATCH (n) RETURN count(n)"
    _COUNT_RECORDS: Final = "MATCH (r:Record) RETURN count(r)"
    _COUNT_RELATIONSHIPS: Final = "MATCH ()-[e]->() RETURN count(e)"
    _COUNT_OF_POINTS: Final = "MATCH ()-[e:SETS|OF|BY|NAMES]->() RETURN -count(e)"

    def count(self, *, everything: bool) -> int:
        """Return about how many rows will come: of everything, or of the ledger alone. The server has it at hand."""
        all_rows = (self._COUNT_NODES, self._COUNT_RELATIONSHIPS, self._COUNT_OF_POINTS)
        statements = all_rows if everything else (self._COUNT_RECORDS,)
        return sum(self._transaction.run(statement).single(strict=True)[0] for statement in statements)

    # -------------------------------------------------------------------------------------------- the end of the log

    _LOCKED: Final = "MATCH (h:LedgerHead {log: 'main'}) SET h.lock = 'reader' RETURN labels(h), properties(h)"
    _UNLOCKED: Final = "MATCH (h:LedgerHead {log: 'main'}) RETURN labels(h), properties(h)"

    def ends(self) -> list[Node]:
        """Return the head, as it is while nobody writes: one node, unless somebody meddled with it.

        Its lock is taken for a moment and given back unused. Where nothing can be written, nobody is writing either.
        """
        try:
            with self._beside.begin_transaction(timeout=_LOCK_SECONDS) as probe:
                found = [tuple(row) for row in probe.run(self._LOCKED)]
                probe.rollback()
        except neo4j.exceptions.Neo4jError as error:
            if not any(word in (error.code or "") for word in _READ_ONLY):
                raise
            found = [tuple(row) for row in self._beside.run(self._UNLOCKED)]
        return found

    _OTHER_HEADS: Final = """
        MATCH (h:LedgerHead) WHERE h.log IS NULL OR h.log <> 'main' RETURN labels(h), properties(h)
    """

    def other_heads(self) -> Iterator[Node]:
        """Yield heads of whatever else calls itself a log here."""
        return self._rows(self._OTHER_HEADS)

    # ------------------------------------------------------------------------------------------------------- nodes

    _CHECKPOINTS: Final = "MATCH (c:Checkpoint) RETURN labels(c), properties(c)"

    def checkpoints(self) -> Iterator[Node]:
        """Yield the signed checkpoint."""
        return self._rows(self._CHECKPOINTS)

    _MIGRATIONS: Final = "MATCH (m:Migration) RETURN labels(m), properties(m)"

    def migrations(self) -> Iterator[Node]:
        """Yield which schema files were applied."""
        return self._rows(self._MIGRATIONS)

    _RECORDS: Final = "MATCH (r:Record) RETURN labels(r), properties(r)"

    def records(self) -> Iterator[Node]:
        """Yield the records, in no order."""
        return self._rows(self._RECORDS)

    _TILES: Final = "MATCH (t:Tile) RETURN labels(t), properties(t)"

    def tiles(self) -> Iterator[Node]:
        """Yield the complete tiles of the tree."""
        return self._rows(self._TILES)

    _ENTITIES: Final = "MATCH (n:Entity) RETURN labels(n), properties(n)"

    def entities(self) -> Iterator[Node]:
        """Yield the nodes of the graph."""
        return self._rows(self._ENTITIES)

    _PSEUDONYMS: Final = "MATCH (p:Pseudonym) RETURN labels(p), properties(p)"

    def pseudonyms(self) -> Iterator[Node]:
        """Yield who is behind which pseudonym, encrypted."""
        return self._rows(self._PSEUDONYMS)

    _SUBJECT_KEYS: Final = "MATCH (k:SubjectKey) RETURN labels(k), properties(k)"

    def subject_keys(self) -> Iterator[Node]:
        """Yield the wrapped data keys."""
        return self._rows(self._SUBJECT_KEYS)

    # What is written together is not seen together, but what one statement has found is not lost to the same one.
    _OF_SUBJECTS: Final = """
        UNWIND $subjects AS subject
        RETURN
          COLLECT { MATCH (k:SubjectKey {subject: subject}) RETURN [labels(k), properties(k)] },
          COLLECT { MATCH (p:Pseudonym {pseudonym: subject}) RETURN [labels(p), properties(p)] }
    """

    def of_subjects(self, subjects: Sequence[str]) -> Iterator[tuple[list[Node], list[Node]]]:
        """Yield data keys and pseudonyms of single subjects, as they are by now."""
        return self._rows(self._OF_SUBJECTS, subjects=list(subjects))

    _SEALED: Final = "MATCH (s:SealedValue) RETURN labels(s), properties(s)"

    def sealed(self) -> Iterator[Node]:
        """Yield the sealed values."""
        return self._rows(self._SEALED)

    _PAYLOADS: Final = "MATCH (p:Payload) RETURN labels(p), properties(p)"

    def payloads(self) -> Iterator[Node]:
        """Yield the raw payloads, few at a time."""
        with self._beside.begin_transaction(timeout=_AS_LONG_AS_IT_TAKES) as transaction:
            for row in transaction.run(self._PAYLOADS):
                yield row[0], row[1]

    # A point's relationships were written with it and with no other, so they may be read from it.
    _POINTS: Final = """
        MATCH (p:Point)
        RETURN labels(p), properties(p), COLLECT {
          MATCH (p)-[e]-(x)
          RETURN [type(e), CASE WHEN startNode(e) = p THEN 'out' ELSE 'in' END,
            CASE WHEN x:Record THEN x.seq WHEN x:Entity THEN x.key END, properties(e)]
        }
    """

    def points(self) -> Iterator[tuple[list[str], dict[str, Any], list[list[Any]]]]:
        """Yield each point with all its relationships: type, direction, the other end, properties."""
        return self._rows(self._POINTS)

    # ----------------------------------------------------------------------------------------------- relationships

    _EDGES: Final = """
        MATCH (a)-[e:PRODUCED_BY|USED|READ|USED_MODEL|BUILT_FROM|RAN_IN|DERIVED_FROM|COLUMN_FROM
          |VERSION_OF|OF_JOB|PART_OF|PARENT|IN_REPOSITORY|CHANGE_OF|VALIDATES|TESTS|CONCERNS|SAME_AS]->(b)
        RETURN type(e), CASE WHEN a:Entity THEN a.key END, CASE WHEN b:Entity THEN b.key END, properties(e)
    """

    def edges(self) -> Iterator[Link]:
        """Yield every assertion of an edge."""
        return self._rows(self._EDGES)

    _WITHDRAWALS: Final = """
        MATCH (a)-[e:WITHDRAWN]->(b)
        RETURN type(e), CASE WHEN a:Entity THEN a.key END, CASE WHEN b:Entity THEN b.key END, properties(e)
    """

    def withdrawals(self) -> Iterator[Link]:
        """Yield every withdrawal of an edge."""
        return self._rows(self._WITHDRAWALS)

    _SAID: Final = """
        MATCH (a)-[e:ABOUT|ABOUT_AGAIN]->(b)
        RETURN type(e), CASE WHEN a:Record AND a.log = 'main' THEN a.seq END, CASE WHEN b:Entity THEN b.key END,
          properties(e)
    """

    def said(self) -> Iterator[Link]:
        """Yield what records say of nodes."""
        return self._rows(self._SAID)

    # ------------------------------------------------------------------------------------- what is none of the above

    _STRANGE_NODES: Final = """
        MATCH (n) WHERE NOT (n:LedgerHead OR n:Checkpoint OR n:Migration OR n:Record OR n:Tile OR n:Entity OR n:Point
          OR n:Pseudonym OR n:SubjectKey OR n:SealedValue OR n:Payload)
        RETURN labels(n), properties(n)
    """

    def strange_nodes(self) -> Iterator[Node]:
        """Yield nodes that carry no label of ours."""
        return self._rows(self._STRANGE_NODES)

    _STRANGE_RELATIONSHIPS: Final = """
        MATCH (a)-[e]->(b)
        WHERE NOT a:Point AND NOT b:Point AND NOT type(e) IN ['ABOUT', 'ABOUT_AGAIN', 'WITHDRAWN', 'PRODUCED_BY',
          'USED', 'READ', 'USED_MODEL', 'BUILT_FROM', 'RAN_IN', 'DERIVED_FROM', 'COLUMN_FROM', 'VERSION_OF', 'OF_JOB',
          'PART_OF', 'PARENT', 'IN_REPOSITORY', 'CHANGE_OF', 'VALIDATES', 'TESTS', 'CONCERNS', 'SAME_AS']
        RETURN type(e), labels(a), labels(b), properties(e)
    """

    def strange_relationships(self) -> Iterator[tuple[str, list[str], list[str], dict[str, Any]]]:
        """Yield relationships of no type of ours, and those of a point's types where there is no point."""
        return self._rows(self._STRANGE_RELATIONSHIPS)

    def schema(self) -> Schema:
        """Return the constraints and indexes that there are, and those that there should be."""
        return schema_of(self._beside)
