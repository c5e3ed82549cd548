"""The real service on a free port of this machine, in a thread, for whoever speaks to it over a socket as people do."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from lineage_service.client import LineageClient
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.app import create_app
from lineage_service.server.rights import first_admin
from lineage_service.settings import Settings

MODEL = "model:mlflow-prod::credit"
CREATED = 1795392378318
DEPLOYER = {"issuer": "mlflow:prod", "subject": "deployer1", "assurance": "authenticated", "via": "basic-auth"}


@dataclass
class Served:
    """A running service, its address, its first admin token, and the token of one MLflow source."""

    url: str
    folder: Path
    installation: Installation
    admin: str
    source: str = ""

    def client(self, token: str | None = None) -> LineageClient:
        return LineageClient(self.url, token or self.admin)

    @property
    def places(self) -> Places:
        return self.installation.places


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Create an installation in a folder, register a source, and serve until the block ends."""
    installation = create(Places(folder / "lineage.db", folder / "keys"), origin="test.example/log")
    try:
        admin = first_admin(installation, "ada")
        app = create_app(Settings(data_dir=folder), installation, wall_clock)
        with listening(app) as url:
            served = Served(url, folder, installation, admin.token)
            with served.client() as client:
                form = {"kind": "mlflow", "instance": "prod", "since": "2026-01-01T00:00:00Z"}
                served.source = client.request("POST", "/sources", json=form)["token"]
            yield served
    finally:
        installation.close()


@contextlib.contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve an application in a thread; yields its address."""
    port = free_port()
    # No log_config: a test's process keeps its own logging.
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the server ended before it began"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def fact(word: str, at: str, body: dict[str, Any], actor: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return one native fact on the wire."""
    return {"type": word, "ev": 1, "occurred_at": at, "actor": actor or DEPLOYER, "body": body}


def version(number: str, **more: Any) -> dict[str, Any]:
    """Return the body that names a version of the model of ``story``."""
    return {"model": MODEL, "version": number, "created_ms": CREATED, **more}


def story() -> list[dict[str, Any]]:
    """Return how version 3 of a model came to be, went to production, and was archived; a diamond among it."""
    loans = {"namespace": "s3://b", "name": "loans", "version": "7"}
    clean = {"namespace": "s3://b", "name": "clean", "version": "2"}
    train = {
        "run": "train-1",
        "state": "complete",
        "inputs": [{**loans, "roles": ["training"]}, {**clean, "roles": ["training", "test"]}],
        "commit": {"sha": "ab" * 20},
        "job": {"namespace": "airflow", "name": "credit.train"},
        "metrics": [{"key": key, "value": "0.92814"} for key in ("auc", "f1", "loss", "recall")],
    }
    move = version("3", to="Production", reason="AUC <b>up</b>\x1b[31m", ticket="=CHG-7")
    return [
        fact(
            "run.observed",
            "2026-03-01T08:00:00Z",
            {"run": "clean-1", "state": "complete", "inputs": [loans], "outputs": [clean]},
        ),
        fact("run.observed", "2026-03-01T10:00:00Z", train),
        fact("model_version.registered", "2026-03-01T11:00:00Z", version("3", run="train-1")),
        fact("stage.transitioned", "2026-03-02T09:00:00.250Z", move),
        fact("alias.moved", "2026-03-02T10:00:00Z", version("3", alias="champion"), {"assurance": "observed"}),
        fact("stage.transitioned", "2026-03-04T09:00:00Z", version("3", to="Archived")),
    ]
