"""The plugin inside a real MLflow server, asked by real clients; what arrives at a receiver is what counts."""

import json
import warnings
from typing import Any

import httpx
import pytest

from graph_schema.times import parse_time
from tests.journeys.conftest import REGISTRY, WatchedMlflow, about

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

OBSERVED = {"assurance": "observed"}


@pytest.fixture
def client(mlflow: WatchedMlflow, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give MLflow's own client."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient
    return MlflowClient(mlflow.url)


def made(client: Any, name: str, versions: int) -> list[Any]:
    """Register a model with some versions."""
    client.create_registered_model(name)
    return [client.create_model_version(name, source=f"s3://models/{name}/{n}") for n in range(versions)]


def test_a_promotion_that_archives_others_is_a_fact_for_each_version(mlflow: WatchedMlflow, client: Any) -> None:
    first, second = made(client, "credit", 2)
    client.transition_model_version_stage("credit", first.version, "Production")
    client.transition_model_version_stage("credit", second.version, "Production", archive_existing_versions=True)
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "stage.transitioned", "credit")) == 3)

    promoted, replaced, archived = about(mlflow.received, "stage.transitioned", "credit")
    assert [fact["body"]["version"] for fact in (promoted, replaced, archived)] == ["1", "2", "1"]
    assert [fact["body"]["to"] for fact in (promoted, replaced, archived)] == ["Production", "Production", "Archived"]
    assert replaced["body"]["archive_others"] is True
    assert archived["body"]["created_ms"] == first.creation_timestamp
    assert archived["source"]["event_id"] == replaced["source"]["event_id"] != promoted["source"]["event_id"]
    registered = about(mlflow.received, "model_version.registered", "credit")
    assert [fact["body"]["created_ms"] for fact in registered] == [first.creation_timestamp, second.creation_timestamp]
    assert [fact["body"]["location"] for fact in registered] == ["s3://models/credit/0", "s3://models/credit/1"]
    assert len(about(mlflow.received, "model.declared", "credit")) == 1


def test_without_authentication_nobody_is_named_and_the_time_is_bounded(mlflow: WatchedMlflow, client: Any) -> None:
    (version,) = made(client, "anonymous", 1)
    client.set_registered_model_alias("anonymous", "champion", version.version)
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "alias.moved", "anonymous")) == 1)
    (fact,) = about(mlflow.received, "alias.moved", "anonymous")
    assert fact["actor"] == OBSERVED
    assert fact["body"]["created_ms"] == version.creation_timestamp
    assert 0 < parse_time(fact["occurred_at"]) - parse_time(fact["body"]["not_before"]) < 5_000_000


def test_what_the_web_pages_send_is_recorded_too_in_either_spelling(mlflow: WatchedMlflow, client: Any) -> None:
    first, second = made(client, "pages", 2)
    route = f"{mlflow.url}/ajax-api/2.0/mlflow/model-versions/transition-stage"
    for body in (
        {"name": "pages", "version": first.version, "stage": "production"},
        {"name": "pages", "version": second.version, "stage": "production", "archiveExistingVersions": True},
    ):
        assert httpx.post(route, json=body).status_code == httpx.codes.OK
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "stage.transitioned", "pages")) == 3)
    facts = about(mlflow.received, "stage.transitioned", "pages")
    assert [(fact["body"]["version"], fact["body"]["to"]) for fact in facts] == [
        ("1", "Production"),
        ("2", "Production"),
        ("1", "Archived"),
    ]


