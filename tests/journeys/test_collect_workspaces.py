"""A server with workspaces, read from outside once for each: one name in two workspaces is two models."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.journeys.mlflow_server import MlflowProcess, start_mlflow
from tests.served import Served, serving
from tests.versions.imported import lineage

pytestmark = pytest.mark.timeout(300)
TEAM = "team-a"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowProcess]:
    """Start MLflow by itself, with a model `credit` in either workspace; the version of the team's is in Production."""
    running = start_mlflow(tmp_path_factory.mktemp("mlflow"), {}, app=None, options=("--enable-workspaces",))
    try:
        ask(running, "3.0", "workspaces", "default", {"name": TEAM})
        for workspace in ("default", TEAM):
            ask(running, "2.0", "registered-models/create", workspace, {"name": "credit"})
            ask(running, "2.0", "model-versions/create", workspace, {"name": "credit", "source": f"s3://{workspace}/1"})
        ask(running, "2.0", "model-versions/transition-stage", TEAM,
            {"name": "credit", "version": "1", "stage": "Production"})  # fmt: skip
        yield running
    finally:
        running.stop()


def ask(server: MlflowProcess, api: str, route: str, workspace: str, body: dict[str, str]) -> None:
    url, headers = f"{server.url}/api/{api}/mlflow/{route}", {"X-MLFLOW-WORKSPACE": workspace}
    answer = httpx.post(url, json=body, headers=headers, timeout=60)
    assert answer.is_success, answer.text


def read(served: Served, token: str, server: MlflowProcess, workspace: str) -> None:
    lineage(served, token, "collect", "mlflow", server.url, "--registry", "prod", "--once", MLFLOW_WORKSPACE=workspace)


def test_one_name_in_two_workspaces_is_two_models_and_a_second_read_adds_nothing(
    server: MlflowProcess, tmp_path: Path
) -> None:
    with serving(tmp_path) as served, served.client() as client:
        token = client.request("POST", "/sources", json={"kind": "mlflow-poll", "instance": "prod"})["token"]
        read(served, token, server, "default")
        assert client.nodes("model")["nodes"] == ["model:prod::credit"]
        read(served, token, server, TEAM)
        assert client.nodes("model")["nodes"] == ["model:prod/team-a::credit", "model:prod::credit"]
        versions = [key.partition("@")[0] for key in client.nodes("model_version")["nodes"]]
        assert versions == ["model_version:prod/team-a::credit/1", "model_version:prod::credit/1"]
        (row,) = client.live().value["rows"]
        assert row["key"].startswith("model_version:prod/team-a::credit/1@")
        assert row["stage"] == "Production"

        known = facts(served)
        for workspace in ("default", TEAM):
            read(served, token, server, workspace)
        assert facts(served) == known


def facts(served: Served) -> list[str]:
    """Give the numbers of all records but reports of coverage."""
    with served.client() as client:
        records = [one["record"] for one in client.records(limit=1000)["records"]]
    return [str(record["seq"]) for record in records if record["type"] != "collector.reported"]
