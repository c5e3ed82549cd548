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
    *("GITHUB_TRIGGERING_ACTOR", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "CIRCLECI", "BUILDKITE", "POD_NAME"),
    "BITBUCKET_BUILD_NUMBER",
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
        (("--target", "prod/eu", "--ref", REF, "--mode", "beside"), 64, "--mode"),
        (("--target", "prod/eu", "--ref", REF, "--occurred-at", "yesterday"), 64, "--occurred-at"),
        (("--target", "prod/eu", "--ref", REF, "--occurred-at", "2100-01-01"), 65, "occurred_at"),
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


def test_a_step_that_is_run_again_gets_the_receipt_of_the_first_time(deployer: Command) -> None:
    step = ("record", "deployment", "credit", "3", "--target", "prod/again", "--ref", REF, "--json")
    first, again = json.loads(deployer(*step).out), json.loads(deployer(*step).out)
    assert (again["seq"], again["time"]) == (first["seq"], first["time"])
    other = json.loads(deployer(*step, "--reason", "a second thought").out)
    assert other["seq"] > first["seq"]


def test_a_late_report_counts_from_when_it_happened(deployer: Command) -> None:
    step = ("record", "deployment", "credit", "3", "--target", "prod/late", "--ref", REF)
    assert deployer(*step, "--occurred-at", "2026-03-03T10:00:00+01:00", "--platform", "sagemaker").code == 0
    row = json.loads(deployer("ask", "live", "--target", "prod/late", "--json").out)["value"]["rows"][0]
    assert row["since"] == "2026-03-03T09:00:00.000000Z"


def test_a_version_nobody_registered_is_recorded_and_remarked_on(deployer: Command) -> None:
    made = deployer("record", "deployment", "credit", "33", "--target", "prod/typo", "--ref", REF)
    assert made.code == 0
    assert "no version 33 of credit was registered here" in " ".join(made.err.split())
    assert deployer("record", "deployment", "credit", "3", "--target", "prod/typo", "--ref", REF).err == ""


def test_a_model_is_taken_from_a_target(deployer: Command) -> None:
    step = ("record", "deployment", "credit", "3", "--target", "prod/gone", "--ref", REF)
    assert deployer(*step).code == 0
    ended = deployer(*step, "--mode", "none")
    assert "prod/gone serves credit no more" in " ".join(ended.out.split())
    assert json.loads(deployer("ask", "live", "--target", "prod/gone", "--json").out)["value"]["rows"] == []


AUC = ("record", "validation", "credit", "3", "--name", "holdout AUC", "--ref", REF, "--metric", "auc=0.81")


def test_a_validation_is_a_node_with_its_checks_in_the_history_of_its_version(
    deployer: Command, served: Served
) -> None:
    data = ("--data", "s3://b::clean@2", "--run", "check-7", "--digest", "sha256:ab", "--comment", "few", "--id", "v-1")
    made = deployer(*AUC, "--require", "auc>=0.85", *data)
    assert made.code == 0, made.err
    assert "validation holdout AUC of credit/3: failed" in " ".join(made.out.split())
    with served.client() as client:
        shown = client.node("validation:v-1")["properties"]
        edges = {(edge["type"], edge["to"]) for edge in client.provenance("validation:v-1").edges}
        told = [row["what"] for row in client.history("model_version:credit/3").rows]
    assert (shown["outcome"], shown["link"], shown["comment"]) == ("failed", REF, {"sealed": True})
    assert shown["checks"] == [
        {"metric": "auc", "value": "0.81", "comparison": ">=", "threshold": "0.85", "passed": False}
    ]
    assert ("PRODUCED_BY", "run:check-7") in edges
    assert ("USED", "dataset_version:s3://b::clean@2") in edges
    assert "version 3: failed validation holdout AUC: auc 0.81 (not >= 0.85)" in told


@pytest.mark.parametrize(
    ("outcome", "code"), [("passed", 0), ("failed", 1), ("inconclusive", 2)]
)
def test_a_gate_ends_with_the_outcome_and_a_record_without_one_is_fine(
    deployer: Command, outcome: str, code: int
) -> None:
    step = (*AUC[:4], "--name", f"bias {outcome}", "--ref", REF, "--outcome", outcome)
    assert deployer(*step, "--check").code == code
    assert deployer(*step).code == 0


def test_a_validation_that_is_run_again_stays_one_and_a_new_outcome_replaces_the_old(
    deployer: Command, served: Served
) -> None:
    step = (*AUC[:4], "--name", "review", "--ref", REF, "--json")
    first, again = (json.loads(deployer(*step, "--outcome", "failed").out)["seq"] for _ in range(2))
    later = json.loads(deployer(*step, "--outcome", "passed").out)["seq"]
    assert first == again < later
    with served.client() as client:
        reviews = [
            shown
            for key in client.nodes("validation")["nodes"]
            if (shown := client.node(key)["properties"])["name"] == "review"
        ]
    assert [one["outcome"] for one in reviews] == ["passed"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--outcome"),
        (("--outcome", "fine"), "--outcome"),
        (("--outcome", "passed", "--require", "auc>=0.85"), "--require auc>=0.85: it is 0.81"),
        (("--outcome", "passed", "--require", "ks>=0.3"), "--metric ks=NUMBER"),
        (("--outcome", "passed", "--data", "loans"), "--data"),
    ],
)
def test_a_validation_that_contradicts_itself_is_refused_by_the_name_of_the_option(
    deployer: Command, arguments: tuple[str, ...], said: str
) -> None:
    ended = deployer(*AUC, *arguments)
    assert (ended.code, ended.out) == (64, "")
    assert said in ended.err
    assert "nothing was changed" in ended.err


def test_an_approver_validates_and_does_not_deploy(lineage: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", lineage("token", "create", "vera", "--role", "approver").out.strip())
    assert lineage(*AUC, "--outcome", "passed").code == 0
    assert lineage("record", "deployment", "credit", "3", "--target", "prod/eu", "--ref", REF).code == 77


@pytest.mark.parametrize("known", [True, False], ids=["a known system", "any other"])
def test_a_pipeline_that_rolls_back_is_believed_although_somebody_deployed_that_version_before(
    deployer: Command, served: Served, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    place = ("--target", f"prod/back-{known}", "--ref", REF)
    assert deployer("record", "deployment", "credit", "3", *place).code == 0
    with served.client() as admin:
        token = admin.request("POST", "/sources", json={"kind": "ci", "instance": "github"})["token"]
    monkeypatch.setenv("LINEAGE_TOKEN", token)
    if known:
        for name, value in zip(CI[:5], ("true", "octo", "https://github.example", "team/models", "42"), strict=True):
            monkeypatch.setenv(name, value)
    for version in ("4", "3"):
        first, again = (deployer("record", "deployment", "mlflow-prod::credit", version, *place) for _ in range(2))
        assert (first.code, first.out) == (0, again.out)
    with served.client() as client:
        (row,) = client.live(target=place[1]).value["rows"]
    assert (row["version"], row["deployed_by"]["name"]) == ("3", "team/models (github)" if known else None)
