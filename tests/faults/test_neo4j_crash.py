"""Whatever becomes of a service, of its Neo4j or of both, every receipt stays true; and a service outlives its Neo4j.

The rounds are the first five of ``python -m tests.faults.crash --store neo4j``. One server is killed by all tests here.
"""

import random
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.crash import blows, run_rounds, server_for
from tests.faults.crash_round import Blow
from tests.faults.crash_service import BEGIN, COMMIT
from tests.graphdb.installation import emptied
from tests.graphdb.process import Neo4jProcess
from tests.service import Service, make_service

CHANCE = random.Random(1)  # noqa: S311  it chooses moments, it keeps no secret
PLAN = blows(5, "neo4j")
RUN = {"type": "run.observed", "occurred_at": "2026-11-22T09:00:00Z", "actor": {"assurance": "observed"}}
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jProcess]:
    """Give a started Neo4j that may be killed, and is left running by whoever does."""
    with server_for("neo4j", tmp_path_factory.mktemp("neo4j")) as started:
        assert started is not None
        yield started


@pytest.mark.timeout(290)
def test_every_receipt_survives_a_killed_service_a_killed_neo4j_and_both(server: Neo4jProcess, tmp_path: Path) -> None:
    outcomes = list(run_rounds(tmp_path, PLAN, CHANCE, server))
    print(*outcomes, sep="\n")
    assert all(outcome.receipts for outcome in outcomes)
    assert any(outcome.unanswered for outcome in outcomes)
    assert [outcome.records for outcome in outcomes] == sorted(outcome.records for outcome in outcomes)
    assert all((outcome.back is not None) == (outcome.blow.victim == "neo4j") for outcome in outcomes)


def test_half_of_the_rounds_and_more_kill_inside_a_transaction() -> None:
    assert [
        Blow("service", COMMIT), Blow("neo4j", None), Blow("both", BEGIN), Blow("service", None), Blow("neo4j", COMMIT)
    ] == PLAN  # fmt: skip


def test_twelve_rounds_kill_everything_at_every_moment() -> None:
    plan = blows(12, "neo4j")
    everything = {(victim, moment) for victim in ("service", "neo4j", "both") for moment in (BEGIN, COMMIT, None)}
    assert {(blow.victim, blow.moment) for blow in plan} == everything
    assert [blow.outage for blow in plan if blow.victim == "neo4j"] == [0, 0, 10, 10]


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
def test_a_service_says_what_is_wrong_while_its_neo4j_is_full_or_down_and_goes_on_afterwards(
    server: Neo4jProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineage_service.recorder.recorder._RETRY_SECONDS", 1.0)
    with make_service(tmp_path, database=emptied(server.address)) as service:
        assert send(service, "before") == 201
        log = max(server.data.glob("transactions/neo4j/neostore.transaction.db.*"))
        limit_files(server.folder, (log.stat().st_size + 300_000, resource.RLIM_INFINITY))
        promised = {name for name in (f"full {number}" for number in range(12)) if send(service, name) == 201}
        assert len(promised) < 12
        limit_files(server.folder, UNLIMITED)

        server.kill()
        down = service.client.get("/readyz")
        assert (down.status_code, service.client.get("/healthz").status_code) == (503, 200)
        assert "start the server, or see that LINEAGE_STORE names it" in down.json()["detail"]
        assert send(service, "while down") == 503

        server.start()
        assert service.client.get("/readyz").json() == {"status": "ok", "findings": {}}
        assert send(service, "room again") == 201
        assert {"before", "room again", *promised} <= runs(service)
        assert service.client.get("/readyz").json() == {"status": "ok", "findings": {}}
