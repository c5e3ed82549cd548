"""What a month of reports costs an answer: ``live`` over HTTP with a month of them beside the same with a few.

One source reports every half minute as the MLflow plugin does, each time from where its watch began. Both ledgers are
served at once and asked in turn, so that whatever else the machine does slows both; their ratio decides. Beside it
stands the month of a source whose reports each speak of their own half minute, which nothing can join beforehand.
"""

import contextlib
import hashlib
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from graph_schema import times
from graph_schema.fold import FOLD_VERSION
from lineage_service.recorder.installation import create
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.authority import Authority
from lineage_service.server.rights import Registrar, SourceWish, first_admin
from lineage_service.store.migrations import sqlite_files
from tests.benchmarks.bench_read import client_of, serving
from tests.benchmarks.figures import Figure, load_now, percentile
from tests.benchmarks.load import places_in, typed

MONTH: Final = 30 * 24 * 60 * 2
FEW: Final = 20
BOUND: Final = 1.5
"""How many times the median with few reports the median with a month of them may be."""

_MODELS: Final = 20
_REQUESTS: Final = 500
_SLOW_REQUESTS: Final = 10
_GROUP: Final = 500
_EVERY: Final = 30 * times.MICROS_PER_SECOND
_MARGIN: Final = 2 * times.MICROS_PER_SECOND
_ADMIN: Final = {"issuer": "lineage", "subject": "ada", "assurance": "authenticated", "via": "token"}
_OMAR: Final = {"issuer": "mlflow:prod", "subject": "omar", "assurance": "authenticated"}
_FAMILIES: Final = ("model", "movement", "collector.reported")

Ask = Callable[[str | None], float]
"""Asks what is live, as known at a record or now; returns the milliseconds."""


def measure(scale: float = 1.0) -> list[Figure]:
    """Take the figures; ``scale`` shortens the month and the asking."""
    month, requests = int(MONTH * scale), int(_REQUESTS * scale)
    with _asked(_ledger(FEW, joined=True)) as few, _asked(_ledger(month, joined=True)) as many:
        pairs = [(few(None), many(None)) for _ in range(requests)]
        early = [many(str(2 * _MODELS + FEW)) for _ in range(_SLOW_REQUESTS)]
    with _asked(_ledger(month, joined=False)) as apart:
        alone = [apart(None) for _ in range(_SLOW_REQUESTS)]
    after_few, after_many = ([pair[place] for pair in pairs] for place in (0, 1))
    ratio = percentile(after_many, 0.5) / percentile(after_few, 0.5)
    load = load_now()
    return [
        Figure(f"live after {FEW} reports of a source, p50", percentile(after_few, 0.5), "ms", load=load),
        Figure("  p99", percentile(after_few, 0.99), "ms", load=load),
        Figure(f"live after {month:,} reports of one span, p50", percentile(after_many, 0.5), "ms", load=load),
        Figure("  p99", percentile(after_many, 0.99), "ms", load=load),
        Figure(f"  times the p50 after {FEW}", ratio, "x", BOUND, at_most=True, ratio=True, load=load),
        Figure(f"  as known after the first {FEW}, p50", percentile(early, 0.5), "ms", load=load),
        Figure(f"live after {month:,} reports of their own, p50", percentile(alone, 0.5), "ms", load=load),
    ]


@contextlib.contextmanager
def _asked(folder: Path) -> Iterator[Ask]:
    """Serve a ledger, and give the question."""
    token = json.loads((folder / "told.json").read_text())["admin"]
    with serving(places_in(folder)) as url, client_of(url, token) as client:

        def ask(known_at: str | None) -> float:
            began = time.perf_counter()
            reply = client.get("/api/v1/live", params={} if known_at is None else {"known_at": known_at})
            taken = (time.perf_counter() - began) * 1000
            if reply.status_code != httpx.codes.OK or len(reply.json()["value"]["rows"]) != _MODELS:
                raise SystemExit(f"live: {reply.status_code} {reply.text[:200]}")
            return taken

        for _ in range(_SLOW_REQUESTS):
            ask(None)
        yield ask


def _ledger(count: int, *, joined: bool) -> Path:
    """Return the folder of a ledger with so many reports, making it if nobody did before."""
    shaped = (count, joined, Path(__file__).read_text(encoding="utf-8"), sqlite_files(), FOLD_VERSION)
    key = hashlib.sha256(repr(shaped).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"lineage-bench-coverage-{key}"
    told = folder / "told.json"
    if not told.exists():
        shutil.rmtree(folder, ignore_errors=True)
        told.write_text(json.dumps({"admin": _make(folder, _facts(count, joined=joined))}))
    return folder


def _make(folder: Path, facts: Iterator[dict[str, Any]]) -> str:
    installation = create(places_in(folder), origin="bench.example/log")
    admin = first_admin(installation, "ada").token
    registrar = Registrar(installation, Authority(installation, wall_clock, print))
    registrar.register_source(SourceWish("mlflow", "prod", families=_FAMILIES), dict(_ADMIN))
    while events := typed(itertools.islice(facts, _GROUP)):
        installation.recorder.record(installation.preparation.prepare(events), ack="committed")
    installation.close()
    return admin


def _facts(count: int, *, joined: bool) -> Iterator[dict[str, Any]]:
    """Give models with a version in production each, then reports up to now."""
    begun = wall_clock() - count * _EVERY - _MARGIN
    for number in range(_MODELS):
        version = {"model": f"model:prod::m{number}", "version": "1", "created_ms": begun // 1000}
        yield _fact("model_version.registered", begun + number, version, _OMAR)
        yield _fact("stage.transitioned", begun + number, {**version, "to": "Production"}, _OMAR)
    for end in range(begun + _EVERY, begun + (count + 1) * _EVERY, _EVERY):
        covered = {"covered_from": times.format_time(begun if joined else end - _EVERY), "spooled": 0}
        body = {**covered, "covered_to": times.format_time(end)}
        yield _fact("collector.reported", end + _MARGIN, body, {"assurance": "system"})


def _fact(word: str, at: int, body: dict[str, Any], actor: dict[str, str]) -> dict[str, Any]:
    return {"type": word, "occurred_at": times.format_time(at), "actor": actor, "body": body}
