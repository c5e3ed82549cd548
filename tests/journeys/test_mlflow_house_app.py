"""The plugin around an application of somebody else's: three workers, a fresh database of accounts, a crash."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.conftest import REGISTRY, about, plugin_environment
from tests.journeys.house_app.house_app import installed
from tests.journeys.mlflow_server import MlflowProcess, start_mlflow
from tests.journeys.receiver import Receiver, receiving

pytestmark = pytest.mark.timeout(600)
ADMIN = ("admin", "correct horse battery")
WORKERS = 3


@dataclass
class House:
    server: MlflowProcess
    received: Receiver
    spool: Path

    def ask(self, method: str, route: str, auth: tuple[str, str] = ADMIN, **body: object) -> httpx.Response:
        return httpx.request(method, f"{self.server.url}/api/2.0/mlflow/{route}", json=body, auth=auth, timeout=60)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start `house-accounts` under the plugin, with workers that all find the database of accounts empty."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    more = {
        "LINEAGE_MLFLOW_APP": "house-accounts",
        "PYTHONPATH": installed(folder / "site"),
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key for tests only",
    }
    with receiving() as receiver:
        server = start_mlflow(folder, plugin_environment(receiver, folder / "spool", **more), workers=WORKERS)
        try:
            yield House(server, receiver, folder / "spool")
        finally:
            server.stop()


def made(house: House, name: str) -> None:
    assert house.ask("POST", "registered-models/create", name=name).status_code == httpx.codes.OK
    assert house.ask("POST", "model-versions/create", name=name, source="s3://b/m").status_code == httpx.codes.OK


def test_workers_that_find_no_database_do_not_break_each_other(house: House) -> None:
    made(house, "together")
    house.received.wait_for(lambda: len(about(house.received, "model_version.registered", "together")) == 1)
    (fact,) = about(house.received, "model.declared", "together")
    assert (fact["actor"]["subject"], fact["actor"]["via"]) == ("admin", "mlflow-house-accounts")
    assert "already exists" not in house.server.log
    assert "Traceback" not in house.server.log


def test_one_worker_drains_what_all_of_them_spool_and_each_fact_once(house: House) -> None:
    made(house, "many")
    for n in range(12):
        answer = house.ask("POST", "registered-models/alias", name="many", alias=f"a{n}", version="1")
        assert answer.status_code == httpx.codes.OK
    house.received.wait_for(lambda: len(about(house.received, "alias.moved", "many")) == 12)
    orders = [event["source"]["order"] for event in house.received.accepted]
    assert orders == sorted(set(orders))


def test_a_change_whose_process_was_killed_is_an_attempt_of_unknown_outcome(house: House) -> None:
    made(house, "fatal")
    with pytest.raises(httpx.TransportError):
        house.ask("POST", "registered-models/alias", name="fatal", alias="die", version="1")

    def unresolved() -> list[dict[str, Any]]:
        facts = house.received.of_type("attempt.unresolved")
        return [fact for fact in facts if "process ended" in fact["body"]["reason"]]

    house.received.wait_for(lambda: len(unresolved()) == 1, 60)
    (fact,) = unresolved()
    (version,) = about(house.received, "model_version.registered", "fatal")
    assert fact["actor"]["subject"] == "admin"
    assert fact["body"]["action"] == "POST registered-models/alias"
    assert fact["body"]["node"] == f"model_version:{REGISTRY}::fatal/1@{version['body']['created_ms']}"
    assert about(house.received, "alias.moved", "fatal") == []


def test_an_answer_of_500_is_an_attempt_of_unknown_outcome(house: House) -> None:
    made(house, "broken")
    assert house.ask("POST", "registered-models/alias", name="broken", alias="break", version="1").status_code == 500

    def reasons() -> list[str]:
        return [fact["body"]["reason"] for fact in house.received.of_type("attempt.unresolved")]

    house.received.wait_for(lambda: "MLflow answered 500" in reasons())


def test_a_route_that_no_table_knows_is_said_and_leaves_a_hole_when_it_is_used(house: House) -> None:
    rule = "POST /api/2.0/mlflow/registered-models/promote"

    def problems() -> list[str]:
        return [event["body"].get("problem", "") for event in house.received.of_type("collector.reported")]

    house.received.wait_for(lambda: any(rule in text for text in problems()), 60)
    assert not any("was not recorded" in text for text in problems())
    assert house.ask("POST", "registered-models/promote", name="x").status_code == httpx.codes.OK
    house.server.stop()  # the last test here: a server that ends reports at once what it could not record
    assert any("registered-models/promote was not recorded" in text for text in problems())
    assert any("a worker ended during POST registered-models/alias" in text for text in problems())
