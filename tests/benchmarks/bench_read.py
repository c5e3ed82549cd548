"""How fast provenance and impact are answered over HTTP, and how fast facts come in that way: a real server process.

Roots are drawn with a fixed seed among the nodes of the loaded graph and kept beside it; they are those whose answers
have the sizes asked for. Each request gets the full envelope. The server is ``lineage serve`` on a copy of the ledger.
"""

import contextlib
import dataclasses
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import orjson

from graph_schema.kinds import Kind
from lineage_service.queries.asking import asking_of
from lineage_service.queries.provenance import impact, provenance
from lineage_service.recorder.installation import Places
from lineage_service.recorder.recorder import wall_clock
from lineage_service.store.protocol import Reader
from lineage_service.store.sqlite import SqliteStore
from tests.benchmarks.figures import Figure, load_now, percentile
from tests.benchmarks.load import Loaded, discard, later_facts
from tests.served import free_port

REQUESTS: Final = 1000
WARM_UP: Final = 50
CLIENTS: Final = 8
_CROWD_SHARE: Final = 4
"""Of the requests of one client, several together ask a quarter: their figures are for looking at."""
_ROUNDS: Final = 3
_ROUND_SECONDS: Final = 60
_ROOTS: Final = 20
_SERVE: Final = """
from lineage_service.server.opening import read_settings
from lineage_service.server.serve import serve
serve(read_settings())
"""
_CANDIDATES: Final = "SELECT key FROM node WHERE kind = ? ORDER BY id"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, which roots it is asked of, how many nodes its answers have, and within how many ms."""

    name: str
    kinds: tuple[Kind, ...]
    fewest: int
    most: int
    within: float


QUESTIONS: Final = (
    Question("provenance", (Kind.MODEL_VERSION, Kind.RUN), 50, 70, 25),
    Question("impact", (Kind.DATASET_VERSION,), 600, 660, 60),
)


# ------------------------------------------------------------------------------------------------------------ roots


def roots_of(loaded: Loaded, question: Question, wanted: int = _ROOTS) -> list[str]:
    """Return roots whose answers have the size asked for, drawn once and remembered beside the ledger."""
    place = loaded.folder / f"roots-{question.name}-{question.fewest}-{question.most}-{wanted}.json"
    if not place.exists():
        place.write_text(json.dumps(_draw(loaded, question, wanted)))
    roots: list[str] = json.loads(place.read_text())
    return roots


def _draw(loaded: Loaded, question: Question, wanted: int) -> list[str]:
    with contextlib.closing(sqlite3.connect(loaded.places.file)) as connection:
        keys = keys_of(connection, question.kinds)
        likely = _likely(connection, question)
    random.Random(1).shuffle(keys)  # noqa: S311  the same roots each time, nothing secret
    store = SqliteStore(loaded.places.file, writing=False)
    found: list[str] = []
    with store.read() as reader:
        for key in keys:
            if key in likely and question.fewest <= _size(reader, question, key) <= question.most:
                found.append(key)
                if len(found) == wanted:
                    break
    store.close()
    return found


def keys_of(connection: sqlite3.Connection, kinds: Sequence[Kind]) -> list[str]:
    """Return all nodes of some kinds, as they were first named."""
    return [row[0] for kind in kinds for row in connection.execute(_CANDIDATES, (kind.value,))]


def _likely(connection: sqlite3.Connection, question: Question) -> set[str]:
    """Return nodes whose closure over recorded edges is near the size, so that few questions are asked in vain."""
    near: dict[int, list[int]] = {}
    for start, end in connection.execute("SELECT DISTINCT src, dst FROM edge WHERE type BETWEEN 1 AND 8"):
        pair = (start, end) if question.name == "provenance" else (end, start)
        near.setdefault(pair[0], []).append(pair[1])
    keys = dict(connection.execute("SELECT id, key FROM node").fetchall())
    kinds = {kind.word for kind in question.kinds}
    slack = question.most // 12
    candidates = (node for node in near if keys[node].partition(":")[0] in kinds)
    return {
        keys[node]
        for node in candidates
        if question.fewest - slack <= _reach(near, node, question.most) <= question.most
    }


def _reach(near: dict[int, list[int]], root: int, most: int) -> int:
    seen = {root}
    waiting = [root]
    while waiting and len(seen) <= most:
        for node in near.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return len(seen)


def _size(reader: Reader, question: Question, key: str) -> int:
    ask = provenance if question.name == "provenance" else impact
    asking = asking_of(reader, as_of=None, known_at=None, tz="UTC", now=wall_clock())
    return len(ask(asking, key).value["nodes"])


# ----------------------------------------------------------------------------------------------------------- server


@contextlib.contextmanager
def serving(places: Places) -> Iterator[str]:
    """Serve a ledger in a process of its own; yields the address."""
    with started({"LINEAGE_DATA_DIR": str(places.file.parent)}) as (url, _):
        yield url


@contextlib.contextmanager
def started(settings: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Start the service with settings on a free port; yields its address and the number of its process."""
    port = free_port()
    own = {"LINEAGE_LISTEN": f"127.0.0.1:{port}", "PYTHONPATH": str(Path(__file__).parents[2])}
    environment = {**os.environ, **settings, **own}
    running = subprocess.Popen([sys.executable, "-c", _SERVE], env=environment, stderr=subprocess.DEVNULL)
    try:
        _await(f"http://127.0.0.1:{port}", running)
        yield f"http://127.0.0.1:{port}", running.pid
    finally:
        running.terminate()
        running.wait(30)