def test_aliases_tags_renames_and_deletions_are_facts(mlflow: WatchedMlflow, client: Any) -> None:
    (version,) = made(client, "brief", 1)
    created = version.creation_timestamp
    client.set_model_version_tag("brief", "1", "change_ticket", "CHG-7")
    client.set_registered_model_tag("brief", "owner", "Ada")
    client.delete_registered_model_tag("brief", "owner")
    client.set_registered_model_alias("brief", "champion", "1")
    client.delete_registered_model_alias("brief", "champion")
    client.rename_registered_model("brief", "long")
    client.delete_model_version("long", "1")
    client.delete_registered_model("long")
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "model.deleted", "long")) == 1)

    (renamed,) = about(mlflow.received, "model.renamed", "brief")
    assert renamed["body"]["to"] == f"model:{REGISTRY}::long"
    assert renamed["body"]["carried"] == [{"version": "1", "created_ms": created}]
    (deleted,) = about(mlflow.received, "model_version.deleted", "long")
    assert deleted["body"]["created_ms"] == created
    assert len(about(mlflow.received, "alias.removed", "brief")) == 1
    tags = {event["body"]["name"]: event["body"] for event in mlflow.received.of_type("tag.set")}
    version_key = f"model_version:{REGISTRY}::brief/1@{created}"
    assert tags["change_ticket"] == {"node": version_key, "name": "change_ticket", "value": "CHG-7"}
    assert tags["owner"] == {"node": f"model:{REGISTRY}::brief", "name": "owner", "hidden": "Ada"}
    assert [event["body"]["name"] for event in mlflow.received.of_type("tag.removed")] == ["owner"]


def test_a_copied_version_names_its_origin(mlflow: WatchedMlflow, client: Any) -> None:
    (origin,) = made(client, "origin", 1)
    client.copy_model_version("models:/origin/1", "copy")
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "model_version.registered", "copy")) == 1)
    (fact,) = about(mlflow.received, "model_version.registered", "copy")
    parent = {"model": f"model:{REGISTRY}::origin", "version": "1", "created_ms": origin.creation_timestamp}
    assert fact["body"]["derived_from"] == [parent]


def test_a_prompt_is_no_model(mlflow: WatchedMlflow, client: Any) -> None:
    client.register_prompt("greeting", "Dear {{name}}")
    client.set_prompt_alias("greeting", "live", 1)
    prompt = f"prompt:{REGISTRY}::greeting"
    mlflow.received.wait_for(lambda: any(e["body"]["model"] == prompt for e in mlflow.received.of_type("alias.moved")))
    for kind in ("model.declared", "model_version.registered", "alias.moved"):
        assert len([e for e in mlflow.received.of_type(kind) if e["body"]["model"] == prompt]) == 1
    assert about(mlflow.received, "model.declared", "greeting") == []
    client.set_prompt_tag("greeting", "tone", "warm")
    client.delete_prompt_tag("greeting", "tone")
    client.delete_prompt_alias("greeting", "live")
    client.delete_prompt_version("greeting", "1")
    client.delete_prompt("greeting")

    def ends() -> list[dict[str, Any]]:
        return [e["body"] for e in mlflow.received.of_type("model.deleted") if e["body"]["model"] == prompt]

    mlflow.received.wait_for(lambda: len(ends()) == 1)
    for kind in ("alias.removed", "model_version.deleted"):
        assert len([e for e in mlflow.received.of_type(kind) if e["body"]["model"] == prompt]) == 1
    for kind in ("tag.set", "tag.removed"):
        assert [e for e in mlflow.received.of_type(kind) if e["body"]["node"] == prompt and e["body"]["name"] == "tone"]


