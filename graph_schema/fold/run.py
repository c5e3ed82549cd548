"""What runs leave in the graph: inputs, outputs, code, environment, states."""

from collections.abc import Mapping
from typing import Any

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.fold.data import assert_version, pair_registers, set_dataset, tag_registers, write_point
from graph_schema.fold.model import claim_registers, fold_artifacts, mention_version, metric_registers
from graph_schema.kinds import Edge, How, Role, roles_to_bits


def fold_run(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold one observation of one execution of a run."""
    body = record["body"]
    run = names.run(body["run"])
    execution = body.get("execution", "")
    changes.set(run, _registers(body))
    _fold_states(body, run, execution, changes)
    _fold_context(body, run, changes)
    for item in body.get("inputs", ()):
        _fold_input(item, run, changes)
    for item in body.get("outputs", ()):
        _fold_output(item, run, execution, changes)
    for item in body.get("model_inputs", ()):
        changes.edge(run, Edge.USED_MODEL, mention_version(item, changes), roles=Role.UNKNOWN)
    for key in body.get("logged_model_inputs", ()):
        changes.edge(run, Edge.USED_MODEL, key, roles=Role.UNKNOWN)
    for key in body.get("logged_models", ()):
        changes.edge(key, Edge.PRODUCED_BY, run)
    fold_artifacts(body, run, changes)


def _registers(body: Mapping[str, Any]) -> dict[str, Any]:
    registers: dict[str, Any] = {"run_id": body["run"]} | {
        key: body[key]
        for key in ("name", "experiment", "claimed_start", "claimed_end", "params_sealed", "error")
        if key in body
    }
    registers.update((f"param:{key}", value) for key, value in body.get("params", ()))
    registers.update(metric_registers(body))
    registers.update(tag_registers(body))
    registers.update(claim_registers(body))
    if "commit" in body:
        registers["commit"] = body["commit"]
    return registers


def _fold_states(body: Mapping[str, Any], run: str, execution: str, changes: Changes) -> None:
    if "state" in body:
        changes.point(run, f"state:{execution}", {"state": body["state"]})
    if "existence" in body:
        changes.point(run, "existence", {"is": body["existence"]})


def _fold_context(body: Mapping[str, Any], run: str, changes: Changes) -> None:
    if job := body.get("job"):
        changes.edge(run, Edge.OF_JOB, names.job(job["namespace"], job["name"]))
    if commit := body.get("commit"):
        key = names.commit(commit["sha"])
        changes.edge(run, Edge.BUILT_FROM, key)
        if repository := commit.get("repository"):
            changes.edge(key, Edge.IN_REPOSITORY, names.repository(repository), How.DECLARED)
    if runtime := body.get("runtime"):
        key = names.runtime(runtime["digest"])
        changes.set(key, dict(runtime))
        changes.edge(run, Edge.RAN_IN, key)
    if parent := body.get("parent"):
        changes.edge(run, Edge.PARENT, names.run(parent))
    if root := body.get("root"):
        changes.set(run, {"root": changes.node(names.run(root))})
    for which in ("parent", "root"):
        # A child says of which job the runs above it are; they themselves may say nothing at all.
        if which in body and (job := body.get(f"{which}_job")):
            changes.edge(names.run(body[which]), Edge.OF_JOB, names.job(job["namespace"], job["name"]), How.DECLARED)


def _fold_input(item: Mapping[str, Any], run: str, changes: Changes) -> None:
    dataset = set_dataset(item, changes)
    roles = roles_to_bits(item.get("roles", []))
    how = How[item.get("how", "exact").upper()]
    if "version" in item:
        changes.edge(run, Edge.USED, assert_version(item, changes), how, roles)
        if item.get("identity") == "hint":
            # A hint of what was read names no version that somebody wrote: that one is still to be found.
            changes.edge(run, Edge.READ, dataset, how, roles)
    else:
        changes.edge(run, Edge.READ, dataset, how, roles)
        if "digest" in item:
            # What was read had this digest: the read-time rule compares it with what was written.
            changes.set(run, {f"read_digest:{dataset}": item["digest"]})


def _fold_output(item: Mapping[str, Any], run: str, execution: str, changes: Changes) -> None:
    """An output with a version is that version; one without is named by the run that wrote it."""
    how = How[item.get("how", "exact").upper()]
    if "version" in item:
        named = item
    else:
        named = {**item, "version": names.by_run_version(run, execution), "identity": "by_run"}
    version = assert_version(named, changes)
    stated = item.get("made_of")
    changes.edge(version, Edge.PRODUCED_BY, run, how, Role.NONE if stated is None else Role.STATED)
    for other in stated or ():
        changes.edge(version, Edge.DERIVED_FROM, set_dataset(other, changes), how)
    write_point(item, version, run, execution, changes)


def fold_job(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a description of a job."""
    body = record["body"]
    described = {
        name: body[name] for name in ("description", "integration", "kind", "processing", "location") if name in body
    }
    changes.set(names.job(body["namespace"], body["name"]), described | pair_registers(body))
