"""What the plugin does with a request, apart from Flask: intent before, facts after, nothing forgotten in between.

One recorder serves one process. Registry writes are in path: their intent is on disk before the change and their facts
right after it. Runs are buffered: a thread reads and spools them, and a run is never made to wait.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from collectors.delivery import Courier, Delivery, Spool, SpoolError
from collectors.mlflow import runs, state, whole_run
from collectors.mlflow.act import Act, Before
from collectors.mlflow.coverage import MARGIN, Heartbeat, Problem, Problems
from collectors.mlflow.file_reader import FileReader
from collectors.mlflow.intents import Intent, IntentJournal
from collectors.mlflow.routes import NAMING, Route
from collectors.mlflow.settings import PluginSettings
from collectors.mlflow.translate import is_denial, translate

ROOM: Final = 1024 * 1024
"""Bytes that must be free in the spool before a change, so that its facts have room afterwards."""

MOST_BUFFERED: Final = 10_000
_RETRY_SECONDS: Final = 1.0
_log = logging.getLogger("lineage.mlflow")

Facts = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Pending:
    """A request between its two hooks."""

    id: str
    route: Route
    fields: Mapping[str, Any]
    started: int
    before: Before
    registry: str
    workspace: str | None


def now_micros() -> int:
    """Return the clock of this machine, in microseconds since 1970."""
    return time.time_ns() // 1000


class Recorder:
    """Records what one process of the server does, and (in one of them) drains what all of them spooled."""

    def __init__(self, settings: PluginSettings, boot: str, clock: Callable[[], int] = now_micros) -> None:
        """Open the spool and start the threads; SpoolError if the folder cannot be made."""
        self._settings = settings
        self._clock = clock
        self._spool = Spool(settings.spool)
        self._journal = IntentJournal(settings.spool)
        self._problems = Problems(settings.spool)
        self._heartbeat = Heartbeat(self._spool, self._problems, self._journal, clock, boot)
        delivery = Delivery(settings.url, settings.token, self._spool)
        self._courier = Courier(self._spool, delivery, before_step=self._heartbeat.beat)
        self._buffer: queue.Queue[tuple[Act, Callable[[], Facts]] | None] = queue.Queue(MOST_BUFFERED)
        self._closing = threading.Event()
        self._files = FileReader(settings.artifacts, self._spool_patiently, self.remark)
        self._writer = threading.Thread(target=self._write_buffered, name="lineage-buffer", daemon=True)

    def start(self) -> None:
        """Start draining, and writing what is buffered."""
        self._courier.start()
        self._writer.start()
        self._files.start()

    def close(self, seconds: float) -> None:
        """Write what is buffered and drain, for up to ``seconds``."""
        if self._closing.is_set():
            return
        deadline = time.monotonic() + seconds
        self._closing.set()
        self._heartbeat.last()
        self._buffer.put(None, timeout=seconds)
        self._writer.join(seconds)
        self._files.close(max(deadline - time.monotonic(), 0.1) / 2)
        self._courier.close(max(deadline - time.monotonic(), 0.1))

    def note(self, text: str, started: int | None = None) -> None:
        """Note that something could not be recorded, so that the next report leaves a hole there."""
        now = self._clock()
        self._problems.note(Problem(text, now if started is None else started, now))

    def remark(self, text: str) -> None:
        """Note that a detail could not be read, for the next report; no hole: whatever happened is on record.

        It is dated before the margin of reports, so that it cuts one in two and leaves nothing out between them.
        """
        at = self._clock() - MARGIN
        self._problems.note(Problem(text, at, at))

    def observe(self, route: Route, fields: Mapping[str, Any]) -> Pending:
        """Return a request as it stands before its change, with what the registry holds."""
        workspace = state.current_workspace()
        registry = f"{self._settings.registry}/{workspace}" if workspace else self._settings.registry
        before = state.read_before(route, fields)
        return Pending(str(uuid.uuid4()), route, fields, self._clock(), before, registry, workspace)

    def intend(self, pending: Pending, user: str | None) -> None:
        """Put the intent on disk. SpoolError, if writes are to be blocked then; else a problem is noted."""
        if not pending.route.in_path:
            return
        named = {key: value for key, value in pending.fields.items() if key in NAMING}
        told = {"action": pending.route.action, "user": user, **named}
        try:
            self._spool.require_room(ROOM)
            self._journal.begin(Intent(pending.id, pending.started, told))
        except (SpoolError, OSError) as error:
            if self._settings.block:
                raise
            self.note(f"{pending.route.action} was allowed without an intent on disk: {error}", pending.started)

    def conclude(self, pending: Pending, status: int, response: Mapping[str, Any], user: str | None) -> None:
        """Spool the facts of a request that was answered; what cannot be told is noted as a problem."""
        act = self._act(pending, status, response, user)
        if pending.route.in_path or is_denial(status):
            self._conclude_act(act)
        elif status < HTTPStatus.BAD_REQUEST:
            self._enqueue(act, lambda: _run_facts(act, pending.workspace))
        if status < HTTPStatus.BAD_REQUEST:
            self._files.look(act, pending.workspace)
        self._courier.wake()

    def _act(self, pending: Pending, status: int, response: Mapping[str, Any], user: str | None) -> Act:
        return Act(
            id=pending.id,
            route=pending.route,
            fields=pending.fields,
            started=pending.started,
            ended=self._clock(),
            status=status,
            response=response,
            registry=pending.registry,
            user=user,
            via=self._settings.via,
            issuer=f"mlflow:{self._settings.registry}",
            before=pending.before,
            conventions=self._settings.conventions,
        )

    def _conclude_act(self, act: Act) -> None:
        if act.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.note(f"{act.route.action} ended with {act.status}; whether it took effect is not known", act.started)
            self._journal.settle(act.id)
            return
        facts = translate(act)
        if facts and not act.before.readable:
            self.note(f"{act.route.action} took effect, and what it changed besides is not known", act.started)
        try:
            if facts:
                self._spool.append(facts)
            self._journal.settle(act.id)
        except SpoolError as error:
            _log.error("facts wait in memory: %s", error)
            self._enqueue(act, lambda: facts)

    def _enqueue(self, act: Act, make: Callable[[], Facts]) -> None:
        try:
            self._buffer.put_nowait((act, make))
        except queue.Full:
            self.note(f"{MOST_BUFFERED} requests waited in memory already; {act.route.action} was lost", act.started)

    def _write_buffered(self) -> None:
        """Make facts of what is buffered and spool them; the disk's refusals are waited out."""
        while (item := self._buffer.get()) is not None:
            act, make = item
            try:
                facts = make()
            except Exception as error:  # noqa: BLE001  any store, any error: the next run must still be recorded
                self.note(f"{act.route.action} was not recorded: {type(error).__name__}: {error}", act.started)
                continue
            self._spool_patiently(act, facts)
            self._journal.settle(act.id)

    def _spool_patiently(self, act: Act, facts: Facts) -> None:
        while facts:
            try:
                self._spool.append(facts)
                self._courier.wake()
            except SpoolError as error:
                if self._closing.wait(_RETRY_SECONDS):
                    self.note(f"{act.route.action} could not be spooled before the end: {error}", act.started)
                    return
            else:
                return


def _run_facts(act: Act, workspace: str | None) -> Facts:
    """Return the facts of a run's request; at its terminal state the run is read, once, and without its files."""
    if act.route.path == "runs/create":
        return runs.run_created(act)
    if act.route.path == "runs/log-inputs":
        return runs.inputs_logged(act)
    if not runs.is_terminal(act.fields.get("status")):
        return []
    run_id = str(act.fields.get("run_id") or act.fields.get("run_uuid"))
    return runs.run_ended(replace(act, response={}), whole_run.read_run(run_id, workspace), None)