def test_a_run_is_read_whole_at_its_end(mlflow: WatchedMlflow, client: Any) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    parent = client.create_run("0").info.run_id
    tags = {
        "mlflow.source.git.commit": "fdd5d328" * 5,
        "mlflow.source.git.repoURL": "https://bot:secret@git.example.com/team/credit.git",
        "mlflow.parentRunId": parent,
        "mlflow.user": "ada",
    }
    run = client.create_run("0", tags=tags).info.run_id
    client.log_param(run, "C", "1.0")
    client.log_param(run, "note", "private")
    for step, value in enumerate((0.5, 0.91)):
        client.log_metric(run, "auc", value, step=step)
    client.log_metric(run, "loss", float("nan"))
    dataset = Dataset("loans", "ab6a6660", "s3", json.dumps({"uri": "s3a://lake/loans.parquet"}))
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    client.set_terminated(run, "FAILED")

    def facts() -> list[dict[str, Any]]:
        return [event["body"] for event in mlflow.received.of_type("run.observed") if event["body"]["run"] == run]

    mlflow.received.wait_for(lambda: any(fact.get("state") == "failed" for fact in facts()))
    started, _inputs, ended = facts()
    assert started["state"] == "started"
    assert ended["parent"] == parent
    assert ended["commit"] == {"sha": "fdd5d328" * 5, "repository": "https://git.example.com/team/credit"}
    assert ended["params"] == [["C", "1.0"], ["note", "private"]]
    assert ended["metrics"] == [{"key": "auc", "value": "0.91"}, {"key": "loss", "value": "NaN"}]
    (read,) = ended["inputs"]
    assert (read["namespace"], read["name"], read["version"]) == ("s3://lake", "loans.parquet", "mlflow-ab6a6660")
    assert (read["identity"], read["roles"]) == ("hint", ["training"])


def test_a_deleted_and_restored_run_is_two_facts(mlflow: WatchedMlflow, client: Any) -> None:
    run = client.create_run("0").info.run_id
    client.delete_run(run)
    client.restore_run(run)

    def existences() -> list[str]:
        bodies = [event["body"] for event in mlflow.received.of_type("run.observed")]
        return [body["existence"] for body in bodies if body["run"] == run and "existence" in body]

    mlflow.received.wait_for(lambda: len(existences()) == 2)
    assert existences() == ["deleted", "restored"]


def test_a_request_that_fails_is_no_fact(mlflow: WatchedMlflow, client: Any) -> None:
    made(client, "steady", 1)
    route = f"{mlflow.url}/api/2.0/mlflow/model-versions/transition-stage"
    for body in ({"name": "steady", "version": "1", "stage": "Nowhere"}, {"name": "steady", "version": "9"}, ["odd"]):
        assert httpx.post(route, json=body).status_code >= httpx.codes.BAD_REQUEST
    assert httpx.post(route, content=b"{bad", headers={"Content-Type": "application/json"}).status_code >= 400
    client.set_registered_model_alias("steady", "after", "1")
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "alias.moved", "steady")) == 1)
    assert about(mlflow.received, "stage.transitioned", "steady") == []


def test_facts_wait_while_the_service_is_down_and_then_come_in_order(mlflow: WatchedMlflow, client: Any) -> None:
    made(client, "patient", 1)
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "model_version.registered", "patient")) == 1)
    mlflow.received.down = True
    for alias in ("a", "b", "c"):
        client.set_registered_model_alias("patient", alias, "1")
    mlflow.received.wait_for(lambda: mlflow.received.requests[-1].status == httpx.codes.SERVICE_UNAVAILABLE)
    assert about(mlflow.received, "alias.moved", "patient") == []
    mlflow.received.down = False
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "alias.moved", "patient")) == 3)
    assert [fact["body"]["alias"] for fact in about(mlflow.received, "alias.moved", "patient")] == ["a", "b", "c"]
    orders = [event["source"]["order"] for event in mlflow.received.accepted]
    assert orders == sorted(set(orders))
    assert mlflow.received.requests[-1].headers["authorization"] == "Bearer lt_test"
    assert mlflow.received.requests[-1].headers["if-checkpoint"].endswith("Uk9PVA==")


def test_without_a_spool_no_registry_write_and_everything_else_goes_on(mlflow: WatchedMlflow, client: Any) -> None:
    made(client, "guarded", 1)
    run = client.create_run("0").info.run_id
    away = mlflow.spool.with_name("spool-away")
    mlflow.spool.rename(away)
    try:
        body = {"name": "guarded", "version": "1", "stage": "Production"}
        refused = httpx.post(f"{mlflow.url}/api/2.0/mlflow/model-versions/transition-stage", json=body)
        client.log_metric(run, "auc", 0.5)
        client.set_terminated(run)
        stage = client.get_model_version("guarded", "1").current_stage
    finally:
        away.rename(mlflow.spool)
    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert refused.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert "not made" in refused.json()["message"]
    assert stage == "None"
    client.transition_model_version_stage("guarded", "1", "Production")
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "stage.transitioned", "guarded")) == 1)

    def run_states() -> list[str]:
        bodies = [event["body"] for event in mlflow.received.of_type("run.observed")]
        return [body["state"] for body in bodies if body["run"] == run]

    mlflow.received.wait_for(lambda: run_states() == ["started", "complete"])


