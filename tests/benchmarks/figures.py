"""What a benchmark says: figures with what was expected of them, the machine they were taken on, and its load.

An absolute figure depends on the machine and is printed only; a ratio compares two loops of the same run, and a missed
one fails the command.
"""

import math
import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BUSY: Final = 1.5
"""A load average above which a measurement is marked: somebody else was working too."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; ``ratio`` says that missing ``expected`` is a failure and not a matter of the machine."""

    name: str
    value: float
    unit: str
    expected: float | None = None
    at_most: bool = False
    ratio: bool = False
    detail: str = ""
    load: float = 0.0

    @property
    def met(self) -> bool:
        """Whether the figure is what was expected."""
        if self.expected is None:
            return True
        return self.value <= self.expected if self.at_most else self.value >= self.expected

    def line(self) -> str:
        """Return the figure as one line of the table."""
        wanted = "" if self.expected is None else f"{'<=' if self.at_most else '>='} {_shown(self.expected)}"
        word = "" if self.expected is None else "met" if self.met else "MISSED" if self.ratio else "below"
        busy = f" load {self.load:.1f}{' BUSY' if self.load > BUSY else ''}"
        return f"  {self.name:<58}{_shown(self.value):>10} {self.unit:<10}{wanted:<12}{word:<7}{busy}  {self.detail}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def load_now() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def machine(place: Path) -> str:
    """Return what the figures were taken on."""
    cpu = _first("/proc/cpuinfo", "model name") or platform.processor()
    return (
        f"machine: {cpu}, {len(os.sched_getaffinity(0))} cores; Python {sys.version.split()[0]}, "
        f"SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.release()}, {place} on {_file_system(place)}"
    )


def _first(path: str, word: str) -> str:
    lines = Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(word)), "")


def _file_system(place: Path) -> str:
    """Return the type of the file system that holds a folder: that of the longest mount point above it."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "an unknown file system"
    rows = [line.split()[1:3] for line in mounts.read_text(encoding="utf-8").splitlines()]
    above = [(len(point), kind) for point, kind in rows if place.resolve().is_relative_to(point)]
    return max(above)[1]
