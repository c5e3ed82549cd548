"""Facts in a process's memory, for a collector without a disk: they live as long as the process.

Only for facts that are told again, or whose loss is seen: the MLflow plugin without a disk has its intents with the
service, so that a process which dies with facts in memory leaves intents without an outcome.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from collectors.delivery.errors import SpoolFullError
from collectors.delivery.spool import BATCH_BYTES, BATCH_EVENTS, Batch, Claim, Entry, Position

MAX_BYTES: Final = 64 * 1024 * 1024
_log = logging.getLogger("lineage.delivery")


def _micros() -> int:
    return time.time_ns() // 1000


class MemorySpool:
    """A bounded queue. Orders are microseconds since 1970, so that they grow from one process to the next."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], int] = _micros) -> None:
        """Nothing waits yet."""
        self.path = Path("memory")
        self.aside = "the log only"
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._held: deque[tuple[Entry, int]] = deque()
        self._bytes = 0
        self._order = 0
        self._delivered = 0

    def append(self, events: Sequence[Mapping[str, Any]]) -> list[int]:
        """Hold facts, in order; SpoolFullError if the bound would be passed, and then none is held."""
        with self._lock:
            made = [self._entry(event) for event in events]
            self._require_room(sum(size for _, size in made))
            self._held.extend(made)
            self._bytes += sum(size for _, size in made)
            return [entry.order for entry, _ in made]

    def require_room(self, reserve: int) -> None:
        """Raise SpoolFullError if so many bytes more would pass the bound."""
        with self._lock:
            self._require_room(reserve)

    def set_aside(self, event: object, reason: object) -> None:
        """Say that a fact is lost, and why; its content stays out of the log."""
        kind = event.get("type") if isinstance(event, Mapping) else "a line"
        told = reason if isinstance(reason, Mapping) else {}
        words = {key: told[key] for key in ("title", "detail") if key in told}
        _log.error("a fact of type %s was not accepted and there is no disk to keep it on: %s", kind, words)

    def batch(self, limit: int = BATCH_EVENTS) -> Batch | None:
        """Return the oldest facts, at most ``limit`` and about a megabyte; None if none waits."""
        with self._lock:
            entries: list[Entry] = []
            size = 0
            for entry, length in self._held:
                if entries and (len(entries) >= limit or size + length > BATCH_BYTES):
                    break
                entries.append(entry)
                size += length
            return Batch(tuple(entries), Position(0, self._delivered + len(entries))) if entries else None

    def advance(self, end: Position) -> None:
        """Let go of everything before ``end``."""
        with self._lock:
            while self._delivered < end.offset:
                _, size = self._held.popleft()
                self._bytes -= size
                self._delivered += 1

    def waiting(self) -> int:
        """Return how many facts wait."""
        return len(self._held)

    def claim(self) -> Claim | None:
        """Return the right to drain, which each process has for its own memory."""
        return Claim(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def _entry(self, event: Mapping[str, Any]) -> tuple[Entry, int]:
        self._order = max(self._order + 1, self._clock())
        numbered = {**event, "source": {**event.get("source", {}), "order": self._order}}
        return Entry(self._order, numbered), len(orjson.dumps(numbered))

    def _require_room(self, reserve: int) -> None:
        if self._bytes + reserve > self._max_bytes:
            raise SpoolFullError(
                f"{self._bytes} of {self._max_bytes} bytes of facts wait in memory; make the service reachable"
            )
