"""Everything that can be asked of a log at one cut, each answer in full and as canonical JSON; and the raw reads.

The questions are those of the laws (``product.everything``), and what the laws have no need of: closures cut by depth
and by number, pages, filters, short names, sealed values opened, what is refused. The raw reads go round the questions,
over all nodes at once, so that no difference can hide behind what a question makes of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product as combinations_of
from typing import Any

import orjson

from graph_schema import names, times
from graph_schema.answers import Answer, DeploymentsValue, HistoryValue
from graph_schema.changes import after_instant
from graph_schema.kinds import FIRST_LINEAGE, KIND_BY_WORD, LAST_LINEAGE, Edge
from lineage_service.errors import CallerError
from lineage_service.queries.asking import Asking, Opener, asking_of
from lineage_service.queries.commits import commits_of_runs
from lineage_service.queries.deployments import DeploymentFilter, deployments
from lineage_service.queries.drift import drift
from lineage_service.queries.heartbeats import newest_heartbeat
from lineage_service.queries.history import history
from lineage_service.queries.live import live
from lineage_service.queries.provenance import impact, provenance
from lineage_service.store.protocol import Cut, Direction, PointQuery, Reader, RecordQuery
from tests.properties.product import Product, everything
from tests.properties.world import ALIASES, MODELS, NUMBERS, SOURCES, TARGETS

_ALL = (int(min(Edge)), int(max(Edge)))
_LINEAGE = (int(FIRST_LINEAGE), int(LAST_LINEAGE))
_STRUCTURE = (int(LAST_LINEAGE) + 1, int(max(Edge)))
WAYS: tuple[Direction, ...] = ("up", "down")
_NO_LIMIT = 10**6


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked of a log at one cut, whose newest record was ``recorded`` then.

    About some of the nodes that are known there, with an interval as bounds, along some edges, from one node in one
    direction, of somebody.
    """

    cut: Cut
    recorded: str
    keys: Sequence[str]
    known: Sequence[str]
    between: tuple[int, int]
    edges: Sequence[Edge]
    start: str
    way: Direction
    actor: str


def answers(reader: Reader, inquiry: Inquiry) -> dict[str, bytes]:
    """Return the answer to each question of the laws as canonical JSON, by what was asked."""
    product = Product(reader, inquiry.cut.as_of, inquiry.cut.known_at)
    everything(product, inquiry.keys)
    given = {f"{one.question} {sorted(one.parameters.items())}": _json(one) for one in product.given}
    return given | {f"properties of {key}": _json(product.properties(key)) for key in inquiry.keys}


def further_answers(reader: Reader, inquiry: Inquiry, opener: Opener) -> dict[str, bytes]:
    """Return the answer to each further question likewise."""
    questions = _further(reader, inquiry, opener)
    return {f"{one.func.__name__} {one.args[1:]}": _json(_answer(one)) for one in questions}


def _json(answer: Any) -> bytes:
    return orjson.dumps(answer, option=orjson.OPT_SORT_KEYS)


def _answer(question: partial[Any]) -> Any:
    """Return an answer; what is refused is one too."""
    try:
        return question()
    except CallerError as refusal:
        return {"refused": type(refusal).__name__, "because": str(refusal)}


def _further(reader: Reader, inquiry: Inquiry, opener: Opener) -> Iterator[partial[Any]]:
    """Give the questions that the laws do not ask: the first argument is what is asked, the others say which."""
    asking, opened = Asking(reader, inquiry.cut), Asking(reader, inquiry.cut, opener)
    start, stop = inquiry.between
    model, target = names.parse(MODELS[0]).parts[1], "/".join(TARGETS[0])
    for key in inquiry.keys[:1]:
        for ask, (depth, limit) in combinations_of((provenance, impact), ((1, 1000), (2, 3))):
            yield partial(ask, asking, key, depth, limit)
        yield partial(_page_after_one, asking, key)
        yield partial(history, opened, key)
    for wanted in (
        DeploymentFilter(model=model),
        DeploymentFilter(target=target, limit=2),
        DeploymentFilter(actor=inquiry.actor),
        DeploymentFilter(start=start, stop=stop, stage="Archived"),
        DeploymentFilter(start=start),
    ):
        yield partial(deployments, opened, wanted)
    yield partial(_rows_after_one, asking)
    yield partial(live, asking, target)
    yield partial(live, asking, None, model)
    yield partial(drift, asking, None, model, ALIASES[0])
    yield partial(history, asking, f"model_version:{model}/{NUMBERS[0]}")
    yield partial(commits_of_runs, reader, inquiry.cut.known_at)
    yield from (partial(newest_heartbeat, reader, names.source(*source)) for source in SOURCES)
    yield partial(_cut_of, reader, times.format_time(start), inquiry.recorded)
    yield partial(_cut_of, reader, "2026-03-02", times.format_time(stop))


