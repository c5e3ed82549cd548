"""The verb, on a running service and on a server that stands in for MLflow, over sockets as people use both."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors.delivery import Receipts
from tests.served import Served, free_port
from tests.unit.cli.conftest import Command
from tests.unit.collectors.mlflow.stand_in import StandIn


class Listening:
    """A stand-in server on a free port; ``slow`` is how long each answer takes, in seconds."""

    def __init__(self, held: StandIn) -> None:
        self.held = held
        self.slow = 0.0
        listening = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                time.sleep(listening.slow)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                url = f"http://mlflow.test{self.path}"
                reply = listening.held.answer(httpx.Request(self.command, url, content=body))
                self.send_response(reply.status_code)
                self.send_header("Content-Length", str(len(reply.content)))
                self.end_headers()
                self.wfile.write(reply.content)

            do_POST = do_GET  # noqa: N815  the name that the base class calls

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def listening() -> Iterator[Listening]:
    found = Listening(StandIn())
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture
def collector(lineage: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run commands with the token of a reader's source."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LINEAGE_TOKEN", lineage("source", "add", f"mlflow-poll/{tmp_path.name}").out.strip())
    return lineage


def size(served: Served) -> int:
    return served.installation.heads.size


def registry(tmp_path: Path) -> str:
    return f"r-{tmp_path.name}"


def test_an_import_is_said_and_a_second_read_records_its_report_alone(
    collector: Command, served: Served, listening: Listening, tmp_path: Path
) -> None:
    listening.held.make("risk", 5)
    listening.held.alias("risk", "champion", "4")
    options = ("collect", "mlflow", listening.url, "--registry", registry(tmp_path))
    first = collector(*options, "--once")
    assert first.code == 0, first.err
    assert "1 models, 5 versions" in first.err
    assert "7 facts imported" in first.err
    before = size(served)
    again = collector(*options)
    assert "0 facts since the last read" in again.err.replace("\n", " ").replace("  ", " ")
    assert size(served) == before + 1
    with served.client() as client:
        assert client.node(f"model:{registry(tmp_path)}::risk")["kind"] == "model"
        live = client.live(model=f"model:{registry(tmp_path)}::risk")
    assert [(row["alias"], row["version"]) for row in live.rows] == [("champion", "4")]
    assert "import" in {gap["kind"] for gap in live.gaps}
    assert {one["method"] for one in live.coverage if one["source"].startswith("mlflow-poll/")} == {"polled"}


def test_the_report_of_a_read_speaks_of_all_reads_that_join_it(
    collector: Command, served: Served, listening: Listening, tmp_path: Path
) -> None:
    listening.held.make("risk", 2)
    state = tmp_path / "state"
    with served.client() as client:
        before = len(client.records(type="collector.reported", limit=1000)["records"])
    for _ in range(5):
        options = ("collect", "mlflow", listening.url, "--registry", registry(tmp_path), "--state", str(state))
        assert collector(*options).code == 0
    with served.client() as client:
        told = [one["record"]["body"] for one in client.records(type="collector.reported", limit=1000)["records"]]
    spans = [(body["covered_from"], body["covered_to"]) for body in told[before:]]
    # An import names no log; the read after it does, and from then on reports are joined.
    assert spans[0][0] == spans[0][1] == spans[1][0]
    assert [begun for begun, _ in spans[2:]] == [spans[1][1]] * 3
    assert sorted(end for _, end in spans) == [end for _, end in spans]
    assert Receipts(state / "spool" / "receipts.json").log == served.installation.origin


def test_a_server_that_fails_half_way_leaves_nothing_unsaid_to_the_next_read(
    collector: Command, served: Served, listening: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.mlflow.connection._FIRST_WAIT", 0.001)
    listening.held.make("risk", 3)
    listening.held.before = lambda path: httpx.Response(500) if path == "experiments/search" else None
    options = ("collect", "mlflow", listening.url, "--registry", registry(tmp_path))
    failed = collector(*options)
    assert failed.code == 69
    assert "500" in failed.err
    assert "the next read takes it up" in failed.err.replace("\n", " ")
    listening.held.before = lambda _path: None
    assert collector(*options).code == 0
    with served.client() as client:
        rows = client.history(f"model:{registry(tmp_path)}::risk").rows
    assert sorted(row["type"] for row in rows) == ["model.declared"] + ["model_version.registered"] * 3


def test_a_reader_that_is_killed_is_taken_up_where_it_was_and_says_nothing_twice(
    collector: Command, served: Served, listening: Listening, tmp_path: Path
) -> None:
    listening.held.make("risk", 1500)
    listening.held.alias("risk", "champion", "4")
    listening.slow = 0.3
    options = ["collect", "mlflow", listening.url, "--registry", registry(tmp_path), "--state", str(tmp_path / "kept")]
    before = size(served)
    door = [sys.executable, "-c", "from lineage_service.cli.door import main; main()"]
    with subprocess.Popen([*door, *options], stderr=subprocess.DEVNULL) as process:
        while not any((tmp_path / "kept" / "spool").glob("events-*")):
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    listening.slow = 0.0
    ended = collector(*options)
    assert ended.code == 0, ended.err
    assert size(served) == before + 1 + 1500 + 1 + 1  # the model, its versions, the alias, the report


def test_what_cannot_be_delivered_waits_and_what_is_wrong_is_said(
    collector: Command, served: Served, listening: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening.held.make("risk", 2)
    options = ("collect", "mlflow", listening.url, "--registry", registry(tmp_path))
    monkeypatch.setenv("LINEAGE_URL", f"http://127.0.0.1:{free_port()}")
    down = collector(*options)
    assert down.code == 69
    assert "the next run sends them" in down.err.replace("\n", " ")
    monkeypatch.setenv("LINEAGE_URL", served.url)
    before = size(served)
    assert collector(*options).code == 0
    assert size(served) == before + 3 + 2  # what waited with its report, and the report of this read


def test_a_token_of_another_kind_of_source_is_said_to_be_the_wrong_one(
    lineage: Command, listening: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening.held.make("risk", 1)
    monkeypatch.setenv("LINEAGE_TOKEN", lineage("source", "add", f"git/{tmp_path.name}").out.strip())
    ended = lineage("collect", "mlflow", listening.url, "--registry", registry(tmp_path))
    assert ended.code == 77
    assert "lineage source add mlflow-poll/NAME" in ended.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 64, "MLFLOW_TRACKING_URI"),
        (("sqlite:///mlflow.db",), 64, "no address"),
        (("http://ada:hunter2@127.0.0.1:1",), 64, "MLFLOW_TRACKING_PASSWORD"),
        (("http://127.0.0.1:1", "--once", "--every", "5"), 64, "not both"),
        (("http://127.0.0.1:1", "--since", "yesterday-ish"), 65, "since"),
    ],
)
def test_a_read_that_cannot_begin_says_why_and_shows_no_secret(
    collector: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = collector("collect", "mlflow", *arguments)
    assert ended.code == code
    assert said in ended.err
    assert "hunter2" not in ended.err
