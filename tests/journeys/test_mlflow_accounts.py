"""The plugin around MLflow's own authentication: who acted, who was refused, and what everybody may do."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph_schema.times import parse_time
from tests.journeys.conftest import REGISTRY, about, plugin_environment
from tests.journeys.mlflow_server import MlflowProcess, start_mlflow
from tests.journeys.receiver import Receiver, receiving

pytestmark = pytest.mark.timeout(600)
ISSUER = f"mlflow:{REGISTRY}"

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
            "LINEAGE_TRUSTED_USER_HEADER": "X-Forwarded-User",
            "LINEAGE_TRUSTED_PROXIES": "127.0.0.1",
        }
        return start_mlflow(self.folder, plugin_environment(self.received, self.folder / "spool", **more))

    def ask(
        self, user: str, method: str, route: str, api: str = "2.0", header: str | None = None, **body: object
    ) -> httpx.Response:
        password = "correct horse battery" if user == "admin" else f"{user} has a long password"
        url = f"{self.server.url}/api/{api}/mlflow/{route}"
        headers = {} if header is None else {"X-Forwarded-User": header}
        return httpx.request(method, url, json=body, auth=(user, password), headers=headers, timeout=30)


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
    alice = {"issuer": ISSUER, "subject": "alice", "assurance": "authenticated", "via": "mlflow-basic-auth"}
    assert fact["actor"] == alice
    assert "not_before" not in fact["body"]


def test_whom_mlflow_authenticated_wins_over_a_header_even_of_a_trusted_proxy(authenticated: Authenticated) -> None:
    made = authenticated.ask("alice", "POST", "registered-models/create", header="eve", name="whose")
    assert made.status_code == httpx.codes.OK, made.text
    authenticated.received.wait_for(lambda: len(about(authenticated.received, "model.declared", "whose")) == 1)
    (fact,) = about(authenticated.received, "model.declared", "whose")
    assert (fact["actor"]["subject"], fact["actor"]["via"]) == ("alice", "mlflow-basic-auth")


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


def rights(receiver: Receiver, user: str, resource: str) -> list[dict[str, Any]]:
    """Give the facts about what a user may do with a resource, in the order in which they came."""
    facts = receiver.of_type("permission.observed")
    return [f for f in facts if f["body"]["person"]["subject"] == user and f["body"]["resource"] == resource]


def test_what_everybody_may_do_is_known_from_the_start(authenticated: Authenticated) -> None:
    authenticated.received.wait_for(lambda: len(rights(authenticated.received, "admin", "account")) == 1)
    (account,) = rights(authenticated.received, "admin", "account")
    assert account["actor"] == {"assurance": "observed"}
    assert account["body"] == {
        "person": {"issuer": ISSUER, "subject": "admin"},
        "system": ISSUER,
        "resource": "account",
        "permission": "admin",
        "change": "seen",
    }
    assert [fact["body"]["permission"] for fact in rights(authenticated.received, "admin", "*")] == ["READ"]


def test_an_account_is_made_changed_and_deleted_by_somebody(authenticated: Authenticated) -> None:
    received, secret = authenticated.received, "carol has a long password"
    for method, route, body in (
        ("POST", "users/create", {"username": "carol", "password": secret}),
        ("PATCH", "users/update-password", {"username": "carol", "password": f"{secret} now"}),
        ("PATCH", "users/update-admin", {"username": "carol", "is_admin": True}),
        ("DELETE", "users/delete", {"username": "carol"}),
    ):
        answer = authenticated.ask("admin", method, route, **body)
        assert answer.status_code == httpx.codes.OK, answer.text
    received.wait_for(lambda: len(rights(received, "carol", "account")) >= 4)
    facts = [fact for fact in rights(received, "carol", "account") if fact["actor"]["assurance"] == "authenticated"]
    assert {fact["actor"]["subject"] for fact in facts} == {"admin"}
    assert [(fact["body"].get("permission"), fact["body"]["change"]) for fact in facts] == [
        ("user", "created"),
        ("user", "password changed"),
        ("admin", "made an admin"),
        (None, "deleted"),
    ]


def test_a_permission_is_a_fact_whether_given_to_a_user_or_by_a_role(authenticated: Authenticated) -> None:
    received = authenticated.received
    right = {"resource_type": "registered_model", "resource_id": "credit"}
    made_role = authenticated.ask("admin", "POST", "roles/create", api="3.0", name="deployers", workspace="default")
    role = made_role.json()["role"]["id"]
    add = {"resource_type": "registered_model", "resource_pattern": "*", "permission": "EDIT"}
    for method, route, body in (
        ("POST", "users/permissions/grant", {"username": "bob", "permission": "MANAGE", **right}),
        ("POST", "users/permissions/revoke", {"username": "bob", **right}),
        ("POST", "roles/permissions/add", {"role_id": role, **add}),
        ("POST", "roles/assign", {"username": "bob", "role_id": role}),
        ("DELETE", "roles/delete", {"role_id": role}),
    ):
        answer = authenticated.ask("admin", method, route, api="3.0", **body)
        assert answer.status_code == httpx.codes.OK, (route, answer.text)
    received.wait_for(lambda: len(rights(received, "bob", "registered-model/*")) >= 2)
    assert [fact["body"].get("permission") for fact in rights(received, "bob", "registered-model/credit")] == [
        "MANAGE",
        None,
    ]
    by_role = rights(received, "bob", "registered-model/*")
    assert [(fact["body"].get("permission"), fact["body"]["change"]) for fact in by_role] == [
        ("EDIT", "by roles/assign"),
        (None, "by roles/delete"),
    ]
    assert {fact["actor"]["subject"] for fact in by_role} == {"admin"}


def test_a_denied_attempt_on_what_does_not_exist_makes_nothing(authenticated: Authenticated) -> None:
    received = authenticated.received
    for route, body in (
        ("runs/delete", {"run_id": "0" * 32}),
        ("users/update-admin", {"username": "bob", "is_admin": True}),
    ):
        method = "PATCH" if route.startswith("users") else "POST"
        assert authenticated.ask("bob", method, route, **body).status_code >= httpx.codes.BAD_REQUEST
    actions = {"PATCH users/update-admin"}
    received.wait_for(lambda: actions <= {f["body"]["action"] for f in received.of_type("attempt.denied")})
    assert all("0" * 32 not in json.dumps(f["body"].get("node")) for f in received.of_type("attempt.denied"))
    (denied,) = [f for f in received.of_type("attempt.denied") if f["body"]["action"] == "PATCH users/update-admin"]
    assert "node" not in denied["body"]
    assert json.loads(denied["body"]["detail"]) == {"is_admin": True}


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
    said = stored + sent + authenticated.server.log.encode()
    assert b"has a long password" not in said
    assert b"correct horse" not in said


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
