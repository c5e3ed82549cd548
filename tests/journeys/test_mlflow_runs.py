"""A training script that knows nothing of lineage, against a real MLflow server with the plugin; then the service."""

import hashlib
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from collectors.mlflow import logged
from collectors.mlflow.artifact_store import ArtifactsElsewhereError, files_at
from collectors.mlflow.artifacts import ArtifactWish, manifest, read_files
from collectors.mlflow.whole_run import read_around
from tests.journeys.conftest import REGISTRY, WatchedMlflow
from tests.journeys.test_mlflow_accounts import spooled_bytes
from tests.served import Served, serving

pytestmark = pytest.mark.timeout(300)

NAME = "whole-line"
PARENT_RUN = "0195f3a2-1111-7222-8333-944445555666"
CI = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/credit",
    "GITHUB_RUN_ID": "99",
    "GITHUB_TRIGGERING_ACTOR": "octocat",
    "OPENLINEAGE_PARENT_ID": f"airflow/credit.train/{PARENT_RUN}",
}


@dataclass
class Line:
    """What the script made, the facts that came of it, and a service that knows them."""

    ids: dict[str, str]
    commit: str
    events: list[dict[str, Any]]
    served: Served
    folder: Path

    def bodies(self, kind: str, **named: str) -> list[dict[str, Any]]:
        every = [event["body"] for event in self.events if event["type"] == kind]
        return [body for body in every if all(body.get(name) == value for name, value in named.items())]

    def nodes(self, question: str, node: str) -> dict[str, Any]:
        with self.served.client() as client:
            nodes: dict[str, Any] = getattr(client, question)(node).value["nodes"]
        return nodes


def git(folder: Path, *command: str) -> str:
    told = subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True, text=True)
    return told.stdout.strip()


def repository(folder: Path) -> Path:
    """Make a repository with the script in it, and a change that nobody committed."""
    script = folder / "train.py"
    script.write_text(Path(__file__).with_name("training_script.py").read_text())
    (folder / "features.py").write_text("one = 1\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", "https://bot:s3cr3t-remote@git.example.com/acme/credit.git")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "first")
    (folder / "features.py").write_text("one = 2\n")
    return script


def made_in_the_prompt_lab(url: str, experiment: str) -> str:
    """Make a run as MLflow's web pages do, which begin, fill and end it in one request; return its id."""
    asked = {
        "experiment_id": experiment, "run_name": "lab", "prompt_template": "Say {{word}}", "model_route": "chat",
        "prompt_parameters": [{"key": "word", "value": "hello"}], "model_input": "Say hello", "model_output": "hello",
        "mlflow_version": "3.17.2",
    }  # fmt: skip
    answer = httpx.post(f"{url}/ajax-api/2.0/mlflow/runs/create-promptlab-run", json=asked, timeout=60)
    return str(answer.raise_for_status().json()["run"]["info"]["run_id"])


@pytest.fixture(scope="module")
def line(mlflow: WatchedMlflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("code")
    script = repository(folder)
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore", "MLFLOW_TRACKING_URI": mlflow.url}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LINEAGE_", "MLFLOW_"))}
    began = len(mlflow.received.accepted)
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, str(script), NAME], cwd=folder, env={**inherited, **quiet, **CI}, check=False,
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    print(f"the script took {time.monotonic() - started:.1f} s")
    ids = json.loads(next(text for text in ran.stdout.splitlines() if text.startswith("{")))
    ids["lab"] = made_in_the_prompt_lab(mlflow.url, ids["experiment"])

    def told() -> list[dict[str, Any]]:
        return mlflow.received.accepted[began:]

    def is_whole() -> bool:
        around = {event["body"]["run"] for event in told() if event["type"] == "run.observed"
                  and "runtime" in event["body"]}  # fmt: skip
        registered = [event["body"] for event in told() if event["type"] == "model_version.registered"]
        filed = {event["body"]["run"] for event in told() if event["body"].get("artifacts") and "run" in event["body"]}
        ended = around >= {ids["outer"], ids["train"], ids["evaluate"]} and ids["lab"] in filed
        return ended and any("digest" in body for body in registered)

    mlflow.received.wait_for(is_whole, 60)
    events = [event for event in told() if event["type"] != "collector.reported"]
    with serving(tmp_path_factory.mktemp("service")) as served:
        with served.client(served.source) as client:
            client.request("POST", "/events", json={"events": events})
        yield Line(ids, git(folder, "rev-parse", "HEAD"), events, served, folder)