def _await(url: str, running: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and running.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == httpx.codes.OK:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def client_of(url: str, token: str) -> httpx.Client:
    """Return a client that keeps its connection."""
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def ask_all(client: httpx.Client, question: Question, roots: Sequence[str], requests: int) -> list[float]:
    """Ask of each root in turn and return the milliseconds of each answer."""
    taken = []
    for number in range(requests):
        node = roots[number % len(roots)]
        taken.append(ask_once(client, question.name, {"node": node})[0])
    return taken


def ask_once(client: httpx.Client, question: str, parameters: Mapping[str, str]) -> tuple[float, httpx.Response]:
    """Ask once; return the milliseconds, and the answer."""
    began = time.perf_counter()
    reply = client.get(f"/api/v1/{question}", params=parameters)
    taken = (time.perf_counter() - began) * 1000
    if reply.status_code != httpx.codes.OK:
        raise SystemExit(f"{question} of {parameters}: {reply.status_code} {reply.text[:200]}")
    return taken, reply


# ---------------------------------------------------------------------------------------------------------- figures


def measure(loaded: Loaded, scale: float = 1.0) -> list[Figure]:
    """Take all figures over HTTP; ``scale`` shortens them."""
    asked = [figure for question in QUESTIONS for figure in _question(loaded, question, int(REQUESTS * scale))]
    return [*asked, *_events(loaded, int(100 * scale))]


def named_only(loaded: Loaded, scale: float = 1.0) -> list[Figure]:
    """Take the figures of the questions on a graph in which nothing is to be found out about what was read."""
    asked = [figure for question in QUESTIONS for figure in _question(loaded, question, int(REQUESTS * scale))]
    return [dataclasses.replace(figure, name=f"named inputs only: {figure.name.strip()}") for figure in asked]


def _question(loaded: Loaded, question: Question, requests: int) -> list[Figure]:
    roots = roots_of(loaded, question)
    if not roots:
        raise SystemExit(f"no node of this graph has {question.fewest} to {question.most} nodes in its {question.name}")
    copy = loaded.copy(question.name)
    with serving(copy) as url, client_of(url, loaded.admin) as client:
        cold = ask_all(client, question, roots, WARM_UP)
        rounds = _rounds(client, question, roots, requests)
        crowd = _crowd(url, loaded.admin, question, roots, requests // _CROWD_SHARE)
        reply = client.get(f"/api/v1/{question.name}", params={"node": roots[0]})
    discard(copy)
    best, load = min(rounds, key=lambda taken: percentile(taken[0], 0.99))
    name = f"{question.name} of {question.fewest}-{question.most} nodes"
    each = ", ".join(f"{percentile(taken, 0.99):.1f}" for taken, _ in rounds)
    sizes = f"{len(roots)} roots, {len(reply.content) // 1024} KiB an answer; p99 of rounds {each}"
    return [
        Figure(f"{name}, p50", percentile(best, 0.5), "ms", load=load, detail=sizes),
        Figure(f"{name}, p99", percentile(best, 0.99), "ms", question.within, at_most=True, load=load),
        Figure("  cold: the first 50 of a new process, p50", percentile(cold, 0.5), "ms", load=load),
        Figure("  cold, p99", percentile(cold, 0.99), "ms", load=load),
        Figure(f"  {CLIENTS} clients, p50", percentile(crowd[0], 0.5), "ms", load=load_now()),
        Figure(f"  {CLIENTS} clients, p99", percentile(crowd[0], 0.99), "ms", load=load_now()),
        Figure(f"  {CLIENTS} clients together", crowd[1], "answers/s", load=load_now()),
    ]


def _rounds(
    client: httpx.Client, question: Question, roots: Sequence[str], requests: int
) -> list[tuple[list[float], float]]:
    """Ask all questions up to three times, as long as no more than a minute has passed."""
    until = time.monotonic() + _ROUND_SECONDS
    taken: list[tuple[list[float], float]] = []
    while not taken or (len(taken) < _ROUNDS and time.monotonic() < until):
        taken.append((ask_all(client, question, roots, requests), load_now()))
    return taken


def _crowd(url: str, token: str, question: Question, roots: Sequence[str], requests: int) -> tuple[list[float], float]:
    """Let several clients ask at once; return the milliseconds of all answers, and answers a second."""
    taken: list[float] = []

    def ask(number: int) -> None:
        with client_of(url, token) as client:
            taken.extend(ask_all(client, question, [*roots[number:], *roots[:number]], requests // CLIENTS))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, len(taken) / (time.perf_counter() - began)


def _events(loaded: Loaded, requests: int) -> list[Figure]:
    """Send events in requests of 100 and await signed receipts, alone and with four senders."""
    facts = later_facts(4)
    copy = loaded.copy("events")
    with serving(copy) as url:
        alone = [(send(url, loaded.source, [bodies(facts, requests)]), load_now()) for _ in range(_ROUNDS)]
        four = send(url, loaded.source, [bodies(facts, requests // 4) for _ in range(4)])
    discard(copy)
    best, load = max(alone)
    each = ", ".join(f"{value:,.0f}" for value, _ in alone)
    return [
        Figure("HTTP /events of 100, one sender", best, "events/s", 2000, load=load, detail=f"rounds {each}"),
        Figure("  four senders", four, "events/s", load=load_now()),
    ]


def bodies(facts: Iterator[dict[str, Any]], requests: int) -> list[bytes]:
    """Return requests of a hundred events each."""
    return [orjson.dumps({"events": [next(facts) for _ in range(100)]}) for _ in range(requests)]


def send(url: str, token: str, shares: Sequence[Sequence[bytes]]) -> float:
    """Send each share from a thread of its own and return events a second."""
    failed: list[str] = []

    def send_share(share: Sequence[bytes]) -> None:
        with client_of(url, token) as client:
            for body in share:
                reply = client.post("/api/v1/events", content=body)
                if reply.status_code != httpx.codes.CREATED:
                    failed.append(reply.text)

    threads = [threading.Thread(target=send_share, args=(share,)) for share in shares]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"events were refused: {failed[0][:300]}")
    return 100 * sum(map(len, shares)) / (time.perf_counter() - began)
