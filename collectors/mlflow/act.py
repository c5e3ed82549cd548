"""One request to the MLflow server as the plugin saw it: plain values from which facts are made.

Nothing here knows Flask or MLflow, so that translation is a function of values and can be tested on recordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collectors.mlflow.conventions import Conventions, shipped
from collectors.mlflow.routes import Route
from graph_schema import names
from graph_schema.times import format_time

OBSERVED: Final[Mapping[str, Any]] = {"assurance": "observed"}
_LONGEST_TEXT: Final = 16_000


@dataclass(frozen=True, slots=True)
class Version:
    """A version in the registry before the request."""

    version: str
    created_ms: int
    stage: str


@dataclass(frozen=True, slots=True)
class Before:
    """What the registry held right before the request, as far as the request could touch it.

    ``versions``: those of the model, for requests that touch several. ``created_ms``: of the version that the request
    names. ``parent_created_ms``: of the version that a new one is a copy of. ``source_run``: the run that made the
    logged model behind a new version. ``readable``: False if the registry could not be asked.
    """

    prompt: bool = False
    created_ms: int | None = None
    versions: tuple[Version, ...] = ()
    parent_created_ms: int | None = None
    source_run: str | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Act:
    """A request with its outcome. Times are in microseconds: ``started`` before the change, ``ended`` after it.

    ``conventions``: what the names of parameters and tags mean here; those that come with this package by default.
    """

    id: str
    route: Route
    fields: Mapping[str, Any]
    started: int
    ended: int
    status: int
    response: Mapping[str, Any]
    registry: str
    user: str | None = None
    via: str = ""
    issuer: str = ""
    before: Before = field(default_factory=Before)
    conventions: Conventions = field(default_factory=shipped)

    @property
    def actor(self) -> Mapping[str, Any]:
        """Who did it: the user whom the wrapped application authenticated, else nobody that is known."""
        if self.user is None:
            return OBSERVED
        return {"issuer": self.issuer, "subject": self.user, "assurance": "authenticated", "via": self.via}

    @property
    def window(self) -> dict[str, str]:
        """Where nobody is known the fact is a sighting: the change came after this instant and not after the fact's."""
        return {"not_before": format_time(min(self.started, self.ended))} if self.user is None else {}

    def model(self, name: str) -> str:
        """Return the key of a model, or of a prompt, which MLflow keeps in the same place."""
        make = names.prompt if self.before.prompt else names.model
        return make(self.registry, name)

    def version(self, name: str, version: str, created_ms: int | None) -> str:
        """Return the key of a model's or prompt's version."""
        make = names.prompt_version if self.before.prompt else names.model_version
        return make(self.registry, name, version, created_ms)

    def fact(self, kind: str, body: Mapping[str, Any], actor: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a fact on the wire; all facts of one request carry its id."""
        return {
            "type": kind,
            "ev": 1,
            "occurred_at": format_time(self.ended),
            "source": {"event_id": self.id},
            "actor": dict(self.actor if actor is None else actor),
            "body": present(body),
        }


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that say something: None, an empty text and an empty list say nothing."""
    return {key: value for key, value in fields.items() if value is not None and value not in ("", [], ())}


def fitting(text: object) -> str:
    """Return a text that a sealed field can hold; of a longer one the beginning, and how long it was."""
    text = str(text)
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:_LONGEST_TEXT]}… ({len(text)} characters)"


def pairs(tags: object) -> list[list[str]]:
    """Return MLflow's tags or parameters, a list of ``{key, value}`` or a mapping, as pairs in order of their keys."""
    if isinstance(tags, Mapping):
        found = {str(key): value for key, value in tags.items()}
    else:
        items: Sequence[Any] = tags if isinstance(tags, list) else []
        found = {str(tag["key"]): tag.get("value", "") for tag in items if isinstance(tag, Mapping) and "key" in tag}
    return [[fitting(key), fitting(value)] for key, value in sorted(found.items())]
