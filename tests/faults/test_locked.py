"""Somebody else holds the database: whoever writes is told 503, readers go on, nothing promised is lost."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineage_service.errors import StoreUnavailableError
from lineage_service.evidence.inspection import run_verify
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.app import create_app
from lineage_service.settings import Settings
from lineage_service.store.protocol import RecordQuery
from lineage_service.store.sqlite import SqliteStore
from tests.faults.crash_client import events_of
from tests.faults.crash_service import places_in
from tests.faults.crash_site import Site, new_ledger
from tests.unit.recorder.facts import move, record, require_intact_chain

WAIT_MS = 100


@pytest.fixture
def token(tmp_path: Path) -> str:
    """Make a ledger and give the token of its source."""
    return new_ledger(Site(tmp_path))


@pytest.fixture
def installation(tmp_path: Path, token: str) -> Iterator[Installation]:
    """Open the ledger with a writer that soon loses patience."""
    places = places_in(tmp_path)
    with closing(Installation(places, SqliteStore(places.file, wait_ms=WAIT_MS))) as opened:
        record(opened, move("first"))
        yield opened


@contextmanager
def held(installation: Installation) -> Iterator[None]:
    """Hold the write lock of the database on a connection of somebody else."""
    with closing(sqlite3.connect(installation.places.file, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_writer_waits_no_longer_than_it_was_told(installation: Installation) -> None:
    began = time.monotonic()
    with (
        held(installation),
        pytest.raises(StoreUnavailableError, match=r"locked.*acknowledged is safe.*end the process"),
    ):
        record(installation, move("refused"))
    assert WAIT_MS / 1000 <= time.monotonic() - began < 5


def test_nothing_promised_is_lost_and_writing_goes_on(installation: Installation) -> None:
    promised = record(installation, move("kept")).receipts
    for number in range(3):
        with held(installation), pytest.raises(StoreUnavailableError):
            record(installation, move(f"refused {number}"))
        promised += record(installation, move(f"refused {number}"), move(f"kept {number}")).receipts
    with installation.store.read() as reader:
        for receipt in promised:
            stored = reader.record(receipt.seq)
            assert stored is not None
            assert stored.leaf.hex() == receipt.hash
    assert len({receipt.seq for receipt in promised}) == len(promised) == 7
    require_intact_chain(installation)
    report = run_verify(installation.places, deep=True)
    assert (report.exit_code, report.findings) == (0, ())


def test_all_who_wait_are_told(installation: Installation) -> None:
    with held(installation), ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(record, installation, move(number)) for number in range(4)]
        errors = [future.exception(timeout=20) for future in futures]
    assert [type(error) for error in errors] == [StoreUnavailableError] * 4
    assert installation.recorder.queued == 0


def test_somebody_new_cannot_be_named_and_the_reason_is_told(installation: Installation) -> None:
    stranger = {"issuer": "mlflow:prod", "subject": "never seen", "assurance": "claimed"}
    with held(installation), pytest.raises(StoreUnavailableError, match="locked"):
        record(installation, move(1, actor=stranger))
    assert record(installation, move(1, actor=stranger)).receipts[0].ack == "signed"


def test_readers_go_on(installation: Installation) -> None:
    with held(installation), installation.store.read() as reader:
        assert reader.head().size == len(list(reader.records(RecordQuery())))


def test_a_lock_given_back_in_time_is_waited_for(tmp_path: Path, token: str) -> None:
    places = places_in(tmp_path)
    with (
        closing(Installation(places, SqliteStore(places.file, wait_ms=20_000))) as patient,
        ThreadPoolExecutor(1) as pool,
    ):
        with held(patient):
            future = pool.submit(record, patient, move(1))
            time.sleep(0.3)
            assert not future.done()
        assert future.result(timeout=20).receipts[0].ack == "signed"


def test_the_checkpoint_is_stored_once_the_lock_is_free(installation: Installation) -> None:
    recorded = record(installation, move(1))
    assert recorded.checkpoint is not None
    with held(installation):
        installation.recorder.keep_head()
    installation.recorder.keep_head()
    with installation.store.read() as reader:
        note = reader.note()
    assert note is not None
    assert int(note.split(b"\n")[1]) >= recorded.size


def test_a_sender_is_told_to_come_back_later(installation: Installation, tmp_path: Path, token: str) -> None:
    app = create_app(Settings(data_dir=tmp_path), installation, wall_clock)
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:
        facts = {"events": events_of(1)}
        assert client.post("/api/v1/events", json={"events": events_of(51)}).status_code == 201
        with held(installation):
            refused = client.post("/api/v1/events", json=facts)
        accepted = client.post("/api/v1/events", json=facts)
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert "acknowledged is safe" in refused.json()["detail"]
    assert accepted.status_code == 201
    assert [receipt["ack"] for receipt in accepted.json()["receipts"]] == ["signed"] * 2
