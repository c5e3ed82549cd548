"""What the plugin does with a request, apart from Flask: intent before, facts after, nothing forgotten in between.

One recorder serves one process. Changes in path have their intent on disk (or acknowledged) before they are made, and
their facts right after. Runs are buffered: a thread reads and spools them, and a run is never made to wait.
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

from collectors.delivery import Courier, Delivery, Spans, SpoolError
from collectors.mlflow import afterwards, state
from collectors.mlflow.accounts import read_rights
from collectors.mlflow.act import Act, Before
from collectors.mlflow.coverage import MARGIN, Heartbeat, Problem
from collectors.mlflow.file_reader import FileReader
from collectors.mlflow.intents import Intent
from collectors.mlflow.outbox import ROOM, outbox_of
from collectors.mlflow.rights_watch import RightsWatch
from collectors.mlflow.routes import NAMING, RECORDED, Route
from collectors.mlflow.settings import PluginSettings
from collectors.mlflow.translate import is_denial, translate

MOST_BUFFERED: Final = 10_000
GATHER_SECONDS: Final = 0.3
"""How long facts on disk wait for others: delivery works in the server's process, and should not do so at each call."""

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
    on_behalf_of: Mapping[str, str] | None = None


def now_micros() -> int:
    """Return the clock of this machine, in microseconds since 1970."""
    return time.time_ns() // 1000


