"""What models leave in the graph: versions, generations of a name, tags."""

from collections.abc import Mapping
from typing import Any

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.fold.data import tag_registers
from graph_schema.kinds import Edge


def version_key(item: Mapping[str, Any]) -> str:
    """Return the key of the version a fact names; without a creation time it is the one of that number then."""
    model = names.parse(item["model"])
    make = names.prompt_version if model.kind == "prompt" else names.model_version
    return make(model.parts[0], model.parts[1], item["version"], item.get("created_ms"))


def mention_version(item: Mapping[str, Any], changes: Changes) -> str:
    """Mention a version and the model it belongs to; return its key."""
    key = version_key(item)
    changes.edge(key, Edge.VERSION_OF, item["model"])
    return key


def sighting(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a point must say when its value was only seen: the change came after ``not_before``."""
    if record["actor"]["assurance"] != "observed":
        return {}
    return {"seen": True, "not_before": record["body"].get("not_before")}


def claim_registers(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return one register for each claim, named by what it means and by the tag or parameter it stands in."""
    claims = body.get("claims", ())
    return {f"claim:{one['means']}:{one['name']}": one.get("value", one.get("hidden")) for one in claims}


def metric_registers(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return one register for each metric of a run or a logged model."""
    return {f"metric:{item['key']}": item["value"] for item in body.get("metrics", ())}


def fold_artifacts(body: Mapping[str, Any], holder: str, changes: Changes) -> None:
    """Fold the files of a run or a logged model; one whose bytes were read is a document by its digest."""
    for item in body.get("artifacts", ()):
        about = {name: item[name] for name in ("bytes", "digest", "sample") if name in item}
        changes.set(holder, {f"artifact:{item['path']}": about})
        if "digest" in item:
            document = names.document(item["digest"])
            changes.set(document, {"path": item["path"]})
            changes.edge(document, Edge.PART_OF, holder)


def _describe(key: str, body: Mapping[str, Any], changes: Changes) -> None:
    registers = tag_registers(body)
    for name in ("description", "location", "logged_model", "digest"):
        if name in body:
            registers[name] = body[name]
    changes.set(key, registers)


def fold_declared(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the existence of a model's name."""
    model = record["body"]["model"]
    _describe(model, record["body"], changes)
    changes.point(model, "generation", {"is": "created", **sighting(record)})


def fold_registered(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the registration of a version."""
    body = record["body"]
    key = mention_version(body, changes)
    _describe(key, body, changes)
    changes.set(key, {"created_ms": body["created_ms"], **claim_registers(body)})
    if "logged_model" in body and names.kind_of(key) == "model_version":
        registry = names.parse(body["model"]).parts[0]
        changes.edge(key, Edge.DERIVED_FROM, names.logged_model(registry, body["logged_model"]))
    if "run" in body:
        changes.edge(key, Edge.PRODUCED_BY, names.run(body["run"]))
    for parent in body.get("derived_from", ()):
        changes.edge(key, Edge.DERIVED_FROM, mention_version(parent, changes))
    changes.point(key, "existence", {"is": "present", **sighting(record)})


def fold_version_deleted(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the deletion of a version; aliases that point at it end by a query's rule."""
    key = mention_version(record["body"], changes)
    changes.point(key, "existence", {"is": "deleted", **sighting(record)})


def fold_renamed(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a rename: the old name's generation ends, each carried version is the same under both names."""
    body = record["body"]
    changes.point(body["model"], "generation", {"is": "renamed", "to": body["to"]})
    changes.point(body["to"], "generation", {"is": "created", "was": body["model"]})
    for carried in body.get("carried", ()):
        old = mention_version({"model": body["model"], **carried}, changes)
        new = mention_version({"model": body["to"], **carried}, changes)
        changes.edge(new, Edge.SAME_AS, old)
        changes.set(new, {"created_ms": carried["created_ms"]})
        changes.point(new, "existence", {"is": "present"})


def fold_deleted(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the deletion of a model: later points of all its slots count afresh."""
    changes.point(record["body"]["model"], "generation", {"is": "deleted", **sighting(record)})


def fold_logged_model(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold what was seen of a logged model."""
    body = record["body"]
    key = body["logged_model"]
    about = ("name", "model_type", "experiment", "params_sealed")
    registers = {name: body[name] for name in about if name in body} | tag_registers(body)
    registers.update((f"param:{name}", value) for name, value in body.get("params", ()))
    registers.update(metric_registers(body))
    changes.set(key, registers)
    if "run" in body:
        changes.edge(key, Edge.PRODUCED_BY, names.run(body["run"]))
    if "state" in body:
        changes.point(key, "state", {"is": body["state"], **sighting(record)})
    if "existence" in body:
        changes.point(key, "existence", {"is": body["existence"], **sighting(record)})
    fold_artifacts(body, key, changes)


def fold_description(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a new description, or that there is none any more."""
    body = record["body"]
    changes.set(body["node"], {"description": body.get("description")})


def fold_tag_set(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold one tag; the register of a sealed value says in which record to find it."""
    body = record["body"]
    tag = {f"tag:{body['name']}": body["value"] if "value" in body else body["hidden"]}
    changes.set(body["node"], tag | claim_registers(body))


def fold_tag_removed(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the removal of a tag: null is the tombstone that only removals write. What it claimed is claimed no more."""
    body = record["body"]
    meant = {f"claim:{means}:{body['name']}": None for means in body.get("meant", ())}
    changes.set(body["node"], {f"tag:{body['name']}": None} | meant)
