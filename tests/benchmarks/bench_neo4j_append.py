"""How fast facts go into Neo4j: through the recorder, beside one bare statement that writes the same rows.

The bare statement is the yardstick: what this server can do at all. It gets the rows that the store really kept, as one
map, looks for nothing that is there already, and runs on a second server that holds the same data; at the end both must
hold the same numbers of nodes and relationships. SQLite stands beside it, in the same batches and the same minutes.
"""

import contextlib
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import neo4j

from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Incoming
from lineage_service.store.neo4j import connect
from tests.benchmarks.bench_append import rate, ratio, record_loop
from tests.benchmarks.figures import Figure, load_now
from tests.benchmarks.load import Loaded, batches, discard, later_facts, opened, typed
from tests.benchmarks.neo4j_server import Standing

WRITERS: Final = 4
_BATCHES: Final = {1: 200, 10: 1_000, 100: 3_000, 500: 5_000}
"""How many records a round takes at each size of a batch."""
_ROUNDS: Final = 6
_WARM_UP: Final = 3
"""Rounds before the first that counts: a server that has just started runs what it has not compiled yet."""
_RATIO_AT: Final = {100: 0.6}
_EXPECTED: Final = {100: 1_200, 500: 1_800}
_NO_SLOWER: Final = 0.9
"""Mixed batches beside homogeneous ones; a plan made anew for each mix would make it a tenth."""

Taken = list[tuple[float, float]]
"""Records a second, and the load then, of each round."""


@dataclass(slots=True)
class Watch:
    """Stands before a store's transactions, and notes the rows of each group that was committed."""

    begin: Callable[[], Any]
    groups: list[dict[str, Any]] = field(default_factory=list)

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Any]:
        with self.begin() as transaction:
            yield transaction
        rows = transaction.rows.parameters()
        if rows["records"]:
            kept = transaction._kept
            self.groups.append({**rows, **kept, "first": transaction.rows.first})


# ------------------------------------------------------------------------------------------------------------ bare

_KEPT: Final = """
    RETURN COLLECT {
      UNWIND $p.edges AS r
      MATCH (a:Entity {key: r[0]})-[e]->(b:Entity {key: r[1]})
      WHERE type(e) = r[2] AND e.seq = r[3] AND e.source = r[4]
      RETURN r
    } AS edges, COLLECT {
      UNWIND $p.said AS r
      MATCH (:Record {log: 'main', seq: r[0]})-[a:ABOUT|ABOUT_AGAIN]->(:Entity {key: r[1]})
      WHERE a.words = r[2]
      RETURN [r[0], r[1], r[2], r[3], r[4], type(a)]
    } AS said
"""
_BARE: Final = """
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
      CREATE (x)-[:$(r[5]) {words: r[2], ord: r[3], seq: r[0], registers: r[4]}]->(n)
    }
    CALL () {
      UNWIND $p.edges AS r
      MATCH (a:Entity {key: r[0]})
      MATCH (b:Entity {key: r[1]})
      CREATE (a)-[:$(r[2]) {seq: r[3], source: r[4], at: r[5], how: r[6], roles: r[7]}]->(b)
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
"""
_COUNTS: Final = "MATCH ()-[r]->() WITH count(r) AS ties MATCH (n:Entity|Record|Point) RETURN ties, count(n)"


def kept_rows(session: neo4j.Session, group: dict[str, Any]) -> dict[str, Any]:
    """Return a group's rows as they stand: without dominated assertions, each description with its type."""
    found = session.run(_KEPT, p=group).single(strict=True)
    return {**group, "edges": found["edges"], "said": found["said"]}


def bare_loop(session: neo4j.Session, groups: Sequence[dict[str, Any]]) -> float:
    """Write groups by one statement each, with one map; return the seconds it took."""
    began = time.perf_counter()
    for group in groups:
        with session.begin_transaction() as transaction:
            transaction.run(_BARE, p=group).consume()
            transaction.commit()
    return time.perf_counter() - began


# --------------------------------------------------------------------------------------------------------- figures


def measure(loaded: Loaded, first: Standing, second: Standing, scale: float = 1.0) -> Iterator[Figure]:
    """Take all figures of appending; ``first`` and ``second`` hold the same ledger. ``scale`` shortens rounds."""
    sizes = {batch: max(int(records * scale), batch) for batch, records in _BATCHES.items()}
    yield from _beside_bare(loaded, first, second, sizes)
    yield from _mixed(first, sizes[100])
    for batch, records in sizes.items():
        yield _writers(first, batch, records)


