"""The plugin without a disk (`LINEAGE_SPOOL=service`) under gunicorn, with workspaces, and the real service."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from lineage_service.client.errors import UnknownNameError
from tests.journeys.conftest import REGISTRY
from tests.journeys.door import Door, door_to
from tests.journeys.house_app.house_app import installed
from tests.journeys.mlflow_server import MlflowProcess, start_mlflow
from tests.served import Served, serving

pytestmark = pytest.mark.timeout(600)
ADA = {"X-House-User": "ada"}
SECRET = "hunter2-long-secret"


@dataclass
class Diskless:
    """A server without a spool, and the service behind a door that can be shut."""

    server: MlflowProcess
    served: Served
    door: Door

    def ask(self, method: str, route: str, workspace: str = "default", **body: object) -> httpx.Response:
        headers = {**ADA, "X-MLFLOW-WORKSPACE": workspace}
        url = f"{self.server.url}/api/{'3.0' if route.startswith('workspaces') else '2.0'}/mlflow/{route}"
        return httpx.request(method, url, json=body, headers=headers, timeout=60)

    def made(self, name: str, workspace: str = "default") -> None:
        for route, body in (
            ("registered-models/create", {"name": name}),
            ("model-versions/create", {"name": name, "source": "s3://b/m"}),
        ):
            answer = self.ask("POST", route, workspace, **body)
            assert answer.status_code == httpx.codes.OK, answer.text

    def history(self, node: str) -> dict[str, Any]:
        with self.served.client() as client:
            answer: dict[str, Any] = client.request("GET", "/history", params={"node": node})
            return answer

    def wait_for_row(self, node: str, kind: str, seconds: float = 30) -> dict[str, Any]:
        """Wait until the history of a node has a row of a kind; give the answer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                answer = self.history(node)
            except UnknownNameError:
                answer = {"value": {"rows": []}}
            if any(row["type"] == kind for row in answer["value"]["rows"]):
                return answer
            time.sleep(0.2)
        raise AssertionError(f"no {kind} in the history of {node} within {seconds} s")


@pytest.fixture(scope="module")
def diskless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diskless]:
    folder, data = tmp_path_factory.mktemp("diskless"), tmp_path_factory.mktemp("service")
    with serving(data) as served, door_to(served.url) as door:
        environment = {
            "LINEAGE_URL": door.url,
            "LINEAGE_TOKEN": served.source,
            "LINEAGE_SPOOL": "service",
            "LINEAGE_MLFLOW_REGISTRY": REGISTRY,
            "LINEAGE_MLFLOW_APP": "house",
            "PYTHONPATH": installed(folder / "site"),
        }
        options = ("--enable-workspaces", "--gunicorn-opts", "--timeout 120")
        server = start_mlflow(folder, environment, workers=2, options=options)
        try:
            yield Diskless(server, served, door)
        finally:
            server.stop()


def test_a_change_is_made_after_its_intent_was_acknowledged_and_ends_as_one_fact(diskless: Diskless) -> None:
    diskless.made("credit")
    assert diskless.ask("POST", "registered-models/alias", name="credit", alias="live", version="1").is_success
    answer = diskless.wait_for_row(f"model:{REGISTRY}::credit", "alias.moved")
    rows = answer["value"]["rows"]
    assert [row["type"] for row in rows] == ["model.declared", "model_version.registered", "alias.moved"]
    assert {row["actor"]["assurance"] for row in rows} == {"authenticated"}
    assert not [gap for gap in answer["gaps"] if gap["kind"] == "not_recorded"]
    assert not (diskless.server.folder / "lineage-spool").exists()


