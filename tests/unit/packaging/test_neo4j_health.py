"""The health check of Neo4j in the compose file, in a real shell, on what a Neo4j 5.26.30 answered to it."""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.unit.packaging.composition import read

CHECK = read()["services"]["neo4j"]["healthcheck"]["test"]
PASSWORD = "5f0c1d9be2a84c67a1b3"
# Recorded, as they came, from the server's own HTTP port.
WELL = '{"results":[{"columns":["1"],"data":[{"row":[1],"meta":[null]}]}],"errors":[],"lastBookmarks":["FB:kcwQBB9f"]}'
WRONG_PASSWORD = '{"errors":[{"code":"Neo.ClientError.Security.Unauthorized","message":"Invalid credential."}]}'
NO_DATABASE = (
    '{"results":[],"errors":[{"code":"Neo.ClientError.Database.DatabaseNotFound",'
    '"message":"The database requested does not exists. Requested database name: \'nosuch\'."}]}'
)
NOT_ANSWERED = (
    '{"results":[],"errors":[{"code":"Neo.ClientError.Statement.SyntaxError",'
    '"message":"Invalid input \'\': expected an expression, \'*\' or \'DISTINCT\'"}]}'
)


class Recorded(HTTPServer):
    """Gives one recorded answer, and keeps what it was asked."""

    status: int
    answer: str
    asked: list[tuple[str, str | None, bytes]]


class _Handler(BaseHTTPRequestHandler):
    server: Recorded

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.server.answer.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        """Say nothing: pytest's output is for the tests."""


@contextmanager
def answering(status: int, answer: str) -> Iterator[Recorded]:
    with Recorded(("127.0.0.1", 0), _Handler) as server:
        server.status, server.answer, server.asked = status, answer, []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def check(folder: Path, port: int) -> int:
    """Run the check on another port, with the secret of this folder; return its exit code."""
    (folder / "neo4j_password").write_text(f"{PASSWORD}\n")
    words = [word.replace("/run/secrets", str(folder)).replace("7474", str(port)) for word in CHECK[1:]]
    return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode


def test_it_is_a_command_and_no_line_for_a_shell_that_an_image_may_not_have() -> None:
    assert CHECK[:3] == ["CMD", "/bin/bash", "-euc"]


def test_a_server_that_answers_a_query_under_this_password_is_well(tmp_path: Path) -> None:
    with answering(200, WELL) as server:
        assert check(tmp_path, server.server_port) == 0
    ((path, authorization, body),) = server.asked
    assert path == "/db/neo4j/tx/commit"
    assert authorization == "Basic " + base64.b64encode(f"neo4j:{PASSWORD}".encode()).decode()
    assert json.loads(body) == {"statements": [{"statement": "RETURN 1"}]}


@pytest.mark.parametrize(
    ("status", "answer"), [(401, WRONG_PASSWORD), (404, NO_DATABASE), (200, NOT_ANSWERED), (503, ""), (200, "")]
)
def test_a_server_that_does_not_answer_the_query_is_not_well(tmp_path: Path, status: int, answer: str) -> None:
    with answering(status, answer) as server:
        assert check(tmp_path, server.server_port) != 0


def test_no_server_is_not_well(tmp_path: Path) -> None:
    with answering(200, WELL) as server:
        port = server.server_port
    assert check(tmp_path, port) != 0
