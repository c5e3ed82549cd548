"""The examples do what they say: their own lines, in a real shell, with the variables that each platform promises."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import lineage_service
from tests.served import Served, fact, serving

FOLDER = Path(lineage_service.__file__).parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.y*ml"))
MODEL = {"model": "model:prod::credit", "version": "3", "created_ms": 1795392378318}
GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "team/credit",
    "GITHUB_RUN_ID": "77",
    "GITHUB_JOB": "rollout",
    "GITHUB_ACTOR": "octo",
}
GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_JOB_URL": "https://gitlab.example/team/credit/-/jobs/5",
    "CI_PIPELINE_URL": "https://gitlab.example/team/credit/-/pipelines/9",
    "CI_JOB_NAME": "rollout",
    "GITLAB_USER_LOGIN": "ada",
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Serve a log that knows version 3, with the token of a pipeline instead of the registry's."""
    with serving(tmp_path / "log") as running:
        with running.client(running.source) as registry, running.client() as admin:
            registry.record_events([fact("model_version.registered", "2026-03-01T08:00:00Z", MODEL)])
            running.source = admin.request("POST", "/sources", json={"kind": "ci", "instance": "x"})["token"]
        yield running


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def run_shell(script: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a script as a job's shell does; return what it said on both streams."""
    clean = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder, env={**clean, "PATH": path, **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def filled_in(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: values[found[1]], text)


def what_was_recorded(served: Served) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    with served.client() as client:
        validated = [client.node(key)["properties"] for key in client.nodes("validation")["nodes"]]
        return client.live(target="prod/eu").rows[0], validated


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_yaml_and_holds_no_token(path: Path) -> None:
    assert all(documents(path.name))
    assert "lin_" not in path.read_text(encoding="utf-8")


def test_the_job_of_github_actions_records_a_validation_and_a_deployment_on_behalf_of_who_ran_it(
    served: Served, tmp_path: Path
) -> None:
    (workflow,) = documents("github-actions.yml")
    job = workflow["jobs"]["rollout"]
    given = {"vars.LINEAGE_URL": served.url, "secrets.LINEAGE_TOKEN": served.source, "inputs.version": "3"}
    environment = {name: filled_in(value, given) for name, value in job["env"].items()} | GITHUB
    shared = tmp_path / "github.env"
    shared.touch()
    ours = [step["run"] for step in job["steps"] if "run" in step and not step["run"].startswith("pip ")]
    assert sum("lineage record" in step for step in ours) == 2
    for step in ours:
        told = dict(line.split("=", 1) for line in shared.read_text().splitlines())
        said = run_shell(step, tmp_path, {**environment, **told, "GITHUB_ENV": str(shared)})
        assert "Warning" not in said
    row, (validated,) = what_was_recorded(served)
    assert (row["version"], validated["outcome"], validated["name"]) == ("3", "passed", "holdout AUC")
    pipeline, behalf = row["deployed_by"], row["deployed_by"]["on_behalf_of"]
    assert (pipeline["name"], pipeline["assurance"]) == ("team/credit (github)", "claimed")
    run = "https://github.example/team/credit/actions/runs/77"
    assert (behalf["name"], behalf["via"], behalf["ref"]) == ("octo (github)", "github-actions", run)


def test_the_jobs_of_gitlab_record_with_a_token_in_a_file(served: Served, tmp_path: Path) -> None:
    (pipeline,) = documents("gitlab-ci.yml")
    token = tmp_path / "token"
    token.write_text(served.source)
    environment = {**GITLAB, "LINEAGE_URL": served.url, "LINEAGE_TOKEN_FILE": str(token), "VERSION": "3"}
    for stage in pipeline["stages"]:
        run_shell("\n".join(pipeline[stage]["script"]), tmp_path, environment)
    row, (validated,) = what_was_recorded(served)
    assert (row["version"], validated["outcome"]) == ("3", "passed")
    assert row["deployed_by"]["on_behalf_of"]["name"] == "ada (gitlab)"


def test_the_job_of_kubernetes_records_once_however_often_its_pod_is_started_again(
    served: Served, tmp_path: Path
) -> None:
    job = next(one for one in documents("kubernetes.yaml") if one["kind"] == "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    token = tmp_path / "token"
    token.write_text(served.source)
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    for pod in ("record-credit-3-x7x2p", "record-credit-3-9kk4d"):
        downward = {
            "metadata.name": pod,
            "metadata.namespace": "models",
            "metadata.labels['batch.kubernetes.io/job-name']": job["metadata"]["name"],
        }
        environment = {
            one["name"]: one["value"] if "value" in one else downward[one["valueFrom"]["fieldRef"]["fieldPath"]]
            for one in container["env"]
        }
        assert Path(environment["LINEAGE_TOKEN_FILE"]).parent.as_posix() in mounted
        environment |= {"LINEAGE_URL": served.url, "LINEAGE_TOKEN_FILE": str(token)}
        words = [environment["VERSION"] if word == "$(VERSION)" else word for word in container["args"]]
        run_shell(" ".join([*container["command"], *words]), tmp_path, environment)
    with served.client() as client:
        (found,) = client.records(type="deployment.changed")["records"]
        record = client.request("GET", f"/records/{found['seq']}")
    assert record["source"]["ref"] == "kubernetes:models/pod/record-credit-3-x7x2p"
    assert what_was_recorded(served)[0]["version"] == "3"
