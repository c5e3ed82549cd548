"""Writing to a store as the recorder does, without keys: numbered, chained, head moved, one group a transaction."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graph_schema import canonical, names
from graph_schema.changes import Changes, order_key
from graph_schema.fold import FOLD_VERSION
from graph_schema.kinds import FIRST_LINEAGE, LAST_LINEAGE, Edge, How, Role
from lineage_service.ledger.merkle import leaf_hash
from lineage_service.store.protocol import (
    END_OF_TIME,
    Assertion,
    Cut,
    Direction,
    Head,
    NewRecord,
    NodeFacts,
    Payload,
    Point,
    PointQuery,
    Reader,
    RecordQuery,
    Store,
    StoredRecord,
    Transaction,
    Walk,
)
from lineage_service.store.vault import SealedValue

EVER = END_OF_TIME - 1
NOW = Cut(EVER, 2**53)
LINEAGE = (int(FIRST_LINEAGE), int(LAST_LINEAGE))
MLFLOW = names.source("mlflow", "prod")
OTHER = names.source("openlineage", "airflow")
PLENTY = 1000


def run(name: object) -> str:
    """Return the key of a run."""
    return names.run(str(name))


def version(name: object, number: object = "1") -> str:
    """Return the key of a dataset's version."""
    return names.dataset_version("s3://lake", str(name), str(number))


def event_id(number: int) -> str:
    """Return an event id nobody else uses."""
    return f"{number:032x}"


_ids = itertools.count(1)


def fact(at: int, *, source: str = MLFLOW, order: int = 0, actor: str | None = None, id: str | None = None) -> Changes:  # noqa: A002
    """Return the changes of one record, empty but for its source and actor."""
    changes = Changes(at, order_key(at, source, order, id or event_id(next(_ids))), source, actor)
    changes.node(source)
    if actor is not None:
        changes.node(actor)
    return changes


def mention(at: int, *keys: str) -> Changes:
    """Return a fact that mentions nodes and says nothing of them."""
    changes = fact(at)
    for key in keys:
        changes.node(key)
    return changes


def setting(at: int, key: str, /, **registers: object) -> Changes:
    """Return a fact that sets registers of a node."""
    changes = fact(at)
    changes.set(key, registers)
    return changes


def edge(
    at: int, start: str, kind: Edge, end: str, *, source: str = MLFLOW, how: How = How.EXACT, roles: int = Role.NONE
) -> Changes:
    """Return a fact that asserts one edge."""
    changes = fact(at, source=source)
    changes.edge(start, kind, end, how, roles)
    return changes


def withdrawal(at: int, start: str, kind: Edge, end: str, *, of: str = MLFLOW) -> Changes:
    """Return a fact that withdraws what a source asserted of an edge."""
    changes = fact(at, source=names.source("lineage", "house"))
    changes.withdraw(start, kind, end, of)
    return changes


def point(at: int, subject: str, slot: str, value: object, *, actor: str | None = None, order: int = 0) -> Changes:
    """Return a fact that adds one point."""
    changes = fact(at, actor=actor, order=order)
    changes.point(subject, slot, {"is": value})
    return changes


@dataclass(slots=True)
class Log:
    """One log on its way into a store. ``write`` is one group; ``time`` is what its records were recorded at."""

    store: Store
    written: list[NewRecord] = field(default_factory=list)

    def write(
        self,
        *changes: Changes,
        time: int = 1000,
        type: str = "run.observed",  # noqa: A002
        actor: str | None = None,
        ids: Sequence[str] | None = None,
        payloads: Sequence[Payload] = (),
        sealed: Sequence[SealedValue] = (),
    ) -> list[NewRecord]:
        """Commit one record for each of ``changes``; return the records."""
        with self.store.begin() as transaction:
            records = add(transaction, *changes, time=time, type=type, actor=actor, ids=ids)
            transaction.keep(payloads, sealed)
        self.written += records
        return records

    def leaves(self) -> list[bytes]:
        """Return the leaf hashes written."""
        return [record.leaf for record in self.written]


