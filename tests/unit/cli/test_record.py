import json

import pytest

from tests.served import Served
from tests.unit.cli.conftest import Command

REF = "https://ci.example.org/runs/7"
CI = (
    "GITHUB_ACTIONS",
    "GITHUB_ACTOR",
    "GITHUB_SERVER_URL",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ID",
    "CI_JOB_URL",
    "GITLAB_CI",
)


@pytest.fixture
def deployer(lineage: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run commands as somebody who may deploy, on a machine that is no CI job."""
    token = lineage("token", "create", "dora", "--role", "deployer").out.strip()
    monkeypatch.setenv("LINEAGE_TOKEN", token)
    for name in CI:
        monkeypatch.delenv(name, raising=False)
    return lineage


def test_a_recorded_deployment_is_live_on_its_target_by_whoever_holds_the_token(deployer: Command) -> None:
    made = deployer("record", "deployment", "credit", "3", "--target", "prod/eu", "--ref", REF, "--ticket", "CHG-9")
    assert made.code == 0, made.err
    assert "prod/eu serves credit/3" in made.out
    row = json.loads(deployer("ask", "live", "--target", "prod/eu", "--json").out)["value"]["rows"][0]
    assert (row["model"], row["version"], row["mode"]) == ("credit", "3", "serving")
    assert row["deployed_by"]["assurance"] == "authenticated"
    assert f"Record {row['seq']} (signed)" in made.out


def test_a_ci_job_tells_its_run_and_who_triggered_it(
    deployer: Command, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ("true", "octo", "https://github.example", "team/models", "41")
    for name, value in zip(CI[:5], job, strict=True):
        monkeypatch.setenv(name, value)
    made = deployer("record", "deployment", "mlflow-prod::credit", "3", "--target", "prod/us", "--json")
    assert made.code == 0, made.err
    with served.client() as client:
        record = client.request("GET", f"/records/{json.loads(made.out)['seq']}")
        row = client.live(target="prod/us").value["rows"][0]
    run = "https://github.example/team/models/actions/runs/41"
    assert record["source"]["ref"] == run
    behalf = row["deployed_by"]["on_behalf_of"]
    assert behalf is not None
    assert (behalf["name"], behalf["via"], behalf["ref"]) == ("octo (github)", "github-actions", run)


def test_a_token_that_may_record_and_not_ask_names_the_model_in_full(
    deployer: Command, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", served.source)
    refused = deployer("record", "deployment", "credit", "3", "--target", "prod/jp", "--ref", REF)
    assert refused.code == 65
    assert "REGISTRY::credit" in refused.err
    assert deployer("record", "deployment", "mlflow-prod::credit", "3", "--target", "prod/jp", "--ref", REF).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--target", "prod", "--ref", REF), 64, "ENVIRONMENT/REGION"),
        (("--target", "prod/eu"), 64, "--ref"),
        (("--target", "prod/eu", "--ref", REF, "--digest", "abc"), 65, "body.digest"),
        (("--target", "prod/eu", "--ref", REF, "--traffic", "most"), 65, "body.traffic"),
    ],
)
def test_a_deployment_that_cannot_be_recorded_says_which_part_is_wrong(
    deployer: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = deployer("record", "deployment", "credit", "3", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_a_reader_may_not_record(lineage: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", lineage("token", "create", "rita", "--role", "reader").out.strip())
    ended = lineage("record", "deployment", "credit", "3", "--target", "prod/eu", "--ref", REF)
    assert ended.code == 77
    assert "deployer" in ended.err
