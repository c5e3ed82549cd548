"""How far back a watch goes without a hole: the beginning that each report of a collector names.

A report that begins where the one before ended says the same as one that begins where that one began, and the newest
of them then stands for all. What may be joined so is decided here, once for all collectors:

- The note of how far the reports came lies where facts wait: whoever loses the facts that wait loses it too, and the
  next report begins where it began to watch and no earlier.
- It names the log that gave the newest receipt. Reports to another log speak of their own stretch only, since what was
  told to the one is not in the other.
- Without a report that ends exactly there nothing is joined: a start, an outage, a hole, a cursor put back.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from collectors.delivery import files
from collectors.delivery.receipts import UNKNOWN_LOG, Receipts

_FILE: Final = "coverage.json"
_log = logging.getLogger("lineage.delivery")


@dataclass(frozen=True, slots=True)
class _Span:
    """From where to where reports came (microseconds), by whose watch, and the log that gave receipts then."""

    watch: str
    begun: int
    reached: int
    log: str | None


class Spans:
    """The span that reports stand in. Used by one thread at a time, of whichever process drains."""

    def __init__(self, folder: Path | None = None, receipts: Receipts | None = None, watch: str = "") -> None:
        """Nothing is read or written yet.

        Args:
            folder: that of the spool; without one the span lives as long as this object.
            receipts: those of the same spool, which tell the log that it is drained to.
            watch: names what ends with a process: the spans of another watch are none of this one's.
        """
        self._path = None if folder is None else folder / _FILE
        self._receipts = receipts or Receipts(None)
        self._watch = watch
        self._kept: _Span | None = None

    @property
    def reached(self) -> int | None:
        """Where the last report of this watch ended, whatever process made it; None before the first."""
        held = self._held() or self._kept
        return None if held is None else held.reached

    def beginning(self, start: int) -> int:
        """Return where a report of the time from ``start`` on begins: with its span, or at ``start``."""
        held, log = self._held(), self._receipts.log
        if held is None or held.reached != start:
            return start
        if held.log is not None and (held.log != log or log == UNKNOWN_LOG):
            return start
        return held.begun

    def keep(self, begun: int, reached: int) -> None:
        """Note a report, once it is where the facts wait."""
        self._kept = _Span(self._watch, begun, reached, self._receipts.log)
        if self._path is not None:
            files.replace_durably(self._path, orjson.dumps(asdict(self._kept)))

    def _held(self) -> _Span | None:
        if self._path is None:
            return self._kept
        try:
            held = _Span(**orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            _log.warning("%s is none of this version (%s): the next report begins a new span", self._path, error)
            return None
        return held if held.watch == self._watch else None
