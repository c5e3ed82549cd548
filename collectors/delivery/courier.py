"""The one thread that drains a spool, in the one process that holds the claim to it.

Several worker processes may run a courier for the same spool: the first to get the claim drains, the others ask again
every few seconds, so a worker's death moves the task within moments. A courier never ends by an error: what went wrong
is said, and tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from collectors.delivery.drain import LONGEST_WAIT, Delivery, Step
from collectors.delivery.errors import DeliveryError
from collectors.delivery.spool import Claim
from collectors.delivery.waiting import Waiting

IDLE_WAIT: Final = 1.0
CLAIM_WAIT: Final = 5.0
DISK_WAIT: Final = 5.0
_log = logging.getLogger("lineage.delivery")


def _nothing() -> None:
    """Stand for a task that a collector does not have."""


class Courier:
    """Drains ``spool`` by ``delivery`` in a thread of its own, once :meth:`start` is called.

    ``before_step`` runs in that thread before each step of the owner, which is where heartbeats are spooled.
    ``gather``: seconds that facts wait for others after a :meth:`wake`, so that a burst of them is one request and not
    many.
    """

    def __init__(
        self,
        spool: Waiting,
        delivery: Delivery,
        *,
        before_step: Callable[[], object] = _nothing,
        gather: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare; no thread runs and no claim is held yet."""
        self._spool = spool
        self._delivery = delivery
        self._before_step = before_step
        self._gather = gather
        self._clock = clock
        self._sleep = sleep
        self._last_look = False
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._deadline = 0.0
        self._claim: Claim | None = None
        self._thread = threading.Thread(target=self._run, name="lineage-courier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that facts wait; without it they are noticed within a second."""
        self._woken.set()

    def close(self, seconds: float) -> None:
        """Drain for up to ``seconds`` more, then stop; what is not delivered by then stays in the spool."""
        self._deadline = self._clock() + seconds
        self._closing.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(seconds + CLAIM_WAIT)
        if not self._thread.is_alive():
            self._delivery.close()

    def _run(self) -> None:
        try:
            while not self._done(step := self._turn()):
                self._pause(step)
        finally:
            if self._claim is not None:
                self._claim.release()
                self._claim = None

    def _turn(self) -> Step | None:
        """Do what there is to do, and say what was done; None without the claim."""
        try:
            self._claim = self._claim or self._spool.claim()
            if self._claim is None:
                return None
            self._prepare()
            return self._delivery.step()
        except (DeliveryError, OSError) as error:
            _log.error("delivery from %s failed: %s", self._spool.path, error)
            return Step(0, DISK_WAIT)
        except Exception:  # noqa: BLE001  a thread that ended would stop delivery without a word
            _log.exception("delivery from %s failed in a way nobody expected; it goes on in a minute", self._spool.path)
        return Step(0, LONGEST_WAIT)

    def _prepare(self) -> None:
        """Do the collector's own task; its failure does not keep facts from being delivered."""
        try:
            self._before_step()
        except Exception:  # noqa: BLE001  whatever a collector does here, facts must go on
            _log.exception("the heartbeat of %s failed; facts are delivered all the same", self._spool.path)

    def _done(self, step: Step | None) -> bool:
        """While closing: stop without the claim, when nothing waits, and when nothing can be sent before the deadline.

        The courier closes after a step that began afterwards, so that the last facts are seen.
        """
        if not self._closing.is_set():
            return False
        if step is None or self._clock() + (step.wait or 0.0) >= self._deadline:
            return True
        last_look, self._last_look = self._last_look, True
        return step.wait is None and last_look

    def _pause(self, step: Step | None) -> None:
        """Wait for facts when none wait, for the claim, or for a service that wants to be left alone."""
        if self._closing.is_set():
            self._sleep((step.wait if step else None) or 0.0)
        elif step is None:
            self._closing.wait(CLAIM_WAIT)
        elif step.wait is None:
            if self._woken.wait(IDLE_WAIT) and self._gather:
                self._closing.wait(self._gather)
            self._woken.clear()
        else:
            self._closing.wait(step.wait)
