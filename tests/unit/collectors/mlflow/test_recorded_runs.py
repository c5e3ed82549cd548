"""Runs and a logged model as a real server gave them, in the spelling of its store and in that of REST."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.mlflow import logged, runs
from collectors.mlflow.act import Act
from collectors.mlflow.conventions import NONE
from collectors.mlflow.file_reader import version_digest
from collectors.mlflow.routes import RECORDED
from collectors.mlflow.runs import Found
from graph_schema.events import parse_event

RECORDING = json.loads((Path(__file__).parent / "recordings/runs-3.17.2.json").read_text())
ACT = Act(
    "request-1", RECORDED["POST runs/update"], {}, 1_795_724_000_000_000, 1_795_724_600_000_000, 200, {}, "prod",
    issuer="mlflow:prod",
)  # fmt: skip
MODEL = RECORDING["dictionary"]["model"]
MODEL_KEY = f"logged_model:prod::{MODEL['model_id']}"
PARENT, TRAIN, EVALUATE = (RECORDING["dictionary"][name] for name in ("parent", "train", "evaluate"))


def facts(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for fact in found:
        parse_event(fact)
    return found


@pytest.mark.parametrize("name", ["parent", "train", "evaluate"])
def test_a_run_read_by_rest_is_the_run_that_the_store_holds(name: str) -> None:
    inside, outside = (facts(runs.run_ended(ACT, RECORDING[form][name])) for form in ("dictionary", "rest"))
    assert inside == outside


def test_a_logged_model_read_by_rest_is_the_one_that_the_store_holds() -> None:
    inside, outside = (facts(logged.observed(ACT, RECORDING[form]["model"])) for form in ("dictionary", "rest"))
    assert inside == outside
    (fact,) = inside
    body = fact["body"]
    assert (body["logged_model"], body["run"], body["state"]) == (MODEL_KEY, TRAIN["info"]["run_id"], "ready")
    assert "mlflow.modelVersions" not in dict(body["tags"])
    values = {one["key"]: one["value"] for one in body["metrics"]}
    assert (values["auc"], values["example_count"]) == ("0.97", "30.0")
    assert fact["actor"] == {"assurance": "observed"}
    assert logged.location(RECORDING["rest"]["model"]) == logged.location(MODEL) != ""


def test_training_is_told_whole() -> None:
    fact, counted = facts(runs.run_ended(ACT, TRAIN))
    assert (counted["type"], counted["body"]["version"]) == ("dataset.measured", "mlflow-233a0c15")
    assert counted["body"]["rows"] == 30
    body = fact["body"]
    assert body["logged_models"] == [MODEL_KEY]
    assert body["parent"] == PARENT["info"]["run_id"]
    git = TRAIN["data"]["tags"]
    assert body["commit"] == {"sha": git["lineage.git.commit"], "branch": "master", "dirty": True}
    assert {name: body["runtime"][name] for name in ("python", "os")} == {"python": "3.11.7", "os": "debian 12 x86_64"}
    assert [(one["name"], one["version"], one.get("how", "exact")) for one in body["inputs"]] == [
        ("loans.csv", "mlflow-233a0c15", "exact"),
        ("loans.csv", "v7", "declared"),
    ]
    assert body["claims"] == [{"means": "approver", "name": "approved_by", "hidden": "bob"}]
    assert fact["actor"] == {
        "issuer": "mlflow:prod",
        "subject": "root",
        "assurance": "claimed",
        "via": "mlflow.user",
        "on_behalf_of": {
            "issuer": "github",
            "subject": "octocat",
            "via": "github-actions",
            "ref": "https://github.com/acme/credit/actions/runs/99",
        },
    }


def test_an_evaluation_names_the_model_it_used() -> None:
    fact, _counted = facts(runs.run_ended(ACT, EVALUATE))
    assert fact["body"]["logged_model_inputs"] == [MODEL_KEY]
    assert "logged_models" not in fact["body"]
    assert {one["key"] for one in fact["body"]["metrics"]} >= {"accuracy_score", "roc_auc"}


def test_an_evaluation_tells_what_it_measured_of_a_model_that_another_run_made() -> None:
    _ran_in, fact = facts(runs.surroundings(ACT, EVALUATE, Found(used=[MODEL])))
    assert (fact["type"], fact["body"]["logged_model"]) == ("logged_model.observed", MODEL_KEY)
    assert set(fact["body"]) == {"logged_model", "metrics"}
    measured = {one["key"] for one in fact["body"]["metrics"]}
    assert measured >= {"accuracy_score", "roc_auc"}
    assert "auc" not in measured
    assert [fact["type"] for fact in runs.surroundings(ACT, PARENT, Found(used=[MODEL]))] == ["run.observed"]


def test_the_last_value_of_a_metric_is_the_one_with_the_latest_time() -> None:
    def at(key: str, timestamp: object, value: object, step: object = 0) -> dict[str, Any]:
        return {"key": key, "value": value, "timestamp": timestamp, "step": step, "run_id": "r"}

    found = [
        at("loss", "20", 0.5), at("loss", 10, 0.9, 7), at("auc", 5, 0.1, 2), at("auc", 5, 0.2, 1), at("nan", 0, "NaN"),
        at("low", None, "-Infinity"), {"value": 1.0}, "none", at("k" * 2000, 1, 1.0), {"key": "bare"},
    ]  # fmt: skip
    (fact,) = facts(logged.observed(ACT, {"info": {"model_id": "m-1"}, "data": {"metrics": found}}))
    assert {one["key"]: one["value"] for one in fact["body"]["metrics"]} == {
        "auc": "0.1", "bare": "NaN", "loss": "0.5", "low": "-Infinity", "nan": "NaN",
    }  # fmt: skip
    assert logged.measured_at(found) == 20
    assert logged.metrics(found, "other") == logged.metrics("none") == []
    assert logged.measured_at(None) == logged.measured_at([{"timestamp": -5}, {"timestamp": "soon"}]) == 0


def test_the_outer_run_meets_the_openlineage_run_it_is_a_part_of() -> None:
    (fact,) = facts(runs.run_ended(ACT, PARENT))
    assert fact["body"]["parent"] == "0195f3a2-1111-7222-8333-944445555666"
    assert fact["body"]["claims"] == [{"means": "period_start", "name": "data_start_date", "value": "2026-01-01"}]


def test_an_authenticated_user_stays_the_actor_and_the_human_behind_ci_is_a_claim_beside() -> None:
    known = replace(ACT, user="ada", via="mlflow-basic-auth")
    fact, _counted = facts(runs.run_ended(known, TRAIN))
    assert (fact["actor"]["subject"], fact["actor"]["assurance"]) == ("ada", "authenticated")
    assert fact["actor"]["on_behalf_of"]["subject"] == "octocat"


def test_what_lies_around_a_run_can_be_told_later_and_is_the_same() -> None:
    files = [{"path": "a.csv", "bytes": 1, "digest": "sha256:" + "0" * 64}]
    found = Found([MODEL], files, {MODEL["model_id"]: files}, {"requirements.txt": "mlflow==3.17.2\n"})
    at_once = facts(runs.run_ended(ACT, TRAIN, found))
    later = facts(runs.run_ended(ACT, TRAIN, None)) + facts(runs.surroundings(ACT, TRAIN, found))
    assert len(at_once) == 3
    merged: dict[str, Any] = {}
    for fact in later:
        if fact["type"] == "run.observed":
            merged |= fact["body"]
    assert merged == at_once[0]["body"]
    assert later[-1] == at_once[-1]
    assert later[-1]["body"]["artifacts"] == files
    assert "runtime" not in later[0]["body"]
    assert later[1]["actor"] == {"assurance": "observed"}


def test_the_dirty_flag_counts_only_for_the_commit_that_it_was_seen_at() -> None:
    tags = {"mlflow.source.git.commit": "ab" * 20, "lineage.git.commit": "cd" * 20, "lineage.git.dirty": "true"}
    run = {"info": {"run_id": "r", "status": "FINISHED"}, "data": {"tags": tags}}
    assert runs.run_ended(ACT, run)[0]["body"]["commit"] == {"sha": "ab" * 20}
    del tags["mlflow.source.git.commit"]
    assert runs.run_ended(ACT, run)[0]["body"]["commit"] == {"sha": "cd" * 20, "dirty": True}
    run["data"] = {"params": {"git_commit": "ef" * 20, "git_branch": "main"}}
    assert runs.run_ended(ACT, run)[0]["body"]["commit"] == {"sha": "ef" * 20, "branch": "main"}
    assert "commit" not in runs.run_ended(replace(ACT, conventions=NONE), run)[0]["body"]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text("x/:@%?#.", max_size=5000)
KNOWN = [
    "mlflow.parentRunId", "mlflow.source.git.commit", "mlflow.source.git.branch", "mlflow.source.git.repoURL",
    "lineage.git.commit", "lineage.openlineage.parent_run", "lineage.actor.issuer", "lineage.actor.subject",
    "lineage.ci.run_url", "lineage.runtime.os", "data_version", "data_source", "git_branch", "gpu_type", "approved_by",
    "approval_status", "business_unit",
]  # fmt: skip
PAIRS = st.dictionaries(st.sampled_from(KNOWN) | TEXT.filter(bool), TEXT | st.just("ab" * 20), max_size=6)
SOURCES = st.dictionaries(st.sampled_from(["uri", "path", "url", "table_name", "revision"]), TEXT, max_size=3)
DATA = st.fixed_dictionaries(
    {"name": TEXT, "digest": TEXT, "source_type": st.sampled_from(["s3", "code", "uc_volume", "hugging_face"]),
     "source": SOURCES.map(json.dumps) | TEXT, "schema": TEXT}
)  # fmt: skip


@settings(deadline=None)
@given(PAIRS, PAIRS, st.lists(DATA, max_size=3), TEXT)
def test_whatever_clients_write_becomes_facts_that_the_service_accepts(
    params: dict[str, str], tags: dict[str, str], data: list[dict[str, str]], user: str
) -> None:
    run = {
        "info": {"run_id": "r", "status": "FINISHED", "user_id": user},
        "data": {"params": params, "tags": tags},
        "inputs": {"dataset_inputs": [{"dataset": one, "tags": {}} for one in data]},
    }
    model = {"model_id": "m-1", "params": params, "tags": tags, "status": 2}
    facts(runs.run_ended(ACT, run, Found([model], environment={"requirements.txt": user})))


def test_a_long_logged_model_is_several_facts_and_loses_nothing() -> None:
    params = [{"key": f"p{n}", "value": "x" * 400} for n in range(900)]
    files = [{"path": f"checkpoints/{n}.bin", "bytes": n, "digest": f"sha256:{n:064x}"} for n in range(900)]
    found = facts(logged.observed(ACT, {"info": {"model_id": "m-1"}, "data": {"params": params}}, files))
    assert len(found) > 4
    metrics = [{"key": f"m{n}", "value": n / 7} for n in range(900)]
    measured = facts(logged.observed(ACT, {"model_id": "m-1", "metrics": metrics}))
    assert [one["key"] for fact in measured for one in fact["body"]["metrics"]] == sorted(f"m{n}" for n in range(900))
    assert [one for fact in found for one in fact["body"].get("artifacts", ())] == files
    assert len([one for fact in found for one in fact["body"].get("params", ())]) == 900


def test_the_digest_of_a_version_is_seen_and_nobody_is_named() -> None:
    made = {"name": "credit", "version": 3, "creation_timestamp": "1795724510971"}
    (fact,) = facts(version_digest(replace(ACT, user="ada"), made, "sha256:" + "0" * 64))
    assert fact["actor"] == {"assurance": "observed"}
    assert fact["body"]["created_ms"] == 1795724510971


def test_inputs_that_are_logged_name_models_too() -> None:
    act = replace(ACT, fields={"run_id": "r", "models": [{"model_id": "m-1"}, {"model_id": "m-1"}, {}]})
    (fact,) = facts(runs.inputs_logged(act))
    assert fact["body"] == {"run": "r", "logged_model_inputs": ["logged_model:prod::m-1"]}
