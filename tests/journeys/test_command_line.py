"""A whole life on the command line: real processes, a real port, a folder of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from lineage_service.client import LineageClient, UnavailableError
from tests.served import fact, free_port, story, version

LINEAGE = Path(sys.executable).with_name("lineage")
START_SECONDS = 30.0


@dataclass
class Machine:
    """A folder with an installation, the settings of its commands, and its service while that runs."""

    folder: Path
    settings: dict[str, str]
    service: subprocess.Popen[bytes] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.settings["LINEAGE_URL"]

    @property
    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LINEAGE_")}
        return {**inherited, "PYTHONWARNINGS": "error", "COLUMNS": "80", **self.settings}

    def lineage(self, *arguments: str, code: int = 0, **settings: str) -> str:
        """Run one command, require its exit code, and return what it printed on stdout."""
        ended = subprocess.run(
            [LINEAGE, *arguments],
            cwd=self.folder,
            env={**self._environment, **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.notes.append(ended.stderr)
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stdout

    def serve(self) -> None:
        """Start the service and wait until it is ready."""
        with (self.folder / "serve.log").open("ab") as log:
            self.service = subprocess.Popen(
                [LINEAGE, "serve"], cwd=self.folder, env=self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert self.service.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").is_success
        except httpx.TransportError:
            return False

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the service by a signal and return its exit code."""
        assert self.service is not None
        self.service.send_signal(number)
        code = self.service.wait(30)
        self.service = None
        return code


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Open a log and start its service; whatever still runs at the end is ended."""
    port = free_port()
    settings = {"LINEAGE_URL": f"http://127.0.0.1:{port}", "LINEAGE_LISTEN": f"127.0.0.1:{port}"}
    made = Machine(tmp_path, settings)
    settings["LINEAGE_TOKEN"] = made.lineage("init").strip()
    made.serve()
    try:
        yield made
    finally:
        if made.service is not None:
            made.service.kill()
            made.service.wait()


def tell(machine: Machine) -> str:
    """Register a source, send the story with it, and return its token."""
    token = machine.lineage("source", "add", "mlflow/prod").strip()
    with LineageClient(machine.url, token) as source:
        receipts = source.record_events(story())
        assert [receipt.ack for receipt in receipts] == ["signed"] * len(receipts)
    return token


def test_from_an_empty_folder_to_a_verified_answer_and_back_after_a_restart(machine: Machine) -> None:
    tell(machine)
    table = machine.lineage("ask", "deployments", "credit", "--tz", "Europe/Zurich")
    assert "credit/3" in table
    assert "no change" in table
    tree = machine.lineage("ask", "provenance", "model_version:credit/3")
    assert "trained on dataset version loans@7" in tree
    machine.lineage("role", "grant", "admin", "deployer")
    machine.lineage("record", "deployment", "credit", "3", "--target", "prod/eu", "--ref", "https://ci.example.org/7")
    live = json.loads(machine.lineage("ask", "live", "--json"))
    assert [row["target"] for row in live["value"]["rows"] if row["target"]] == ["prod/eu"]
    machine.lineage("ask", "deployments", "--csv", "all.csv", "--proof", "proof.json")
    assert json.loads((machine.folder / "all.csv.json").read_text())["rows"] == 3
    assert "Nothing wrong was found" in machine.lineage("verify", "--deep")
    machine.lineage("rebuild", code=69)
    machine.lineage("doctor")

    assert machine.stop() == 0
    down = machine.lineage("ask", "live", code=69)
    assert down == ""
    assert "lineage serve" in machine.notes[-1]
    machine.lineage("rebuild")
    machine.lineage("verify", "--deep", "--level", "2")

    machine.serve()
    again = ["--as-of", live["as_of"], "--known-at", str(live["known_at"]["seq"])]
    repeated = json.loads(machine.lineage("ask", "live", "--json", *again))
    assert (repeated["value"], repeated["evidence"]) == (live["value"], live["evidence"])


def test_what_was_acknowledged_before_a_crash_is_there_after_it(machine: Machine) -> None:
    token = tell(machine)
    client = LineageClient(machine.url, token)
    receipts = [
        client.record_events([fact("alias.moved", f"2026-05-01T00:00:{n:02}Z", version("3", alias=f"a{n}"))])[0]
        for n in range(20)
    ]
    seen = client.newest_checkpoint
    assert seen is not None
    assert machine.stop(signal.SIGKILL) == -signal.SIGKILL
    last = fact("alias.moved", "2026-05-02T00:00:00Z", version("3", alias="after"))
    with pytest.raises(UnavailableError):
        client.record_events([last])
    machine.lineage("verify")
    machine.serve()
    receipts += client.record_events([last])  # sent with the checkpoint seen before the crash, which must still hold
    client.close()
    with LineageClient(machine.url, machine.settings["LINEAGE_TOKEN"]) as admin:
        found = {line["seq"]: line["hash"] for line in admin.records(type="alias.moved", limit=100)["records"]}
    assert {receipt.seq: receipt.hash for receipt in receipts}.items() <= found.items()


def test_a_collector_goes_on_through_an_outage_until_it_is_told_to_stop(machine: Machine) -> None:
    repository = machine.folder / "models"
    commit = ["git", "-C", str(repository), "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run([*commit, "-q", "--allow-empty", "-m", "first"], check=True)
    token = machine.lineage("source", "add", "git/models").strip()
    machine.stop()
    environment = {**machine._environment, "LINEAGE_TOKEN": token}
    command = [str(LINEAGE), "collect", "git", str(repository), "--all", "--every", "1"]
    collector = subprocess.Popen(command, cwd=machine.folder, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert collector.stderr is not None
        assert "wait for delivery" in "".join(collector.stderr.readline() for _ in range(3))
        machine.serve()
        deadline = time.monotonic() + START_SECONDS
        with LineageClient(machine.url, machine.settings["LINEAGE_TOKEN"]) as admin:
            while not admin.records(type="commit.observed")["records"]:
                assert time.monotonic() < deadline, "the collector did not deliver"
                time.sleep(0.1)
        collector.send_signal(signal.SIGINT)
        said = collector.communicate(timeout=30)[1]
    finally:
        collector.kill()
        collector.wait()
    assert (collector.returncode, "Stopped." in said, "Traceback" in said) == (0, True, False)


def test_an_older_database_put_back_is_served_by_nobody_and_proven_by_verify(machine: Machine) -> None:
    database = machine.folder / "lineage-data" / "lineage.db"
    assert machine.stop() == 0
    shutil.copy(database, machine.folder / "older.db")
    machine.serve()
    tell(machine)
    assert machine.stop() == 0
    for name in ("-wal", "-shm"):
        database.with_name(database.name + name).unlink(missing_ok=True)
    shutil.copy(machine.folder / "older.db", database)
    machine.lineage("serve", code=1)
    assert "an older database was restored" in machine.notes[-1]
    assert "rollback" in machine.lineage("verify", code=1)
    machine.lineage("doctor", code=1)
