"""The real application on a real store in a folder, for tests that speak HTTP to it."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.testclient import TestClient

from graph_schema import times
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.server.app import create_app
from lineage_service.server.rights import first_admin
from lineage_service.settings import Settings
from lineage_service.store.address import Database
from lineage_service.store.protocol import RecordQuery

START = times.parse_time("2026-11-22T10:00:00Z")


@dataclass
class Clock:
    """A clock that stands still until a test moves it; microseconds."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * times.MICROS_PER_SECOND)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Service:
    """An application, a client for it, and the ways to get tokens."""

    app: FastAPI
    client: TestClient
    installation: Installation
    clock: Clock
    admin_token: str
    tokens: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Any, token: str, **headers: str) -> Any:
        """POST JSON (or bytes as they are) and return the response."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.client.post(path, content=content, headers={**bearer(token), **headers})

    def get(self, path: str, token: str | None = None, **headers: str) -> Any:
        return self.client.get(path, headers={**bearer(token or self.admin_token), **headers})

    def delete(self, path: str, token: str | None = None) -> Any:
        return self.client.delete(path, headers=bearer(token or self.admin_token))

    def source_token(self, kind: str, instance: str = "prod", **more: Any) -> str:
        """Register a source and return its token; each once."""
        name = f"{kind}/{instance}"
        if name not in self.tokens:
            body = {"kind": kind, "instance": instance, **more}
            self.tokens[name] = self._made("/api/v1/sources", body)
        return self.tokens[name]

    def person_token(self, person: str, *roles: str, **more: Any) -> str:
        """Issue a token to a person with these roles; each once."""
        name = f"{person} {roles}"
        if name not in self.tokens:
            self.tokens[name] = self._made("/api/v1/tokens", {"person": person, "roles": list(roles), **more})
        return self.tokens[name]

    def _made(self, path: str, body: dict[str, Any]) -> str:
        reply = self.post(path, body, self.admin_token)
        assert reply.status_code == 201, reply.text
        token: str = reply.json()["token"]
        return token

    def send(self, *events: Mapping[str, Any], token: str, **headers: str) -> Any:
        """POST native events."""
        return self.post("/api/v1/events", {"events": events}, token, **headers)

    def records(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """Return records as data, straight from the store."""
        with self.installation.store.read() as reader:
            return [orjson.loads(record.body) for record in reader.records(RecordQuery(type=event_type))]

    @property
    def size(self) -> int:
        return self.installation.heads.size


@contextlib.contextmanager
def make_service(folder: Path, *, database: Database | None = None, **settings: Any) -> Iterator[Service]:
    """Create an installation, its ledger in the folder unless another place is given, and serve it."""
    clock = Clock()
    places = Places(database or folder / "lineage.db", folder / "keys")
    installation = create(places, origin="test.example/log", clock=clock)
    try:
        admin = first_admin(installation, "ada")
        app = create_app(Settings(data_dir=folder, **settings), installation, clock)
        with TestClient(app) as client:
            yield Service(app, client, installation, clock, admin.token)
    finally:
        installation.close()


def stage(version: str = "3", to: str = "Production", **more: Any) -> dict[str, Any]:
    """Return a valid stage transition."""
    return {
        "type": "stage.transitioned",
        "occurred_at": "2026-11-22T09:57:16.123Z",
        "actor": {"issuer": "mlflow:prod", "subject": "deployer1", "assurance": "authenticated", "via": "basic-auth"},
        "body": {"model": "model:prod::credit", "version": version, "created_ms": 1795392378318, "to": to},
        **more,
    }


def run_event(run: str = "d46e465b-d358-4d32-83d4-df660ff614dd", **more: Any) -> dict[str, Any]:
    """Return a valid OpenLineage run event."""
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-11-22T09:50:00.123Z",
        "run": {"runId": run},
        "job": {"namespace": "airflow", "name": "train"},
        "inputs": [{"namespace": "s3://bucket", "name": "raw"}],
        "outputs": [{"namespace": "s3://bucket", "name": "clean"}],
        "producer": "https://example.org/producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        **more,
    }
