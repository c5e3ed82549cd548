"""The parts that journeys share: one MLflow server a session, and the receiver its plugin delivers to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.mlflow_server import MlflowProcess, start_mlflow
from tests.journeys.receiver import Receiver, receiving

REGISTRY = "mlflow-test"


@dataclass(frozen=True)
class WatchedMlflow:
    """A server without authentication, with the plugin, and what the plugin delivered."""

    server: MlflowProcess
    received: Receiver
    spool: Path

    @property
    def url(self) -> str:
        return self.server.url


def about(receiver: Receiver, kind: str, model: str) -> list[dict[str, Any]]:
    """Give the facts of a kind that name a model of the test registry."""
    return [event for event in receiver.of_type(kind) if event["body"].get("model") == f"model:{REGISTRY}::{model}"]


def plugin_environment(receiver: Receiver, spool: Path, **more: str) -> dict[str, str]:
    """Give the settings of a plugin that delivers to `receiver`."""
    return {
        "LINEAGE_URL": receiver.url,
        "LINEAGE_TOKEN": "lt_test",
        "LINEAGE_SPOOL": str(spool),
        "LINEAGE_MLFLOW_REGISTRY": REGISTRY,
        **more,
    }


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedMlflow]:
    """Start the one server of the session."""
    folder = tmp_path_factory.mktemp("mlflow")
    spool = folder / "spool"
    with receiving() as receiver:
        trusted = {"LINEAGE_TRUSTED_USER_HEADER": "X-Forwarded-User", "LINEAGE_TRUSTED_PROXIES": "127.0.0.1,10.9.9.9"}
        server = start_mlflow(folder, plugin_environment(receiver, spool, **trusted))
        try:
            yield WatchedMlflow(server, receiver, spool)
        finally:
            server.stop()
