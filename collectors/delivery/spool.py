"""The durable spool: facts on disk before anybody relies on them, and in the order that ``source.order`` tells.

A folder of append-only NDJSON segments, each named by the order of its first fact. Rules kept here:

- ``append`` returns after ``fdatasync``; what it refused or could not finish is cut off again, and what a crash left
  half written at the end is ignored, cut off by the next append, and said in the log.
- The order is one counter for all processes that write to the folder (``flock``), and grows for ever: the newest
  segment is never removed, so its name and its lines hold the counter without a file of its own.
- The folder is bounded. Full is an error that says so, never a fact dropped in silence.
- Readers see only what is durable, since they share the lock. The cursor moves by an atomic replacement, after the
  receipt: a crash between the two sends facts again, which the service knows by their ids.
- One process at a time may drain a spool (:meth:`Spool.claim`), whatever the number of those that write.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from collectors.delivery import files
from collectors.delivery.errors import SpoolFullError, SpoolUnwritableError

MAX_BYTES: Final = 256 * 1024 * 1024
SEGMENT_BYTES: Final = 1024 * 1024
BATCH_EVENTS: Final = 100
BATCH_BYTES: Final = 1024 * 1024

_SUFFIX: Final = ".ndjson"
_PREFIX: Final = "events-"
_REJECTED: Final = "rejected.ndjson"
_log = logging.getLogger("lineage.delivery")


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two lines: the order that names the segment, and bytes into it."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One spooled fact."""

    order: int
    event: dict[str, Any]

    @property
    def group(self) -> object:
        """What ties the facts of one foreign act together; None for a fact that stands alone."""
        return self.event.get("source", {}).get("event_id")


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts to send together, and where the next batch begins once they are delivered."""

    entries: tuple[Entry, ...]
    end: Position
    damaged: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to drain a spool, held by this process until it is released or the process ends."""

    descriptor: int

    def release(self) -> None:
        """Let another process drain."""
        os.close(self.descriptor)


