"""Requests on their way to the writer: who writes, who waits, who is woken.

There is no writer thread. The caller who finds nobody writing leads: it takes all that waits, writes it as one group
and wakes each of the others once, with the result. Whoever came meanwhile leads next. A wake-up costs as much as
preparing a record, so nobody is woken to look.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from lineage_service.errors import OverloadedError
from lineage_service.recorder.heads import SignedHead
from lineage_service.recorder.preparation import Prepared
from lineage_service.store.protocol import KnownReceipt

Ack = Literal["committed", "signed"]

GROUP_RECORDS: Final = 2000
QUEUE_RECORDS: Final = 20_000
_GATHER_SECONDS: Final = 0.002
"""How long a group waits for the callers of the last one, who are likely to come again: a commit costs as much."""


def _closed() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class Request:
    """The events of one caller, and what became of them once ``done``."""

    prepared: Sequence[Prepared]
    ack: Ack
    results: list[KnownReceipt] = field(default_factory=list)
    fresh: set[int] = field(default_factory=set)
    size: int = 0
    signed: SignedHead | None = None
    error: Exception | None = None
    done: bool = False
    _turn: threading.Lock = field(default_factory=_closed)

    def wait(self) -> None:
        """Wait until somebody writes for this caller, or it is this caller's turn to lead."""
        self._turn.acquire()

    def wake(self) -> None:
        """Let the caller go on; called once for each wait."""
        self._turn.release()


class Queue:
    """What waits for the writer, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._waiting: deque[Request] = deque()
        self._led = False
        self._callers = 1
        self.records = 0

    def enter(self, request: Request) -> bool:
        """Add a request; return whether its caller must lead now, else its request is done.

        Raises:
            OverloadedError: if too much waits already; the request was not added.
        """
        with self._changed:
            if self.records + len(request.prepared) > QUEUE_RECORDS and self.records:
                raise OverloadedError(f"{self.records} records wait already; nothing was recorded, try again")
            self.records += len(request.prepared)
            self._waiting.append(request)
            leads, self._led = not self._led, True
            if not leads and len(self._waiting) >= self._callers:
                self._changed.notify()
        if not leads:
            request.wait()
        return not request.done

    def take(self) -> list[Request]:
        """Take what waits, as far as it fits into one group; only the caller who leads may ask."""
        taken: list[Request] = []
        count = 0
        with self._changed:
            if len(self._waiting) < self._callers:
                self._changed.wait_for(lambda: len(self._waiting) >= self._callers, _GATHER_SECONDS)
            while self._waiting and (not taken or count + len(self._waiting[0].prepared) <= GROUP_RECORDS):
                request = self._waiting.popleft()
                taken.append(request)
                count += len(request.prepared)
            self.records -= count
            self._callers = len(taken)
        return taken

    def pass_on(self, leader: Request) -> None:
        """Let the caller who has waited longest lead, or nobody; a leader who was interrupted waits no more."""
        with self._changed:
            if self._waiting and self._waiting[0] is leader:
                self._waiting.popleft()
                self.records -= len(leader.prepared)
            if self._waiting:
                self._waiting[0].wake()
            else:
                self._led = False
