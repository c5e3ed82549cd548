"""The laws, as plain functions: the tests draw histories for them, and mutations of the fold must break them."""

from random import Random
from typing import Any

from graph_schema import names, times
from lineage_service.queries.asking import Asking
from lineage_service.queries.movements import movements, subjects_moved
from lineage_service.queries.provenance import impact, provenance
from lineage_service.store.protocol import END_OF_TIME, Cut
from tests.properties.product import Product, everything, known_keys, stored, target_of
from tests.properties.records import Sent, records_of
from tests.properties.reference import Answers, Reference
from tests.properties.world import ALIASES

EXEMPT = frozenset({"identity.linked", "model.renamed", "edge.withdrawn"})
"""SAME_AS counts whatever ``as_of`` is, and a withdrawal is a correction of belief: these have no time of their own."""
_ROW = ("version", "key", "stage", "alias", "mode", "from", "not_before", "until", "actor")


def order_law(history: list[Sent], salt: int, batches: list[int], as_of: int) -> None:
    """The same facts in any order, repeated and batched in any way, give the same answers."""
    again = history + history[:: 1 + salt % 3]
    Random(salt).shuffle(again)  # noqa: S311  an order of arrival, not a secret
    records, others = records_of(history), records_of(again)
    with stored(records) as store, store.read() as reader, stored(others, batches) as store2, store2.read() as reader2:
        keys = known_keys(records)[:: 1 + salt % 4]
        one = everything(Product(reader, as_of, len(records) - 1), keys)
        assert one == everything(Product(reader2, as_of, len(others) - 1), keys)


def cut_law(history: list[Sent], step: int, as_of: int, known_at: int) -> None:
    """What is known at N is what a log cut at N answers."""
    records = records_of(history)
    known_at %= len(records)
    cut = records[: known_at + 1]
    with stored(records, [11]) as store, store.read() as reader, stored(cut, [5]) as store2, store2.read() as reader2:
        keys = known_keys(cut)[::step]
        assert everything(Product(reader, as_of, known_at), keys) == everything(Product(reader2, as_of, known_at), keys)


def lateness_law(history: list[Sent], step: int, which: int) -> None:
    """A late fact changes no answer about a time before its own."""
    records = records_of(history)
    dated = [r for r in records if r["type"] not in EXEMPT and not r["body"].keys() & {"same_as", "previous"}]
    fact = dated[which % len(dated)]
    before = [one for one in records if one is not fact]
    as_of = times.parse_time(fact["occurred_at"]) - 1
    with stored(before) as store, store.read() as reader, stored([*before, fact]) as store2, store2.read() as reader2:
        keys = known_keys(before)[::step]
        expected = everything(Product(reader, as_of, len(before) - 1), keys)
        assert everything(Product(reader2, as_of, len(before)), keys) == expected


def meaning_law(history: list[Sent], step: int, as_of: int, known_at: int) -> None:
    """Every answer is the one that a naive reading of the records gives."""
    records = records_of(history)
    known_at %= len(records)
    with stored(records, [7, 1, 20]) as store, store.read() as reader:
        expected, found = Reference(records).at(as_of, known_at), Product(reader, as_of, known_at)
        for stage in (None, "Archived"):
            assert found.deployments(stage) == _rows_of(expected, stage)
        assert found.live() == _live_of(expected)
        for alias in (None, *ALIASES):
            assert sorted(found.drift(alias), key=repr) == _drift_of(expected, alias)
        for key in sorted(expected.known)[::step]:
            assert found.provenance(key) == tuple(expected.provenance(key))
            assert found.impact(key) == tuple(expected.impact(key))
            assert found.history(key) == expected.history(key)
            assert _of_closure(found, key) == _of_reference(expected, key)


def reach_law(history: list[Sent], step: int, depth: int) -> None:
    """A closure that goes less far shows the same nodes as far as it goes, and every edge among them."""
    records = records_of(history)
    with stored(records) as store, store.read() as reader:
        asking = Asking(reader, Cut(END_OF_TIME - 1, len(records) - 1))
        for key in known_keys(records)[::step]:
            for ask in (provenance, impact):
                near, far = ask(asking, key, depth).value, ask(asking, key).value
                distances = {node: shown["distance"] for node, shown in far["nodes"].items()}
                kept = {node: distance for node, distance in distances.items() if distance <= depth}
                assert {node: shown["distance"] for node, shown in near["nodes"].items()} == kept
                among = [edge for edge in far["edges"] if edge["from"] in kept and edge["to"] in kept]
                assert near["edges"] == among


def portion_law(history: list[Sent], as_of: int, swept: bool) -> None:
    """What moved is told the same, whether all is read together or one model at a time."""
    records = records_of(history)
    with stored(records) as store, store.read() as reader:
        cut = Cut(as_of, len(records) - 1)
        subjects = subjects_moved(Asking(reader, cut), b"", None, swept=swept)
        together, apart = (list(movements(Asking(reader, cut), subjects, size)) for size in (10**6, 1))
        assert sorted(apart, key=repr) == sorted(together, key=repr)


def _of_closure(found: Product, key: str) -> dict[str, Any]:
    shown: dict[str, Any] = found.outcomes(key).get(key, {})
    return shown


def _of_reference(expected: Answers, key: str) -> dict[str, Any]:
    shown = expected.shown(key)
    if names.kind_of(key) == "validation":
        return {word: value for word, value in expected.node_properties(key).items() if word == "outcome"}
    if shown != key or names.kind_of(key) not in {"run", "dataset_version"}:
        return {}
    if names.kind_of(key) == "run":
        told = {"job": expected.job(key), "failed_below": expected.failed_below(key)}
        return {"outcome": expected.outcome(key)} | {name: value for name, value in told.items() if value}
    return {"identity": expected.identity(key)} | ({"attempted": True} if expected.attempted(key) else {})


def _rows_of(answers: Answers, stage: str | None) -> list[dict[str, Any]]:
    rows = [
        {"model": names.parse(row["key"]).parts[1]}
        | {name: row[name] for name in ("version", "key")}
        | {"target": target_of(row["target"])}
        | {name: row[name] for name in (*_ROW[2:], "claims")}
        for row in answers.deployments(stage=stage)
    ]
    return sorted(rows, key=repr)


def _drift_of(answers: Answers, alias: str | None) -> list[tuple[str | None, ...]]:
    rows = [(model, target_of(target), *rest) for model, target, *rest in answers.drift(alias)]
    return sorted(rows, key=repr)


def _live_of(answers: Answers) -> list[dict[str, Any]]:
    rows = [
        {
            "key": row["key"],
            "target": target_of(row["target"]),
            "stage": row["stage"],
            "alias": row["alias"],
            "mode": row["mode"],
            "traffic": row["traffic"],
            "since": row["from"],
        }
        for row in answers.live()
    ]
    return sorted(rows, key=repr)
