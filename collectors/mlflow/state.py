"""What MLflow's own stores hold, read in the same process: before a change, and of a run at its end.

MLflow tells the client little: not which versions a transition archived, not what an alias named before, not when a
version that an alias names was made. Its stores know. They are reached by names that MLflow calls private; every
release range is tested with the real server, and a store that cannot be asked costs detail, never the request.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from collectors.mlflow.act import Before, Version
from collectors.mlflow.routes import Route
from collectors.mlflow.translate import copied_version, logged_model

_PAGE: Final = 1000
_PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
_log = logging.getLogger("lineage.mlflow")


def read_before(route: Route, fields: Mapping[str, Any]) -> Before:
    """Return what the registry holds of the things that a request names; never raises."""
    try:
        if route.path.startswith("runs/"):
            return Before()
        if route.path == "registered-models/create":
            return Before(prompt=_tagged_prompt(fields))
        if route.path == "model-versions/create":
            return _before_new_version(fields)
        return _before_change(route, fields)
    except Exception as error:  # noqa: BLE001  any store, any error: the request itself must go on
        if getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
            return Before()
        _log.warning("the registry could not be asked before %s: %s", route.action, error)
        return Before(readable=False)


def read_run(run_id: str, workspace: str | None) -> Mapping[str, Any]:
    """Return a run as MLflow's tracking store holds it now: info, data, inputs, outputs."""
    from mlflow.server import handlers

    with in_workspace(workspace):
        run: Mapping[str, Any] = handlers._get_tracking_store().get_run(run_id).to_dictionary()  # noqa: SLF001
    return run


def current_workspace() -> str | None:
    """Return the workspace of the request where MLflow has them, and None for the default one."""
    try:
        from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
        from mlflow.utils.workspace_context import get_request_workspace
        from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
    except ImportError:
        return None  # a release before workspaces
    workspace: str | None = get_request_workspace() if MLFLOW_ENABLE_WORKSPACES.get() else None
    return None if workspace in (None, DEFAULT_WORKSPACE_NAME) else workspace


def _registry() -> Any:
    from mlflow.server import handlers

    return handlers._get_model_registry_store()  # noqa: SLF001


def in_workspace(workspace: str | None) -> Any:
    """Return a context in which the stores see the workspace, for threads that serve no request."""
    if workspace is None:
        return contextlib.nullcontext()
    from mlflow.utils.workspace_context import ServerWorkspaceContext

    return ServerWorkspaceContext(workspace)


def _tagged_prompt(fields: Mapping[str, Any]) -> bool:
    tags = fields.get("tags")
    found = {tag.get("key"): tag.get("value") for tag in tags if isinstance(tag, Mapping)} if tags else {}
    return str(found.get(_PROMPT_TAG, "false")).lower() == "true"


def _before_new_version(fields: Mapping[str, Any]) -> Before:
    source = fields.get("source", "")
    made = fields.get("model_id") or logged_model(source)
    copied = copied_version(source)
    return Before(
        prompt=_tagged_prompt(fields),
        source_run=_run_of_logged_model(str(made)) if made else None,
        parent_created_ms=_registry().get_model_version(*copied).creation_timestamp if copied else None,
    )


def _run_of_logged_model(model_id: str) -> str | None:
    from mlflow.server import handlers

    ask: Callable[[str], Any] = handlers._get_tracking_store().get_logged_model  # noqa: SLF001
    run: str | None = ask(model_id).source_run_id
    return run or None


def _before_change(route: Route, fields: Mapping[str, Any]) -> Before:
    registry, name = _registry(), str(fields["name"])
    version = fields.get("version")
    prompt = bool(registry.get_registered_model(name)._is_prompt())  # noqa: SLF001
    several = route.path == "registered-models/rename" or bool(fields.get("archive_existing_versions"))
    named = registry.get_model_version(name, str(version)) if version else None
    return Before(
        prompt=prompt,
        created_ms=named.creation_timestamp if named else None,
        versions=tuple(_versions(registry, name, prompt=prompt)) if several else (),
    )


def _versions(registry: Any, name: str, *, prompt: bool) -> list[Version]:
    """Return all versions of a model or prompt, page by page; a search finds prompts only when told to."""
    quote = '"' if "'" in name else "'"
    wanted = f"name={quote}{name}{quote}" + (f" AND tags.`{_PROMPT_TAG}`='true'" if prompt else "")
    found: list[Version] = []
    token = None
    while True:
        page = registry.search_model_versions(wanted, max_results=_PAGE, page_token=token)
        found += [Version(str(one.version), int(one.creation_timestamp), str(one.current_stage)) for one in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda one: one.created_ms)
