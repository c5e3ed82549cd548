"""From a run of MLflow to facts: at its creation, when inputs are logged, and whole at its terminal state. Pure.

A run is what ``Run.to_dictionary()`` gives inside the server, or REST's ``runs/get`` outside of it; both spellings are
read here. Times, user and tags of a run are what its client wrote: claims. Without an application that authenticates,
the user's name is therefore ``claimed``, and so is whom a CI system acted for (the tags ``lineage.actor.*`` of our own
context provider). Long runs become several facts of one source event, each well below the size of a record.

What lies around a run, its logged models, files and environment, is read apart (``Found``), because reading files may
take long and must not keep the run itself off the record: ``run_ended(act, run, None)`` is the run alone, and
``surroundings`` the rest; ``run_ended(act, run, found)`` is both in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collectors.mlflow import datasets, logged
from collectors.mlflow.act import OBSERVED, Act, pairs, present
from collectors.mlflow.parts import in_parts, is_small
from collectors.mlflow.runtime import runtime
from graph_schema.repository_names import repository_url
from graph_schema.times import MAX_MICROS, format_time

STATES: Final = {"FINISHED": "complete", "FAILED": "failed", "KILLED": "aborted"}
"""The terminal states of a run."""

_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
_LONGEST_TEXT: Final = 1024
_BULKY: Final = frozenset({"mlflow.log-model.history", "mlflow.loggedModels", "mlflow.user", "mlflow.runName"})
"""Tags that repeat what stands elsewhere."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies around a run.

    Attributes:
        models: its logged models, as ``whole_run`` or REST give them.
        used: logged models of others that it named as inputs, of which it may have measured something.
        files: its own files, as ``artifacts.artifact`` states them.
        model_files: those of its logged models, by their ids.
        environment: texts of files that say what a model needs (``runtime.ENVIRONMENT_FILES``), by name.
    """

    models: Sequence[Mapping[str, Any]] = ()
    files: Sequence[Mapping[str, Any]] = ()
    model_files: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    used: Sequence[Mapping[str, Any]] = ()


NOTHING: Final = Found()
"""Nothing is known around a run."""


@dataclass(frozen=True, slots=True)
class _Written:
    """What a run's client wrote, without credentials: parameters and tags as pairs in order of their keys.

    Taken from the run once, because looking for credentials is most of the work on a run.
    """

    params: list[list[str]]
    tags: list[list[str]]
    tag: Mapping[str, str]

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> _Written:
        data = run.get("data") or {}
        tags = pairs(data.get("tags"))
        return cls(pairs(data.get("params")), tags, dict(tags))

    def all(self) -> list[list[str]]:
        return self.params + self.tags


def is_terminal(status: object) -> bool:
    """Tell whether a run of this status has ended."""
    return status in STATES


def ended_by(act: Act) -> str | None:
    """Return the id of the run that a request ended; None for any other request."""
    if act.route.path == "runs/update" and is_terminal(act.fields.get("status")):
        return str(act.fields.get("run_id") or act.fields.get("run_uuid"))
    made = act.response.get("run")
    if act.route.path != "runs/create-promptlab-run" or not isinstance(made, Mapping):
        return None
    return _identity(made) if made.get("info") else None


def run_created(act: Act) -> list[dict[str, Any]]:
    """Return the fact that a run began, from the answer to ``runs/create``."""
    run = act.response.get("run")
    if not isinstance(run, Mapping):
        return []
    written = _Written.of(run)
    return [_fact(act, run, {**_told(act, run, written), "state": "started"}, _actor(act, run, written))]


def inputs_logged(act: Act) -> list[dict[str, Any]]:
    """Return the facts that a run named inputs, data and logged models, from the body of ``runs/log-inputs``."""
    run = {"info": {"run_id": act.fields.get("run_id")}}
    data = list(datasets.inputs(act, act.fields.get("datasets")))
    models = logged.keys(act.registry, act.fields.get("models"))
    bodies = [{"inputs": part} for part in in_parts(data)]
    bodies += [{"logged_model_inputs": part} for part in in_parts(models, logged.MOST_NAMED)]
    return [_fact(act, run, body, None) for body in bodies]


def run_ended(act: Act, run: Mapping[str, Any], found: Found | None = NOTHING) -> list[dict[str, Any]]:
    """Return the facts of a whole run at its terminal state, and of what lies around it; None leaves that for later."""
    state = STATES[str(run["info"]["status"])]
    written = _Written.of(run)
    bodies = [{**_told(act, run, written), "state": state}, *_pieces(act, run, written)]
    rest: list[dict[str, Any]] = []
    if found is not None:
        bodies += _around(act, written, found)
        rest = _models(act, run, found)
    actor = _actor(act, run, written)
    facts = [_fact(act, run, body, actor) for body in _merged(bodies)]
    data = (run.get("inputs") or {}).get("dataset_inputs")
    return [*facts, *datasets.declared(act, data), *datasets.measured(act, _identity(run), data), *rest]


def surroundings(act: Act, run: Mapping[str, Any], found: Found) -> list[dict[str, Any]]:
    """Return the facts of what lies around a run: its environment, its files, its logged models with theirs.

    They are what an observer read afterwards, so nobody is named.
    """
    bodies = list(_around(act, _Written.of(run), found))
    facts = [_fact(act, run, body, OBSERVED) for body in (_merged(bodies) if bodies else ())]
    return [*facts, *_models(act, run, found)]


def _pieces(act: Act, run: Mapping[str, Any], written: _Written) -> Iterator[dict[str, Any]]:
    """Give the lists of a run, in parts that a record can hold."""
    data, read, made = (run.get(name) or {} for name in ("data", "inputs", "outputs"))
    known = list(datasets.inputs(act, read.get("dataset_inputs")))
    experiment = run["info"].get("experiment_id")
    named = datasets.by_convention(act, written.all(), known, experiment, act.conventions)
    for name, items, most in (
        ("params", written.params, 400),
        ("tags", [tag for tag in written.tags if tag[0] not in _BULKY], 400),
        ("metrics", list(_metrics(data.get("metrics"))), 400),
        ("inputs", known + named, 400),
        ("logged_model_inputs", logged.keys(act.registry, read.get("model_inputs")), logged.MOST_NAMED),
        ("logged_models", logged.keys(act.registry, made.get("model_outputs")), logged.MOST_NAMED),
        ("claims", act.conventions.claims(written.all()), 100),
    ):
        yield from ({name: part} for part in in_parts(items, most))


def _around(act: Act, written: _Written, found: Found) -> Iterator[dict[str, Any]]:
    """Give the environment of a run and its files."""
    ran_in = runtime(written.tag, written.all(), found.environment, act.conventions)
    if ran_in is not None:
        yield {"runtime": ran_in}
    yield from ({"artifacts": part} for part in in_parts(found.files))


def _models(act: Act, run: Mapping[str, Any], found: Found) -> list[dict[str, Any]]:
    """Return the facts of a run's logged models, and of what it measured of others."""
    every = ((model, found.model_files.get(logged.identifier(model), ())) for model in found.models)
    own = [fact for model, files in every for fact in logged.observed(act, model, files)]
    return own + [fact for model in found.used for fact in logged.measured(act, model, _identity(run))]


