"""What is kept of refusals: each denial of a known principal is a record; strangers are counted, one record a minute.

A stranger's bytes are not kept, and no number of strangers can fill the ledger. The count of a minute is recorded by
whatever request comes next, or when the service stops.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from graph_schema import times
from graph_schema.events.archive import AccessDenied, AttemptDenied
from lineage_service.errors import OperatorError
from lineage_service.recorder.installation import Installation
from lineage_service.server.principals import Principal, SourcePrincipal, actor_of

_MINUTE: Final = 60 * times.MICROS_PER_SECOND
_log = logging.getLogger("lineage.access")


def record_denial(installation: Installation, principal: Principal, action: str, rule: str, detail: str) -> None:
    """Record that a known principal tried what it may not do; the detail is sealed."""
    body = {"action": action[:1024], "status": 403, "rule": rule, "detail": detail}
    if isinstance(principal, SourcePrincipal):
        body["node"] = principal.key
    event = installation.own_event(AttemptDenied, body, actor_of(installation, principal))
    installation.recorder.record(installation.preparation.prepare([event]), ack="committed")


class Strangers:
    """Counts requests without a valid credential. Thread-safe."""

    def __init__(self, installation: Installation, clock: Callable[[], int]) -> None:
        self._installation = installation
        self._clock = clock
        self._mutex = threading.Lock()
        self._count = 0
        self._since = 0
        self.total = 0

    def refused(self) -> None:
        """Count one refusal."""
        self.flush_if_due()
        with self._mutex:
            self.total += 1
            self._count += 1
            if self._count == 1:
                self._since = self._clock()

    def flush_if_due(self) -> None:
        """Record the count once its minute is over."""
        if self._count and abs(self._clock() - self._since) >= _MINUTE:
            self.flush()

    def flush(self) -> None:
        """Record the count, if there is one; a store that cannot write keeps it for later."""
        with self._mutex:
            count, since = self._count, self._since
            self._count = 0
        if not count:
            return
        until = max(self._clock(), since + 1)
        body = {"count": count, "since": times.format_time(since), "until": times.format_time(until)}
        event = self._installation.own_event(AccessDenied, body)
        try:
            self._installation.recorder.record(self._installation.preparation.prepare([event]), ack="committed")
        except OperatorError as error:
            with self._mutex:
                self._count, self._since = self._count + count, since
            _log.warning("%d refusals are not recorded yet: %s", count, error)
