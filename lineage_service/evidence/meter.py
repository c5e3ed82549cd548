"""How much of some work is done, for whoever waits: one fraction of parts that weigh differently."""

from collections.abc import Callable

Progress = Callable[[float], None]
"""Told how much of the work is done, from 0 to 1."""


class Meter:
    """Adds up units of work done, of ``total``, and tells the fraction. What ``progress`` raises ends the work."""

    __slots__ = ("_done", "_progress", "_total")

    def __init__(self, progress: Progress, total: float) -> None:
        self._progress = progress
        self._total = max(total, 1)
        self._done = 0.0

    def add(self, units: float) -> None:
        """Count units as done."""
        self._done += units
        self._progress(min(self._done / self._total, 1))

    def part(self, units: float) -> Progress:
        """Return where a piece of work of so many units tells its own fraction."""
        before = self._done

        def progress(fraction: float) -> None:
            self.add(before + units * fraction - self._done)

        return progress
