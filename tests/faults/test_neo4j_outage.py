"""A service outlives its Neo4j: it says what is wrong while that is down or full, and goes on by itself afterwards."""

import contextlib
import resource
from pathlib import Path

import psutil
import pytest

from tests.graphdb.installation import store_address
from tests.graphdb.process import Neo4jProcess
from tests.graphdb.session import server_to_break
from tests.service import Service, make_service

RUN = {"type": "run.observed", "occurred_at": "2026-11-22T09:00:00Z", "actor": {"assurance": "observed"}}
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def send(service: Service, name: str) -> int:
    """Record one run of about 50 kB; return the HTTP status."""
    params = [[f"p{number}", name + "x" * 500] for number in range(100)]
    fact = {**RUN, "body": {"run": name, "state": "complete", "params": params}}
    status: int = service.send(fact, token=service.source_token("mlflow"), **{"X-Lineage-Ack": "committed"}).status_code
    return status


def runs(service: Service) -> set[str]:
    """Return the runs recorded."""
    return {record["body"]["run"] for record in service.records("run.observed")}


def limit_files(folder: Path, limit: tuple[int, int]) -> None:
    """Let no file of the server in a folder grow beyond so many bytes, as a full disk would."""
    home = f"--home-dir={folder}"
    ours = psutil.Process().children(recursive=True)
    (java,) = [one for one in ours if one.name() == "java" and home in one.cmdline()]
    java.rlimit(psutil.RLIMIT_FSIZE, limit)


@pytest.mark.timeout(290)
def test_a_service_outlives_a_neo4j_that_was_down_and_one_that_was_full(tmp_path: Path) -> None:
    folder = tmp_path / "neo4j"
    with server_to_break(folder) as server, _service_on(server, tmp_path / "service") as service:
        assert send(service, "before") == 201
        server.kill()
        down = service.client.get("/readyz")
        assert (down.status_code, service.client.get("/healthz").status_code) == (503, 200)
        assert "start the server, or see that LINEAGE_STORE names it" in down.json()["detail"]
        assert send(service, "while down") == 503
        server.restart()
        assert service.client.get("/readyz").json() == {"status": "ok", "findings": {}}
        assert send(service, "after") == 201

        log = max(folder.glob("data/transactions/neo4j/neostore.transaction.db.*"))
        limit_files(folder, (log.stat().st_size + 300_000, resource.RLIM_INFINITY))
        promised = {name for name in (f"full {number}" for number in range(12)) if send(service, name) == 201}
        assert len(promised) < 12
        limit_files(folder, UNLIMITED)
        server.kill()
        server.restart()
        assert send(service, "room again") == 201
        assert {"before", "after", "room again", *promised} <= runs(service)
        assert service.client.get("/readyz").json() == {"status": "ok", "findings": {}}


def _service_on(server: Neo4jProcess, folder: Path) -> contextlib.AbstractContextManager[Service]:
    return make_service(folder, database=store_address(server.address))
