"""What the archive says of itself: its sources and what they covered, and corrections of belief."""

from collections.abc import Mapping
from typing import Any

from graph_schema import names, times
from graph_schema.changes import Changes
from graph_schema.kinds import Edge


def fold_nothing(_record: Mapping[str, Any], _changes: Changes) -> None:
    """Fold a fact that is evidence by itself and changes no entity."""


def fold_attempt(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold an attempt that was denied, or whose outcome nobody saw: part of the history of what it was aimed at."""
    body = record["body"]
    if "node" in body:
        outcome = "denied" if record["type"] == "attempt.denied" else "unknown"
        changes.point(body["node"], "attempt", {"action": body["action"], "outcome": outcome})


def fold_intent(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold an intent, or its conclusion: one slot for each act, so that an open one is seen."""
    body = record["body"]
    if "node" in body:
        value = {"action": body["action"], "concluded": record["type"] == "attempt.concluded"}
        changes.point(body["node"], f"intent:{body['act']}", value)


def fold_opened(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the genesis: the installation is the source of its own commands."""
    changes.set(changes.source, {"origin": record["body"]["origin"], "method": "in_path"})


def fold_source_registered(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a source: what it may send, how it sees it, since when."""
    body = record["body"]
    key = names.source(body["kind"], body["instance"])
    changes.set(key, {name: value for name, value in body.items() if name != "since"})
    changes.point(key, "registered", {"is": True, "since": body.get("since", record["occurred_at"])})


def fold_source_retired(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the end of a source."""
    body = record["body"]
    changes.point(names.source(body["kind"], body["instance"]), "registered", {"is": False})


def fold_reported(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold the interval a collector says it covered, under the name of the span that it belongs to.

    The name is the beginning (microseconds, 18 digits) and how long after its end the report was made, with a sign.
    So reports of one name begin together, and the one made later reaches further: the newest says what all of them say.
    """
    body = record["body"]
    begun, reached = times.parse_time(body["covered_from"]), times.parse_time(body["covered_to"])
    value = {name: body[name] for name in ("covered_from", "covered_to", "cursor", "spooled") if name in body}
    value["clock_offset_us"] = body.get("clock_offset_us", 0)
    changes.point(changes.source, f"covered:{begun:018d}{changes.at - reached:+d}", value)


def fold_withdrawn(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold a withdrawal of one source's assertions of one edge."""
    body = record["body"]
    changes.withdraw(body["from"], Edge[body["type"]], body["to"], body["source"])
