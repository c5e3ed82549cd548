"""What is read from MLflow once a request was answered; the stores themselves are met in tests/journeys."""

from typing import Any

import pytest

from collectors.mlflow import afterwards, whole_run
from collectors.mlflow.act import Act
from collectors.mlflow.routes import RECORDED
from graph_schema.events import parse_event

DATA: dict[str, Any] = {
    "dataset": {"name": "loans", "digest": "ab", "source_type": "s3", "source": '{"uri": "s3://lake/a"}'}
}
SAID = {**DATA, "tags": {"mlflow.data.context": "eval"}}


def inputs(*named: dict[str, Any]) -> list[list[str]]:
    fields = {"run_id": "r1", "datasets": list(named), "models": [{"model_id": "m-1"}]}
    act = Act("r", RECORDED["POST runs/log-inputs"], fields, 1, 2, 200, {}, "prod", issuer="mlflow:prod")
    facts = afterwards.facts_of(act)
    for fact in facts:
        parse_event(fact)
    assert facts[-1]["body"]["logged_model_inputs"] == ["logged_model:prod::m-1"]
    return [one["roles"] for fact in facts for one in fact["body"].get("inputs", ())]


def test_data_that_a_metric_names_again_is_still_for_what_the_run_holds_it_was_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def read(run_id: str, _workspace: str | None) -> dict[str, Any]:
        asked.append(run_id)
        return {"inputs": {"dataset_inputs": [SAID]}}

    monkeypatch.setattr(whole_run, "read_run", read)
    assert inputs(SAID) == [["evaluation"]]
    assert inputs() == []
    assert asked == []
    assert inputs(DATA, DATA) == [["evaluation"]]
    assert asked == ["r1"]


def test_a_run_that_cannot_be_read_costs_the_role_of_its_data_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> dict[str, Any]:
        raise ConnectionError("postgresql://user:s3cr3t@db")

    monkeypatch.setattr(whole_run, "read_run", broken)
    assert inputs(DATA) == [["unknown"]]
