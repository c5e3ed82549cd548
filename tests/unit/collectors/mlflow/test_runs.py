import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mlflow import runs
from collectors.mlflow.act import Act
from collectors.mlflow.routes import RECORDED
from graph_schema import canonical
from graph_schema.events import parse_event

ACT = Act(
    "request-1", RECORDED["POST runs/update"], {}, 1_795_393_750_000_000, 1_795_393_751_000_000, 200, {}, "prod",
    issuer="mlflow:prod",
)  # fmt: skip


def run(status: str = "FINISHED", **parts: Any) -> dict[str, Any]:
    """Give a run as MLflow's store gives it."""
    info = {"run_id": "r1", "experiment_id": "7", "run_name": "first", "status": status, "start_time": 1795392378318}
    return {"info": {**info, "end_time": 1795392384396, **parts.pop("info", {})}, **parts}


def dataset(source_type: str, source: object, digest: str = "ab6a6660", context: str = "training") -> dict[str, Any]:
    return {
        "dataset": {"name": "loans", "digest": digest, "source_type": source_type, "source": json.dumps(source)},
        "tags": {"mlflow.data.context": context, "pii": "true"},
    }


def ended(value: dict[str, Any]) -> list[dict[str, Any]]:
    facts = runs.run_ended(ACT, value)
    for fact in facts:
        parse_event(fact)
    return facts


def test_a_usual_run_is_one_fact() -> None:
    data = {
        "params": {"C": "1.0"},
        "metrics": {"auc": 0.9},
        "tags": {
            "mlflow.user": "ada",
            "mlflow.source.git.commit": "FDD5D328A1",
            "mlflow.source.git.branch": "main",
            "mlflow.source.git.dirty": "True",
            "mlflow.parentRunId": "r0",
            "mlflow.log-model.history": "[]" * 9000,
        },
    }
    (fact,) = ended(run(data=data, inputs={"dataset_inputs": [dataset("s3", {"uri": "s3://lake/loans.csv"})]}))
    body = fact["body"]
    assert body["state"] == "complete"
    assert body["metrics"] == [{"key": "auc", "value": "0.9"}]
    assert body["commit"] == {"sha": "fdd5d328a1", "branch": "main", "dirty": True}
    assert (body["parent"], body["experiment"], body["name"]) == ("r0", "7", "first")
    assert body["claimed_start"] == "2026-11-23T00:06:18.318000Z"
    assert "mlflow.log-model.history" not in dict(body["tags"])
    assert fact["actor"] == {
        "issuer": "mlflow:prod",
        "subject": "ada",
        "assurance": "claimed",
        "via": "mlflow.user",
    }


@pytest.mark.parametrize(("status", "state"), [("FINISHED", "complete"), ("FAILED", "failed"), ("KILLED", "aborted")])
def test_the_terminal_states(status: str, state: str) -> None:
    (fact,) = ended(run(status))
    assert fact["body"]["state"] == state
    assert runs.is_terminal(status)


@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED", None, 3])
def test_a_run_that_goes_on_is_not_read(status: object) -> None:
    assert not runs.is_terminal(status)


@given(st.floats())
def test_a_metric_gives_the_same_float_again(value: float) -> None:
    (fact,) = ended(run(data={"metrics": {"loss": value}}))
    again = float(fact["body"]["metrics"][0]["value"])
    assert again == value or (math.isnan(again) and math.isnan(value))


def test_a_run_too_large_for_a_record_is_several_facts_of_one_event() -> None:
    data: dict[str, dict[str, Any]] = {
        "params": {f"param{n}": "x" * 500 for n in range(1200)},
        "metrics": {f"a long name of a metric {n}": n / 7 for n in range(3000)},
    }
    inputs = {"dataset_inputs": [dataset("s3", {"uri": f"s3://lake/part-{n}.csv"}) for n in range(900)]}
    facts = ended(run(data=data, inputs=inputs))
    assert len(facts) > 10
    assert {fact["source"]["event_id"] for fact in facts} == {"request-1"}
    bodies = [fact["body"] for fact in facts]
    assert [body["state"] for body in bodies if "state" in body] == ["complete"]
    metrics = [item["key"] for body in bodies for item in body.get("metrics", ())]
    assert sorted(metrics) == sorted(data["metrics"])
    assert sum(len(body.get("inputs", ())) for body in bodies) == 900
    params = [pair for body in bodies for pair in body.get("params", ())]
    assert dict(params) == data["params"]
    for body in bodies:
        # Sealed pairs leave the record, so what must fit is the rest.
        recorded = {key: value for key, value in body.items() if key not in ("params", "tags")}
        assert len(canonical.encode(recorded)) < canonical.MAX_BYTES // 2


