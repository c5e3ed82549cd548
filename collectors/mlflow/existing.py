"""What an MLflow server holds, page by page: models, versions, runs, logged models, prompts among them.

MLflow pages by offset: a row that comes or goes before the place read so far moves all others, and one is skipped or
met twice. So each page is asked to begin a few rows before the last one ended. Where the two join, nothing was
skipped; where they do not, the listing is read anew. A row met twice is for the caller, who knows what it saw.
Servers whose page tokens hold no offset keep a place of their own, which does not move.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from collectors.mlflow.connection import MlflowRefusedError, MlflowUnavailableError, Server
from graph_schema.times import MICROS_PER_SECOND

Row = dict[str, Any]
Rows = list[Row]

OVERLAP: Final = 5
_ANEW: Final = 4
_EXPERIMENTS_AT_ONCE: Final = 200
_RECENT: Final = 100
_PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
PROMPTS: Final = f"tags.`{_PROMPT_TAG}` = 'true'"


@dataclass(frozen=True, slots=True)
class PageSizes:
    """How many rows to ask for at once. MLflow allows 1,000 models, and cuts larger wishes or refuses them."""

    models: int = 500
    versions: int = 500
    runs: int = 250
    logged_models: int = 100


class _DisturbedError(Exception):
    """A listing moved by more rows than its pages overlap."""


class Existing:
    """Reads what one server holds. Used by one thread at a time."""

    def __init__(self, server: Server, sizes: PageSizes | None = None) -> None:
        """Nothing is read yet."""
        self._server = server
        self._sizes = sizes or PageSizes()
        self.read_anew = 0

    def models(self, *, prompts: bool = False) -> Iterator[Rows]:
        """Give all registered models, or all prompts, with tags and aliases."""
        asked = {"max_results": self._sizes.models} | ({"filter": PROMPTS} if prompts else {})
        yield from self._listing(self._getting("registered-models/search", asked), "registered_models", _by_name)

    def versions(self, *, prompts: bool = False) -> Iterator[Rows]:
        """Give all versions of models, or of prompts, with tags and stages; a search knows no aliases."""
        asked = {"max_results": self._sizes.versions} | ({"filter": PROMPTS} if prompts else {})
        yield from self._listing(self._getting("model-versions/search", asked), "model_versions", _by_version)

    def versions_changed_since(self, milliseconds: int) -> Rows:
        """Return the versions of models whose last change the server dates at or after this; newest first."""
        asked = {"max_results": _RECENT, "order_by": "last_updated_timestamp DESC"}
        found: Rows = []
        for page in self._listing(self._getting("model-versions/search", asked), "model_versions", _by_version):
            recent = [row for row in page if int(row.get("last_updated_timestamp") or 0) >= milliseconds]
            found += recent
            if len(recent) < len(page):
                break
        return found

    def experiments(self) -> Rows:
        """Return all experiments, deleted ones too."""
        asked = {"max_results": 1000, "view_type": "ALL"}
        return [row for page in self._listing(self._posting("experiments/search", asked), "experiments", _by_experiment)
                for row in page]  # fmt: skip

    def runs(self, experiments: Sequence[str], wanted: str = "", *, view: str = "ALL") -> Iterator[Rows]:
        """Give the runs of experiments, by default deleted ones too; ``wanted`` is a filter in MLflow's words."""
        for ids in _parts(experiments):
            asked = {"experiment_ids": ids, "max_results": self._sizes.runs, "run_view_type": view, "filter": wanted}
            yield from self._listing(self._posting("runs/search", asked), "runs", _by_run)

    def logged_models(self, experiments: Sequence[str], wanted: str = "") -> Iterator[Rows]:
        """Give the logged models of experiments; nothing from a server before 3.0, which has none."""
        for ids in _parts(experiments):
            asked = {"experiment_ids": ids, "max_results": self._sizes.logged_models, "filter": wanted}
            yield from self._listing(self._posting("logged-models/search", asked), "models", _by_logged_model)

    def model(self, name: str) -> Row | None:
        """Return a registered model or prompt of this name; None if there is none."""
        return _part(self._server.get("registered-models/get", {"name": name}), "registered_model")

    def version(self, name: str, version: str) -> Row | None:
        """Return a version; None if there is none."""
        return _part(self._server.get("model-versions/get", {"name": name, "version": version}), "model_version")

    def run(self, identifier: str) -> Row | None:
        """Return a run, deleted ones too; None if it is gone for good."""
        return _part(self._server.get("runs/get", {"run_id": identifier}), "run")

    def logged_model(self, identifier: str) -> Row | None:
        """Return a logged model; None if there is none, or none any more."""
        return _part(self._server.get(f"logged-models/{identifier}", {}), "model")

    @property
    def server_micros(self) -> int | None:
        """The server's clock at its last answer, to the second before; None if it does not tell."""
        told = self._server.server_time
        return None if told is None else int(told) * MICROS_PER_SECOND

    def _getting(self, path: str, asked: Mapping[str, Any]) -> Callable[[str | None], Row | None]:
        return lambda token: self._server.get(path, {**asked, **({"page_token": token} if token else {})})

    def _posting(self, path: str, asked: Mapping[str, Any]) -> Callable[[str | None], Row | None]:
        return lambda token: self._server.post(path, {**asked, **({"page_token": token} if token else {})})

    def _listing(
        self, ask: Callable[[str | None], Row | None], part: str, name: Callable[[Row], str]
    ) -> Iterator[Rows]:
        """Give the pages of a listing; one that was disturbed is given again from its beginning."""
        for _ in range(_ANEW):
            try:
                yield from _pages(ask, part, name)
            except _DisturbedError:
                self.read_anew += 1
            else:
                return
        raise MlflowUnavailableError(
            f"the listing of {part.replace('_', ' ')} changed faster than it could be read, {_ANEW} times; read the "
            "server again when fewer of them are deleted"
        )