def add(
    transaction: Transaction,
    *changes: Changes,
    time: int = 1000,
    type: str = "run.observed",  # noqa: A002
    actor: str | None = None,
    ids: Sequence[str] | None = None,
    fold: bool = True,
) -> list[NewRecord]:
    """Append one record for each of ``changes`` inside a transaction, fold them, move the head."""
    ids = ids or [event_id(next(_ids)) for _ in changes]
    head, _ = transaction.head(ids)
    records: list[NewRecord] = []
    last = head.last
    for seq, identifier in enumerate(ids, head.size):
        body = canonical.encode({"seq": seq, "prev": last.hex(), "id": identifier, "type": type})
        last = leaf_hash(body)
        records.append(NewRecord(seq, identifier, type, actor, time, last, body))
    transaction.append(records)
    if fold:
        transaction.apply([(record.seq, change) for record, change in zip(records, changes, strict=True)])
    frontier = head.frontier.extend([record.leaf for record in records])
    transaction.move_head(Head(frontier.size, last, time, frontier, FOLD_VERSION))
    return records


def attempt(store: Store, *steps: Callable[[Transaction], object]) -> None:
    """Take steps in one transaction; whatever one of them raises comes out."""
    with store.begin() as transaction:
        for step in steps:
            step(transaction)


def give_up(_transaction: Transaction) -> None:
    """Fail as a caller of the store may fail at any step."""
    raise GaveUpError("given up by the test")


class GaveUpError(Exception):
    """The caller of the store failed."""


# ------------------------------------------------------------------------------- one read, in a snapshot of its own


def head_of(store: Store) -> Head:
    """Return the head."""
    with store.read() as reader:
        return reader.head()


def records_of(store: Store, query: RecordQuery | None = None) -> list[StoredRecord]:
    """Return records."""
    with store.read() as reader:
        return list(reader.records(query or RecordQuery()))


def nodes_of(store: Store, *keys: str, cut: Cut = NOW, every: bool = False) -> dict[str, NodeFacts]:
    """Return nodes; with ``every`` with all rows of all of them."""
    with store.read() as reader:
        return reader.nodes(keys, cut, every=keys if every else ())


def registers_of(store: Store, key: str, cut: Cut = NOW) -> list[object]:
    """Return what each row of a node set, in the order of the rows."""
    return [dict(row.registers) for row in nodes_of(store, key, cut=cut)[key].rows]


def points_of(store: Store, query: PointQuery, cut: Cut = NOW) -> list[Point]:
    """Return points."""
    with store.read() as reader:
        return reader.points(query, cut)


def values_of(store: Store, query: PointQuery, cut: Cut = NOW) -> list[object]:
    """Return what each point says, in order."""
    return [found.value["is"] for found in points_of(store, query, cut)]


def walk_of(
    store: Store,
    start: str | dict[str, int],
    direction: Direction = "up",
    *,
    types: tuple[int, int] = LINEAGE,
    depth: int = 25,
    limit: int = PLENTY,
    cut: Cut = NOW,
) -> Walk:
    """Return a walk."""
    with store.read() as reader:
        return walk_in(reader, start, direction, types=types, depth=depth, limit=limit, cut=cut)


def walk_in(
    reader: Reader,
    start: str | dict[str, int],
    direction: Direction = "up",
    *,
    types: tuple[int, int] = LINEAGE,
    depth: int = 25,
    limit: int = PLENTY,
    cut: Cut = NOW,
) -> Walk:
    """Return a walk within a snapshot."""
    return reader.walk({start: 0} if isinstance(start, str) else start, direction, types, depth, limit, cut)


def assertions_of(store: Store, start: str, cut: Cut = NOW, types: tuple[int, int] = LINEAGE) -> list[Assertion]:
    """Return the assertions of the edges that leave a node, by seq."""
    return sorted(walk_of(store, start, depth=1, cut=cut, types=types).assertions, key=lambda found: found.seq)
