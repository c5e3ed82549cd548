"""How long something took, counted in buckets as Prometheus reads them. Needs no library, so that the recorder may.

Rule kept: one short lock and two additions a measurement; nothing here may slow a commit down or fail it.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets, in seconds; what took longer than the last falls into one without an end."""


@dataclass(slots=True)
class Latency:
    """Durations seen since the start. Thread-safe."""

    _counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    _total: float = 0.0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seconds: float) -> None:
        """Count one duration."""
        place = bisect_left(BOUNDS, seconds)
        with self._mutex:
            self._counts[place] += 1
            self._total += seconds

    @contextmanager
    def timed(self, stopwatch: Callable[[], float] = time.perf_counter) -> Iterator[None]:
        """Count how long a block took, if it did not fail."""
        started = stopwatch()
        yield
        self.add(stopwatch() - started)

    def read(self) -> tuple[list[tuple[str, int]], float]:
        """Return (upper end as text, how many took at most that) of each bucket, and the sum of all in seconds."""
        with self._mutex:
            counts, total = list(self._counts), self._total
        ends = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        return list(zip(ends, accumulate(counts), strict=True)), total