def _page_after_one(asking: Asking, key: str) -> Answer[HistoryValue]:
    return history(asking, key, history(asking, key, None, 1).value["after"])


def _rows_after_one(asking: Asking) -> Answer[DeploymentsValue]:
    first = deployments(asking, DeploymentFilter(limit=1))
    return deployments(asking, DeploymentFilter(after=first.value["after"]))


def _cut_of(reader: Reader, as_of: str, known_at: str) -> Cut:
    return asking_of(reader, as_of=as_of, known_at=known_at, tz="Europe/Berlin", now=0).cut


def read_round(reader: Reader, inquiry: Inquiry) -> None:
    """Make the raw reads of all nodes, and the narrow ones: types of edges, slots, ranges, limits, both directions."""
    cut, keys, known = inquiry.cut, inquiry.keys, inquiry.known
    bounds = after_instant(inquiry.between[0] - 1), after_instant(inquiry.between[1])
    reader.nodes([*known, names.run("nobody")], cut)
    reader.nodes(known, cut, every=known[::2])
    reader.points(PointQuery(subjects=known), cut)
    reader.points(PointQuery(subjects=known, slots=("state", "stage", "alias")), cut)
    reader.points(PointQuery(subjects=known, slots=("covered", "alias"), newest_of_each=True), cut)
    reader.points(PointQuery(beginning="model_version:", slots=("stage", "existence")), cut)
    reader.points(PointQuery(subjects=known, slot="state", newest_first=True, limit=3), cut)
    reader.points(PointQuery(subjects=known, slot="written", start=bounds[0], stop=bounds[1]), cut)
    reader.points(PointQuery(subjects=known, slot="alias", name=ALIASES[0], limit=2), cut)
    reader.points(PointQuery(slot="stage", start=bounds[0], stop=bounds[1]), cut)
    reader.subjects("stage", *bounds, cut)
    reader.points(PointQuery(slot="live", newest_first=True, limit=2), cut)
    reader.points(PointQuery(slot="alias", name=ALIASES[0], limit=2), cut)
    for way in WAYS:
        reader.walk(dict.fromkeys(known, 0), way, _ALL, 1, _NO_LIMIT, cut)
    for edge in inquiry.edges:
        reader.walk(dict.fromkeys(known, 0), inquiry.way, (edge, edge), 2, _NO_LIMIT, cut)
    reader.walk(dict(zip(keys, range(3), strict=False)), inquiry.way, _LINEAGE, 3, _NO_LIMIT, cut)
    reader.walk({inquiry.start: 0}, inquiry.way, _STRUCTURE, 25, _NO_LIMIT, cut)
    _walk_narrowly(reader, inquiry)
    kind = KIND_BY_WORD[names.kind_of(keys[0])].value
    reader.find(kind, keys[0][: len(keys[0]) // 2], None, 2, cut)
    reader.find(kind, "", keys[0], 3, cut)


def _walk_narrowly(reader: Reader, inquiry: Inquiry) -> None:
    """Walk as far as there is something, then less deep, then with limits that are just met and just missed."""
    start = {inquiry.start: 0}
    found = reader.walk(start, inquiry.way, _LINEAGE, 25, _NO_LIMIT, inquiry.cut).distances.values()
    near = sum(distance <= 1 for distance in found)
    bounds = [(1, _NO_LIMIT), (2, _NO_LIMIT), (25, near), (25, len(found) - 1), (25, len(found))]
    for depth, limit in dict.fromkeys(bounds):
        reader.walk(start, inquiry.way, _LINEAGE, depth, limit, inquiry.cut)


def read_ledger(reader: Reader) -> None:
    """Make every read of records, leaves, tiles and times."""
    size = reader.head().size
    reader.note()
    found = list(reader.records(RecordQuery()))
    reader.hashes(0, size)
    reader.hashes(size // 3, size - 1)
    reader.cited(range(-1, size + 1))
    reader.tile(0, 0)
    reader.tile(0, size // 256)
    reader.tile(1, 0)
    reader.record(0)
    reader.record(size)
    bodies = [orjson.loads(stored.body) for stored in found]
    for body in [body for body in bodies if "payload" in body["source"]][:2]:
        reader.payloads([body["source"]["payload"]])
    body = bodies[size // 2]
    at, who = times.parse_time(body["time"]), body["actor"].get("id")
    reader.record(body["id"])
    reader.seq_at(at - 1)
    reader.seq_at(at)
    for query in (
        RecordQuery(type=body["type"], first=1, limit=2),
        RecordQuery(actor=who, stop=size - 1),
        RecordQuery(actor=who, type=body["type"]),
    ):
        list(reader.records(query))
