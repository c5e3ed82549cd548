"""How fast Neo4j answers, beside SQLite on the very same ledger: closures, unnamed reads, who deployed what.

Closures are walks of the store; the rest is asked over HTTP, of two services at once and in turn, so that whatever else
the machine does slows both.
"""

import contextlib
import itertools
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import httpx

from graph_schema import times
from graph_schema.kinds import FIRST_LINEAGE, LAST_LINEAGE, Edge, Kind
from lineage_service.recorder.installation import Places
from lineage_service.store.neo4j import Neo4jStore
from lineage_service.store.protocol import END_OF_TIME, Cut, Direction, Reader
from lineage_service.store.sqlite import SqliteStore
from tests.benchmarks.bench_append import rate
from tests.benchmarks.bench_memory import anonymous_mib
from tests.benchmarks.bench_read import QUESTIONS, ask_once, bodies, client_of, keys_of, roots_of, send, serving
from tests.benchmarks.figures import Figure, load_now, percentile
from tests.benchmarks.load import Loaded, batches, later_facts, opened, typed
from tests.benchmarks.mix import START, STEP
from tests.benchmarks.neo4j_server import Standing

HOPS: Final = 10
"""Reads without a version on the way up from a root."""
VERSIONS: Final = 20_000
_MODELS: Final = 200
_NIGHTS: Final = 50
_ROOTS: Final = 200
_REQUESTS: Final = 300
_SENT: Final = 50
_ROUNDS: Final = 4
_WARM_UP: Final = 50
_SLOWER: Final = 15
"""How much more rarely is asked what reads every movement there is."""
_DEPTH: Final = 25
_LIMIT: Final = 100_000
_GROUP: Final = 500
_MOST_READ: Final = """
    SELECT n.key
    FROM (SELECT dst, count(*) AS readers FROM edge WHERE type = ? GROUP BY dst ORDER BY readers DESC LIMIT ?)
    JOIN node n ON n.id = dst ORDER BY readers DESC, n.key
"""
_TRAINER: Final = {"issuer": "mlflow:prod", "subject": "trainer1", "assurance": "authenticated", "via": "basic-auth"}

Both = tuple[Sequence[float], Sequence[float]]
"""Milliseconds of Neo4j and of SQLite, for the same questions."""


def add_facts(places: Places, scale: float) -> int:
    """Record in a file's ledger what is asked for here and was not loaded; return how many records it has then."""
    with contextlib.closing(opened(places)) as installation:
        for facts in (unnamed_reads(), deployed(int(VERSIONS * scale))):
            for group in batches(typed(facts), _GROUP):
                installation.recorder.record(installation.preparation.prepare(group), ack="committed")
        return installation.heads.size