def _beside_bare(loaded: Loaded, first: Standing, second: Standing, sizes: dict[int, int]) -> list[Figure]:
    taken: dict[tuple[str, int], Taken] = {(who, batch): [] for who in ("ours", "bare", "sqlite") for batch in sizes}
    facts = later_facts(11)
    place = loaded.copy("appended-beside-neo4j")
    with (
        contextlib.closing(first.opened()) as ours,
        contextlib.closing(opened(place)) as embedded,
        connect(first.address) as here,
        connect(second.address) as there,
        here.session() as asking,
        there.session() as bare,
    ):
        watch = _watched(ours)
        for number in range(_WARM_UP + _ROUNDS):
            for batch, records in sizes.items():
                events = typed(itertools.islice(facts, records))
                requests = list(batches(events, batch))
                rates = {"ours": records / record_loop(ours, requests, "committed")}
                groups = [kept_rows(asking, group) for group in watch.groups]
                watch.groups.clear()
                rates["bare"] = records / bare_loop(bare, groups)
                rates["sqlite"] = records / record_loop(embedded, requests, "committed")
                if number >= _WARM_UP:
                    for who, found in rates.items():
                        taken[who, batch].append((found, load_now()))
        counts = [list(session.run(_COUNTS).single(strict=True)) for session in (asking, bare)]
    discard(place)
    if counts[0] != counts[1]:
        raise SystemExit(f"the bare statement wrote other rows: relationships and nodes {counts[0]} and {counts[1]}")
    return [figure for batch in sizes for figure in _rows(batch, taken)]


def _watched(installation: Installation) -> Watch:
    store: Any = installation.store
    store.begin = watch = Watch(store.begin)
    return watch


def _rows(batch: int, taken: dict[tuple[str, int], Taken]) -> Iterator[Figure]:
    ours, bare, embedded = (taken[who, batch] for who in ("ours", "bare", "sqlite"))
    yield rate(f"mix, batch {batch}, one writer, committed", ours, _EXPECTED.get(batch))
    yield rate("  one bare statement of the same rows", bare)
    yield ratio("  ratio", ours, bare, _RATIO_AT.get(batch))
    yield ratio("  ratio to SQLite", ours, embedded)


def _mixed(first: Standing, records: int) -> list[Figure]:
    """Batches of one size and composition beside such of any size and composition: a hundred facts on average."""
    facts = later_facts(12)
    chance = random.Random(1)  # noqa: S311  the same cuts each time, nothing secret
    even: Taken = []
    uneven: Taken = []
    with contextlib.closing(first.opened()) as ours:
        for number in range(_WARM_UP + _ROUNDS):
            for taken, cut in ((even, _evenly), (uneven, _unevenly)):
                requests = cut(list(itertools.islice(facts, records)), chance)
                found = records / record_loop(ours, requests, "committed")
                if number >= _WARM_UP:
                    taken.append((found, load_now()))
    return [
        rate("homogeneous batches of 100", even),
        rate("mixed batches, 1 to 199 of any composition", uneven),
        ratio("  ratio", uneven, even, _NO_SLOWER),
    ]


def _evenly(facts: list[dict[str, Any]], _chance: random.Random) -> list[list[Incoming]]:
    return list(batches(typed(facts), 100))


def _unevenly(facts: list[dict[str, Any]], chance: random.Random) -> list[list[Incoming]]:
    """Cut facts in any order into batches of any size; they are typed in that order, as they would reach a service."""
    chance.shuffle(facts)
    events = typed(facts)
    requests = []
    while events:
        size = chance.randrange(1, 200)
        requests.append(events[:size])
        events = events[size:]
    return requests


def _writers(first: Standing, batch: int, records: int) -> Figure:
    """Let processes write to the one log at once, while this one signs; each has facts of its own."""
    taken: Taken = []
    for number in range(_ROUNDS // 2):
        with contextlib.closing(first.opened()) as signer:
            size = signer.heads.size
            seconds = _race(first, [10_000 * batch + 100 * number + one for one in range(WRITERS)], batch, records)
        with contextlib.closing(first.opened()) as again:
            added = again.heads.size - size
        if added != WRITERS * records:
            raise SystemExit(f"{WRITERS} writers left {added} records of {WRITERS * records} facts")
        taken.append((added / seconds, load_now()))
    return rate(f"mix, batch {batch}, {WRITERS} writing processes", taken)


def _race(first: Standing, seeds: Sequence[int], batch: int, records: int) -> float:
    environment = {**os.environ, **first.settings(), "LINEAGE_SIGNER": "elsewhere"}
    running = []
    for seed in seeds:
        command = [sys.executable, "-m", "tests.benchmarks.neo4j_writer", str(seed), str(batch), str(records)]
        running.append(
            subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
    for process in running:
        _line(process)
    began = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        _line(process)
    seconds = time.perf_counter() - began
    for process in running:
        process.communicate(timeout=60)
    return seconds


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a writing process ended before it was done; it printed why")
    return line