def test_descriptions_are_facts_and_credentials_in_free_text_are_removed(mlflow: WatchedMlflow, client: Any) -> None:
    secrets = ("hunter2-long-secret", "ghp_0123456789abcdefghijABCDEFGHIJ", "AKIAIOSFODNN7EXAMPLE")
    (version,) = made(client, "described", 1)
    client.update_registered_model("described", f"Scores. Data: postgresql://bot:{secrets[0]}@db.example/credit")
    client.update_model_version("described", "1", "")
    client.set_registered_model_tag("described", "ci", f"token={secrets[1]}")
    client.set_model_version_tag("described", "1", "deploy.password", secrets[0])
    client.create_model_version("described", source=f"s3://models/m?X-Amz-Credential={secrets[2]}&versionId=3")
    client.set_registered_model_alias("described", "last", "1")
    mlflow.received.wait_for(lambda: len(about(mlflow.received, "alias.moved", "described")) == 1)
    model, first = f"model:{REGISTRY}::described", f"model_version:{REGISTRY}::described/1@{version.creation_timestamp}"
    changed = mlflow.received.of_type("description.changed")
    assert [fact["body"] for fact in changed] == [
        {"node": model, "description": "Scores. Data: postgresql://db.example/credit"},
        {"node": first},
    ]
    tags = {event["body"]["name"]: event["body"].get("hidden") for event in mlflow.received.of_type("tag.set")}
    assert (tags["ci"], tags["deploy.password"]) == ("token=***", "***")
    spooled = b"".join(path.read_bytes() for path in mlflow.spool.iterdir() if path.name.startswith("events-"))
    intents = b"".join(path.read_bytes() for path in mlflow.spool.glob("intents-*"))
    sent = json.dumps([request.events for request in mlflow.received.requests]).encode()
    for secret in secrets:
        assert secret.encode() not in spooled + intents + sent + mlflow.server.log.encode()
    assert {path.stat().st_mode & 0o777 for path in mlflow.spool.iterdir()} == {0o600}
    assert mlflow.spool.stat().st_mode & 0o777 == 0o700


def test_a_logged_model_is_made_given_to_a_run_finished_tagged_and_deleted(mlflow: WatchedMlflow, client: Any) -> None:
    from mlflow.entities import LoggedModelOutput, LoggedModelParameter

    run = client.create_run("0").info.run_id
    params = [LoggedModelParameter("C", "1.0")]
    model = client.create_logged_model("0", name="credit", source_run_id=run, model_type="classifier").model_id
    client.log_model_params(model, {one.key: one.value for one in params})
    client.log_outputs(run, [LoggedModelOutput(model, 0)])
    client.finalize_logged_model(model, "READY")
    client.set_logged_model_tags(model, {"owner": "Ada", "semver": "1.2.0"})
    client.delete_logged_model_tag(model, "owner")
    client.delete_logged_model(model)
    key = f"logged_model:{REGISTRY}::{model}"

    def observed() -> list[dict[str, Any]]:
        facts = mlflow.received.of_type("logged_model.observed")
        return [fact["body"] for fact in facts if fact["body"]["logged_model"] == key]

    mlflow.received.wait_for(lambda: len(observed()) == 4)
    whole = {name: value for body in observed() for name, value in body.items()}
    assert (whole["run"], whole["model_type"], whole["state"], whole["existence"]) == (
        run, "classifier", "ready", "deleted",
    )  # fmt: skip
    assert ["C", "1.0"] in whole["params"]
    named = [event["body"].get("logged_models") for event in mlflow.received.of_type("run.observed")]
    assert [key] in named
    tags = {e["body"]["name"]: e["body"] for e in mlflow.received.of_type("tag.set") if e["body"]["node"] == key}
    assert tags["semver"]["value"] == "1.2.0"
    assert tags["owner"]["hidden"] == "Ada"


