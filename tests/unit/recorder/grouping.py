"""Many requests in one group: the writer is held back while they come."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Prepared
from lineage_service.recorder.recorder import Recorded
from tests.unit.recorder.facts import move, prepare

WAIT_SECONDS = 10


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, or fail."""
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.002)


@contextmanager
def one_group(installation: Installation) -> Iterator[Callable[..., Future[Recorded]]]:
    """Hold the writer back, so that every request made inside waits and is then written as one group."""
    recorder = installation.recorder
    holder = prepare(installation, move("first"))

    def ask(prepared: list[Prepared]) -> Future[Recorded]:
        before = recorder.queued
        future = pool.submit(recorder.record, prepared)
        until(lambda: recorder.queued == before + len(prepared))
        return future

    with ThreadPoolExecutor(8) as pool:
        with installation.store.begin() as held:
            held.head([])
            first = pool.submit(recorder.record, holder)
            until(lambda: recorder._write_lock.locked() and recorder.queued == 0)
            yield ask
        assert first.result(WAIT_SECONDS).receipts
