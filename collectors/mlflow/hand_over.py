"""Reading ahead of writing, and delivering behind it: the two threads beside the one that translates.

A server answers a page while the one before is translated, and the service records what was spooled while the next is
read. Each thread waits for the slower one, so memory holds a few pages whatever the server holds.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from collectors.delivery import Delivery, DeliveryError, Request, Spool, SpoolFullError, Standing

Item = TypeVar("Item")

IN_BULK: Final = Request(facts=1000, ack="committed")
"""The most facts that the service takes at once."""

SWITCH_SECONDS: Final = 0.0005
"""For ``sys.setswitchinterval``: a page comes in small parts, and each would wait for the thread that translates."""

_AHEAD: Final = 3
_ROOM_SECONDS: Final = 0.5
_IDLE_SECONDS: Final = 1.0


class _End:
    """What follows the last item: nothing, or what went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def read_ahead(items: Iterator[Item], depth: int = _AHEAD) -> Iterator[Item]:
    """Give the items of an iterator that a thread of its own runs, at most ``depth`` ahead; its error comes through."""
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    given_up = threading.Event()

    def put(item: Item | _End) -> None:
        while not given_up.is_set():
            try:
                waiting.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                put(item)
                if given_up.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001  whatever it is, whoever waits for the items must hear of it
            error = raised
        put(_End(error))

    reader = threading.Thread(target=run, name="lineage-read-ahead", daemon=True)
    reader.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        given_up.set()
        reader.join()


class HandOver:
    """A spool and the thread that delivers what is in it. The claim to the spool is the caller's."""

    def __init__(self, spool: Spool, delivery: Delivery) -> None:
        """Start delivering."""
        self._spool = spool
        self._delivery = delivery
        self._woken = threading.Event()
        self._ending = threading.Event()
        self._failure: DeliveryError | None = None
        self.delivered = 0
        self._thread = threading.Thread(target=self._run, name="lineage-hand-over", daemon=True)
        self._thread.start()

    def append(self, facts: Sequence[dict[str, Any]]) -> None:
        """Spool facts; a full spool is waited for while it drains, else SpoolFullError says so."""
        if not facts:
            return
        while True:
            try:
                self._spool.append(facts)
            except SpoolFullError:
                if self._failure is not None or self._delivery.standing is not Standing.DELIVERING:
                    raise
                time.sleep(_ROOM_SECONDS)
            else:
                self._woken.set()
                return

    def finish(self) -> None:
        """Deliver until nothing waits, or the way is barred; a disk that failed is raised."""
        self._ending.set()
        self._woken.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except DeliveryError as error:
            self._failure = error

    def _step(self) -> bool:
        """Send one batch, or wait for facts, or for a service that wants to be left alone; False at the end."""
        ending = self._ending.is_set()
        step = self._delivery.step()
        self.delivered += step.delivered
        if step.wait is None:
            if ending:
                return False
            self._woken.wait(_IDLE_SECONDS)
            self._woken.clear()
        elif step.wait > 0:
            return not self._ending.wait(step.wait)
        return True
