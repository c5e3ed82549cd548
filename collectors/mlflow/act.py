"""One request to the MLflow server as the plugin saw it: plain values from which facts are made.

Nothing here knows Flask or MLflow, so that translation is a function of values and can be tested on recordings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from collectors.mlflow.conventions import Conventions, shipped
from collectors.mlflow.credentials import hidden_value, without_credentials
from collectors.mlflow.routes import NAMING, Route
from graph_schema import names
from graph_schema.times import format_time

OBSERVED: Final[Mapping[str, Any]] = {"assurance": "observed"}
Rights = Mapping[tuple[str, str], str]
"""What each user may do with each resource: ``(user, resource) -> permission``."""

_LONGEST_TEXT: Final = 16_000
LONGEST_NAME: Final = 512


@dataclass(frozen=True, slots=True)
class Version:
    """A version in the registry before the request."""

    version: str
    created_ms: int
    stage: str


@dataclass(frozen=True, slots=True)
class HeldModel:
    """A registered model, or a prompt, before the request; ``versions`` where the request touches them one by one."""

    name: str
    prompt: bool
    versions: tuple[Version, ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """What the registry held right before the request, as far as the request could touch it.

    ``versions``: those of the model, for requests that touch several. ``created_ms``: of the version that the request
    names. ``parent_created_ms``: of the version that a new one is a copy of. ``source_run``: the run that made the
    logged model behind a new version. ``known``: what the registry holds of what is named: all of it, the model but not
    its version, or nothing. ``account``: what the named user was, ``user`` or ``admin``. ``rights``: all of them, for
    requests whose effect on them is not in the request. ``models``: all that the workspace held, for a request that
    deletes one with what is in it. ``readable``: False if a store could not be asked.
    """

    prompt: bool = False
    created_ms: int | None = None
    versions: tuple[Version, ...] = ()
    parent_created_ms: int | None = None
    source_run: str | None = None
    known: Literal["all", "model", "nothing"] = "all"
    account: str | None = None
    rights: Rights | None = None
    models: tuple[HeldModel, ...] = ()
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
    workspace: str | None = None
    on_behalf_of: Mapping[str, str] | None = None
    rights: Rights | None = None
    """All rights after the request, where ``before`` has those before it."""

    @property
    def actor(self) -> Mapping[str, Any]:
        """Who did it: the user whom the wrapped application authenticated, else nobody that is known."""
        behind = {"on_behalf_of": dict(self.on_behalf_of)} if self.on_behalf_of else {}
        if self.user is None:
            return {**OBSERVED, **behind}
        known = {"issuer": self.issuer, "subject": subject_of(self.user), "assurance": "authenticated"}
        return {**known, "via": self.via, **behind}

    @property
    def window(self) -> dict[str, str]:
        """Where nobody is known the fact is a sighting: the change came after this instant and not after the fact's."""
        return {"not_before": format_time(min(self.started, self.ended))} if self.user is None else {}

    def model(self, name: str) -> str:
        """Return the key of a model, or of a prompt, which MLflow keeps in the same place."""
        make = names.prompt if self.before.prompt else names.model
        return make(self.registry, name)

    @property
    def node(self) -> str | None:
        """The key of the thing that a request names, where MLflow knows it; None if it names none, or an unknown one.

        Whoever tries something on a thing that does not exist must not make it one.
        """
        name, version = self.fields.get("name"), self.fields.get("version")
        run = self.fields.get("run_id") or self.fields.get("run_uuid")
        if self.before.known == "nothing" or self.route.about_rights:
            return None
        if name and version and self.before.known == "all":
            return self.version(str(name), str(version), self.before.created_ms)
        if name and self.route.path.startswith(("registered-models/", "model-versions/")):
            return self.model(str(name))
        if model := self.fields.get("model_id"):
            return names.logged_model(self.registry, str(model))
        return names.run(str(run)) if run else None

    @property
    def told(self) -> str:
        """The fields that name things, as text: what may be said of an act that made no fact."""
        shown = {key: value for key, value in self.fields.items() if key in NAMING}
        return fitting(json.dumps(shown, sort_keys=True, ensure_ascii=False))

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


def subject_of(user: str) -> str:
    """Return a user's name as a subject; of one that is too long the beginning and a digest, so that no two are one."""
    if len(user) <= LONGEST_NAME:
        return user
    digest = hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{user[: LONGEST_NAME - 17]}~{digest}"


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that say something: None, an empty text and an empty list say nothing."""
    return {key: value for key, value in fields.items() if value is not None and value not in ("", [], ())}


def fitting(text: object) -> str:
    """Return a text that a sealed field can hold, without credentials; of a longer one the beginning and its length."""
    text = without_credentials(str(text))
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
    return [[fitting(key), fitting(hidden_value(key, str(value)))] for key, value in sorted(found.items())]
