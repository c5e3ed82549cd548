"""What stands on every answer: headers, ids, problems that tell no secret; health, figures, a clean end."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from graph_schema import times
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.note import parse_vkey
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.api import questions
from lineage_service.server.rights import first_admin
from lineage_service.store.sqlite import SqliteStore
from tests.service import Service, stage

PATHS = ["/healthz", "/readyz", "/openapi.json", "/metrics", "/nowhere", "/api/v1/sources", "/api/v1/proof", "/boom"]


def boom() -> None:
    raise ZeroDivisionError("a secret")


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_a_browser_to_do_anything_with_it(service: Service, path: str) -> None:
    service.app.add_api_route("/boom", boom)
    reply = service.get(path)
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "Cache-Control" in reply.headers
    assert re.fullmatch("[0-9a-f]{16}", reply.headers["X-Request-Id"])


def test_an_error_nobody_foresaw_is_a_problem_without_its_text(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.app.add_api_route("/boom", boom)
    reply = service.client.get("/boom", headers={"X-Request-Id": "my-id"})
    assert (reply.status_code, reply.headers["content-type"]) == (500, "application/problem+json")
    assert reply.json()["instance"] == "urn:request:my-id"
    assert "secret" not in reply.text
    assert "ZeroDivisionError" in caplog.text
    assert "a secret" not in caplog.text.replace('raise ZeroDivisionError("a secret")', "")


def test_an_id_that_could_break_a_log_line_is_replaced(service: Service) -> None:
    reply = service.client.get("/healthz", headers={"X-Request-Id": "a b" * 40})
    assert re.fullmatch("[0-9a-f]{16}", reply.headers["X-Request-Id"])


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/x", 404), ("PUT", "/healthz", 405)])
def test_what_the_framework_refuses_is_a_problem_as_well(service: Service, method: str, path: str, status: int) -> None:
    reply = service.client.request(method, path)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.json()["status"] == status


def test_the_documentation_pages_are_off_and_the_description_is_there(service: Service) -> None:
    assert service.client.get("/docs").status_code == 404
    described = service.client.get("/openapi.json").json()
    assert "/api/v1/events" in described["paths"]
    assert described["paths"]["/api/v1/tokens"]["get"]["security"]


def test_the_figures_follow_what_happens(service: Service) -> None:
    service.send(stage(), token=service.source_token("mlflow"))
    service.client.get("/api/v1/sources")
    text = service.get("/metrics").text
    assert f"lineage_records {float(service.size)}" in text
    assert 'lineage_problems_total{type="unauthenticated"} 1.0' in text
    assert "lineage_integrity_findings 0.0" in text
    for name in ("lineage_unsigned_records", "lineage_queued_records", "lineage_sign_failures_total"):
        assert name in text


def test_it_is_not_ready_without_its_store(service: Service) -> None:
    assert service.client.get("/readyz").status_code == 200
    places = service.installation.places
    while not service.installation.store._readers.empty():  # type: ignore[attr-defined]
        service.installation.store._readers.get_nowait().close()  # type: ignore[attr-defined]
    moved = places.file.rename(places.file.with_suffix(".away"))
    reply = service.client.get("/readyz")
    moved.rename(places.file)
    assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
    assert service.client.get("/healthz").status_code == 200


def test_a_question_that_gets_no_turn_is_told_to_come_back(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_TURN_SECONDS", 0.05)
    taken = 0
    while questions._TURNS.acquire(blocking=False):
        taken += 1
    try:
        reply = service.get("/api/v1/live")
    finally:
        questions._TURNS.release(taken)
    assert (reply.status_code, reply.json()["type"]) == (503, "urn:problem-type:lineage:overloaded")
    assert int(reply.headers["Retry-After"]) > 0
    assert service.get("/api/v1/live").status_code == 200


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


SERVE = """
from lineage_service.server.opening import read_settings
from lineage_service.server.serve import serve
serve(read_settings())
"""


def test_a_service_that_is_told_to_end_signs_its_last_head(tmp_path: Path) -> None:
    places = Places(tmp_path / "lineage.db", tmp_path / "keys")
    made = create(places, origin="test.example/log")
    token, vkey, origin = first_admin(made, "ada").token, made.log_vkey, made.origin
    made.close()
    port = free_port()
    environment = {"LINEAGE_DATA_DIR": str(tmp_path), "LINEAGE_LISTEN": f"127.0.0.1:{port}", "LINEAGE_LISTN": "x"}
    running = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}) as client:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    assert client.get("/readyz").status_code == 200
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            body = {"kind": "mlflow", "instance": "prod"}
            reply = client.post("/api/v1/sources", json=body)
            assert reply.status_code == 201, reply.text
            assert "server" not in reply.headers
            assert client.get("/api/v1/sources?token=abc").status_code == 200
            headers = {"Authorization": f"Bearer {reply.json()['token']}"}
            event = stage(occurred_at=times.format_time(wall_clock()))
            sent = client.post("/api/v1/events?ack=committed", json={"events": [event]}, headers=headers)
            assert sent.status_code == 201, sent.text
    finally:
        running.send_signal(signal.SIGTERM)
        _, logged = running.communicate(timeout=30)
    assert running.returncode == 0, logged
    assert "did you mean LINEAGE_LISTEN?" in logged
    assert token not in logged
    assert "token=abc" not in logged
    store = SqliteStore(places.file)
    with store.read() as reader:
        head, note = reader.head(), reader.note()
    store.close()
    assert note is not None
    assert open_checkpoint(note, origin, [parse_vkey(vkey)]).size == head.size
    Installation(places, SqliteStore(places.file)).close()
