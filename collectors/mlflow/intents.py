"""Intents: a line on disk before each registry change, so that a change can never have left no trace at all.

An intent is no fact. When the outcome is on disk it is settled; one that stays unsettled because its process died says
that a change may have happened of which only the wish is known. Each process keeps a file of its own and holds a lock
on it while it lives, so a file that can be locked is one whose process is gone.

The file has its length from the start, of zeros, and lines are written over them: to sync data that makes no file
longer costs the disk a fraction, and every registry write waits for it.
"""

from __future__ import annotations

import errno
import fcntl
import json
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
from graph_schema.times import format_time

_CHUNK: Final = 256 * 1024
"""Bytes by which a file is made longer; a full one is given up for a fresh one as soon as nothing in it is open."""

_BESIDE: Final = frozenset({"action", "user", "actor", "node", "workspace"})
_log = logging.getLogger("lineage.mlflow")


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that somebody was about to make: at a time (microseconds), as ``told`` by the request."""

    id: str
    at: int
    told: Mapping[str, Any]

    @property
    def named(self) -> dict[str, Any]:
        """What the request named, without what is told beside it."""
        return {key: value for key, value in self.told.items() if key not in _BESIDE}

    def unresolved(self, known: bool, reason: str) -> dict[str, Any]:  # noqa: FBT001  a value, and no switch
        """Return the fact that nobody saw the outcome; about its node only if MLflow has such a thing."""
        body = {"action": str(self.told.get("action", "unknown")), "reason": reason}
        body["detail"] = json.dumps(self.named, sort_keys=True, ensure_ascii=False)
        if known and self.told.get("node"):
            body["node"] = self.told["node"]
        return self.fact("attempt.unresolved", body)

    def fact(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a fact about this intent, by whom it was, at its time."""
        return {
            "type": kind,
            "ev": 1,
            "occurred_at": format_time(self.at),
            "source": {"event_id": self.id},
            "actor": self.told.get("actor") or {"assurance": "observed"},
            "body": dict(body),
        }


class IntentJournal:
    """The intents of this process, in a folder shared with others."""

    def __init__(self, folder: Path) -> None:
        """Nothing is opened before the first intent."""
        self._folder = folder
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._end = 0
        self._size = 0
        self._open: set[str] = set()

    def begin(self, intent: Intent) -> None:
        """Put an intent on disk; SpoolUnwritableError if that fails, and then the change must not be made."""
        line = orjson.dumps({"intent": intent.id, "at": intent.at, **intent.told}) + b"\n"
        with self._lock:
            try:
                descriptor = self._own_file(len(line))
                self._put(descriptor, line)
                os.fdatasync(descriptor)
            except OSError as error:
                raise SpoolUnwritableError(
                    f"an intent cannot be written to {self._folder}: {error}; mend the disk, or set "
                    "LINEAGE_ON_OUTAGE=allow to go on without a record"
                ) from error
            self._open.add(intent.id)

    def settle(self, intent: Intent) -> None:
        """Note that the outcome of an intent is on disk. Not synced: an unsettled intent is only looked at."""
        identifier = intent.id
        with self._lock:
            if identifier not in self._open or self._descriptor is None:
                return
            self._open.discard(identifier)
            try:
                self._put(self._descriptor, orjson.dumps({"settled": identifier}) + b"\n")
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

    def close(self) -> None:
        """Do nothing: the lock on the file tells others that this process lives, and ends with it."""

    def _own_file(self, needed: int) -> int:
        """Return the open file of this process, with room. One that was removed takes writes that nobody would find."""
        if self._descriptor is not None and self._end + needed > self._size and not self._open:
            self._leave()
        while self._descriptor is None or os.fstat(self._descriptor).st_nlink == 0:
            self._leave()
            self._path = self._folder / f"intents-{uuid.uuid4()}.ndjson"
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._end = self._size = 0
            files.sync_folder(self._folder)
        while self._end + needed > self._size:
            self._size += os.pwrite(self._descriptor, bytes(_CHUNK), self._size)
        return self._descriptor

    def _leave(self) -> None:
        """Give up a file in which nothing is open, or which is not there any more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._descriptor = self._path = None

    def _put(self, descriptor: int, line: bytes) -> None:
        """Write a line behind the last; one that a full disk cut short is written over by the next."""
        written = os.pwrite(descriptor, line, self._end)
        if written < len(line):
            raise OSError(errno.ENOSPC, "the disk took a part of the line")
        self._end += written
        self._size = max(self._size, self._end)


def _unsettled(data: bytes) -> Iterator[Intent]:
    waiting: dict[str, Intent] = {}
    for line in data.rstrip(b"\0").splitlines():
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
