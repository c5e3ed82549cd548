"""How fast facts go in: through the recorder, beside bare loops that write the same rows, and over HTTP.

The bare loops are the yardstick: what SQLite and the disk of this machine can do at all. Their rows are captured from
the recorder's own transactions on a copy of the loaded ledger (only those that the table kept: a dominated assertion
costs the bare loop nothing), and go in with plain INSERTs, in the same groups, under the same pragmas.
"""

import itertools
import os
import re
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from lineage_service.recorder.installation import Installation, Places
from lineage_service.recorder.preparation import Incoming
from lineage_service.recorder.queue import Ack
from lineage_service.server.serve import settle_interpreter
from lineage_service.store.sqlite import SqliteStore
from tests.benchmarks.figures import Figure, load_now
from tests.benchmarks.load import Loaded, batches, discard, later_facts, opened, typed
from tests.benchmarks.mix import Mix

BATCH: Final = 100
PRODUCERS: Final = 8
_ROUNDS: Final = 20
"""Many short rounds, in turns: on a machine shared with others the best of a loop says what it can do. Facts are made
just before each, as they reach a service: the caches of a processor forget thousands that were made long before."""
_INSERT_EDGE: Final = "INSERT INTO edge(src, type, dst, seq, source, at, how, roles) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_KEPT_EDGES: Final = "SELECT src, type, dst, seq FROM edge WHERE seq >= ?"
_INSERT_INTO: Final = re.compile(r"\s*INSERT INTO (\w+)")

Group = list[tuple[str, list[tuple[Any, ...]]]]
"""The writing statements of one transaction, each with its rows."""