def test_a_change_is_refused_while_the_service_is_away_and_made_when_it_is_back(diskless: Diskless) -> None:
    diskless.made("patient")
    diskless.door.shut = True
    began = time.monotonic()
    refused = diskless.ask("POST", "registered-models/alias", name="patient", alias="live", version="1")
    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "did not acknowledge the intent" in refused.json()["message"]
    assert time.monotonic() - began < 10
    seen = diskless.ask("GET", "registered-models/get?name=patient")
    assert "aliases" not in seen.json()["registered_model"]
    assert diskless.ask("POST", "runs/create", experiment_id="0").is_success
    diskless.door.shut = False
    assert diskless.ask("POST", "registered-models/alias", name="patient", alias="live", version="1").is_success
    diskless.wait_for_row(f"model:{REGISTRY}::patient", "alias.moved")


def test_a_killed_process_leaves_an_intent_whose_outcome_is_unknown(diskless: Diskless) -> None:
    diskless.made("fatal")
    with pytest.raises(httpx.TransportError):
        diskless.ask("POST", "registered-models/alias", name="fatal", alias="die", version="1")
    answer = diskless.wait_for_row(f"model:{REGISTRY}::fatal", "attempt.intended")
    row = answer["value"]["rows"][-1]
    assert row["what"] == "outcome unknown: POST registered-models/alias"
    assert row["actor"]["assurance"] == "authenticated"
    assert [gap["kind"] for gap in answer["gaps"] if gap["subject"] == f"record {row['seq']}"] == ["not_recorded"]


def test_a_request_that_failed_leaves_no_intent_open(diskless: Diskless) -> None:
    diskless.made("refusing")
    answer = diskless.ask("POST", "registered-models/alias", name="refusing", alias="live", version="7")
    assert answer.status_code >= httpx.codes.BAD_REQUEST
    assert diskless.ask("POST", "registered-models/alias", name="refusing", alias="live", version="1").is_success
    rows = diskless.wait_for_row(f"model:{REGISTRY}::refusing", "alias.moved")["value"]["rows"]
    assert "attempt.intended" not in [row["type"] for row in rows]


def test_a_workspace_is_part_of_the_name_and_the_default_one_is_not(diskless: Diskless) -> None:
    assert diskless.ask("POST", "workspaces", name="team-a").is_success
    diskless.made("twice")
    diskless.made("twice", "team-a")
    for key in (f"model:{REGISTRY}::twice", f"model:{REGISTRY}/team-a::twice"):
        rows = diskless.wait_for_row(key, "model_version.registered")["value"]["rows"]
        assert [row["type"] for row in rows] == ["model.declared", "model_version.registered"], key


def test_models_of_a_deleted_workspace_are_told_to_be_gone_or_to_have_moved_and_by_whom(diskless: Diskless) -> None:
    for workspace in ("gone", "moved"):
        assert diskless.ask("POST", "workspaces", name=workspace).is_success
        diskless.made(f"of-{workspace}", workspace)
    assert diskless.ask("DELETE", "workspaces/gone?mode=CASCADE").is_success
    assert diskless.ask("DELETE", "workspaces/moved?mode=SET_DEFAULT").is_success
    row = diskless.wait_for_row(f"model:{REGISTRY}/gone::of-gone", "model.deleted")["value"]["rows"][-1]
    assert row["actor"]["assurance"] == "authenticated"
    diskless.wait_for_row(f"model:{REGISTRY}/moved::of-moved", "model.renamed")
    found = diskless.ask("GET", "registered-models/get?name=of-moved").json()
    assert found["registered_model"]["name"] == "of-moved"


def test_no_secret_is_in_the_record_or_a_log(diskless: Diskless) -> None:
    diskless.made("secretive")
    value = f"postgresql://bot:{SECRET}@db.example/credit"
    assert diskless.ask("POST", "registered-models/set-tag", name="secretive", key="store", value=value).is_success
    diskless.wait_for_row(f"model:{REGISTRY}::secretive", "tag.set")
    stored = b"".join(path.read_bytes() for path in diskless.served.folder.rglob("*") if path.is_file())
    assert SECRET.encode() not in stored + diskless.server.log.encode()
