"""The disk is full: whoever writes is told so, what was promised before is kept, and room makes it work again."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineage_service.errors import StoreUnavailableError
from lineage_service.evidence.inspection import run_verify
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.recorder import Receipt, wall_clock
from lineage_service.server.app import create_app
from lineage_service.settings import Settings
from lineage_service.store.sqlite import SqliteStore
from tests.faults.crash_client import events_of
from tests.faults.crash_round import ROOT
from tests.faults.crash_service import places_in
from tests.faults.crash_site import Site, new_ledger
from tests.unit.recorder.facts import move, prepare, record, require_intact_chain


@pytest.fixture
def token(tmp_path: Path) -> str:
    """Make a ledger and give the token of its source."""
    return new_ledger(Site(tmp_path))


@pytest.fixture
def store(tmp_path: Path, token: str) -> SqliteStore:
    """Open the store whose room tests measure out."""
    return SqliteStore(places_in(tmp_path).file)


@pytest.fixture
def installation(tmp_path: Path, store: SqliteStore) -> Iterator[Installation]:
    """Open the ledger."""
    with closing(Installation(places_in(tmp_path), store)) as opened:
        record(opened, move("known"))
        yield opened


def limit(store: SqliteStore, pages: int | None) -> None:
    """Let the database grow by so many pages from now on; None: as it likes. SQLite then fails as on a full disk."""
    (used,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count={4_294_967_294 if pages is None else used + pages:d}")


def fill(installation: Installation) -> list[Receipt]:
    """Record until the disk is full; return what was promised."""
    promised: list[Receipt] = []

    def go_on() -> None:
        for number in range(1000):
            promised.extend(record(installation, *(move(f"{number}/{part}") for part in range(5))).receipts)

    with pytest.raises(StoreUnavailableError, match=r"full.*acknowledged is safe: free disk space"):
        go_on()
    return promised


def require_kept(installation: Installation, promised: list[Receipt]) -> None:
    """Check that every receipt's record is there."""
    with installation.store.read() as reader:
        for receipt in promised:
            stored = reader.record(receipt.seq)
            assert stored is not None
            assert stored.leaf.hex() == receipt.hash


def test_nothing_promised_is_lost(installation: Installation, store: SqliteStore) -> None:
    limit(store, 12)
    promised = fill(installation)
    assert promised
    require_kept(installation, promised)
    require_intact_chain(installation)
    assert installation.heads.size == promised[-1].seq + 1


def test_a_refused_request_leaves_nothing(installation: Installation, store: SqliteStore) -> None:
    limit(store, 12)
    size = fill(installation)[-1].seq + 1
    with store.read() as reader:
        assert reader.head().size == size
        assert reader.record(size) is None
    report = run_verify(installation.places, deep=True)
    assert (report.exit_code, report.findings) == (0, ())


def test_room_makes_it_work_again(installation: Installation, store: SqliteStore) -> None:
    limit(store, 12)
    promised = fill(installation)
    limit(store, None)
    again = record(installation, move("0/0"), move("afterwards"))
    assert again.receipts[0].seq == promised[0].seq
    assert again.receipts[1].seq == promised[-1].seq + 1
    assert again.receipts[1].ack == "signed"
    require_kept(installation, [*promised, *again.receipts])
    report = run_verify(installation.places, deep=True)
    assert (report.exit_code, report.findings) == (0, ())


def test_somebody_new_cannot_be_named_and_the_reason_is_told(installation: Installation, store: SqliteStore) -> None:
    limit(store, 0)

    def name_many() -> None:
        for number in range(200):
            prepare(installation, move(1, actor={"issuer": "x", "subject": f"{number:0400d}", "assurance": "claimed"}))

    with pytest.raises(StoreUnavailableError, match=r"vault.*full.*free disk space"):
        name_many()
    limit(store, None)
    name_many()
    require_intact_chain(installation)


def test_a_sender_is_told_to_come_back_later(
    installation: Installation, store: SqliteStore, tmp_path: Path, token: str
) -> None:
    app = create_app(Settings(data_dir=tmp_path), installation, wall_clock)
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:
        limit(store, 0)
        answers = [client.post("/api/v1/events", json={"events": events_of(number)}) for number in range(40)]
        limit(store, None)
        accepted = client.post("/api/v1/events", json={"events": events_of(39)})
    refused = answers[-1]
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert "free disk space" in refused.json()["detail"]
    assert {answer.status_code for answer in answers} <= {201, 503}
    assert accepted.status_code == 201
    kept = [receipt for answer in answers if answer.status_code == 201 for receipt in answer.json()["receipts"]]
    with store.read() as reader:
        hashes = [stored.leaf.hex() for receipt in kept if (stored := reader.record(receipt["seq"]))]
    assert hashes == [receipt["hash"] for receipt in kept]


def test_a_kernel_that_refuses_to_write_is_survived(tmp_path: Path, token: str) -> None:
    command = [sys.executable, "-m", "tests.faults.full_disk", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["before"]
    assert len(told["refused"]) == 5
    assert {line.partition(":")[0] for line in told["refused"]} == {"StoreUnavailableError"}
    numbers = [seq for seq, _ in told["after"]]
    assert told["after"][: len(told["before"])] == told["before"]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    with closing(SqliteStore(places_in(tmp_path).file, writing=False)) as store, store.read() as reader:
        found = [(seq, stored.leaf.hex()) for seq in numbers if (stored := reader.record(seq))]
    assert found == [(seq, leaf) for seq, leaf in told["after"]]
    report = run_verify(places_in(tmp_path), deep=True)
    assert (report.exit_code, report.findings) == (0, ())
