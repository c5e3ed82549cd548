"""Takes all figures: ``python -m tests.benchmarks [--quick|--full] [--only append,read,memory,plugin,neo4j]``.

Without an option the graph has 200,000 nodes and 600,000 edges and memory is taken at 100,000 records; ``--quick`` is
for a look in a few minutes, ``--full`` adds the million records. Ends with 1 when a ratio is missed; absolute figures
are printed with the machine they were taken on, for people to judge.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tests.benchmarks import bench_append, bench_coverage, bench_memory, bench_neo4j, bench_plugin, bench_read
from tests.benchmarks.figures import Figure, load_now, machine
from tests.benchmarks.load import Loaded, Size, load

_LOADED: Final = Size(200_000, 600_000)
_SMALL: Final = Size(20_000, 60_000)
_QUICK: Final = 0.2
_RECORDS: Final = {"quick": 20_000, "usual": 100_000, "full": 1_000_000}


def main() -> int:
    """Print figures and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="take all figures")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_const", const="quick", dest="how", default="usual")
    how.add_argument("--full", action="store_const", const="full", dest="how")
    parser.add_argument(
        "--only", default="append,read,memory,plugin,neo4j", help="some of append, read, memory, plugin, neo4j"
    )
    chosen = parser.parse_args()
    print(machine(Path(tempfile.gettempdir())))
    figures = [figure for word in chosen.only.split(",") for figure in _take(word, chosen.how)]
    missed = [figure for figure in figures if figure.ratio and not figure.met]
    print(f"{len(missed)} ratios missed" + "".join(f"; {figure.name.strip()}" for figure in missed))
    return 1 if missed else 0


def _take(word: str, how: str) -> list[Figure]:
    size, scale = (_SMALL, _QUICK) if how == "quick" else (_LOADED, 1.0)
    takes: dict[str, Callable[[], Iterable[Figure]]] = {
        "append": lambda: bench_append.measure(_graph(size), scale),
        "read": lambda: [
            *bench_read.measure(_graph(size), scale),
            *bench_read.named_only(_graph(dataclasses.replace(size, unnamed_every=0)), scale),
            *bench_coverage.measure(scale),
        ],
        "memory": lambda: bench_memory.measure(_RECORDS[how]),
        "plugin": lambda: bench_plugin.measure(scale),
        "neo4j": lambda: bench_neo4j.measure(_graph(size), scale),
    }
    print(f"\n{word} (load {load_now():.1f})", flush=True)
    began = time.perf_counter()
    figures = []
    for figure in takes[word]():
        figures.append(figure)
        print(figure.line(), flush=True)
    print(f"  taken in {time.perf_counter() - began:.0f} s", flush=True)
    return figures


def _graph(size: Size) -> Loaded:
    loaded = load(size)
    unnamed = f"every {size.unnamed_every}th run reads a dataset without naming the version"
    print(
        f"  graph: {loaded.nodes:,} nodes, {loaded.edges:,} edges, {loaded.records:,} records, "
        f"{loaded.places.file.stat().st_size / 2**20:,.0f} MiB; "
        f"{unnamed if size.unnamed_every else 'all inputs are named with their versions'}",
        flush=True,
    )
    return loaded


if __name__ == "__main__":
    sys.exit(main())