@pytest.mark.parametrize(
    ("kind", "source", "namespace", "name"),
    [
        ("s3", {"uri": "s3a://lake/a/loans.csv"}, "s3://lake", "a/loans.csv"),
        ("local", {"uri": "train.csv"}, "file", "train.csv"),
        ("local", {"uri": "/data/train.csv"}, "file", "/data/train.csv"),
        ("http", {"url": "https://u:p@h.example/train.csv?sig=abc"}, "https://h.example", "train.csv"),
        ("hf", {"path": "org/loans", "revision": "main"}, "huggingface", "org/loans"),
        ("delta_table", {"delta_table_name": "main.loans"}, "mlflow:prod", "main.loans"),
        ("code", {"tags": {"mlflow.user": "ada"}}, "mlflow:prod", "loans"),
        ("odd", "no object", "mlflow:prod", "loans"),
    ],
)
def test_datasets_are_named_as_everybody_names_them(kind: str, source: object, namespace: str, name: str) -> None:
    (fact,) = ended(run(inputs={"dataset_inputs": [dataset(kind, source)]}))
    (read,) = fact["body"]["inputs"]
    assert (read["namespace"], read["name"]) == (namespace, name)


def test_mlflows_digest_is_a_hint_and_a_table_version_is_declared() -> None:
    inputs = [
        dataset("s3", {"uri": "s3://lake/a"}),
        dataset("delta_table", {"path": "s3://lake/t", "delta_table_version": 4}),
        dataset("s3", {"uri": "s3://lake/b"}, digest="not a digest!"),
        dataset("s3", {"uri": "s3://lake/c"}, digest=""),
    ]
    (fact,) = ended(run(inputs={"dataset_inputs": inputs}))
    hint, declared, odd, none = fact["body"]["inputs"]
    assert (hint["version"], hint["identity"], hint["digest"]) == ("mlflow-ab6a6660", "hint", "mlflow:ab6a6660")
    assert (declared["version"], declared["identity"]) == ("4", "declared")
    assert (odd["identity"], "digest" in odd) == ("hint", False)
    assert "version" not in none


@pytest.mark.parametrize(
    ("context", "role"),
    [
        ("training", "training"), ("Train", "training"), ("eval", "evaluation"), ("eval_", "evaluation"),
        ("Evaluation", "evaluation"), ("validation", "validation"), ("val_", "validation"), ("testing", "test"),
        ("inference", "scoring"), ("optimization", "unknown"), ("", "unknown"), ("_", "unknown"), ("odd", "unknown"),
    ],
)
def test_the_context_of_an_input_is_its_role(context: str, role: str) -> None:
    (fact,) = ended(run(inputs={"dataset_inputs": [dataset("s3", {"uri": "s3://l/a"}, context=context)]}))
    assert fact["body"]["inputs"][0]["roles"] == [role]


@pytest.mark.parametrize(
    "info",
    [{"start_time": None, "end_time": 0}, {"start_time": 10**18}, {"start_time": "soon"}, {"start_time": -5}],
)
def test_a_claimed_time_that_is_none_is_left_out(info: dict[str, Any]) -> None:
    (fact,) = ended(run(info={"end_time": None, **info}))
    assert "claimed_start" not in fact["body"]


@pytest.mark.parametrize("sha", ["", "main", "fdd5", "z" * 40, "f" * 65])
def test_what_is_no_commit_is_none(sha: str) -> None:
    (fact,) = ended(run(data={"tags": {"mlflow.source.git.commit": sha}}))
    assert "commit" not in fact["body"]


def test_an_answer_without_a_run_is_no_fact() -> None:
    assert runs.run_created(ACT) == []
    assert runs.inputs_logged(ACT) == []


def test_which_run_a_request_ended_is_known_whatever_its_route() -> None:
    assert runs.ended_by(replace(ACT, fields={"run_id": "r1", "status": "KILLED"})) == "r1"
    assert runs.ended_by(replace(ACT, fields={"run_uuid": "r1", "status": "FINISHED"})) == "r1"
    assert runs.ended_by(replace(ACT, fields={"run_id": "r1", "status": "RUNNING"})) is None
    lab = replace(ACT, route=RECORDED["POST runs/create-promptlab-run"], fields={"experiment_id": "7"})
    assert runs.ended_by(replace(lab, response={"run": run()})) == "r1"
    nothing: list[dict[str, Any]] = [{}, {"run": None}, {"run": {}}, {"run": []}]
    for answer in nothing:
        assert runs.ended_by(replace(lab, response=answer)) is None
    assert runs.ended_by(replace(ACT, route=RECORDED["POST runs/create"], response={"run": run()})) is None


def test_naming_an_input_measures_nothing_and_the_end_of_the_run_measures_it_once() -> None:
    counted = dataset("s3", {"uri": "s3://lake/a"})
    counted["dataset"]["profile"] = '{"num_rows": 6, "num_elements": 18}'
    named = runs.inputs_logged(replace(ACT, fields={"run_id": "r1", "datasets": [counted]}))
    assert [fact["type"] for fact in named] == ["run.observed"]
    value = run(inputs={"dataset_inputs": [counted]})
    assert [fact["type"] for fact in ended(value)] == ["run.observed", "dataset.measured"]
    assert runs.surroundings(ACT, value, runs.NOTHING) == []
