"""What could not become a fact is kept: its bytes as a sealed payload, its reason as a record.

So nothing a producer sent is lost, also when the producer does not try again. The record says in clear only where the
fault lies, in words of ours; what the sender wrote stands in the payload alone. Each sender has so many records and
bytes an hour; what comes beyond is counted, and the next record kept says how many were not.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from graph_schema.events.archive import PayloadQuarantined
from lineage_service.errors import InputError
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Incoming
from lineage_service.server.counters import Counters
from lineage_service.server.intake import hour_of
from lineage_service.server.limits import Received, TooLargeError, UnsupportedEncodingError
from lineage_service.server.principals import Principal, actor_of

RECORDS_AN_HOUR: Final = 100
BYTES_AN_HOUR: Final = 16 * 1024 * 1024
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_STEP: Final = re.compile(r"\[\d+\]|\[\"(?:[^\"\\]|\\.)*\"\]|[^.\[\]]+")
_SENDERS: Final = 10_000

class NothingToRecordError(InputError):
    """The event was understood and accepted, but the language has no fact for what it says: its bytes are kept."""

    def __init__(self) -> None:
        super().__init__("understood, but it states no fact of this language")


_REASONS: Final[dict[type[InputError], str]] = {
    NothingToRecordError: "states no fact of this language",
    TooLargeError: "too large",
    UnsupportedEncodingError: "unsupported encoding",
}


@dataclass(slots=True)
class _Hour:
    """What one sender used of its hour, and how much was dropped since the last record."""

    number: int
    records: int = 0
    bytes: int = 0
    dropped: int = 0


class Quarantine:
    """Keeps refused bodies. Thread-safe; the caps are per process and begin anew when it starts."""

    def __init__(
        self,
        installation: Installation,
        clock: Callable[[], int],
        counters: Counters,
        *,
        records: int = RECORDS_AN_HOUR,
        size: int = BYTES_AN_HOUR,
    ) -> None:
        """``records`` and ``size`` (bytes) are what one sender may have kept in an hour."""
        self._installation = installation
        self._clock = clock
        self._counters = counters
        self._records = records
        self._size = size
        self._mutex = threading.Lock()
        self._hours: dict[str, _Hour] = {}

    @contextlib.contextmanager
    def keeping(self, principal: Principal, received: Received, route: str) -> Iterator[None]:
        """Keep the body if what happens inside refuses it with an InputError; the error goes on."""
        try:
            yield
        except InputError as error:
            self.keep(principal, received, error, route)
            raise

    def keep(self, principal: Principal, received: Received, error: InputError, route: str) -> None:
        """Record a refused body, unless its sender has used up its hour."""
        allowed, dropped = self._take(principal.key, len(received.data))
        if not allowed:
            self._counters.dropped()
            return
        reason = next((word for kind, word in _REASONS.items() if isinstance(error, kind)), "invalid")
        if dropped:
            reason += f"; {dropped} more were refused before this one and not kept"
        body = {"reason": reason, "length": received.length, "kept": len(received.data), "route": route}
        if (field := clear_path(error)) is not None:
            body["field"] = field
        actor = actor_of(self._installation, principal)
        event = self._installation.own_event(PayloadQuarantined, body, actor)
        kept = Incoming(event.event, event.sender, received.data)
        self._installation.recorder.record(self._installation.preparation.prepare([kept]), ack="committed")
        self._counters.kept(len(received.data))

    def _take(self, sender: str, size: int) -> tuple[bool, int]:
        """Return whether a body may be kept, and how many were dropped before it."""
        number = hour_of(self._clock())
        with self._mutex:
            if len(self._hours) >= _SENDERS:
                self._hours = {name: hour for name, hour in self._hours.items() if hour.number == number}
            hour = self._hours.setdefault(sender, _Hour(number))
            if hour.number != number:
                hour.number, hour.records, hour.bytes = number, 0, 0
            if hour.records >= self._records or hour.bytes + size > self._size:
                hour.dropped += 1
                return False, hour.dropped
            dropped, hour.dropped = hour.dropped, 0
            hour.records += 1
            hour.bytes += size
            return True, dropped


def clear_path(error: InputError) -> str | None:
    """Return where the fault lies, fit for a record: steps that a sender made up are shown as ``?``."""
    if error.field is None:
        return None if error.index is None else f"[{error.index}]"
    steps = _STEP.findall(error.field)[:32]
    path = "" if error.index is None else f"[{error.index}]"
    for step in steps:
        if step.startswith("[") and not step.startswith('["'):
            path += step
        else:
            plain = step if _PLAIN.fullmatch(step) or step in ("If-Checkpoint", "Content-Encoding") else "?"
            path += f".{plain}" if path else plain
    return path or None
