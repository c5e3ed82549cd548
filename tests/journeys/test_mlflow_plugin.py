"""The plugin inside a real MLflow server, asked by real clients; what arrives at a receiver is what counts."""

import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors.mlflow.routes import uncovered
from graph_schema.times import parse_time
from tests.journeys.conftest import REGISTRY, WatchedMlflow, plugin_environment
from tests.journeys.mlflow_server import MlflowProcess, start_mlflow
from tests.journeys.receiver import Receiver, receiving

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


def about(receiver: Receiver, kind: str, model: str) -> list[dict[str, Any]]:
    """Give the facts of a kind that name a model of the test registry."""
    return [event for event in receiver.of_type(kind) if event["body"].get("model") == f"model:{REGISTRY}::{model}"]


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


def test_every_registry_route_of_this_release_is_recorded_or_left_out_with_a_reason() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.server import app
    rules = [(rule.rule, method) for rule in app.url_map.iter_rules() for method in rule.methods or ()]
    assert any("transition-stage" in rule for rule, _ in rules)
    assert uncovered(rules) == []
    assert uncovered([*rules, ("/api/2.0/mlflow/model-versions/promote", "POST")]) == [
        "POST /api/2.0/mlflow/model-versions/promote"
    ]


# ----------------------------------------------------------------------------------- around MLflow's own authentication


class Authenticated:
    """A server with the plugin around `basic-auth`, which can be started again on the same folder."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.folder = folder
        self.received = receiver
        (folder / "auth.ini").write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = admin\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        self.server = self.start()

    def start(self) -> MlflowProcess:
        more = {
            "LINEAGE_MLFLOW_APP": "basic-auth",
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": "correct horse battery",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key for tests only",
        }
        return start_mlflow(self.folder, plugin_environment(self.received, self.folder / "spool", **more))

    def ask(self, user: str, method: str, route: str, **body: object) -> httpx.Response:
        password = "correct horse battery" if user == "admin" else f"{user} has a long password"
        url = f"{self.server.url}/api/2.0/mlflow/{route}"
        return httpx.request(method, url, json=body, auth=(user, password), timeout=30)


@pytest.fixture(scope="module")
def authenticated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authenticated]:
    with receiving() as receiver:
        running = Authenticated(tmp_path_factory.mktemp("authenticated"), receiver)
        try:
            for user in ("alice", "bob"):
                made_user = running.ask(
                    "admin", "POST", "users/create", username=user, password=f"{user} has a long password"
                )
                assert made_user.status_code == httpx.codes.OK, made_user.text
            yield running
        finally:
            running.server.stop()


def test_an_authenticated_user_is_the_actor(authenticated: Authenticated) -> None:
    for route, body in (
        ("registered-models/create", {"name": "m1"}),
        ("model-versions/create", {"name": "m1", "source": "s3://b/m"}),
        ("model-versions/transition-stage", {"name": "m1", "version": "1", "stage": "Production"}),
    ):
        answer = authenticated.ask("alice", "POST", route, **body)
        assert answer.status_code == httpx.codes.OK, answer.text
    authenticated.received.wait_for(lambda: len(about(authenticated.received, "stage.transitioned", "m1")) == 1)
    (fact,) = about(authenticated.received, "stage.transitioned", "m1")
    issuer = f"mlflow:{REGISTRY}"
    alice = {"issuer": issuer, "subject": "alice", "assurance": "authenticated", "via": "mlflow-basic-auth"}
    assert fact["actor"] == alice
    assert "not_before" not in fact["body"]


def test_a_denied_attempt_names_who_tried_what(authenticated: Authenticated) -> None:
    for route, body in (
        ("registered-models/create", {"name": "m2"}),
        ("model-versions/create", {"name": "m2", "source": "s3://b/m"}),
    ):
        assert authenticated.ask("alice", "POST", route, **body).status_code == httpx.codes.OK
    body = {"name": "m2", "version": "1", "stage": "Archived"}
    denied = authenticated.ask("bob", "POST", "model-versions/transition-stage", **body)
    assert denied.status_code == httpx.codes.FORBIDDEN
    authenticated.received.wait_for(lambda: len(authenticated.received.of_type("attempt.denied")) == 1)
    (fact,) = authenticated.received.of_type("attempt.denied")
    (version,) = about(authenticated.received, "model_version.registered", "m2")
    assert (fact["actor"]["subject"], fact["actor"]["assurance"]) == ("bob", "authenticated")
    assert fact["body"]["action"] == "POST model-versions/transition-stage"
    assert fact["body"]["status"] == httpx.codes.FORBIDDEN
    assert fact["body"]["node"] == f"model_version:{REGISTRY}::m2/1@{version['body']['created_ms']}"
    assert json.loads(fact["body"]["detail"]) == {"name": "m2", "stage": "Archived", "version": "1"}
    assert about(authenticated.received, "stage.transitioned", "m2") == []


def test_a_wrong_password_names_nobody(authenticated: Authenticated) -> None:
    before = len(authenticated.received.of_type("attempt.denied"))
    url = f"{authenticated.server.url}/api/2.0/mlflow/registered-models/create"
    assert httpx.post(url, json={"name": "m3"}, auth=("alice", "wrong")).status_code == httpx.codes.UNAUTHORIZED
    assert authenticated.ask("alice", "POST", "registered-models/create", name="m4").status_code == httpx.codes.OK
    authenticated.received.wait_for(lambda: len(about(authenticated.received, "model.declared", "m4")) == 1)
    assert len(authenticated.received.of_type("attempt.denied")) == before


def spooled_bytes(folder: Path) -> bytes:
    """Return all that lies in a spool; begun anew when a file is replaced while the server works on it."""
    for _ in range(100):
        try:
            return b"".join(path.read_bytes() for path in folder.iterdir())
        except FileNotFoundError:
            time.sleep(0.05)
    raise AssertionError(f"the files in {folder} never kept still")


def test_passwords_are_nowhere_in_the_spool_or_the_facts(authenticated: Authenticated) -> None:
    stored = spooled_bytes(authenticated.folder / "spool")
    sent = json.dumps([request.events for request in authenticated.received.requests]).encode()
    assert b"alice" in sent
    assert b"password" not in stored + sent
    assert b"correct horse" not in stored + sent


def test_what_was_spooled_survives_a_crash_and_the_hole_is_reported(authenticated: Authenticated) -> None:
    authenticated.received.down = True
    assert authenticated.ask("alice", "POST", "registered-models/create", name="m5").status_code == httpx.codes.OK
    authenticated.server.kill()
    authenticated.received.down = False
    assert about(authenticated.received, "model.declared", "m5") == []
    authenticated.server = authenticated.start()
    authenticated.received.wait_for(lambda: len(about(authenticated.received, "model.declared", "m5")) == 1)
    assert authenticated.ask("alice", "POST", "registered-models/create", name="m6").status_code == httpx.codes.OK
    authenticated.server.stop()
    assert len(about(authenticated.received, "model.declared", "m6")) == 1
    last = authenticated.received.of_type("collector.reported")[-1]
    (crashed,) = about(authenticated.received, "model.declared", "m5")
    assert parse_time(last["body"]["covered_from"]) > parse_time(crashed["occurred_at"])
    assert parse_time(last["body"]["covered_to"]) > parse_time(last["body"]["covered_from"])