def _pages(ask: Callable[[str | None], Row | None], part: str, name: Callable[[Row], str]) -> Iterator[Rows]:
    token: str | None = None
    tail: list[str] = []
    while True:
        answer = ask(token) or {}
        rows: Rows = answer.get(part) or []
        found = [name(row) for row in rows]
        yield rows[_joined(tail, found) :]
        following = answer.get("next_page_token")
        if not following:
            return
        token = stepped_back(following)
        tail = found[-OVERLAP:] if token is not None else []
        token = token or following


def _joined(tail: Sequence[str], found: Sequence[str]) -> int:
    """Return where in a page the rows begin that the page before did not have."""
    if not tail:
        return 0
    places = {name: number for number, name in enumerate(found)}
    known = next((name for name in reversed(tail) if name in places), None)
    if known is None:
        raise _DisturbedError
    return places[known] + 1


def stepped_back(token: str) -> str | None:
    """Return a page token that begins ``OVERLAP`` rows earlier; None for one that holds no offset."""
    try:
        place = orjson.loads(base64.b64decode(token, validate=True))
        offset = int(place["offset"])
    except (ValueError, KeyError, TypeError):
        return None
    return base64.b64encode(orjson.dumps({**place, "offset": max(offset - OVERLAP, 0)})).decode()


def readable(ask: Callable[[], Row | None]) -> Row | None:
    """Return the answer to a look at one thing; what may not be looked at is not known to be gone."""
    try:
        return ask()
    except MlflowRefusedError:
        return {}


def _part(answer: Row | None, part: str) -> Row | None:
    found = (answer or {}).get(part)
    return found if isinstance(found, dict) else None


def _parts(experiments: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(experiments), _EXPERIMENTS_AT_ONCE):
        yield list(experiments[start : start + _EXPERIMENTS_AT_ONCE])


def _by_name(row: Row) -> str:
    return str(row.get("name"))


def _by_version(row: Row) -> str:
    return f"{row.get('name')}\0{row.get('version')}"


def _by_experiment(row: Row) -> str:
    return str(row.get("experiment_id"))


def _by_run(row: Row) -> str:
    return str(row.get("info", {}).get("run_id"))


def _by_logged_model(row: Row) -> str:
    return str(row.get("info", {}).get("model_id"))
