"""A logged model with more parameters than a record holds, read from outside: several facts, and nothing lost."""

from pathlib import Path
from typing import Any

from collectors.mlflow.sightings import Look, logged_model_told
from graph_schema.times import parse_time
from tests.service import START, make_service

KEY = "logged_model:prod::m-1"
LOOK = Look("prod", START, first=True)


def row(params: int, value: str) -> dict[str, Any]:
    """Return a logged model as REST gives it."""
    return {
        "info": {
            "model_id": "m-1",
            "name": "credit",
            "experiment_id": "1",
            "source_run_id": "run-1",
            "status": "LOGGED_MODEL_READY",
            "creation_timestamp_ms": parse_time("2026-11-22T09:00:00Z") // 1000,
            "tags": [{"key": "semver", "value": "1.2.0"}],
        },
        "data": {"params": [{"key": f"layer.{n:04}.width", "value": value} for n in range(params)]},
    }


def test_two_thousand_parameters_are_facts_that_the_service_records_each(tmp_path: Path) -> None:
    for value in ("1", "a value of a hundred characters ".ljust(100, "x")):
        facts = logged_model_told(LOOK, row(2000, value), None).facts
        assert len(facts) > 1
        kept = [pair for fact in facts for pair in fact["body"].get("params", [])]
        assert kept == [[f"layer.{n:04}.width", value] for n in range(2000)]
        assert {fact["body"]["logged_model"] for fact in facts} == {KEY}
        assert [("state" in fact["body"], "run" in fact["body"]) for fact in facts] == [
            (True, True), *[(False, False)] * (len(facts) - 1),
        ]  # fmt: skip
        folder = tmp_path / str(len(value))
        folder.mkdir()
        with make_service(folder) as service:
            answer = service.send(*facts, token=service.source_token("mlflow-poll"))
            assert answer.status_code == 201, answer.text
            assert len(service.records("logged_model.observed")) == len(facts)


def test_a_few_parameters_are_one_fact_as_before() -> None:
    (fact,) = logged_model_told(LOOK, row(3, "1"), None).facts
    assert len(fact["body"]["params"]) == 3
    assert fact["body"]["tags"] == [["semver", "1.2.0"]]
    assert fact["body"]["state"] == "ready"
