"""Facts that are read from MLflow's stores once a request was answered, by the thread that writes what is buffered.

A run is read whole at its terminal state. Deleting or restoring an experiment does so to each of its runs: the runs are
what the graph has, so they are listed afterwards, when nobody waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from collectors.mlflow import datasets, logged_models, runs, state, whole_run
from collectors.mlflow.act import Act

_EXPERIMENTS: Final = {"POST experiments/delete": True, "POST experiments/restore": False}

_log = logging.getLogger("lineage.mlflow")

Facts = list[dict[str, Any]]


def facts_of(act: Act) -> Facts:
    """Return the facts of a buffered request; [] if it says nothing that is recorded."""
    make = _FACTS.get(act.route.action)
    return make(act) if make else list(logged_models.FACTS[act.route.action](act))


def is_told_later(act: Act) -> bool:
    """Tell whether the facts of a request in path take longer to read than anybody should wait."""
    return act.route.action in _EXPERIMENTS and act.status < HTTPStatus.BAD_REQUEST


def is_beyond_telling(act: Act) -> bool:
    """Tell whether a request did what no fact of ours says: a workspace is gone, with runs and logged models in it."""
    return act.route.path.startswith("workspaces/") and str(act.fields.get("mode", "RESTRICT")) != "RESTRICT"


def _created(act: Act) -> Facts:
    return runs.run_created(act)


def _updated(act: Act) -> Facts:
    run_id = runs.ended_by(act)
    return _read_whole(act, run_id) if run_id else []


def _made_by_promptlab(act: Act) -> Facts:
    """A run that the web pages make in one request, with its end."""
    return [*runs.run_created(act), *_updated(act)]


def _read_whole(act: Act, run_id: str) -> Facts:
    run = whole_run.read_run(run_id, act.workspace)
    if not runs.is_terminal(run["info"]["status"]):
        return []
    # Without what lies around it: that is for ``file_reader``, which takes its time.
    return runs.run_ended(replace(act, response={}), run, None)


def _inputs(act: Act) -> Facts:
    named = act.fields.get("datasets")
    if datasets.lack_context(named):
        named = datasets.with_contexts(named, _held_data(act))
    return runs.inputs_logged(replace(act, fields={**act.fields, "datasets": named}))


def _held_data(act: Act) -> object:
    """Return the data of the run as MLflow holds it; nothing if it cannot be asked, which costs a role."""
    try:
        return whole_run.read_run(str(act.fields.get("run_id")), act.workspace)["inputs"].get("dataset_inputs")
    except Exception as error:  # noqa: BLE001  any store, any error: what the request says is told all the same
        _log.warning("a run that named data could not be read: %s", type(error).__name__)
        return None


def _outputs(act: Act) -> Facts:
    return list(logged_models.models_made(act))


def _experiment(act: Act) -> Facts:
    return list(_runs_of_experiment(act, deleted=_EXPERIMENTS[act.route.action]))


def _runs_of_experiment(act: Act, *, deleted: bool) -> Iterator[dict[str, Any]]:
    for run, is_deleted in state.runs_of_experiment(str(act.fields["experiment_id"]), act.workspace):
        if is_deleted is deleted:
            yield act.fact("run.observed", {"run": run, "existence": "deleted" if deleted else "restored"})


_FACTS: Final[Mapping[str, Callable[[Act], Facts]]] = {
    "POST runs/create": _created,
    "POST runs/update": _updated,
    "POST runs/log-inputs": _inputs,
    "POST runs/outputs": _outputs,
    "POST runs/create-promptlab-run": _made_by_promptlab,
    "POST experiments/delete": _experiment,
    "POST experiments/restore": _experiment,
}