def test_the_provenance_of_a_version_shows_run_data_code_environment_model_and_files(line: Line) -> None:
    nodes = line.nodes("provenance", f"model_version:{NAME}/1")
    run, model = f"run:{line.ids['train']}", f"logged_model:{REGISTRY}::{line.ids['model']}"
    by_kind = {kind: [key for key, node in nodes.items() if node["kind"] == kind] for kind in ("run", "logged_model")}
    assert by_kind == {"run": [run], "logged_model": [model]}
    assert f"commit:{line.commit}" in nodes
    data = {node["name"].partition("@")[0] for node in nodes.values() if node["kind"] == "dataset_version"}
    assert data == {"loans.csv", "loans-in-memory"}
    assert "dataset_version:s3://lake::loans.csv@v7" in nodes
    told = nodes[run]["properties"]
    assert told["commit"]["dirty"] is True
    assert told["commit"]["repository"] == "https://git.example.com/acme/credit"
    assert told["metric:auc"] == "0.97"
    loss = b"epoch,loss\n1,0.3\n"
    assert told["artifact:plots/loss.csv"] == {
        "bytes": len(loss),
        "digest": f"sha256:{hashlib.sha256(loss).hexdigest()}",
    }
    (environment,) = [node["properties"] for node in nodes.values() if node["kind"] == "runtime"]
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["gpu"] == "none"
    assert environment["packages"].startswith("sha256:")
    files = {name: one for name, one in nodes[model]["properties"].items() if name.startswith("artifact:")}
    assert files["artifact:input_example.json"]["sample"] is True
    assert "sample" not in files["artifact:MLmodel"]
    assert "artifact:registered_model_meta" not in files
    listed = [{"path": name.removeprefix("artifact:"), **one} for name, one in files.items()]
    version = next(node for node in nodes.values() if node["kind"] == "model_version")
    assert version["properties"]["digest"] == manifest(listed) is not None


def test_the_digests_are_those_of_the_bytes_that_the_store_holds(line: Line, mlflow: WatchedMlflow) -> None:
    stored = {hashlib.sha256(path.read_bytes()).hexdigest()
              for path in (mlflow.server.folder / "artifacts").rglob("*") if path.is_file()}  # fmt: skip
    (model,) = line.bodies("logged_model.observed", logged_model=f"logged_model:{REGISTRY}::{line.ids['model']}",
                           existence="present")[-1:]  # fmt: skip
    digests = {one["digest"].removeprefix("sha256:") for one in model["artifacts"]}
    assert len(digests) == len(model["artifacts"]) >= 6
    assert digests <= stored


def test_an_evaluation_rests_on_the_logged_model_and_its_training(line: Line) -> None:
    above = line.nodes("provenance", f"run:{line.ids['evaluate']}")
    assert {f"logged_model:{REGISTRY}::{line.ids['model']}", f"run:{line.ids['train']}"} <= set(above)
    below = line.nodes("impact", f"logged_model:{REGISTRY}::{line.ids['model']}")
    assert f"run:{line.ids['evaluate']}" in below


def test_data_tells_its_rows_and_what_it_was_for_and_a_model_what_was_measured_of_it(line: Line) -> None:
    nodes = line.nodes("provenance", f"run:{line.ids['evaluate']}")
    rows = {key.partition("@")[0]: node["properties"].get("rows") for key, node in nodes.items()
            if "@mlflow-" in key}  # fmt: skip
    lake, memory = "dataset_version:s3://lake::loans.csv", f"dataset_version:mlflow:{REGISTRY}::loans-in-memory"
    assert rows == {lake: 32, memory: 32}
    measured = line.bodies("dataset.measured", run=line.ids["evaluate"])
    assert [(body["name"], body["rows"]) for body in measured] == [("loans.csv", 32)]
    used = [one for body in line.bodies("run.observed", run=line.ids["evaluate"]) for one in body.get("inputs", ())]
    assert {role for one in used for role in one["roles"]} == {"evaluation"}
    told = nodes[f"logged_model:{REGISTRY}::{line.ids['model']}"]["properties"]
    assert told["metric:auc"] == "0.97"
    assert told["metric:eval_example_count"] == "32.0"


def test_the_files_of_a_run_that_the_web_pages_make_in_one_request_are_on_record(line: Line) -> None:
    bodies = line.bodies("run.observed", run=line.ids["lab"])
    assert [body["state"] for body in bodies if "state" in body] == ["started", "complete"]
    files = {one["path"]: one["digest"] for body in bodies for one in body.get("artifacts", ())}
    assert set(files) >= {"eval_results_table.json", "model/MLmodel"}
    assert all(digest.startswith("sha256:") for digest in files.values())


