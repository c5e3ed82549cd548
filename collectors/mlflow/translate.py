"""From a request that MLflow answered to facts. Pure: values in, wire events out.

- One request may be several facts: a transition that archives others archives each of them, and MLflow's answer names
  only the target. What the registry held before says which.
- The outcome counts, not the wish: stage, number and creation time are those of the answer.
- A failed request is no fact, except that somebody known was not allowed: that is ``attempt.denied``.
- Prompts are registered models with a tag; they get keys of their own kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from collectors.mlflow import logged_models, workspaces
from collectors.mlflow.act import Act, HeldModel, fitting, pairs, present
from collectors.mlflow.addresses import without_secrets
from collectors.mlflow.credentials import hidden_value
from collectors.mlflow.rights import rights_changed
from graph_schema import names
from graph_schema.clear_keys import CLEAR_KEYS

ARCHIVED: Final = "Archived"
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9A-Za-z_-]+)\Z")
_OTHER_VERSION = re.compile(r"models:/(.+)/(\d+)\Z")

Facts = Iterator[dict[str, Any]]


def translate(act: Act) -> list[dict[str, Any]]:
    """Return the facts of a request in path; [] if nothing happened, or nothing that one fact could tell."""
    if act.status in _DENIED:
        return [_denied(act)] if act.user is not None else []
    if act.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return [unresolved(act, f"MLflow answered {act.status}")]
    if act.status >= HTTPStatus.BAD_REQUEST:
        return []
    if act.route.about_rights:
        return list(rights_changed(act))
    make = _FACTS.get(act.route.action)
    return list(make(act)) if make else []


def unresolved(act: Act, reason: str) -> dict[str, Any]:
    """Return the fact that a change was about to be made, and that nobody saw whether it was."""
    return act.fact(
        "attempt.unresolved", {"action": act.route.action, "node": act.node, "reason": reason, "detail": act.told}
    )


def is_denial(status: int) -> bool:
    """Tell whether a status says that somebody was not allowed."""
    return status in _DENIED


def logged_model(source: object) -> str | None:
    """Return the id of the logged model that a source such as ``models:/m-4f1c`` names."""
    found = _LOGGED_MODEL.match(str(source))
    return found[1] if found else None


def copied_version(source: object) -> tuple[str, str] | None:
    """Return name and number of the version that a source such as ``models:/credit/3`` copies."""
    found = _OTHER_VERSION.match(str(source))
    return (found[1], found[2]) if found else None


def _model_created(act: Act) -> Facts:
    made = _answered(act, "registered_model")
    body = {
        "model": act.model(str(made["name"])),
        "description": fitting(act.fields.get("description", "")),
        "tags": pairs(act.fields.get("tags")),
        **act.window,
    }
    yield act.fact("model.declared", body)


def _model_renamed(act: Act) -> Facts:
    old = str(act.fields["name"])
    new = str(_answered(act, "registered_model").get("name") or act.fields.get("new_name"))
    held = HeldModel(old, act.before.prompt, act.before.versions)
    yield from workspaces.renamed(act, act.model(old), act.model(new), held)


def _model_deleted(act: Act) -> Facts:
    yield act.fact("model.deleted", {"model": act.model(str(act.fields["name"])), **act.window})


def _version_created(act: Act) -> Facts:
    made = _answered(act, "model_version")
    source = str(made.get("source") or act.fields.get("source") or "")
    body = {
        "model": act.model(str(made["name"])),
        "version": str(made["version"]),
        "created_ms": int(made["creation_timestamp"]),
        "run": made.get("run_id") or act.fields.get("run_id") or act.before.source_run,
        "location": without_secrets(source),
        "logged_model": made.get("model_id") or act.fields.get("model_id") or logged_model(source),
        "derived_from": list(_parents(act, source)),
        "description": fitting(act.fields.get("description", "")),
        "tags": pairs(act.fields.get("tags")),
        "claims": act.conventions.claims(pairs(act.fields.get("tags"))),
    }
    yield act.fact("model_version.registered", body)


def _parents(act: Act, source: str) -> Iterator[dict[str, Any]]:
    if copied := copied_version(source):
        name, version = copied
        model = names.model(act.registry, name)
        yield present({"model": model, "version": version, "created_ms": act.before.parent_created_ms})


def _stage_changed(act: Act) -> Facts:
    moved = _answered(act, "model_version")
    stage, model = str(moved["current_stage"]), act.model(str(moved["name"]))
    others = bool(act.fields.get("archive_existing_versions"))
    target = {"version": str(moved["version"]), "created_ms": int(moved["creation_timestamp"])}
    body = {"model": model, **target, "to": stage, "archive_others": others, **act.window}
    yield act.fact("stage.transitioned", body)
    swept = [one for one in act.before.versions if one.stage == stage and one.version != target["version"]]
    for one in swept if others else ():
        body = {"model": model, "version": one.version, "created_ms": one.created_ms, "to": ARCHIVED, **act.window}
        yield act.fact("stage.transitioned", body)


def _version_deleted(act: Act) -> Facts:
    yield act.fact("model_version.deleted", {**_named_version(act), **act.window})


def _alias_set(act: Act) -> Facts:
    yield act.fact("alias.moved", {**_named_version(act), "alias": str(act.fields["alias"]), **act.window})


def _alias_removed(act: Act) -> Facts:
    body = {"model": act.model(str(act.fields["name"])), "alias": str(act.fields["alias"]), **act.window}
    yield act.fact("alias.removed", body)


def _tag_set(act: Act) -> Facts:
    key, value = str(act.fields["key"]), str(act.fields.get("value", ""))
    claims = act.conventions.claims([(key, value)])
    value = fitting(hidden_value(key, value))
    shown = {"value": value[:1024]} if key in CLEAR_KEYS else {"hidden": value}
    tag = act.fact("tag.set", {"node": _tagged_node(act), "name": key, "claims": claims})
    yield {**tag, "body": {**tag["body"], **shown}}


def _tag_removed(act: Act) -> Facts:
    key = str(act.fields["key"])
    yield act.fact("tag.removed", {"node": _tagged_node(act), "name": key, "meant": act.conventions.meant(key)})


def _described(act: Act) -> Facts:
    description = fitting(act.fields.get("description", ""))
    yield act.fact("description.changed", {"node": _tagged_node(act), "description": description})


def _run_deleted(act: Act) -> Facts:
    yield act.fact("run.observed", {"run": str(act.fields["run_id"]), "existence": "deleted"})


def _run_restored(act: Act) -> Facts:
    yield act.fact("run.observed", {"run": str(act.fields["run_id"]), "existence": "restored"})


def _denied(act: Act) -> dict[str, Any]:
    return act.fact(
        "attempt.denied", {"action": act.route.action, "node": act.node, "status": act.status, "detail": act.told}
    )


def _named_version(act: Act) -> dict[str, Any]:
    name, version = str(act.fields["name"]), str(act.fields["version"])
    return {"model": act.model(name), "version": version, "created_ms": act.before.created_ms}


def _tagged_node(act: Act) -> str:
    """Return the key of what a tag is on: MLflow has it, since it answered that the tag was set."""
    name, version = str(act.fields["name"]), act.fields.get("version")
    return act.version(name, str(version), act.before.created_ms) if version else act.model(name)


def _answered(act: Act, part: str) -> Mapping[str, Any]:
    value = act.response.get(part)
    return value if isinstance(value, Mapping) else {}


_FACTS: Final[Mapping[str, Callable[[Act], Facts]]] = {
    "POST registered-models/create": _model_created,
    "POST registered-models/rename": _model_renamed,
    "DELETE registered-models/delete": _model_deleted,
    "POST registered-models/alias": _alias_set,
    "DELETE registered-models/alias": _alias_removed,
    "POST registered-models/set-tag": _tag_set,
    "DELETE registered-models/delete-tag": _tag_removed,
    "PATCH registered-models/update": _described,
    "PATCH model-versions/update": _described,
    "POST model-versions/create": _version_created,
    "POST model-versions/transition-stage": _stage_changed,
    "DELETE model-versions/delete": _version_deleted,
    "POST model-versions/set-tag": _tag_set,
    "DELETE model-versions/delete-tag": _tag_removed,
    workspaces.DELETE: workspaces.workspace_deleted,
    "POST runs/delete": _run_deleted,
    "POST runs/restore": _run_restored,
    **logged_models.FACTS,
}
