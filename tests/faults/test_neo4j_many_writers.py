"""Four services write to one log in Neo4j at once and one of them signs: one chain, whole, under one signed head."""

import concurrent.futures
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from lineage_service.ledger.checkpoint import Checkpoint
from lineage_service.ledger.merkle import Frontier, leaf_hash
from lineage_service.recorder.installation import Installation, Places
from lineage_service.server.rights import first_admin
from lineage_service.store.address import Address
from lineage_service.store.neo4j import Neo4jStore
from lineage_service.store.protocol import RecordQuery
from tests.graphdb.address import Address as Server
from tests.graphdb.installation import new_installation
from tests.served import free_port
from tests.service import bearer

SERVICES = 4
REQUESTS = 30
LINEAGE = Path(sys.executable).parent / "lineage"


@contextlib.contextmanager
def services(places: Places, folder: Path) -> Iterator[list[str]]:
    """Start services on one ledger, the first with the signer; give their addresses."""
    assert isinstance(places.database, Address)
    password = folder / "password"
    password.write_text(places.database.password)
    shared = {
        "LINEAGE_STORE": places.database.url,
        "LINEAGE_NEO4J_USER": places.database.user,
        "LINEAGE_NEO4J_PASSWORD_FILE": str(password),
        "LINEAGE_NEO4J_DATABASE": places.database.database,
        "LINEAGE_DATA_DIR": str(folder),
        "LINEAGE_KEYS_DIR": str(places.keys),
    }
    urls, running = [], []
    try:
        for number in range(SERVICES):
            port = free_port()
            own = {"LINEAGE_LISTEN": f"127.0.0.1:{port}", "LINEAGE_SIGNER": "elsewhere" if number else "inprocess"}
            with (folder / f"serve-{number}.log").open("wb") as log:
                running.append(
                    subprocess.Popen([LINEAGE, "serve"], env={**os.environ, **shared, **own}, stdout=log, stderr=log)
                )
            urls.append(f"http://127.0.0.1:{port}")
        for number, url in enumerate(urls):
            _wait_for(url, running[number], folder / f"serve-{number}.log")
        yield urls
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def send(url: str, token: str, number: int) -> list[dict[str, Any]]:
    """Record two facts by one request, one of which another service is sent as well; return the receipts."""
    facts = [
        {
            "type": "run.observed",
            "occurred_at": "2026-11-20T10:00:00Z",
            "actor": {"issuer": "mlflow:prod", "subject": f"somebody {number % 7}", "assurance": "claimed"},
            "body": {"run": name, "state": "complete", "job": {"namespace": "airflow", "name": "nightly"}},
        }
        for name in (f"own {url} {number}", f"shared {number}")
    ]
    headers = {**bearer(token), "X-Lineage-Ack": "signed" if number % 10 == 0 else "committed"}
    reply = httpx.post(f"{url}/api/v1/events", json={"events": facts}, headers=headers, timeout=60)
    assert reply.status_code == 201, reply.text
    receipts: list[dict[str, Any]] = reply.json()["receipts"]
    return receipts


@pytest.mark.timeout(280)
def test_four_services_write_one_chain_and_one_signs_it(graph_server: Server, tmp_path: Path) -> None:
    with closing(new_installation(tmp_path)) as installation:
        admin, places = first_admin(installation, "ada").token, installation.places
    with services(places, tmp_path) as urls:
        form = {"kind": "mlflow", "instance": "prod", "since": "2026-01-01T00:00:00Z"}
        token = httpx.post(f"{urls[0]}/api/v1/sources", json=form, headers=bearer(admin)).json()["token"]
        time.sleep(1.5)  # rights that another service gave count after a second at most
        with concurrent.futures.ThreadPoolExecutor(2 * SERVICES) as pool:
            sent = [pool.submit(send, url, token, number) for number in range(REQUESTS) for url in urls]
            receipts = [receipt for one in sent for receipt in one.result()]
        again = send(urls[1], token, 0)
    seqs = {receipt["id"]: receipt["seq"] for receipt in receipts}
    assert len(seqs) == REQUESTS * (SERVICES + 1)
    assert {receipt["id"]: receipt["seq"] for receipt in again}.items() <= seqs.items()
    _require_one_signed_chain(places, {receipt["id"]: receipt["hash"] for receipt in receipts})


def _require_one_signed_chain(places: Places, promised: dict[str, str]) -> None:
    """Read the log as a stranger would: numbers without a hole, each record chained, all under the signed head."""
    assert isinstance(places.database, Address)
    with closing(Neo4jStore(places.database, writing=False)) as store, store.read() as reader:
        records, head, note = list(reader.records(RecordQuery())), reader.head(), reader.note()
    last = bytes(32)
    for number, record in enumerate(records):
        told = orjson.loads(record.body)
        assert (record.seq, told["seq"], told["prev"]) == (number, number, last.hex())
        last = leaf_hash(record.body)
        promised.pop(told["id"], None)
    assert promised == {}
    frontier = Frontier().extend([record.leaf for record in records])
    assert (head.size, head.last, head.frontier) == (len(records), last, frontier)
    assert note is not None
    text = note.decode()
    signed = Checkpoint.parse(text[: text.index("\n\n") + 1])
    assert (signed.size, signed.root) == (len(records), frontier.root())
    with closing(Installation(places, Neo4jStore(places.database))) as again:  # the seal and the signer's memory hold
        assert again.heads.size == len(records)
