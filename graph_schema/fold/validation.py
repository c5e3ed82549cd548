"""What validations leave in the graph: a node each, what they judged, and what they rest on."""

from collections.abc import Mapping
from typing import Any

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.fold.data import assert_version
from graph_schema.fold.model import mention_version
from graph_schema.kinds import Edge, Role

_REGISTERS = ("name", "outcome", "digest", "link", "ticket", "comment")


def fold_validation(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold one validation; the version it judges has a point, so that its history tells of it."""
    body = record["body"]
    key, version = names.validation(body["validation"]), mention_version(body, changes)
    registers = {name: body[name] for name in _REGISTERS if name in body}
    changes.set(key, registers | {"checks": list(body.get("checks", ()))})
    changes.edge(key, Edge.VALIDATES, version)
    changes.point(version, f"validated:{body['validation']}", {"outcome": body["outcome"]})
    for item in body.get("data", ()):
        changes.edge(key, Edge.USED, assert_version(item, changes), roles=Role.EVALUATION)
    if "run" in body:
        changes.edge(key, Edge.PRODUCED_BY, names.run(body["run"]))
