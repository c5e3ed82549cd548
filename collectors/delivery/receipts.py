"""What the service last promised us: the newest receipt, and the newest checkpoint of its log.

The checkpoint is sent back with every request (``If-Checkpoint``), so that a service whose log was rolled back or
forked meets somebody who remembers. A checkpoint is a signed note (C2SP tlog-checkpoint): its second line is the size,
its third the root. The signature is not judged here; remembering needs no key.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from collectors.delivery import files

UNKNOWN_LOG: Final = ""
"""A log that gave receipts without a checkpoint, and so without its name."""

_LINES: Final = 3
_log = logging.getLogger("lineage.delivery")


@dataclass(frozen=True, slots=True)
class Seen:
    """Size and root (base64) of a log, as its note states them, and the name that no other log has."""

    size: int
    root: str
    log: str


def read_note(note: object) -> Seen | None:
    """Return what a checkpoint's note says; None if it is no such note."""
    if not isinstance(note, str):
        return None
    lines = note.split("\n")
    if len(lines) < _LINES or not (lines[1].isascii() and lines[1].isdecimal()):
        return None
    return Seen(int(lines[1]), lines[2], lines[0])


class Receipts:
    """A small file with the last receipt and the newest checkpoint's note; without ``path`` both are in memory only."""

    def __init__(self, path: Path | None) -> None:
        """Read the file if there is one; a damaged one is as good as none, and said."""
        self._path = path
        self._state: dict[str, Any] = {}
        if path is None:
            return
        try:
            state = orjson.loads(path.read_bytes())
            self._state = state if isinstance(state, dict) else {}
        except FileNotFoundError:
            _log.debug("no receipts yet in %s", path)
        except ValueError as error:
            _log.error("%s is damaged (%s): the checkpoint seen before is not known any more", path, error)

    @property
    def last(self) -> Mapping[str, Any] | None:
        """The newest receipt: id, seq, hash, time, ack."""
        receipt: Mapping[str, Any] | None = self._state.get("receipt")
        return receipt

    @property
    def checkpoint(self) -> Seen | None:
        """Size and root of the newest checkpoint seen."""
        return read_note(self._state.get("checkpoint"))

    @property
    def log(self) -> str | None:
        """The name of the log that gave the receipts; None before the first, ``UNKNOWN_LOG`` if none named it."""
        seen = self.checkpoint
        if seen is not None:
            return seen.log
        return None if self.last is None else UNKNOWN_LOG

    def header(self) -> dict[str, str]:
        """Return the header that tells the service which checkpoint we saw; empty if none."""
        seen = self.checkpoint
        return {"If-Checkpoint": f"{seen.size} {seen.root}"} if seen else {}

    def keep(self, answer: Mapping[str, Any]) -> None:
        """Keep the last receipt of an answer, and its checkpoint unless that is older than the one we hold."""
        state = dict(self._state)
        if answer.get("receipts"):
            state["receipt"] = answer["receipts"][-1]
        new, old = read_note(answer.get("checkpoint")), self.checkpoint
        if new and old and new.size < old.size:
            _log.error("the service's log shrank from %d to %d records; compare it with a backup", old.size, new.size)
        elif new:
            state["checkpoint"] = answer["checkpoint"]
        if self._path is not None:
            files.replace_durably(self._path, orjson.dumps(state))
        self._state = state
