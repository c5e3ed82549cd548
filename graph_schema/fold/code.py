"""What repositories leave in the graph: commits, their parents, branches."""

from collections.abc import Mapping
from typing import Any

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.fold.model import sighting
from graph_schema.fold.people import set_person
from graph_schema.kinds import Edge


def fold_commit(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold one commit."""
    body = record["body"]
    key = names.commit(body["sha"])
    registers = {
        name: body[name]
        for name in ("tree", "authored_at", "message", "signature", "changed_paths", "paths")
        if name in body
    }
    for role in ("author", "committer"):
        if role in body:
            registers[role] = set_person(body[role], changes)
    changes.set(key, {"sha": body["sha"], **registers})
    changes.edge(key, Edge.IN_REPOSITORY, names.repository(body["repository"]))
    for parent in body.get("parents", ()):
        changes.edge(key, Edge.PARENT, names.commit(parent))


def fold_branch(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold where a branch or tag points."""
    body = record["body"]
    repository = names.repository(body["repository"])
    value: dict[str, Any] = {"commit": None, **sighting(record)}
    if "sha" in body:
        value["commit"] = changes.node(names.commit(body["sha"]))
    if body.get("forced"):
        value["forced"] = True
    changes.point(repository, f"ref:{body['ref']}", value)