def measure(loaded: Loaded, places: Places, place: Standing, scale: float = 1.0) -> Iterator[Figure]:
    """Take all figures; the file at ``places`` and the server hold the same ledger. ``scale`` shortens the asking."""
    yield from _closures(places, place, max(int(_ROOTS * scale), 20))
    later = later_facts(4)
    with place.serving() as (url, pid):
        with serving(places) as other, client_of(url, loaded.admin) as here, client_of(other, loaded.admin) as there:
            yield from _over_http(loaded, (here, there), int(VERSIONS * scale), int(_REQUESTS * scale))
            yield Figure("service, RssAnon after these questions", anonymous_mib(pid), "MiB", 250, at_most=True)
            yield from _everything((here, there), int(VERSIONS * scale), int(_REQUESTS * scale) // _SLOWER)
        alone = [(send(url, loaded.source, [bodies(later, int(_SENT * scale))]), load_now()) for _ in range(_ROUNDS)]
        yield rate("HTTP /events of 100, one sender, signed", alone)
        yield Figure("service, RssAnon after all this", anonymous_mib(pid), "MiB")


# -------------------------------------------------------------------------------------------------------- closures


def _closures(places: Places, place: Standing, roots: int) -> Iterator[Figure]:
    """Walk to the very end: up and down from nodes drawn at random, and down from what most runs read."""
    ways: tuple[tuple[str, Direction, Sequence[str], tuple[float | None, float | None]], ...] = (
        ("closure up", "up", _drawn(places, (Kind.MODEL_VERSION, Kind.RUN), roots), (8, 40)),
        ("closure down", "down", _drawn(places, (Kind.DATASET_VERSION,), roots), (None, None)),
        ("closure down from what most runs read", "down", _most_read(places, roots), (None, None)),
    )
    with (
        contextlib.closing(Neo4jStore(place.address, writing=False)) as ours,
        contextlib.closing(SqliteStore(places.file, writing=False)) as embedded,
    ):
        for name, direction, keys, within in ways:
            with ours.read() as here, embedded.read() as there:
                size = there.head().size
                for key in keys[:_WARM_UP]:
                    walked(here, key, direction, size)
                pairs = [(walked(here, key, direction, size), walked(there, key, direction, size)) for key in keys]
            nodes = [one[1] for one, _ in pairs]
            if nodes != [other[1] for _, other in pairs]:
                raise SystemExit(f"the stores walk to other nodes, {direction} from one of {keys}")
            both = [one[0] for one, _ in pairs], [other[0] for _, other in pairs]
            detail = f"{len(keys)} roots, {percentile(nodes, 0.5):,.0f} nodes in the median, {max(nodes):,} at most"
            yield from _lines(name, both, within, detail)


def _drawn(places: Places, kinds: Sequence[Kind], wanted: int) -> list[str]:
    with contextlib.closing(sqlite3.connect(places.file)) as connection:
        keys = keys_of(connection, kinds)
    return random.Random(1).sample(keys, wanted)  # noqa: S311  the same roots each time, nothing secret


def _most_read(places: Places, wanted: int) -> list[str]:
    with contextlib.closing(sqlite3.connect(places.file)) as connection:
        return [row[0] for row in connection.execute(_MOST_READ, (int(Edge.USED), wanted))]


def walked(reader: Reader, key: str, direction: Direction, size: int) -> tuple[float, int]:
    """Follow all lineage from a node, as known after ``size`` records; return milliseconds and nodes."""
    types = (int(FIRST_LINEAGE), int(LAST_LINEAGE))
    began = time.perf_counter()
    walk = reader.walk({key: 0}, direction, types, _DEPTH, _LIMIT, Cut(END_OF_TIME - 1, size - 1))
    return (time.perf_counter() - began) * 1000, len(walk.distances)


# ------------------------------------------------------------------------------------------------------- over HTTP


def _over_http(
    loaded: Loaded, clients: tuple[httpx.Client, httpx.Client], versions: int, requests: int
) -> Iterator[Figure]:
    for question in QUESTIONS:
        wanted = [{"node": root} for root in roots_of(loaded, question)]
        both = _asked(clients, question.name, wanted, requests)
        yield from _lines(f"HTTP {question.name} of {question.fewest}-{question.most} nodes", both)
    both = _asked(clients, "provenance", [{"node": f"run:hop{HOPS}-{_NIGHTS - 1}"}], requests)
    yield from _lines(f"HTTP provenance through {HOPS} reads without a version", both)
    chance = random.Random(3)  # noqa: S311  the same models each time, nothing secret
    among = [
        {"model": f"model:prod::deployed_{chance.randrange(_MODELS)}", "as_of": instant, "limit": "1000"}
        for instant in _instants(versions, requests)
    ]
    yield from _lines(
        f"HTTP deployments of a model at any instant, {versions:,} versions",
        _asked(clients, "deployments", among, requests),
        (None, 60),
    )


def _everything(clients: tuple[httpx.Client, httpx.Client], versions: int, requests: int) -> Iterator[Figure]:
    """Ask what was live everywhere: it reads every movement there is, so it is asked rarely."""
    wanted = [{"as_of": instant} for instant in _instants(versions, requests)]
    both = _asked(clients, "live", wanted, requests, warm_up=2)
    yield from _lines("HTTP live at any instant, all models", both)


def _instants(versions: int, wanted: int) -> list[str]:
    chance = random.Random(2)  # noqa: S311  the same instants each time, nothing secret
    return [times.format_time(START + chance.randrange(2 * versions) * STEP) for _ in range(wanted)]


def _asked(
    clients: tuple[httpx.Client, httpx.Client],
    question: str,
    wanted: Sequence[dict[str, str]],
    requests: int,
    warm_up: int = _WARM_UP,
) -> Both:
    """Ask both services the same in turn; what they answer must be equal but for where the log ends."""
    taken: list[tuple[float, float]] = []
    for number in range(warm_up + requests):
        parameters = wanted[number % len(wanted)]
        replies = [ask_once(client, question, parameters) for client in clients]
        if replies[0][1].json()["value"] != replies[1][1].json()["value"]:
            raise SystemExit(f"the stores answer otherwise: {question} of {parameters}")
        if number >= warm_up:
            taken.append((replies[0][0], replies[1][0]))
    return [one for one, _ in taken], [other for _, other in taken]


def _lines(
    name: str, both: Both, within: tuple[float | None, float | None] = (None, None), detail: str = ""
) -> Iterator[Figure]:
    for share, word, expected in ((0.5, "p50", within[0]), (0.99, "p99", within[1])):
        ours, embedded = percentile(both[0], share), percentile(both[1], share)
        beside = f"SQLite {embedded:.1f} ms, ratio {ours / embedded:.1f}; {detail}".removesuffix("; ")
        yield Figure(f"{name}, {word}", ours, "ms", expected, at_most=True, load=load_now(), detail=beside)


# ----------------------------------------------------------------------------------------------------------- facts


def unnamed_reads() -> Iterator[dict[str, Any]]:
    """Give pipelines of runs, one a night, each of which reads what the one before wrote and names no version of it."""
    for number, (night, hop) in enumerate(itertools.product(range(_NIGHTS), range(HOPS + 1))):
        body: dict[str, Any] = {"run": f"hop{hop}-{night}", "state": "complete"}
        if hop:
            body["inputs"] = [{"namespace": "s3://hops", "name": f"table{hop - 1}"}]
        body["outputs"] = [{"namespace": "s3://hops", "name": f"table{hop}", "version": str(night)}]
        yield _fact("run.observed", number, body)


def deployed(versions: int) -> Iterator[dict[str, Any]]:
    """Give registrations of versions, each moved to Production afterwards, where it takes the place of the last."""
    for number in range(versions):
        version = {
            "model": f"model:prod::deployed_{number % _MODELS}",
            "version": str(number // _MODELS + 1),
            "created_ms": (START + number) // 1000,
        }
        yield _fact("model_version.registered", 2 * number, version)
        moved = {**version, "to": "Production", "archive_others": True, "reason": "better", "ticket": f"CHG-{number}"}
        yield _fact("stage.transitioned", 2 * number + 1, moved)


def _fact(word: str, number: int, body: dict[str, Any]) -> dict[str, Any]:
    at = times.format_time(START + number * STEP)
    return {"type": word, "occurred_at": at, "source": {"order": number}, "actor": _TRAINER, "body": body}
