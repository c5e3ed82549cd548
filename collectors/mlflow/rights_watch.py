"""Rights that no recorded request changed: all of them at the first start, afterwards what was found different.

MLflow gives the maker of a model every right on it, and takes rights away with the model; its accounts can be changed
with its own command as well. None of that is a request about rights, so twice a minute what is there is compared with
what was told before. A difference is a sighting: nobody is named, and the change came between two looks.
"""

from __future__ import annotations

import contextlib
import fcntl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from collectors.delivery import files
from collectors.mlflow.act import Rights
from collectors.mlflow.rights import Right, differences, rights_seen
from graph_schema.times import MICROS_PER_SECOND

EVERY_SECONDS: Final = 30


class RightsWatch:
    """What was told of rights so far, in a folder shared by all workers, or (without one) in memory."""

    def __init__(
        self, folder: Path | None, read: Callable[[], Rights | None], issuer: str, clock: Callable[[], int]
    ) -> None:
        """Nothing is read yet; ``clock`` gives microseconds since 1970."""
        self._folder = folder
        self._read = read
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._memory: tuple[int, Rights] | None = None
        self._looked_at: int | None = None

    def look(self, spool: Callable[[list[dict[str, Any]]], object]) -> None:
        """Compare if it is time to, and hand what is different to ``spool``; what it refuses is told next time."""
        now = self._clock()
        if self._looked_at is not None and abs(now - self._looked_at) < EVERY_SECONDS * MICROS_PER_SECOND:
            return
        with self._alone():
            known = self._load()
            found = self._read()
            if not found:
                return  # no accounts of MLflow's, or not one yet: the server is still starting
            changed = differences(known[1] if known else {}, found)
            facts = list(rights_seen(changed, self._issuer, known[0] if known else None, now))
            if facts:
                spool(facts)
            self._save(now, found)
        self._looked_at = now

    def told(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """Note that facts of a request about rights are told, so that they are not told again as sightings."""
        rights = [_right(fact["body"]) for fact in facts if fact["type"] == "permission.observed"]
        if not rights:
            return
        with self._alone():
            known = self._load()
            if known is None:
                return
            held = dict(known[1])
            for user, resource, permission in rights:
                held.pop((user, resource), None)
                if permission is not None:
                    held[user, resource] = permission
            self._save(known[0], held)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            if self._folder is None:
                yield
                return
            with files.locked(self._folder / "rights.lock", fcntl.LOCK_EX):
                yield

    def _load(self) -> tuple[int, Rights] | None:
        if self._folder is None:
            return self._memory
        path = self._folder / "rights.json"
        if not path.exists():
            return None
        state = orjson.loads(path.read_bytes())
        return int(state["at"]), {(user, resource): permission for user, resource, permission in state["rights"]}

    def _save(self, at: int, rights: Rights) -> None:
        if self._folder is None:
            self._memory = (at, rights)
            return
        rows = [[user, resource, permission] for (user, resource), permission in sorted(rights.items())]
        files.replace_durably(self._folder / "rights.json", orjson.dumps({"at": at, "rights": rows}))


def _right(body: Mapping[str, Any]) -> Right:
    return body["person"]["subject"], body["resource"], body.get("permission")
