"""Intents: a line on disk before each registry change, so that a change can never have left no trace at all.

An intent is no fact. When the outcome is on disk it is settled; one that stays unsettled because its process died says
that a change may have happened of which only the wish is known. Each process keeps a file of its own and holds a lock
on it while it lives, so a file that can be locked is one whose process is gone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from collectors.delivery import SpoolUnwritableError, files

_TIDY_BYTES: Final = 256 * 1024
_log = logging.getLogger("lineage.mlflow")


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that somebody was about to make: at a time (microseconds), as ``told`` by the request."""

    id: str
    at: int
    told: Mapping[str, Any]


class IntentJournal:
    """The intents of this process, in a folder shared with others."""

    def __init__(self, folder: Path) -> None:
        """Nothing is opened before the first intent."""
        self._folder = folder
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._open: set[str] = set()

    def begin(self, intent: Intent) -> None:
        """Put an intent on disk; SpoolUnwritableError if that fails, and then the change must not be made."""
        line = orjson.dumps({"intent": intent.id, "at": intent.at, **intent.told}) + b"\n"
        with self._lock:
            try:
                descriptor = self._own_file()
                files.write_all(descriptor, line)
                os.fdatasync(descriptor)
            except OSError as error:
                raise SpoolUnwritableError(
                    f"an intent cannot be written to {self._folder}: {error}; mend the disk, or set "
                    "LINEAGE_ON_OUTAGE=allow to go on without a record"
                ) from error
            self._open.add(intent.id)

    def settle(self, identifier: str) -> None:
        """Note that the outcome of an intent is on disk. Not synced: an unsettled intent is only looked at."""
        with self._lock:
            if identifier not in self._open or self._descriptor is None:
                return
            self._open.discard(identifier)
            try:
                files.write_all(self._descriptor, orjson.dumps({"settled": identifier}) + b"\n")
                if not self._open and os.fstat(self._descriptor).st_size > _TIDY_BYTES:
                    os.ftruncate(self._descriptor, 0)
            except OSError as error:
                _log.warning("intent %s is on record, and cannot be marked so: %s", identifier, error)

    def unsettled(self) -> Iterator[Intent]:
        """Give each unsettled intent of processes that are gone, once; their files are removed."""
        for path in sorted(self._folder.glob("intents-*.ndjson")):
            with files.opened(path, os.O_RDWR) as descriptor:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue  # its process lives
                yield from _unsettled(path.read_bytes())
                path.unlink(missing_ok=True)

    def _own_file(self) -> int:
        """Return the open file of this process. One that was removed still takes writes, which nobody would find."""
        while self._descriptor is None or os.fstat(self._descriptor).st_nlink == 0:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            path = self._folder / f"intents-{uuid.uuid4()}.ndjson"
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, files.FILE_MODE)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            files.sync_folder(self._folder)
        return self._descriptor


def _unsettled(data: bytes) -> Iterator[Intent]:
    waiting: dict[str, Intent] = {}
    for line in data.splitlines():
        try:
            told = orjson.loads(line)
        except ValueError:
            continue  # torn by the crash: its begin() never returned, so no change followed it
        if "settled" in told:
            waiting.pop(told["settled"], None)
        elif "intent" in told:
            identifier, at = told.pop("intent"), int(told.pop("at"))
            waiting[identifier] = Intent(identifier, at, told)
    yield from waiting.values()
