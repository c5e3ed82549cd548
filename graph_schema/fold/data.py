"""What data leaves in the graph: datasets, versions, columns, and who wrote what when."""

from collections.abc import Mapping
from typing import Any

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.kinds import Edge, How


def set_dataset(item: Mapping[str, Any], changes: Changes) -> str:
    """Mention the dataset an item names and return its key."""
    return changes.node(names.dataset(item["namespace"], item["name"]))


def assert_version(item: Mapping[str, Any], changes: Changes) -> str:
    """Assert that a version of a dataset exists; return its key.

    Each identity but the usual one, declared, has a register of its own, because the answer is the
    strongest ever stated and not the last one.
    """
    dataset = set_dataset(item, changes)
    key = names.dataset_version(item["namespace"], item["name"], item["version"])
    identity = item.get("identity", "declared")
    registers: dict[str, Any] = {} if identity == "declared" else {f"identity:{identity}": True}
    if "digest" in item:
        algorithm, _, value = item["digest"].partition(":")
        registers[f"digest:{algorithm}"] = value
    changes.set(key, registers)
    changes.edge(key, Edge.VERSION_OF, dataset)
    return key


def write_point(item: Mapping[str, Any], version: str, run: str | None, execution: str, changes: Changes) -> None:
    """Add the point that says that a version of a dataset was written, and by which execution."""
    value: dict[str, Any] = {"version": version}
    if run is not None:
        value |= {"run": run, "execution": execution}
    if "digest" in item:
        value["digest"] = item["digest"]
    changes.point(names.dataset(item["namespace"], item["name"]), "written", value)


def tag_registers(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return one register for each clear tag, and one for the group of sealed ones."""
    registers: dict[str, Any] = {f"tag:{key}": value for key, value in body.get("tags", ())}
    if "tags_sealed" in body:
        registers["tags_sealed"] = body["tags_sealed"]
    return registers


def pair_registers(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the registers of tags, and of owners: a list that is replaced whole, sealed as it is."""
    return tag_registers(body) | {name: body[name] for name in ("owners", "owners_sealed") if name in body}


def column_registers(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema as one register: a list is replaced whole, also by the number of columns of a larger one."""
    if "column_count" in body:
        return {"columns": {"count": body["column_count"]}}
    if not body.get("columns"):
        return {}
    return {"columns": [[column["name"], column.get("type")] for column in body["columns"]]}


def fold_dataset(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a description of a dataset."""
    body = record["body"]
    key = set_dataset(body, changes)
    described = {name: body[name] for name in ("kind", "description") if name in body}
    changes.set(key, column_registers(body) | described | pair_registers(body))
    for other in body.get("same_as", ()):
        changes.edge(key, Edge.SAME_AS, set_dataset(other, changes), How.DECLARED)


def fold_dataset_version(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold an observation of one version of a dataset."""
    body = record["body"]
    key = assert_version(body, changes)
    registers = column_registers(body) | {name: body[name] for name in ("rows", "bytes") if name in body}
    changes.set(key, registers)
    run = names.run(body["run"]) if "run" in body else None
    if run:
        changes.edge(key, Edge.PRODUCED_BY, run)
    write_point(body, key, run, body.get("execution", ""), changes)
    for other in body.get("derived_from", ()):
        changes.edge(key, Edge.DERIVED_FROM, assert_version({**other, "identity": "declared"}, changes))


def fold_dataset_change(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold what happened to a dataset as a whole; a rename also makes one thing of both names."""
    body = record["body"]
    key = set_dataset(body, changes)
    value: dict[str, Any] = {"is": body["change"]}
    if "run" in body:
        value |= {"run": names.run(body["run"]), "execution": body.get("execution", "")}
    if previous := body.get("previous"):
        value["was"] = set_dataset(previous, changes)
        if body["change"] == "rename":
            changes.edge(key, Edge.SAME_AS, value["was"], How.DECLARED)
    changes.point(key, "lifecycle", value)


def fold_measure(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold what was counted or tested; one register a number, a column and a test."""
    body = record["body"]
    dataset, subject, prefix = set_dataset(body, changes), "", ""
    if "version" in body:
        subject = assert_version(body, changes)
    elif body.get("side") == "written":
        by_run = names.by_run_version(names.run(body["run"]), body.get("execution", ""))
        subject = assert_version({**body, "version": by_run, "identity": "by_run"}, changes)
    elif body.get("side") == "read":
        subject, prefix = names.run(body["run"]), f"read:{dataset}:"
    registers = {name: body[name] for name in ("rows", "bytes", "files") if name in body}
    registers |= {f"column:{one['column']}": _without(one, "column") for one in body.get("columns", ())}
    registers |= {
        f"check:{one.get('column', '')}:{one['check']}": _without(one, "check", "column")
        for one in body.get("checks", ())
    }
    changes.set(subject or dataset, {prefix + name: value for name, value in registers.items()})


def _without(item: Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in left_out}