def test_who_triggered_ci_and_which_run_is_the_parent_need_no_line_of_code(line: Line) -> None:
    (outer,) = [event for event in line.events if event["body"].get("run") == line.ids["outer"]
                and event["body"].get("state") == "complete"]  # fmt: skip
    assert outer["body"]["parent"] == PARENT_RUN
    assert outer["body"]["claims"] == [{"means": "period_start", "name": "data_start_date", "value": "2026-01-01"}]
    assert outer["actor"]["on_behalf_of"] == {
        "issuer": "github",
        "subject": "octocat",
        "via": "github-actions",
        "ref": "https://github.com/acme/credit/actions/runs/99",
    }
    (train,) = line.bodies("run.observed", run=line.ids["train"], state="complete")
    assert train["parent"] == line.ids["outer"]


def test_the_columns_of_data_without_an_address_are_known(line: Line) -> None:
    (declared,) = line.bodies("dataset.declared", name="loans-in-memory")
    assert [column["name"] for column in declared["columns"]] == ["age", "income", "bad"]
    assert line.bodies("dataset.declared", name="loans.csv") == []


def test_a_tag_that_claims_an_approval_is_shown_as_a_claim_and_approves_nothing(line: Line) -> None:
    with line.served.client() as client:
        (row,) = client.deployments(NAME).value["rows"]
    assert row["alias"] == "champion"
    assert row["approved_by"] == []
    (claim,) = row["claims"]
    assert (claim["means"], claim["name"], claim["on"]) == ("approver", "approved_by", "model_version")


def test_secrets_in_parameters_tags_and_remotes_are_in_no_record(line: Line, mlflow: WatchedMlflow) -> None:
    assert b"s3cr3t-remote" not in spooled_bytes(mlflow.spool) + json.dumps(line.events).encode()
    database = b"".join(path.read_bytes() for path in line.served.folder.rglob("lineage.db*"))
    assert b"plots/loss.csv" in database
    for secret in (b"s3cr3t", b"octocat", b"bob"):
        assert secret not in database


def test_files_on_the_servers_own_disk_are_read_without_a_copy(tmp_path: Path) -> None:
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "model" / "code" / "x.py").write_text("pass\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read_files(files_at((tmp_path / "model").as_uri()), ArtifactWish().budget(), "m-1")
    digest = hashlib.sha256(b"pass\n").hexdigest()
    assert found == [{"path": "code/x.py", "bytes": 5, "digest": f"sha256:{digest}"}]


def test_files_that_another_server_serves_are_not_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for uri in ("mlflow-artifacts:/1/r/artifacts", "https://other.example/api/2.0/mlflow-artifacts/artifacts/1"):
            with pytest.raises(ArtifactsElsewhereError):
                files_at(uri)


@pytest.mark.parametrize("how", ["hash", "off"])
def test_a_store_that_cannot_be_asked_costs_the_models_and_not_the_files(
    how: Literal["hash", "off"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.server import handlers

    def broken() -> None:
        raise ConnectionError("postgresql://user:s3cr3t@db")

    monkeypatch.setattr(handlers, "_get_tracking_store", broken)
    (tmp_path / "a.txt").write_text("a")
    run = {"info": {"run_id": "r1", "experiment_id": "1", "artifact_uri": tmp_path.as_uri()}}
    found, problems = read_around(run, None, ArtifactWish(how=how))
    assert problems == ["run r1: its logged models cannot be read: ConnectionError"]
    assert [one["path"] for one in found.files] == (["a.txt"] if how == "hash" else [])


def test_what_a_run_measured_of_models_it_used_is_read_and_one_that_is_gone_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.entities import LoggedModel, Metric
        from mlflow.server import handlers
        from mlflow.store.entities import PagedList

    class Store:
        def search_logged_models(self, *_: object, **__: object) -> Any:
            return PagedList([], None)

        def get_logged_model(self, identifier: str) -> Any:
            if identifier == "m-gone":
                raise LookupError
            metrics = [Metric("auc", 0.5, 7, 1, run_id="r1"), Metric("auc", 0.9, 5, 0, run_id="r0")]
            return LoggedModel("1", identifier, identifier, tmp_path.as_uri(), 1, 2, metrics=metrics)

    monkeypatch.setattr(handlers, "_get_tracking_store", Store)
    inputs = {"model_inputs": [{"model_id": "m-gone"}, {"model_id": "m-1"}, {"model_id": "m-1"}]}
    run = {"info": {"run_id": "r1", "experiment_id": "1", "artifact_uri": tmp_path.as_uri()}, "inputs": inputs}
    found, problems = read_around(run, None, ArtifactWish())
    assert problems == ["run r1: a model that it used cannot be read: LookupError"]
    assert found.models == []
    (used,) = found.used
    assert logged.metrics(used["metrics"], "r1") == [{"key": "auc", "value": "0.5"}]
    assert json.loads(json.dumps(used))["model_id"] == "m-1"
