"""What MLflow's own stores hold, read in the same process: before a change, and of a run at its end.

MLflow tells the client little: not which versions a transition archived, not what an alias named before, not when a
version that an alias names was made. Its stores know. They are reached by names that MLflow calls private; every
release range is tested with the real server, and a store that cannot be asked costs detail, never the request.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from collectors.mlflow import registry_rows
from collectors.mlflow.accounts import read_account, read_rights
from collectors.mlflow.act import Before, HeldModel, Version
from collectors.mlflow.routes import Route
from collectors.mlflow.translate import copied_version, logged_model
from collectors.mlflow.workspaces import CASCADE, DELETE, SET_DEFAULT

_PAGE: Final = 1000
_NOT_THERE: Final = "RESOURCE_DOES_NOT_EXIST"
_PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
_log = logging.getLogger("lineage.mlflow")


def read_before(route: Route, fields: Mapping[str, Any]) -> Before:
    """Return what the registry holds of the things that a request names; never raises."""
    try:
        return _before(route, fields)
    except Exception as error:  # noqa: BLE001  any store, any error: the request itself must go on
        if getattr(error, "error_code", None) == _NOT_THERE:
            return Before(known="nothing")
        _log.warning("MLflow's stores could not be asked before %s: %s", route.action, type(error).__name__)
        return Before(known="nothing", readable=False)


def _before(route: Route, fields: Mapping[str, Any]) -> Before:
    if route.about_rights:
        return _before_rights(route, fields)
    if route.action == DELETE:
        return _before_workspace(fields)
    if route.path == "registered-models/create":
        return Before(prompt=_tagged_prompt(fields), known="nothing")
    if route.path == "model-versions/create":
        return _before_new_version(fields)
    if not route.path.startswith(("registered-models/", "model-versions/")):
        return Before()
    return _before_change(route, fields)


def _before_rights(route: Route, fields: Mapping[str, Any]) -> Before:
    username = fields.get("username")
    account = read_account(str(username)) if username else None
    whole = route.path.startswith("roles/") or route.path == "users/delete"
    return Before(account=account, rights=read_rights() if whole else None)


def is_known(route: Route, fields: Mapping[str, Any], workspace: str | None) -> bool:
    """Tell whether MLflow has what a request names, where that was not read before it.

    Asked only of attempts that made no fact: a new version's model, a run, a logged model.
    """
    run, model = fields.get("run_id") or fields.get("run_uuid"), fields.get("model_id")
    if not (run or model or route.path == "model-versions/create"):
        return True
    try:
        from mlflow.server import handlers

        with in_workspace(workspace):
            if route.path == "model-versions/create":
                _registry().get_registered_model(str(fields.get("name")))
            elif run:
                handlers._get_tracking_store().get_run(str(run))  # noqa: SLF001
            elif model:
                handlers._get_tracking_store().get_logged_model(str(model))  # noqa: SLF001
    except Exception as error:  # noqa: BLE001  any store, any error: a thing that cannot be asked for is not known
        _log.debug("what %s names is not known: %s", route.action, type(error).__name__)
        return False
    return True


def runs_of_experiment(experiment: str, workspace: str | None) -> Iterator[tuple[str, bool]]:
    """Give the id of each run of an experiment, and whether it is deleted now."""
    from mlflow.entities import ViewType
    from mlflow.server import handlers

    with in_workspace(workspace):
        token = None
        while True:
            page = handlers._get_tracking_store().search_runs(  # noqa: SLF001
                [experiment], "", ViewType.ALL, max_results=_PAGE, page_token=token
            )
            yield from ((one.info.run_id, one.info.lifecycle_stage == "deleted") for one in page)
            token = page.token
            if not token:
                return


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


def _before_workspace(fields: Mapping[str, Any]) -> Before:
    """Return what a workspace holds that is to be deleted with all in it, or whose models are to be moved."""
    mode = fields.get("mode")
    if mode not in (CASCADE, SET_DEFAULT):
        return Before()
    with in_workspace(str(fields["workspace_name"])):
        return Before(models=tuple(_models(_registry(), with_versions=mode == SET_DEFAULT)))


def _models(registry: Any, *, with_versions: bool) -> Iterator[HeldModel]:
    """Give every model and every prompt of a registry, page by page."""
    for prompt in (False, True):
        wanted, token = f"tags.`{_PROMPT_TAG}` = 'true'" if prompt else None, None
        while True:
            page = registry.search_registered_models(wanted, max_results=_PAGE, page_token=token)
            for one in page:
                versions = _versions(registry, one.name, prompt=prompt) if with_versions else ()
                yield HeldModel(one.name, prompt, tuple(versions))
            token = page.token
            if not token:
                break


def _before_new_version(fields: Mapping[str, Any]) -> Before:
    source = fields.get("source", "")
    made = fields.get("model_id") or logged_model(source)
    copied = copied_version(source)
    return Before(
        prompt=_tagged_prompt(fields),
        known="model",
        source_run=_run_of_logged_model(str(made)) if made else None,
        parent_created_ms=_registry().get_model_version(*copied).creation_timestamp if copied else None,
    )


def _run_of_logged_model(model_id: str) -> str | None:
    from mlflow.server import handlers

    ask: Callable[[str], Any] = handlers._get_tracking_store().get_logged_model  # noqa: SLF001
    run: str | None = ask(model_id).source_run_id
    return run or None


def _before_change(route: Route, fields: Mapping[str, Any]) -> Before:
    registry, name = _registry(), str(fields.get("name"))
    version = fields.get("version")
    if registry_rows.is_sql(registry):
        return _by_one_statement(registry, route, fields)
    prompt = bool(registry.get_registered_model(name)._is_prompt())  # noqa: SLF001
    several = _touches_several(route, fields)
    named = _version(registry, name, str(version)) if version else None
    return Before(
        prompt=prompt,
        created_ms=named.creation_timestamp if named else None,
        known="model" if version and named is None else "all",
        versions=tuple(_versions(registry, name, prompt=prompt)) if several else (),
    )


def _touches_several(route: Route, fields: Mapping[str, Any]) -> bool:
    return route.path == "registered-models/rename" or bool(fields.get("archive_existing_versions"))


def _by_one_statement(registry: Any, route: Route, fields: Mapping[str, Any]) -> Before:
    name, version = str(fields.get("name")), fields.get("version")
    found = registry_rows.held(registry, name, None if version is None else str(version))
    if found is None:
        return Before(known="nothing")
    return Before(
        prompt=found.prompt,
        created_ms=found.created_ms,
        known="model" if version is not None and found.created_ms is None else "all",
        versions=tuple(registry_rows.versions(registry, name)) if _touches_several(route, fields) else (),
    )


def _version(registry: Any, name: str, version: str) -> Any:
    """Return a version of a model that is there; None if that version is not."""
    try:
        return registry.get_model_version(name, version)
    except Exception as error:
        if getattr(error, "error_code", None) in (_NOT_THERE, "INVALID_PARAMETER_VALUE"):
            return None
        raise


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
