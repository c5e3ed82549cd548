"""How much memory the writer needs, and how long a verification of what it wrote takes.

Run as ``python -m tests.benchmarks.bench_memory FOLDER RECORDS…`` it records the mix in requests of 500, in a process
of its own, and prints the anonymous resident memory (RssAnon) whenever it reaches one of the numbers: pages of the
database that the kernel keeps mapped are no memory of ours.
"""

import gc
import itertools
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from lineage_service.recorder.installation import create
from tests.benchmarks.bench_verify import measure as verify
from tests.benchmarks.figures import Figure, load_now
from tests.benchmarks.load import places_in, typed
from tests.benchmarks.mix import Mix

_GROUP: Final = 500
_MILLION: Final = 1_000_000
_ROUNDS: Final = 3
_ANONYMOUS: Final = re.compile(r"^RssAnon:\s+(\d+) kB", re.MULTILINE)


def anonymous_mib(process: int | str = "self") -> float:
    """Return the anonymous resident memory of a process, by its number, or of this one."""
    found = _ANONYMOUS.search(Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit("this system does not tell RssAnon: /proc/PID/status is needed")
    return int(found[1]) / 1024


def record(folder: Path, marks: list[int]) -> None:
    """Record as many records as the last mark says and print the memory at each."""
    installation = create(places_in(folder), origin="bench.example/log")
    facts = Mix(5).facts()
    while (size := installation.heads.size) < marks[-1]:
        wanted = next(mark for mark in marks if mark > size)
        events = typed(itertools.islice(facts, min(_GROUP, wanted - size)))
        installation.recorder.record(installation.preparation.prepare(events), ack="committed")
        if installation.heads.size == wanted:
            gc.collect()
            print(f"{wanted} {anonymous_mib():.1f}", flush=True)
    installation.close()


def measure(records: int) -> list[Figure]:
    """Return memory after a tenth and after all of the records, and the time their verification takes."""
    with tempfile.TemporaryDirectory(prefix="lineage-bench-memory-") as name:
        marks = [records // 10, records]
        command = [sys.executable, "-m", "tests.benchmarks.bench_memory", name, *map(str, marks)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        early, late = (float(line.split()[1]) for line in told.splitlines())
        taken = min(verify(places_in(Path(name)), records, deep=False)[1] for _ in range(_ROUNDS))
    share = 100 * late / early
    full = records >= _MILLION  # with fewer, the caches that the bound allows are still filling up
    return [
        Figure(f"RssAnon after {marks[0]:,} records", early, "MiB"),
        Figure(f"RssAnon after {marks[1]:,} records", late, "MiB", 200, at_most=True),
        Figure("  in percent of the former", share, "%", 120 if full else None, at_most=True, ratio=True),
        Figure(
            "verify, one core, scaled to a million records",
            taken * _MILLION / records,
            "s",
            15,
            at_most=True,
            load=load_now(),
            detail=f"{records:,} records in {taken:.1f} s of processor",
        ),
    ]


if __name__ == "__main__":
    record(Path(sys.argv[1]), [int(text) for text in sys.argv[2:]])