@dataclass
class Capture:
    """Stands between a store and its connection, and notes what each transaction writes."""

    connection: sqlite3.Connection
    groups: list[Group] = field(default_factory=list)
    _open: Group = field(default_factory=list)

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def executemany(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> sqlite3.Cursor:
        noted = list(rows)
        self._open.append((sql, noted))
        return self.connection.executemany(sql, noted)

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.groups.append(self._open)
            self._open = []
        elif sql.lstrip().startswith(("INSERT", "UPDATE")):
            self._open.append((sql, [values]))
        return self.connection.execute(sql, values)

    def close(self) -> None:
        self.connection.close()


def capture(places: Places, requests: Sequence[list[Incoming]]) -> list[Group]:
    """Record requests and return what reached the tables, group by group."""
    installation = opened(places)
    store: Any = installation.store
    prepared = [installation.preparation.prepare(request) for request in requests]  # pseudonyms are allocated here
    store._writer = watched = Capture(store._writer)
    first = installation.heads.size
    for one in prepared:
        installation.recorder.record(one, ack="committed")
    kept = set(watched.connection.execute(_KEPT_EDGES, (first,)).fetchall())
    installation.close()
    groups = [group for group in watched.groups if any("INTO record" in sql for sql, _ in group)]
    return [[_plain(sql, rows, kept) for sql, rows in group] for group in groups]


def _plain(sql: str, rows: list[tuple[Any, ...]], kept: set[Any]) -> tuple[str, list[tuple[Any, ...]]]:
    table = _INSERT_INTO.match(sql)
    if table is None or table[1] != "edge":
        return sql, rows
    return _INSERT_EDGE, [row for row in rows if row[:4] in kept]


def rows_each(groups: Sequence[Group]) -> float:
    """Return how many rows a record became."""
    rows = sum(len(rows) for group in groups for _, rows in group)
    return rows / sum(len(rows) for group in groups for sql, rows in group if "INTO record" in sql)


# ------------------------------------------------------------------------------------------------------------ loops


@contextmanager
def _bare(places: Places) -> Iterator[sqlite3.Connection]:
    """Open a copy as the store does, its background checkpoints included."""
    store: Any = SqliteStore(places.file)
    try:
        yield store._writer
    finally:
        store.close()


def bare_loop(connection: sqlite3.Connection, groups: Sequence[Group]) -> float:
    """Write groups and return the seconds it took."""
    began = time.perf_counter()
    for group in groups:
        connection.execute("BEGIN IMMEDIATE")
        for sql, rows in group:
            connection.executemany(sql, rows)
        connection.execute("COMMIT")
    return time.perf_counter() - began


def record_loop(installation: Installation, requests: Iterable[Sequence[Incoming]], ack: Ack) -> float:
    """Prepare and record requests one after another, as the service does, and return the seconds it took."""
    settle_interpreter()
    began = time.perf_counter()
    _record(installation, requests, ack)
    return time.perf_counter() - began


def _record(installation: Installation, requests: Iterable[Sequence[Incoming]], ack: Ack) -> None:
    for request in requests:
        installation.recorder.record(installation.preparation.prepare(request), ack=ack)


def producer_loop(installation: Installation, events: Sequence[Incoming], producers: int) -> float:
    """Let producers record single events with signed receipts, side by side."""
    shares = [[[event] for event in events[number::producers]] for number in range(producers)]
    threads = [threading.Thread(target=_record, args=(installation, share, "signed")) for share in shares]
    settle_interpreter()
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def bare_commits(connection: sqlite3.Connection, groups: Sequence[Group]) -> float:
    """Commit groups, each with one more fdatasync of a small file: a signed receipt needs both."""
    with tempfile.TemporaryFile() as beside:
        began = time.perf_counter()
        for group in groups:
            connection.execute("BEGIN IMMEDIATE")
            for sql, rows in group:
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
            os.pwrite(beside.fileno(), bytes(200), 0)
            os.fdatasync(beside.fileno())
        return time.perf_counter() - began


# ---------------------------------------------------------------------------------------------------------- figures


def measure(loaded: Loaded, scale: float = 1.0) -> list[Figure]:
    """Take all figures of this kind; ``scale`` shortens them."""
    return [
        *_mix(loaded, int(1_500 * scale)),
        *_by_type(loaded, int(1_500 * scale)),
        *_one_by_one(loaded, int(250 * scale)),
    ]


def _mix(loaded: Loaded, records: int) -> list[Figure]:
    """The mix at batch 100 beside the bare loop: in turns, so that both meet the same weather."""
    facts = later_facts()
    copies = [loaded.copy(name) for name in ("captured", "recorder", "bare")]
    installation = opened(copies[1])
    taken, width = [], 0.0
    with _bare(copies[2]) as connection:
        for _ in range(_ROUNDS):
            requests = list(batches(typed(itertools.islice(facts, records)), BATCH))
            own = capture(copies[0], requests)
            width = rows_each(own)
            rows_first = records / bare_loop(connection, own)
            taken.append((records / record_loop(installation, requests, "committed"), rows_first, load_now()))
    last = list(batches(typed(itertools.islice(facts, records)), BATCH))
    signed = records / record_loop(installation, last, "signed")
    installation.close()
    for copy in copies:
        discard(copy)
    ours, bare = [(one, load) for one, _, load in taken], [(other, load) for _, other, load in taken]
    return [
        rate("mix, batch 100, typed events, committed", ours, 4000),
        rate(f"  bare executemany of the same rows, {width:.1f} a record", bare),
        ratio("  ratio", ours, bare, 0.45),
        Figure("mix, batch 100, typed events, signed", signed, "records/s", load=load_now()),
    ]


def _by_type(loaded: Loaded, records: int) -> list[Figure]:
    makers: dict[str, Callable[[Mix], Callable[[], dict[str, Any]]]] = {
        "stage moves": lambda mix: mix.stage_move,
        "registrations": lambda mix: mix.registration,
        "runs": lambda mix: mix.run,
    }
    copy = loaded.copy("by-type")
    installation = opened(copy)
    figures = []
    for number, (name, maker_of) in enumerate(makers.items()):
        mix = Mix(100 + number)
        for _ in range(200):
            mix.registration()
        make = maker_of(mix)
        taken = []
        for _ in range(_ROUNDS):
            requests = list(batches(typed(make() for _ in range(records)), BATCH))
            taken.append((records / record_loop(installation, requests, "committed"), load_now()))
        expected = 10_000 if name == "stage moves" else None
        figures.append(rate(f"{name}, batch 100", taken, expected))
    installation.close()
    discard(copy)
    return figures


def _one_by_one(loaded: Loaded, records: int) -> list[Figure]:
    facts = later_facts(3)
    copies = [loaded.copy(name) for name in ("captured", "producers", "rows", "all-rows")]
    installation = opened(copies[1])
    bare, same, one, many = [], [], [], []
    with _bare(copies[2]) as first, _bare(copies[3]) as second:
        for _ in range(_ROUNDS):
            own = capture(copies[0], [[event] for event in typed(itertools.islice(facts, records))])
            single = [[part for part in group if "INTO record" in part[0]] for group in own]
            bare.append((records / bare_commits(first, single), load_now()))
            same.append((records / bare_commits(second, own), load_now()))
            events = typed(itertools.islice(facts, records))
            one.append((records / producer_loop(installation, events, 1), load_now()))
            events = typed(itertools.islice(facts, records * 2))
            many.append((2 * records / producer_loop(installation, events, PRODUCERS), load_now()))
    installation.close()
    for copy in copies:
        discard(copy)
    return [
        rate("one by one, one producer, signed receipts", one),
        rate("  bare: the same rows, COMMIT, fdatasync", same),
        ratio("  ratio", one, same, 0.5),
        rate("  bare: one INSERT, COMMIT, fdatasync", bare),
        ratio("  ratio to that", one, bare),
        rate(f"one by one, {PRODUCERS} producers, signed receipts", many),
        ratio("  ratio to one producer", many, one, 3),
    ]


def rate(name: str, taken: Sequence[tuple[float, float]], expected: float | None = None) -> Figure:
    """Give the best round of a loop, beside it the median; each round is (records a second, load of the machine)."""
    best, load = max(taken)
    middle = statistics.median(value for value, _ in taken)
    return Figure(name, best, "records/s", expected, load=load, detail=f"best of {len(taken)}, median {middle:,.0f}")


def ratio(
    name: str, taken: Sequence[tuple[float, float]], to: Sequence[tuple[float, float]], expected: float | None = None
) -> Figure:
    """Compare two loops that ran in turns: the median of what each turn gave; beside it, what the best rounds give.

    On a machine whose speed wanders the two of one turn are comparable, and the best of each loop are not.
    """
    turns = [value / other for (value, _), (other, _) in zip(taken, to, strict=True)]
    detail = f"median of {len(turns)} turns; of the best {max(taken)[0] / max(to)[0]:.2f}"
    load = statistics.median(load for _, load in taken)
    return Figure(name, statistics.median(turns), "", expected, ratio=expected is not None, load=load, detail=detail)
