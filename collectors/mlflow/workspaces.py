"""What happens to a registry's models when their workspace is deleted: they are deleted with it, or moved. Pure.

MLflow does either in one request that names no model (``mode``: CASCADE or SET_DEFAULT; RESTRICT deletes only an empty
workspace), so what it held is read before. Its runs and logged models are not told: whoever deletes a workspace leaves
a hole there, and the next report says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from collectors.mlflow.act import Act, HeldModel
from collectors.mlflow.parts import renamings
from graph_schema import names

DELETE: Final = "DELETE workspaces/<workspace_name>"
CASCADE: Final = "CASCADE"
SET_DEFAULT: Final = "SET_DEFAULT"


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
    return (act.fact("model.renamed", body) for body in renamings(old, new, carried))


def _key(registry: str, held: HeldModel) -> str:
    return (names.prompt if held.prompt else names.model)(registry, held.name)