class Spool:
    """A folder of spooled facts. Several processes and threads may write to it."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Make the folder if need be; SpoolUnwritableError if that is refused."""
        self.path = path
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._known: tuple[int, int, int] | None = None
        try:
            path.mkdir(mode=files.FOLDER_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolUnwritableError(f"the spool folder {path} cannot be made: {error}") from error

    # -------------------------------------------------------------------------------------------------------- writing

    def append(self, events: Sequence[Mapping[str, Any]]) -> list[int]:
        """Write facts durably, together and in order; return the order that each got as ``source.order``.

        Raises:
            SpoolFullError: if the bound would be passed.
            SpoolUnwritableError: if the disk refused. In both cases no fact was kept.
        """
        try:
            with files.locked(self.path / "append.lock", fcntl.LOCK_EX):
                return self._append(events)
        except OSError as error:
            raise SpoolUnwritableError(
                f"the spool {self.path} cannot be written: {error}; free or mend its disk, nothing was lost"
            ) from error

    @property
    def aside(self) -> str:
        """Where facts are that the service will not take."""
        return str(self.path / _REJECTED)

    def require_room(self, reserve: int) -> None:
        """Raise SpoolFullError if ``reserve`` bytes more would pass the bound: ask before an act, append after it."""
        try:
            held = sum(found.stat().st_size for found in self._countable())
        except OSError as error:
            raise SpoolUnwritableError(f"the spool {self.path} cannot be read: {error}; mend its disk") from error
        if held + reserve > self._max_bytes:
            raise SpoolFullError(
                f"the spool {self.path} holds {held} of {self._max_bytes} bytes; make the service reachable so that it"
                f" drains, and look at {_REJECTED} in it"
            )

    def _append(self, events: Sequence[Mapping[str, Any]]) -> list[int]:
        segment, order = self._tail()
        orders = list(range(order, order + len(events)))
        data = b"".join(_line(event, number) for event, number in zip(events, orders, strict=True))
        self.require_room(len(data))
        path = self._file(segment)
        with files.opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as descriptor:
            size = os.fstat(descriptor).st_size
            try:
                files.write_all(descriptor, data)
                os.fdatasync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        self._known = (segment, size + len(data), order + len(events))
        return orders

    def _tail(self) -> tuple[int, int]:
        """Return the segment to write to and the next order; cut off what a crash left half written."""
        segments = self._segments()
        if not segments:
            return self._begin(1), 1
        newest = segments[-1]
        size = self._file(newest).stat().st_size
        if self._known is not None and self._known[:2] == (newest, size):
            following = self._known[2]
        else:
            following = self._mend(newest)
        if size < self._segment_bytes or following == newest:
            return newest, following
        return self._begin(following), following

    def _begin(self, order: int) -> int:
        with files.opened(self._file(order), os.O_WRONLY | os.O_CREAT):
            files.sync_folder(self.path)
        return order

    def _mend(self, segment: int) -> int:
        """Return the order after the last whole line of a segment, having cut off a torn one."""
        path = self._file(segment)
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            _log.warning("%s ended in %d bytes of an unfinished line; they were cut off", path, len(data) - whole)
            os.truncate(path, whole)
        orders = [entry.order for entry in map(_read, data[:whole].splitlines()) if entry is not None]
        return max(orders, default=segment - 1) + 1

    def set_aside(self, event: object, reason: object) -> None:
        """Keep a fact that the service will not take, with its reason, beside those that wait."""
        line = orjson.dumps({"reason": reason, "event": event}) + b"\n"
        files.append_durably(self.path / _REJECTED, line)

    # -------------------------------------------------------------------------------------------------------- reading

    def batch(self, limit: int = BATCH_EVENTS) -> Batch | None:
        """Return the oldest facts that wait, at most ``limit`` and about a megabyte; None if none waits.

        The facts of one act stay together unless they alone pass the limit.
        """
        try:
            with files.locked(self.path / "append.lock", fcntl.LOCK_SH):
                return self._batch(limit)
        except OSError as error:
            raise SpoolUnwritableError(f"the spool {self.path} cannot be read: {error}") from error

    def advance(self, end: Position) -> None:
        """Note that everything before ``end`` was delivered, and remove the segments that only held such facts."""
        state = {"segment": end.segment, "offset": end.offset}
        files.replace_durably(self.path / "cursor.json", orjson.dumps(state))
        for segment in self._segments()[:-1]:
            if segment < end.segment:
                self._file(segment).unlink(missing_ok=True)

    def waiting(self) -> int:
        """Return how many facts wait for delivery."""
        start = self._cursor()
        held = 0
        for segment in self._segments():
            if segment >= start.segment:
                data = self._file(segment).read_bytes()
                held += data.count(b"\n", start.offset if segment == start.segment else 0)
        return held

    def claim(self) -> Claim | None:
        """Return the right to drain, or None while another process (or another claim of this one) holds it."""
        descriptor = os.open(self.path / "drain.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return Claim(descriptor)

    def _batch(self, limit: int) -> Batch | None:
        start = self._cursor()
        for segment in self._segments():
            if segment < start.segment:
                continue
            offset = start.offset if segment == start.segment else 0
            found = _cut(segment, offset, self._lines(segment, offset), limit)
            if found is not None:
                return found
        return None

    def _lines(self, segment: int, offset: int) -> Iterator[bytes]:
        with self._file(segment).open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # half written by a crash; the next append cuts it off
                yield line

    def _cursor(self) -> Position:
        try:
            state = orjson.loads((self.path / "cursor.json").read_bytes())
            return Position(int(state["segment"]), int(state["offset"]))
        except FileNotFoundError:
            return Position(0, 0)
        except (ValueError, KeyError, TypeError) as error:
            _log.error("%s/cursor.json is damaged (%s): what the spool holds is sent again", self.path, error)
            return Position(0, 0)

    def _segments(self) -> list[int]:
        names = (entry.name for entry in os.scandir(self.path))
        found = (name[len(_PREFIX) : -len(_SUFFIX)] for name in names if name.startswith(_PREFIX))
        return sorted(int(order) for order in found if order.isdecimal())

    def _countable(self) -> Iterator[Path]:
        yield from map(self._file, self._segments())
        rejected = self.path / _REJECTED
        if rejected.exists():
            yield rejected

    def _file(self, segment: int) -> Path:
        return self.path / f"{_PREFIX}{segment:016d}{_SUFFIX}"


def _line(event: Mapping[str, Any], order: int) -> bytes:
    numbered = {**event, "source": {**event.get("source", {}), "order": order}}
    return orjson.dumps(numbered) + b"\n"


def _read(line: bytes) -> Entry | None:
    try:
        event = orjson.loads(line)
        return Entry(int(event["source"]["order"]), event)
    except (ValueError, KeyError, TypeError):
        return None


def _cut(segment: int, offset: int, lines: Iterator[bytes], limit: int) -> Batch | None:
    """Take lines for one batch; it ends before a group of facts that would not fit as a whole."""
    entries: list[Entry] = []
    ends: list[int] = []
    damaged: list[bytes] = []
    size = 0
    for line in lines:
        entry = _read(line)
        full = len(entries) >= limit or size + len(line) > BATCH_BYTES
        if full and entries and entry is not None:
            keep = _whole_groups(entries, entry)
            return Batch(tuple(entries[:keep]), Position(segment, ends[keep - 1]), tuple(damaged))
        size += len(line)
        if entry is None:
            damaged.append(line)
        else:
            entries.append(entry)
            ends.append(offset + size)
    if not entries and not damaged:
        return None
    return Batch(tuple(entries), Position(segment, offset + size), tuple(damaged))


def _whole_groups(entries: Sequence[Entry], following: Entry) -> int:
    """Return how many entries to take so that the group which ``following`` belongs to is not cut."""
    keep = len(entries)
    while keep and following.group is not None and entries[keep - 1].group == following.group:
        keep -= 1
    return keep or len(entries)
