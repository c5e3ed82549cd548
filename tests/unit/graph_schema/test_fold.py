"""What single facts around models leave in the graph; the laws of the fold stand in tests/properties."""

from typing import Any

import pytest

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.events import parse_event
from graph_schema.fold import fold
from graph_schema.kinds import Edge

MODEL = names.model("prod", "credit")
LOGGED = names.logged_model("prod", "m-4f1c")
VERSION = names.model_version("prod", "credit", "3", 5)
RUN = names.run("r1")


def folded(word: str, body: dict[str, Any]) -> Changes:
    event = {"type": word, "occurred_at": "2026-03-01T00:00:00Z", "actor": {"assurance": "system"}, "body": body}
    parse_event(event)
    record = {**event, "ev": 1, "id": "0" * 32, "source": {"kind": "mlflow", "instance": "prod"}}
    return fold(record)


def edges(changes: Changes) -> set[tuple[str, Edge, str]]:
    return {(start, Edge(kind), end) for start, kind, end in changes.edges}


def test_a_version_is_derived_from_the_logged_model_of_its_registry_and_keeps_its_run() -> None:
    body = {"model": MODEL, "version": "3", "created_ms": 5, "run": "r1", "logged_model": "m-4f1c"}
    found = edges(folded("model_version.registered", body))
    assert {(VERSION, Edge.DERIVED_FROM, LOGGED), (VERSION, Edge.PRODUCED_BY, RUN)} <= found


def test_a_prompt_version_is_derived_from_no_logged_model() -> None:
    body = {"model": names.prompt("prod", "greet"), "version": "3", "created_ms": 5, "logged_model": "m-4f1c"}
    assert LOGGED not in folded("model_version.registered", body).nodes


def test_a_metric_of_a_logged_model_is_a_register_of_its_own() -> None:
    metrics = [{"key": "auc", "value": "0.9"}, {"key": "f1", "value": "NaN"}]
    found = folded("logged_model.observed", {"logged_model": LOGGED, "metrics": metrics})
    assert found.properties[LOGGED] == {"metric:auc": "0.9", "metric:f1": "NaN"}


def test_a_run_that_used_a_logged_model_and_one_that_made_it_point_opposite_ways() -> None:
    found = edges(folded("run.observed", {"run": "r1", "logged_model_inputs": [LOGGED]}))
    assert found == {(RUN, Edge.USED_MODEL, LOGGED)}
    found = edges(folded("run.observed", {"run": "r1", "logged_models": [LOGGED]}))
    assert found == {(LOGGED, Edge.PRODUCED_BY, RUN)}


def test_a_file_whose_bytes_nobody_read_is_listed_and_is_no_document() -> None:
    files = [{"path": "a.png", "bytes": 3}, {"path": "b.csv", "bytes": 4, "digest": "sha256:bb", "sample": True}]
    changes = folded("run.observed", {"run": "r1", "artifacts": files})
    assert edges(changes) == {(names.document("sha256:bb"), Edge.PART_OF, RUN)}
    assert changes.properties[RUN]["artifact:a.png"] == {"bytes": 3}
    assert changes.properties[RUN]["artifact:b.csv"] == {"bytes": 4, "digest": "sha256:bb", "sample": True}


def test_a_claim_is_a_register_of_its_own_and_ends_with_its_tag() -> None:
    claim = {"means": "approval", "name": "approval_status", "value": "approved"}
    tag = {"node": VERSION, "name": "approval_status", "value": "approved", "claims": [claim]}
    assert folded("tag.set", tag).properties[VERSION] == {
        "tag:approval_status": "approved",
        "claim:approval:approval_status": "approved",
    }
    gone = {"node": VERSION, "name": "approval_status", "meant": ["approval"]}
    assert folded("tag.removed", gone).properties[VERSION] == {
        "tag:approval_status": None,
        "claim:approval:approval_status": None,
    }


def test_a_description_that_was_removed_leaves_a_tombstone() -> None:
    assert folded("description.changed", {"node": MODEL}).properties[MODEL] == {"description": None}


def test_an_intent_and_its_conclusion_share_a_slot() -> None:
    body = {"action": "POST x", "act": "a-1", "node": MODEL}
    intended = folded("attempt.intended", body)
    assert intended.points == [(MODEL, "intent:a-1", 0, {"action": "POST x", "concluded": False})]
    concluded = folded("attempt.concluded", body)
    assert concluded.points == [(MODEL, "intent:a-1", 0, {"action": "POST x", "concluded": True})]


def test_attempts_are_points_of_what_they_were_aimed_at() -> None:
    denied = folded("attempt.denied", {"action": "POST x", "node": MODEL, "status": 403})
    assert denied.points == [(MODEL, "attempt", 0, {"action": "POST x", "outcome": "denied"})]
    lost = folded("attempt.unresolved", {"action": "POST x", "node": MODEL, "reason": "the process ended"})
    assert lost.points == [(MODEL, "attempt", 0, {"action": "POST x", "outcome": "unknown"})]


@pytest.mark.parametrize(
    ("begun", "reached", "slot"),
    [
        ("2026-02-01T00:00:00Z", "2026-02-28T23:59:58Z", "covered:001769904000000000+2000000"),
        ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "covered:001769904000000000+0"),
        ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00.000001Z", "covered:001769904000000000-1"),
        ("1970-01-01T00:00:00Z", "2026-02-28T23:59:59Z", "covered:000000000000000000+1000000"),
        ("9999-12-31T23:59:59.999999Z", "2026-02-28T23:59:59Z", "covered:253402300799999999+1000000"),
    ],
)
def test_a_report_is_a_point_of_its_span_and_of_how_long_after_its_end_it_was_made(
    begun: str, reached: str, slot: str
) -> None:
    body = {"covered_from": begun, "covered_to": reached, "spooled": 3}
    value = {**body, "clock_offset_us": 0}
    assert folded("collector.reported", body).points == [(names.source("mlflow", "prod"), slot, 0, value)]
