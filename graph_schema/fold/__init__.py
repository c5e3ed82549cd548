"""The fold: from a record to its changes of the graph. The law of the whole system lives here.

**It reads the record and nothing else.** No graph, no clock, no arrival number: so the same facts in any
order, repeated and batched in any way, give the same graph, and the ledger alone can rebuild it. Whatever
depends on other facts is computed by a query from what is known at N.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from graph_schema import names, times
from graph_schema.changes import Changes, order_key
from graph_schema.fold import archive, code, columns, data, model, movement, people, run, validation

FOLD_VERSION: Final = 3
"""Grows when the same record gives other changes; a store folded by another version is rebuilt."""

_FOLDS: Final[dict[str, Callable[[Mapping[str, Any], Changes], None]]] = {
    "run.observed": run.fold_run,
    "job.declared": run.fold_job,
    "dataset.declared": data.fold_dataset,
    "dataset_version.observed": data.fold_dataset_version,
    "dataset.changed": data.fold_dataset_change,
    "dataset.measured": data.fold_measure,
    "columns.derived": columns.fold_columns,
    "model.declared": model.fold_declared,
    "model_version.registered": model.fold_registered,
    "model_version.deleted": model.fold_version_deleted,
    "model.renamed": model.fold_renamed,
    "model.deleted": model.fold_deleted,
    "logged_model.observed": model.fold_logged_model,
    "description.changed": model.fold_description,
    "tag.set": model.fold_tag_set,
    "tag.removed": model.fold_tag_removed,
    "stage.transitioned": movement.fold_stage,
    "alias.moved": movement.fold_alias_moved,
    "alias.removed": movement.fold_alias_removed,
    "deployment.changed": movement.fold_deployment,
    "validation.recorded": validation.fold_validation,
    "commit.observed": code.fold_commit,
    "branch.moved": code.fold_branch,
    "person.declared": people.fold_person,
    "identity.linked": people.fold_identity,
    "permission.observed": people.fold_permission,
    "role.granted": people.fold_role_granted,
    "role.revoked": people.fold_role_revoked,
    "token.issued": people.fold_token_issued,
    "token.revoked": people.fold_token_revoked,
    "ledger.opened": archive.fold_opened,
    "source.registered": archive.fold_source_registered,
    "source.retired": archive.fold_source_retired,
    "collector.reported": archive.fold_reported,
    "attempt.denied": archive.fold_attempt,
    "attempt.unresolved": archive.fold_attempt,
    "attempt.intended": archive.fold_intent,
    "attempt.concluded": archive.fold_intent,
    "access.denied": archive.fold_nothing,
    "payload.quarantined": archive.fold_nothing,
    "clock.anomaly": archive.fold_nothing,
    "graph.sealed": archive.fold_nothing,
    "edge.withdrawn": archive.fold_withdrawn,
}


def understands(record: Mapping[str, Any]) -> bool:
    """Tell whether this version can fold the record; one it cannot is kept, folded to nothing and reported."""
    return record["type"] in _FOLDS and record["ev"] == 1 and record.get("v", 1) == 1


def fold(record: Mapping[str, Any]) -> Changes:
    """Return what a record (or one that lacks only seq, prev and time) does to the graph."""
    source = names.source(record["source"]["kind"], record["source"]["instance"])
    at = times.parse_time(record["occurred_at"])
    actor = record["actor"].get("id")
    changes = Changes(
        at=at,
        order=order_key(at, source, record["source"].get("order", 0), record["id"]),
        source=source,
        actor=people.person_key(actor) if actor else None,
    )
    changes.node(source)
    if changes.actor:
        changes.node(changes.actor)
    if behalf := record["actor"].get("on_behalf_of"):
        changes.node(people.person_key(behalf["id"]))
    if understands(record):
        _FOLDS[record["type"]](record, changes)
    return changes
