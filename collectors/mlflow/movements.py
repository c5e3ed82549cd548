"""Stages, aliases and ends as one read saw them, compared with the read before: sightings with a window. Pure.

A read has one moment, at which everything it says about movement was so: it looked before and after, and both looks
saw the same. What differs from the read before changed between the two moments, and so an act that somebody recorded
meanwhile is the same movement (graph_schema/README.md, section 6). A first read has no moment before it: what it sees
may be as old as the thing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collectors.mlflow.parts import renamings
from collectors.mlflow.sightings import Fact, Look
from graph_schema import names
from graph_schema.times import format_time

NO_STAGE: Final = "None"
_GAP: Final = 1000
"""A deletion that a new thing of the same name proves is dated this long before the new one (microseconds)."""

Values = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a read saw what it says of movement, and the moment of the read before, None for the first; microseconds."""

    look: Look
    before: int | None

    def sighting(self, kind: str, body: Mapping[str, Any], *, latest: int | None = None) -> Fact:
        """Return a sighting; ``latest`` is an instant before which it must have happened."""
        at = self.look.began if latest is None else min(self.look.began, latest - _GAP)
        after = None if self.before is None else format_time(min(self.before, at))
        return self.look.fact(kind, at, {**body, "not_before": after})


def alias_key(model: str, alias: str) -> str:
    """Return the name under which an alias is remembered."""
    return f"{model}\0{alias}"


def aliases_changed(moment: Moment, now: Values, before: Values) -> list[Fact]:
    """Return what changed among all aliases; a value names model, alias, version and its creation time."""
    facts = []
    for key, value in sorted(now.items()):
        if before.get(key) != value:
            body = {"model": value["model"], "alias": value["alias"], "version": value["version"]}
            facts.append(moment.sighting("alias.moved", {**body, "created_ms": value["c"]}))
    for key, value in sorted(before.items()):
        if key not in now:
            facts.append(moment.sighting("alias.removed", {"model": value["model"], "alias": value["alias"]}))
    return facts


def stages_changed(moment: Moment, moved: Values) -> list[Fact]:
    """Return the sightings of versions whose stage is not the one seen before."""
    return [
        moment.sighting(
            "stage.transitioned",
            {"model": value["model"], "version": value["version"], "created_ms": value["c"], "to": value["s"]},
        )
        for _, value in sorted(moved.items())
    ]


def version_gone(moment: Moment, value: Mapping[str, Any]) -> Fact:
    """Return the sighting that a version is not there any more."""
    body = {"model": value["model"], "version": value["version"], "created_ms": value["c"]}
    return moment.sighting("model_version.deleted", body)


def model_gone(moment: Moment, model: str, *, made_anew_ms: int | None = None) -> Fact:
    """Return the sighting that a model is not there any more, or that another now bears its name."""
    latest = None if made_anew_ms is None else made_anew_ms * 1000
    return moment.sighting("model.deleted", {"model": model}, latest=latest)


def logged_model_gone(moment: Moment, identifier: str) -> Fact:
    """Return the sighting that a logged model is not there any more."""
    key = names.logged_model(moment.look.registry, identifier)
    return moment.sighting("logged_model.observed", {"logged_model": key, "existence": "deleted"})


def renamed(
    look: Look, old: str, new: str, carried: Sequence[Mapping[str, Any]], *, made_anew_ms: int | None = None
) -> list[Fact]:
    """Return the facts of a rename: one for every thousand versions it carried over."""
    at = look.began if made_anew_ms is None else min(look.began, made_anew_ms * 1000 - _GAP)
    named = [{"version": one["version"], "created_ms": one["c"]} for one in carried]
    return [look.fact("model.renamed", at, body) for body in renamings(old, new, named)]
