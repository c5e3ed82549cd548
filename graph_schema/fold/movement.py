"""What movement leaves in the graph: points only, never an interval to close."""

from collections.abc import Mapping
from typing import Any

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.fold.model import mention_version, sighting


def _of_event(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ties several facts of one foreign act together."""
    event_id = record["source"].get("event_id")
    return {"event": event_id} if event_id else {}


def fold_stage(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a stage, and the sweep of all others when the same act archived them."""
    body = record["body"]
    key = mention_version(body, changes)
    extra = _of_event(record)
    changes.point(key, "stage", {"to": body["to"], **extra, **sighting(record)})
    if body.get("archive_others"):
        changes.point(body["model"], f"swept:{body['to']}", {"kept": key, **extra})


def fold_alias_moved(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold which version an alias names."""
    body = record["body"]
    key = mention_version(body, changes)
    changes.point(body["model"], f"alias:{body['alias']}", {"version": key, **_of_event(record), **sighting(record)})


def fold_alias_removed(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold that an alias names nothing."""
    body = record["body"]
    value = {"version": None, **_of_event(record), **sighting(record)}
    changes.point(body["model"], f"alias:{body['alias']}", value)


def fold_deployment(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold what a target serves of a model, with its share and mode."""
    body = record["body"]
    where = body["target"]
    target = names.target(where["environment"], where["region"])
    changes.set(target, {"platform": where["platform"]} if "platform" in where else {})
    key, model = mention_version(body, changes), body["model"]
    mode = body.get("mode", "serving")
    served = None if mode == "none" else key
    changes.point(target, f"live:{model}", {"version": served, **_of_event(record), **sighting(record)})
    changes.point(target, f"mode:{model}", {"mode": mode})
    if "traffic" in body:
        changes.point(target, f"traffic:{model}", {"version": key, "share": body["traffic"]})
