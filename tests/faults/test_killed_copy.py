"""A copy whose process is killed leaves the beginning of the ledger, which nobody serves, and is gone on with."""

import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lineage_service.errors import StoreUnavailableError
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.moving import carry, seal
from lineage_service.recorder.installation import Installation, Places
from lineage_service.store.address import Database
from lineage_service.store.opening import open_store
from lineage_service.store.sqlite import SqliteStore
from tests.conformance.kinds import emptied_server
from tests.ledgers import kept_in, make_ledger

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 60


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return make_ledger(tmp_path_factory.mktemp("house"), RECORDS)


def kill_a_copy(source: Path, target: dict[str, Any], at: float) -> None:
    """Let a process copy until it is killed."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.killed_copy", str(source)],
        input=json.dumps({**target, "at": at}), cwd=ROOT, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def go_on(house: Places, target: Database) -> None:
    """See that nobody serves what is there; go on with the copy to its end; see that it is whole."""
    with contextlib.closing(open_store(target)) as store:
        with store.read() as reader:
            held = reader.head().size
        with pytest.raises(StoreUnavailableError, match="was broken off: repeat that command"):
            Installation(Places(target, house.keys), store)
        with contextlib.closing(SqliteStore(house.file, writing=False)) as source:
            moved = carry(source, store, lambda _fraction: None)
            seal(store, moved)
            assert moved.found == held
            assert 0 < held <= RECORDS
            assert kept_in(store) == kept_in(source)
        Installation(Places(target, house.keys), store).close()


@pytest.mark.parametrize("at", [0.05, 0.4, 0.6])
def test_a_killed_copy_into_a_file_is_gone_on_with(house: Places, tmp_path: Path, at: float) -> None:
    target = tmp_path / "lineage.db"
    kill_a_copy(house.file, {"file": str(target)}, at)
    go_on(house, target)
    report = run_verify(Places(target, house.keys), deep=True)
    assert (report.exit_code, report.findings) == (0, ()), report.lines()


def test_a_killed_copy_into_a_server_is_gone_on_with(house: Places) -> None:
    server = emptied_server()
    kill_a_copy(house.file, dataclasses.asdict(server), 0.3)
    go_on(house, server)
