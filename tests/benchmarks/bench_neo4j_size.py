"""How the store on Neo4j behaves as a ledger grows: ``python -m tests.benchmarks.bench_neo4j_size --records 1000000``.

One ledger is written, the mix in batches of 500, and at each mark it is told how fast the last facts went in, what lies
on disk, how much memory the server has, and how long a walk up takes. The page on sizing
(``lineage_service/examples/sizing.md``) is made of these lines.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

from graph_schema.kinds import Kind
from lineage_service.recorder.installation import Installation, create
from lineage_service.store.neo4j import Neo4jStore
from lineage_service.store.protocol import END_OF_TIME, Cut
from tests.benchmarks.bench_append import record_loop
from tests.benchmarks.bench_memory import anonymous_mib
from tests.benchmarks.bench_neo4j_read import walked
from tests.benchmarks.figures import load_now, machine, percentile
from tests.benchmarks.load import batches, typed
from tests.benchmarks.mix import Mix
from tests.benchmarks.neo4j_server import HEAP, PAGE_CACHE, Standing, standing

_BATCH: Final = 500
_PART: Final = 10_000
_PARTS: Final = (0.1, 0.2, 0.5, 1.0)
_ROOTS: Final = 100
_MIB: Final = 2**20


def main() -> None:
    """Print a line at each mark."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_neo4j_size", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    chosen = parser.parse_args()
    marks = [int(chosen.records * part) for part in _PARTS]
    print(machine(Path(tempfile.gettempdir())), f"heap {HEAP}, page cache {PAGE_CACHE}", sep="; ")
    with standing() as place, closing(create(place.places, origin="bench.example/log")) as installation:
        facts = Mix(5).facts()
        for mark in marks:
            rate = _grown(installation, facts, mark)
            print(f"{mark:>9,} records: {rate:,.0f} records/s in the last {_PART:,}; {_told(place, mark)}", flush=True)


def _grown(installation: Installation, facts: Iterator[dict[str, Any]], mark: int) -> float:
    """Record until the log has so many records; return records a second of the last part."""
    rate = 0.0
    while (size := installation.heads.size) < mark:
        taken = min(_PART, mark - size)
        requests = list(batches(typed(itertools.islice(facts, taken)), _BATCH))
        rate = taken / record_loop(installation, requests, "committed")
    return rate


def _told(place: Standing, size: int) -> str:
    store, logs = (_bytes(place.server.data / part / "neo4j") for part in ("databases", "transactions"))
    with closing(Neo4jStore(place.address, writing=False)) as found, found.read() as reader:
        chance = Random(1)  # noqa: S311  the same roots each time, nothing secret
        prefixes = [f"run:{chance.randrange(16**3):03x}" for _ in range(_ROOTS)]
        cut = Cut(END_OF_TIME - 1, size - 1)
        roots = [key for prefix in prefixes for key in reader.find(Kind.RUN.value, prefix, None, 1, cut)]
        walked(reader, roots[0], "up", size)
        taken = [walked(reader, key, "up", size)[0] for key in roots]
    return (
        f"store {store / _MIB:,.0f} MiB, {store / size:,.0f} bytes a record; transaction logs {logs / _MIB:,.0f} MiB; "
        f"server RssAnon {anonymous_mib(place.server.pid):,.0f} MiB; closure up "
        f"p50 {percentile(taken, 0.5):.1f} ms, p99 {percentile(taken, 0.99):.1f} ms; load {load_now():.1f}"
    )


def _bytes(folder: Path) -> int:
    """Return what the files of a folder take of the disk; files may go while we look."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