def _fact(act: Act, run: Mapping[str, Any], body: Mapping[str, Any], actor: Mapping[str, Any] | None) -> dict[str, Any]:
    return act.fact("run.observed", {"run": _identity(run), **body}, actor)


def _identity(run: Mapping[str, Any]) -> str:
    """Return MLflow's id of a run; older releases have it under another name."""
    return str(run["info"].get("run_id") or run["info"].get("run_uuid"))


def _actor(act: Act, run: Mapping[str, Any], written: _Written) -> Mapping[str, Any] | None:
    """Return whom the run's client claims to be, where nobody was authenticated, and for whom it claims to act."""
    behind = _on_behalf_of(written.tag)
    claimed = run["info"].get("user_id") or written.tag.get("mlflow.user")
    if act.user is None and claimed:
        who = {"issuer": act.issuer, "subject": str(claimed)[:512], "assurance": "claimed", "via": "mlflow.user"}
        return {**behind, **_behind(act.actor), **who}
    return {**act.actor, **behind} if behind and "on_behalf_of" not in act.actor else None


def _behind(actor: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in actor.items() if key == "on_behalf_of"}


def _on_behalf_of(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the human behind the CI job, as the job's context provider tagged the run."""
    issuer, subject = tags.get("lineage.actor.issuer", ""), tags.get("lineage.actor.subject", "")
    if not issuer or not subject:
        return {}
    told = {"via": tags.get("lineage.ci.system", "")[:_LONGEST_TEXT], "ref": tags.get("lineage.ci.run_url", "")[:4096]}
    return {"on_behalf_of": {"issuer": issuer[:256], "subject": subject[:512], **present(told)}}


def _told(act: Act, run: Mapping[str, Any], written: _Written) -> dict[str, Any]:
    """Return what a run's client says about it: name, times, code, parent."""
    info, tags = run["info"], written.tag
    return {
        "name": info.get("run_name"),
        "experiment": info.get("experiment_id"),
        "claimed_start": _milliseconds(info.get("start_time")),
        "claimed_end": _milliseconds(info.get("end_time")),
        "commit": _commit(act, written),
        "parent": _identifier(tags, "mlflow.parentRunId") or _identifier(tags, "lineage.openlineage.parent_run"),
    }


def _identifier(tags: Mapping[str, str], name: str) -> str | None:
    """Return an id that a client wrote; None for what is too long to be one: half an id would name something else."""
    text = tags.get(name, "")
    return text if 0 < len(text) <= _LONGEST_TEXT else None


def _milliseconds(value: Any) -> str | None:
    """Return the time that a client wrote in milliseconds; None for what is no time."""
    micros = int(value) * 1000 if str(value or "").isdecimal() else 0
    return format_time(micros) if 0 < micros <= MAX_MICROS else None


def _commit(act: Act, written: _Written) -> dict[str, Any] | None:
    """Return the commit a run was built from: MLflow's own tags, else our provider's, else what a convention names.

    Only our provider looks whether the work tree differed, so its word counts for the commit of the others as well, if
    it saw the same one.
    """
    told, tags = written.all(), written.tag
    by_mlflow, ours = _git_tags(tags, "mlflow.source.git"), _git_tags(tags, "lineage.git")
    ours["repoURL"] = ours.pop("repository", "")
    by_name = {name: act.conventions.told(name, told) or "" for name in ("commit", "branch")}
    first = next((one for one in (by_mlflow, ours, by_name) if _COMMIT.match(one.get("commit", "").lower())), None)
    if first is None:
        return None
    sha = first["commit"].lower()
    known = {**by_name, **(ours if ours.get("commit", "").lower() == sha else {}), **first}
    return present(
        {
            "sha": sha,
            "repository": repository_url(known.get("repoURL", "")),
            "branch": known["branch"][:_LONGEST_TEXT],
            "dirty": {"true": True, "false": False}.get(known.get("dirty", "").lower()),
        }
    )


def _git_tags(tags: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tags.items() if name.startswith(f"{prefix}.")}


def _metrics(metrics: object) -> Iterator[dict[str, str]]:
    """Give each last value, as facts state it.

    Metrics are a mapping inside the server, and a list of ``{key, value}`` in REST.
    """
    found: Mapping[str, Any] = metrics if isinstance(metrics, Mapping) else {}
    if isinstance(metrics, list):
        found = {str(one["key"]): one.get("value") for one in metrics if isinstance(one, Mapping) and "key" in one}
    for key, value in sorted(found.items()):
        yield {"key": str(key), "value": logged.decimal(value)}


def _merged(bodies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join the parts of a run while they are small together, so that a usual run is one fact."""
    whole = [dict(bodies[0])]
    for body in bodies[1:]:
        joined = {**whole[-1], **body}
        if not set(whole[-1]) & set(body) and is_small(joined):
            whole[-1] = joined
        else:
            whole.append(dict(body))
    return whole
