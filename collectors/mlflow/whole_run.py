"""A run as MLflow's stores hold it at its end, with what lies around it: logged models, files, environment.

Read inside the server. A store that cannot be asked costs the detail it holds and becomes a problem in words; the run
itself is read by ``read_run``, whose errors are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from collectors.mlflow import logged, state
from collectors.mlflow.artifact_store import files_at
from collectors.mlflow.artifacts import ArtifactWish, Budget, FileStore, manifest, read_files, read_small
from collectors.mlflow.runs import Found
from collectors.mlflow.runtime import ENVIRONMENT_FILES

_MIB: Final = 1024 * 1024
_MOST_MODELS: Final = 100
_OF_A_METRIC: Final = ("key", "value", "timestamp", "step", "run_id")

Store = Callable[[str], FileStore]


def read_run(run_id: str, workspace: str | None) -> dict[str, Any]:
    """Return a run as JSON: info, data, inputs, outputs."""
    run = dict(state.read_run(run_id, workspace))
    for part, names in (("inputs", ("model_inputs",)), ("outputs", ("model_outputs",))):
        held = dict(run.get(part) or {})
        run[part] = {**held, **{name: [_plain(one) for one in held.get(name) or ()] for name in names}}
    return run


def read_around(
    run: Mapping[str, Any], workspace: str | None, wish: ArtifactWish, stores: Store = files_at
) -> tuple[Found, list[str]]:
    """Return what lies around a run, and what of it could not be read, in words. Never raises for a store's refusal."""
    budget, problems = wish.budget(), []
    run_id = str(run["info"].get("run_id"))
    with state.in_workspace(workspace):
        models, unread = _models(run, run_id)
        used, unread_too = _used(run, run_id, {logged.identifier(one) for one in models})
        problems += unread + unread_too
        if wish.how == "off":
            return Found(models=models, used=used), problems
        files = _files(str(run["info"].get("artifact_uri") or ""), f"run {run_id}", budget, stores)
        places = {logged.identifier(one): logged.location(one) for one in models}
        of_models = {name: _files(uri, f"logged model {name}", budget, stores) for name, uri in places.items()}
        environment = _environment(models, of_models, budget, stores)
    return Found(models, files, of_models, environment, used), problems + budget.problems


def read_manifest(
    model_id: str, workspace: str | None, wish: ArtifactWish, stores: Store = files_at
) -> tuple[str | None, list[str]]:
    """Return the digest of all files of a logged model, and what could not be read; None if not all were."""
    from mlflow.server import handlers

    budget = wish.budget()
    with state.in_workspace(workspace):
        model = handlers._get_tracking_store().get_logged_model(model_id).to_dictionary()  # noqa: SLF001
        files = _files(logged.location(model), f"logged model {model_id}", budget, stores)
    return (None if budget.problems else manifest(files)), budget.problems


def _models(run: Mapping[str, Any], run_id: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the logged models that a run names as outputs, or that name it as their source."""
    from mlflow.server import handlers

    outputs = (run.get("outputs") or {}).get("model_outputs") or ()
    found: dict[str, Mapping[str, Any]] = {}
    problems: list[str] = []
    try:
        store = handlers._get_tracking_store()  # noqa: SLF001
        wanted = f"source_run_id='{run_id}'"
        page = store.search_logged_models(
            [str(run["info"].get("experiment_id"))], filter_string=wanted, max_results=_MOST_MODELS
        )
        found = {str(one.model_id): _as_json(one) for one in page}
        if page.token or len(outputs) > _MOST_MODELS:
            problems.append(f"run {run_id}: only {_MOST_MODELS} of its logged models were read")
        for one in list(outputs)[:_MOST_MODELS]:
            model_id = str(one.get("model_id"))
            if model_id not in found:
                found[model_id] = _as_json(store.get_logged_model(model_id))
    except Exception as error:  # noqa: BLE001  any store, any error; a release without logged models has none
        problems.append(f"run {run_id}: its logged models cannot be read: {type(error).__name__}")
    return list(found.values()), problems


def _used(run: Mapping[str, Any], run_id: str, made: AbstractSet[str]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the logged models that a run names as inputs and did not make: it may have measured something of them."""
    from mlflow.server import handlers

    inputs = (run.get("inputs") or {}).get("model_inputs") or ()
    wanted = [one for one in dict.fromkeys(str(one.get("model_id")) for one in inputs) if one not in made]
    if not wanted:
        return [], []
    problems = [f"run {run_id}: only {_MOST_MODELS} of the models it used were read"] * (len(wanted) > _MOST_MODELS)
    found: list[Mapping[str, Any]] = []
    for one in wanted[:_MOST_MODELS]:
        try:
            found.append(_as_json(handlers._get_tracking_store().get_logged_model(one)))  # noqa: SLF001
        except Exception as error:  # noqa: BLE001  as above; it may have been deleted since
            problems.append(f"run {run_id}: a model that it used cannot be read: {type(error).__name__}")
    return found, problems


def _as_json(model: Any) -> dict[str, Any]:
    """Return a logged model as JSON; ``to_dictionary`` leaves objects of its own in the place of metrics."""
    values = getattr(model, "metrics", None) or ()
    metrics = [{name: getattr(one, name, None) for name in _OF_A_METRIC} for one in values]
    return {**model.to_dictionary(), "metrics": metrics}


def _files(uri: str, what: str, budget: Budget, stores: Store) -> list[dict[str, Any]]:
    if not uri:
        return []
    try:
        store = stores(uri)
    except Exception as error:  # noqa: BLE001  any repository, any error: its files are a detail of the run
        budget.problems.append(f"{what}: its files cannot be reached: {type(error).__name__}")
        return []
    return read_files(store, budget, what)


def _environment(
    models: Sequence[Mapping[str, Any]],
    files: Mapping[str, Sequence[Mapping[str, Any]]],
    budget: Budget,
    stores: Store,
) -> dict[str, str]:
    """Return the environment files of the first logged model that has some."""
    for model in models if budget.hashing else ():
        read = {str(one["path"]) for one in files[logged.identifier(model)] if "digest" in one}
        wanted = [name for name in ENVIRONMENT_FILES if name in read]
        if wanted:
            store = stores(logged.location(model))
            return {name: text for name in wanted if (text := _text(store, name, budget)) is not None}
    return {}


def _text(store: FileStore, name: str, budget: Budget) -> str | None:
    try:
        return read_small(store, name, _MIB)
    except Exception as error:  # noqa: BLE001  it was there a moment ago
        budget.problems.append(f"{name} cannot be read: {type(error).__name__}")
        return None


def _plain(named: Any) -> dict[str, Any]:
    """Return a model that a run names; inside the server some releases give objects instead of JSON."""
    return dict(named)
