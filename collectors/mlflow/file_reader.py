"""The thread that reads files of runs and models: nobody waits for it, and what it finds is told when it is found.

It is apart from the thread that writes runs, so that an artifact store that hangs holds up files only.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from collectors.mlflow import runs, whole_run
from collectors.mlflow.act import OBSERVED, Act
from collectors.mlflow.artifacts import ArtifactWish
from collectors.mlflow.translate import logged_model

MOST_WAITING: Final = 1000
_log = logging.getLogger("lineage.mlflow")

Facts = list[dict[str, Any]]


class FileReader:
    """Reads what lies around runs, one after the other."""

    def __init__(self, wish: ArtifactWish, record: Callable[[Act, Facts], None], note: Callable[[str], None]) -> None:
        """Nothing is started yet. ``record`` takes facts for the spool, ``note`` what could not be read."""
        self._wish = wish
        self._record = record
        self._note = note
        self._waiting: queue.Queue[tuple[Act, Callable[[], Facts]] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="lineage-files", daemon=True)
        self._closing = threading.Event()

    def start(self) -> None:
        """Start reading what is asked for."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Finish what is being read, for up to ``seconds``, and say how much was not."""
        self._closing.set()
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            _log.debug("the queue of files is full; its thread sees that it is to end")
        self._thread.join(seconds)
        if left := sum(item is not None for item in list(self._waiting.queue)):
            self._note(f"the files of {left} runs or models were not read before the server ended")

    def look(self, act: Act, workspace: str | None) -> None:
        """Read what lies around a run that ended with this request, or behind a version that it registered."""
        if run_id := runs.ended_by(act):
            self._ask(act, lambda: self._around(act, run_id, workspace))
        elif act.route.path == "model-versions/create":
            self._look_at_version(act, workspace)

    def _look_at_version(self, act: Act, workspace: str | None) -> None:
        """Only a version of a logged model has files that are certainly its own."""
        made = act.response.get("model_version")
        if self._wish.how != "hash" or not isinstance(made, Mapping):
            return
        found = made.get("model_id") or act.fields.get("model_id") or logged_model(made.get("source"))
        if found and not act.before.prompt:
            self._ask(act, lambda: self._version(act, made, str(found), workspace))

    def _ask(self, act: Act, make: Callable[[], Facts]) -> None:
        try:
            self._waiting.put_nowait((act, make))
        except queue.Full:
            self._note(f"{MOST_WAITING} runs or models waited for their files to be read; those of one more were left")

    def _around(self, act: Act, run_id: str, workspace: str | None) -> Facts:
        run = whole_run.read_run(run_id, workspace)
        found, problems = whole_run.read_around(run, workspace, self._wish)
        for problem in problems:
            self._note(problem)
        return runs.surroundings(replace(act, response={}), run, found)

    def _version(self, act: Act, made: Mapping[str, Any], model_id: str, workspace: str | None) -> Facts:
        digest, problems = whole_run.read_manifest(model_id, workspace, self._wish)
        for problem in problems:
            self._note(problem)
        return version_digest(act, made, digest) if digest else []

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None and not self._closing.is_set():
            act, make = item
            try:
                facts = make()
            except Exception as error:  # noqa: BLE001  any store, any error: the next one must still be read
                self._note(f"what lies around {act.route.action} was not read: {type(error).__name__}")
                continue
            if facts:
                self._record(act, facts)


def version_digest(act: Act, made: Mapping[str, Any], digest: str) -> Facts:
    """Return the fact that a version was seen with files of this digest; it is at the instant of its registration."""
    body = {
        "model": act.model(str(made["name"])),
        "version": str(made["version"]),
        "created_ms": int(made["creation_timestamp"]),
        "digest": digest,
    }
    return [act.fact("model_version.registered", body, OBSERVED)]