class Recorder:
    """Records what one process of the server does, and (in one of them) drains what all of them spooled."""

    def __init__(self, settings: PluginSettings, boot: str, clock: Callable[[], int] = now_micros) -> None:
        """Open the outbox, start nothing; SpoolError if its folder cannot be made."""
        self._settings = settings
        self._clock = clock
        self._issuer = f"mlflow:{settings.registry}"
        self._outbox = outbox_of(settings, clock)
        self._spool, self._journal, self._problems = self._outbox.spool, self._outbox.journal, self._outbox.problems
        folder = self._outbox.folder
        spans = Spans(folder, self._outbox.receipts, boot)
        self._heartbeat = Heartbeat(self._spool, self._problems, self._journal, clock, spans, is_known=_is_known)
        self._rights = RightsWatch(folder, read_rights, self._issuer, clock)
        delivery = Delivery(settings.url, settings.token, self._spool, receipts=self._outbox.receipts)
        gather = GATHER_SECONDS if folder is not None else 0.0
        self._courier = Courier(self._spool, delivery, before_step=self._beat, gather=gather)
        self._buffer: queue.Queue[tuple[Pending, Act, Callable[[], Facts]] | None] = queue.Queue(MOST_BUFFERED)
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
        if self._writer.is_alive():
            self._buffer.put(None, timeout=seconds)
            self._writer.join(seconds)
            self._files.close(max(deadline - time.monotonic(), 0.1) / 2)
        self._courier.close(max(deadline - time.monotonic(), 0.1))
        self._journal.close()

    def note(self, text: str, started: int | None = None) -> None:
        """Note that something could not be recorded, so that the next report leaves a hole there."""
        now = self._clock()
        self._problems.note(Problem(text, now if started is None else started, now))

    def remark(self, text: str) -> None:
        """Note that a detail could not be read, for the next report; no hole: whatever happened is on record.

        It is dated before the margin of reports and lasts no time, so that a report tells it and goes on behind it.
        """
        at = self._clock() - MARGIN
        self._problems.note(Problem(text, at, at))

    def always_say(self, text: str) -> None:
        """Say a text in every report of this process: a fault of the installation, and no hole by itself."""
        _log.error("%s", text)
        self._heartbeat.always_say(text)

    def observe(
        self, route: Route, fields: Mapping[str, Any], on_behalf_of: Mapping[str, str] | None = None
    ) -> Pending:
        """Return a request as it stands before its change, with what MLflow holds."""
        workspace = state.current_workspace()
        registry = f"{self._settings.registry}/{workspace}" if workspace else self._settings.registry
        before = state.read_before(route, fields)
        return Pending(str(uuid.uuid4()), route, fields, self._clock(), before, registry, workspace, on_behalf_of)

    def intend(self, pending: Pending, user: str | None, via: str | None = None) -> None:
        """Write the intent down. SpoolError, if writes are to be blocked then; else a problem is noted."""
        if not pending.route.in_path:
            return
        try:
            self._spool.require_room(ROOM)
            self._journal.begin(self._intent(pending, user, via))
        except (SpoolError, OSError) as error:
            if self._settings.block:
                raise
            self.note(f"{pending.route.action} was allowed without an intent on record: {error}", pending.started)

    def conclude(
        self, pending: Pending, status: int, response: Mapping[str, Any], user: str | None, via: str | None = None
    ) -> None:
        """Spool the facts of a request that was answered; what cannot be told is noted as a problem."""
        act = self._act(pending, status, response, user, via)
        if pending.route.in_path or is_denial(status):
            self._conclude_act(pending, act)
        elif status < HTTPStatus.BAD_REQUEST:
            self._enqueue(pending, act, lambda: afterwards.facts_of(act))
        if status < HTTPStatus.BAD_REQUEST:
            self._files.look(act, pending.workspace)
        self._courier.wake()

    def _beat(self) -> None:
        try:
            self._rights.look(self._spool.append)
        except Exception as error:  # noqa: BLE001  any store, any error: the heartbeat must go on
            self.note(f"rights could not be read: {type(error).__name__}")
        self._heartbeat.beat()

    def _intent(self, pending: Pending, user: str | None, via: str | None) -> Intent:
        act = self._act(pending, 0, {}, user, via)
        named = {key: value for key, value in pending.fields.items() if key in NAMING}
        beside = {"node": act.node, "actor": dict(act.actor), "workspace": pending.workspace}
        told = {"action": pending.route.action, "user": user, **beside, **named}
        intent = Intent(pending.id, pending.started, told)
        if self._outbox.folder is None and act.node and not _is_known(intent):
            return replace(intent, told={**told, "node": None})
        return intent

    def _act(
        self, pending: Pending, status: int, response: Mapping[str, Any], user: str | None, via: str | None
    ) -> Act:
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
            via=via or self._settings.via,
            issuer=self._issuer,
            before=pending.before,
            conventions=self._settings.conventions,
            workspace=pending.workspace,
            on_behalf_of=pending.on_behalf_of,
        )

    def _conclude_act(self, pending: Pending, act: Act) -> None:
        if afterwards.is_told_later(act):
            self._enqueue(pending, act, lambda: afterwards.facts_of(act))
            return
        facts = translate(self._completed(act))
        try:
            if facts:
                self._spool.append(facts)
            self._settle(pending, act)
        except SpoolError as error:
            _log.error("facts wait in memory: %s", error)
            self._enqueue(pending, act, lambda: facts)
        self._rights.told(facts)

    def _completed(self, act: Act) -> Act:
        """Return an act with what is read after it, and note what cannot be told of it."""
        done = act.status < HTTPStatus.BAD_REQUEST
        if act.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.note(f"{act.route.action} ended with {act.status}; whether it took effect is not known", act.started)
        if done and (not act.before.readable or afterwards.is_beyond_telling(act)):
            self.note(f"{act.route.action} took effect, and what it changed besides is not known", act.started)
        if not done and not state.is_known(act.route, act.fields, act.workspace):
            return replace(act, before=replace(act.before, known="nothing"))
        return replace(act, rights=read_rights()) if done and act.before.rights is not None else act

    def _settle(self, pending: Pending, act: Act) -> None:
        if pending.route.in_path:
            self._journal.settle(self._intent(pending, act.user, act.via))

    def _enqueue(self, pending: Pending, act: Act, make: Callable[[], Facts]) -> None:
        try:
            self._buffer.put_nowait((pending, act, make))
        except queue.Full:
            self.note(f"{MOST_BUFFERED} requests waited in memory already; {act.route.action} was lost", act.started)

    def _write_buffered(self) -> None:
        """Make facts of what is buffered and spool them; the disk's refusals are waited out."""
        while (item := self._buffer.get()) is not None:
            pending, act, make = item
            try:
                facts = make()
            except Exception as error:  # noqa: BLE001  any store, any error: the next run must still be recorded
                self.note(f"{act.route.action} was not recorded: {type(error).__name__}", act.started)
                continue
            self._spool_patiently(act, facts, pending)

    def _spool_patiently(self, act: Act, facts: Facts, pending: Pending | None = None) -> None:
        while True:
            try:
                if facts:
                    self._spool.append(facts)
                if pending is not None:
                    self._settle(pending, act)
                self._courier.wake()
            except SpoolError as error:
                if self._closing.wait(_RETRY_SECONDS):
                    self.note(f"{act.route.action} could not be spooled before the end: {error}", act.started)
                    return
            else:
                return


def _is_known(intent: Intent) -> bool:
    """Tell whether MLflow has what an intent was about, as far as that was not read before it."""
    route = RECORDED.get(str(intent.told.get("action")))
    return route is not None and state.is_known(route, intent.told, intent.told.get("workspace"))
