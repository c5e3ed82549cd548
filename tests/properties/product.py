"""The product's answers on a real store, in the form of the naive reference: no record numbers, no recorded times."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from graph_schema import canonical, names, times
from graph_schema.answers import Answer, ClosureValue, Value
from graph_schema.changes import Changes
from graph_schema.fold import FOLD_VERSION, fold
from lineage_service.ledger.merkle import leaf_hash
from lineage_service.queries.asking import Asking
from lineage_service.queries.deployments import DeploymentFilter, deployments
from lineage_service.queries.drift import drift
from lineage_service.queries.history import history
from lineage_service.queries.live import live
from lineage_service.queries.provenance import MAX_LIMIT, impact, provenance
from lineage_service.queries.writes import registers_of
from lineage_service.store.protocol import Cut, Head, NewRecord, Reader
from lineage_service.store.sqlite import SqliteStore
from tests.properties.world import ALIASES

START = 1_700_000_000_000_000


def store_batch(store: SqliteStore, batch: Sequence[dict[str, Any]]) -> None:
    """Store records in one transaction, with the fields a recorder would add."""
    with store.begin() as transaction:
        head, _ = transaction.head([])
        rows: list[NewRecord] = []
        changes: list[tuple[int, Changes]] = []
        last = head.last
        for record in batch:
            seq, time = head.size + len(rows), START + head.size + len(rows)
            full = {**record, "log": "test", "seq": seq, "prev": last.hex(), "time": times.format_time(time)}
            body = canonical.encode(full)
            last = leaf_hash(body)
            rows.append(NewRecord(seq, record["id"], record["type"], record["actor"].get("id"), time, last, body))
            changes.append((seq, fold(record)))
        transaction.append(rows)
        transaction.apply(changes)
        frontier = head.frontier.extend([row.leaf for row in rows])
        transaction.move_head(Head(frontier.size, last, rows[-1].time, frontier, FOLD_VERSION))


@contextlib.contextmanager
def stored(records: Sequence[dict[str, Any]], batches: Sequence[int] = ()) -> Iterator[SqliteStore]:
    """Open a fresh store that holds the records, committed in batches of the given sizes, the rest at once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lineage.db"
        SqliteStore.create(path)
        store = SqliteStore(path)
        store._writer.execute("PRAGMA synchronous=OFF")
        try:
            rest = list(records)
            for size in batches:
                if rest[:size]:
                    store_batch(store, rest[:size])
                    del rest[:size]
            if rest:
                store_batch(store, rest)
            yield store
        finally:
            store.close()


class Product:
    """The product's answers at one cut of one snapshot; ``given`` has each as the product gave it."""

    def __init__(self, reader: Reader, as_of: int, known_at: int) -> None:
        self._reader = reader
        self._cut = Cut(as_of, known_at)
        self._above: dict[str, Answer[ClosureValue]] = {}
        self.given: list[Answer[Any]] = []

    @property
    def _asking(self) -> Asking:
        return Asking(self._reader, self._cut)

    def _take(self, answer: Answer[Value]) -> Answer[Value]:
        self.given.append(answer)
        return answer

    def properties(self, key: str) -> dict[str, Any]:
        return registers_of(self._asking, [key]).get(key, {})

    def provenance(self, key: str) -> tuple[dict[str, int], set[Any], set[tuple[str, str]]]:
        return _closure(self._provenance(key))

    def _provenance(self, key: str) -> Answer[ClosureValue]:
        """Ask once: two of the answers compared are read off the same one."""
        if key not in self._above:
            self._above[key] = self._take(provenance(self._asking, key, 100, MAX_LIMIT))
        return self._above[key]

    def impact(self, key: str) -> tuple[dict[str, int], set[Any], set[tuple[str, str]]]:
        return _closure(self._take(impact(self._asking, key, 100, MAX_LIMIT)))

    def outcomes(self, key: str) -> dict[str, Any]:
        """Return outcome, job, failures below, identity and attempted of what a closure shows."""
        value = self._provenance(key).value
        words = ("outcome", "job", "failed_below", "identity", "attempted")
        return {
            node: {word: shown["properties"][word] for word in words if word in shown["properties"]}
            for node, shown in value["nodes"].items()
        }

    def deployments(self, stage: str | None = None, model: str | None = None) -> list[dict[str, Any]]:
        answer = self._take(deployments(self._asking, DeploymentFilter(stage=stage, model=model, limit=1000)))
        return sorted((_row(dict(row)) for row in answer.value["rows"]), key=repr)

    def live(self) -> list[dict[str, Any]]:
        rows = self._take(live(self._asking)).value["rows"]
        shown = ("key", "target", "stage", "alias", "mode", "traffic", "since")
        return sorted(({name: row[name] for name in shown} for row in rows), key=repr)  # type: ignore[literal-required]

    def drift(self, alias: str | None = None) -> list[tuple[str | None, ...]]:
        rows = self._take(drift(self._asking, alias=alias)).value["rows"]
        shown = ("model", "target", "mode", "traffic", "key", "registry_key", "verdict")
        return [tuple(row[name] for name in shown) for row in rows]  # type: ignore[literal-required]

    def history(self, key: str) -> list[tuple[str, str]]:
        rows = self._take(history(self._asking, key, limit=1000)).value["rows"]
        return [(row["occurred_at"], row["type"]) for row in rows]


def known_keys(records: Sequence[dict[str, Any]]) -> list[str]:
    """Return every key that records mention, in order."""
    return sorted({key for record in records for key in fold(record).nodes})


def everything(product: Product, keys: Sequence[str]) -> dict[str, Any]:
    """Return every answer about some nodes, and the questions that name no node."""
    return {
        "deployments": [product.deployments(stage) for stage in (None, "Archived", "None")],
        "live": product.live(),
        "drift": [product.drift(), product.drift(ALIASES[0])],
        **{
            key: (
                product.provenance(key),
                product.impact(key),
                product.outcomes(key),
                product.properties(key),
                product.history(key),
            )
            for key in keys
        },
    }


def _closure(answer: Answer[ClosureValue]) -> tuple[dict[str, int], set[Any], set[tuple[str, str]]]:
    nodes = {key: node["distance"] for key, node in answer.value["nodes"].items()}
    edges = {(e["from"], e["type"], e["to"], e["how"], tuple(e["roles"])) for e in answer.value["edges"]}
    return nodes, edges, {(gap["kind"], gap["subject"]) for gap in answer.gaps if gap["kind"] != "collector_gap"}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shown = ("model", "version", "key", "target", "stage", "alias", "mode", "from", "not_before", "until")
    claims = sorted((one["on"], one["means"], one["name"]) for one in row["claims"])
    return {name: row[name] for name in shown} | {"actor": row["deployed_by"]["id"], "claims": claims}


def target_of(key: str | None) -> str | None:
    """Return a target as rows name it."""
    return None if key is None else "/".join(names.parse(key).parts)