def test_deleting_an_experiment_deletes_its_runs(mlflow: WatchedMlflow, client: Any) -> None:
    experiment = client.create_experiment("trial")
    runs = {client.create_run(experiment).info.run_id for _ in range(3)}
    client.delete_experiment(experiment)
    client.restore_experiment(experiment)

    def existences() -> list[tuple[str, str]]:
        bodies = [event["body"] for event in mlflow.received.of_type("run.observed")]
        return [(body["existence"], body["run"]) for body in bodies if body["run"] in runs and "existence" in body]

    mlflow.received.wait_for(lambda: len([word for word, _ in existences() if word == "restored"]) == 3)
    assert {run for word, run in existences() if word == "restored"} == runs


def moved_by(mlflow: WatchedMlflow, alias: str, *headers: tuple[str, str]) -> dict[str, Any]:
    """Move an alias with headers of one's own; give the actor of the fact."""
    body = {"name": "headers", "alias": alias, "version": "1"}
    route = f"{mlflow.url}/api/2.0/mlflow/registered-models/alias"
    raw = [(name.encode(), value.encode()) for name, value in headers]
    assert httpx.post(route, json=body, headers=raw).status_code == httpx.codes.OK

    def facts() -> list[dict[str, Any]]:
        return [f for f in about(mlflow.received, "alias.moved", "headers") if f["body"]["alias"] == alias]

    mlflow.received.wait_for(lambda: len(facts()) == 1)
    return dict(facts()[0]["actor"])


def test_a_trusted_proxy_names_the_user_and_nobody_else_does(mlflow: WatchedMlflow, client: Any) -> None:
    made(client, "headers", 1)
    ada = {"issuer": f"mlflow:{REGISTRY}", "subject": "ada", "assurance": "authenticated", "via": "proxy-header"}
    assert moved_by(mlflow, "plain", ("X-Forwarded-User", "ada")) == ada
    assert moved_by(mlflow, "case", ("x-forwarded-USER", "ada")) == ada
    assert moved_by(mlflow, "unicode", ("X-Forwarded-User", "zoë"))["subject"] == "zoë"
    for alias, headers in {
        "twice": [("X-Forwarded-User", "ada"), ("X-Forwarded-User", "eve")],
        "underscores": [("X_Forwarded_User", "eve")],
        "empty": [("X-Forwarded-User", "")],
        "from_elsewhere": [("X-Forwarded-User", "eve"), ("X-Forwarded-For", "10.1.1.1")],
        "address_of_a_proxy": [("X-Forwarded-User", "eve"), ("X-Forwarded-For", "10.9.9.9")],
        "and_with_a_port": [("X-Forwarded-User", "eve"), ("X-Forwarded-For", "10.9.9.9:4711")],
    }.items():
        assert moved_by(mlflow, alias, *headers) == OBSERVED, alias
    assert "the header X-Forwarded-User was ignored: it came more than once" in mlflow.server.log


def test_whom_a_machine_acts_for_is_kept_as_its_claim(mlflow: WatchedMlflow, client: Any) -> None:
    if not about(mlflow.received, "model.declared", "headers"):
        made(client, "headers", 1)
    person = {"issuer": "github", "subject": "octo", "via": "github-actions", "ref": "https://ci.example/runs/1"}
    header = ("X-Lineage-On-Behalf-Of", json.dumps({**person, "more": 1}))
    assert moved_by(mlflow, "behalf", header) == {**OBSERVED, "on_behalf_of": person}
    too_long = ("X-Lineage-On-Behalf-Of", json.dumps({**person, "ref": "x" * 3000}))
    assert moved_by(mlflow, "too_long", too_long) == OBSERVED
    assert moved_by(mlflow, "no_json", ("X-Lineage-On-Behalf-Of", "{octo")) == OBSERVED
