"""How long a verification takes: makes a ledger of the usual mix and verifies it on one core.

Run as ``python -m tests.benchmarks.bench_verify --records 50000`` from the root of the tree. The ledger is written in
groups of 500 without waiting for signatures. The figure to reach is 15 s for 1,000,000 records; what is printed for
fewer is scaled up, which a walk in one pass allows.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Final

from lineage_service.evidence.inspection import run_verify
from lineage_service.recorder.installation import Places, create
from tests.ledgers import busy_events, record_all, ticking

_MILLION: Final = 1_000_000


def write_ledger(places: Places, records: int) -> float:
    """Write a ledger of exactly ``records`` records and return the seconds it took."""
    began = time.perf_counter()
    installation = create(places, origin="bench.example/log", clock=ticking())
    record_all(installation, busy_events(records - 1), group=500)
    installation.close()
    return time.perf_counter() - began


def measure(places: Places, records: int, *, deep: bool) -> tuple[float, float]:
    """Verify and return (seconds on the clock, seconds of processor)."""
    began, used = time.perf_counter(), time.process_time()
    report = run_verify(places, deep=deep, level=2)
    if report.exit_code or report.counts["records"] != records:
        raise SystemExit("\n".join(report.lines()))
    return time.perf_counter() - began, time.process_time() - used


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="time the verification of a ledger")
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--deep", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as folder:
        places = Places(Path(folder) / "lineage.db", Path(folder) / "keys")
        wrote = write_ledger(places, chosen.records)
        size = places.file.stat().st_size
        print(f"wrote {chosen.records} records in {wrote:.1f} s, {size / chosen.records:.0f} bytes a record on disk")
        for _ in range(chosen.rounds):
            wall, used = measure(places, chosen.records, deep=chosen.deep)
            each = used / chosen.records
            print(
                f"verified {chosen.records} in {wall:.2f} s, {used:.2f} s of processor: "
                f"{each * _MILLION:.1f} s for a million"
            )


if __name__ == "__main__":
    main()
