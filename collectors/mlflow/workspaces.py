"""What happens to a registry's models when their workspace is deleted: they are deleted with it, or moved. Pure.

MLflow does either in one request that names no model (``mode``: CASCADE or SET_DEFAULT; RESTRICT deletes only an empty
workspace), so what it held is read before. Its runs and logged models are not told: whoever deletes a workspace leaves
a hole there, and the next report says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from collectors.mlflow.act import Act, HeldModel
from graph_schema import names

DELETE: Final = "DELETE workspaces/<workspace_name>"
CASCADE: Final = "CASCADE"
SET_DEFAULT: Final = "SET_DEFAULT"
MOST_CARRIED: Final = 1000
"""Versions in one fact of a model that got another name."""


def workspace_deleted(act: Act) -> Iterator[dict[str, Any]]:
    """Give the facts of each model and prompt that the workspace held."""
    base = act.registry.removesuffix(f"/{act.workspace}") if act.workspace else act.registry
    gone = f"{base}/{act.fields['workspace_name']}"
    for held in act.before.models:
        if act.fields.get("mode") == CASCADE:
            yield act.fact("model.deleted", {"model": _key(gone, held), **act.window})
        elif act.fields.get("mode") == SET_DEFAULT:
            yield from renamed(act, _key(gone, held), _key(base, held), held)


def renamed(act: Act, old: str, new: str, held: HeldModel) -> Iterator[dict[str, Any]]:
    """Give the facts that a model is called otherwise from now on, with its versions."""
    carried = [{"version": one.version, "created_ms": one.created_ms} for one in held.versions]
    for start in range(0, max(len(carried), 1), MOST_CARRIED):
        body = {"model": old, "to": new, "carried": carried[start : start + MOST_CARRIED]}
        yield act.fact("model.renamed", body)


def _key(registry: str, held: HeldModel) -> str:
    return (names.prompt if held.prompt else names.model)(registry, held.name)
