"""A small receiving service: it answers `POST /api/v1/events` as the contract has it, and fails when it is told to.

It stands where the real service would, for what must be seen from the sender's side: the bytes of each request, and how
a sender behaves when the receiver is down, slow to accept, or refuses.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graph_schema.events import parse_event


@dataclass
class Received:
    """One request: its headers in lower case, and its events."""

    headers: dict[str, str]
    events: list[dict[str, Any]]
    status: int


@dataclass
class Scripted:
    """An answer to give instead of a receipt."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


class Receiver:
    """Keeps what it accepted; `script` answers come first, one a request, then `down` for as long as it is set."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.accepted: list[dict[str, Any]] = []
        self.script: list[Scripted] = []
        self.down = False
        self.poison: Callable[[dict[str, Any]], bool] = lambda _event: False
        self._lock = threading.Lock()

    def answer(self, path: str, headers: dict[str, str], events: list[dict[str, Any]]) -> Scripted:
        with self._lock:
            answer = self._judge(path, events)
            self.requests.append(Received(headers, events, answer.status))
            return answer

    def _judge(self, path: str, events: list[dict[str, Any]]) -> Scripted:
        if path != "/api/v1/events":
            return Scripted(404)
        if self.script:
            return self.script.pop(0)
        if self.down:
            return Scripted(503, {"Retry-After": "1"})
        for index, event in enumerate(events):
            if self.poison(event):
                return Scripted(422, {}, {"title": "Unprocessable", "index": index, "detail": "poison"})
            parse_event(event)
        self.accepted += events
        size = len(self.accepted)
        receipts = [
            {"id": str(number), "seq": number, "hash": _digest(event), "time": "2026-01-01T00:00:00.000000Z"}
            for number, event in enumerate(events, size - len(events))
        ]
        return Scripted(201, {}, {"receipts": receipts, "size": size, "checkpoint": f"log.test\n{size}\nUk9PVA==\n"})

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        with self._lock:
            return [event for event in self.accepted if event["type"] == kind]

    def of_any_type(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self.accepted)

    def wait_for(self, enough: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until what was accepted is enough; fail with what came instead."""
        deadline = time.monotonic() + seconds
        while not enough():
            if time.monotonic() > deadline:
                kinds = [event["type"] for event in self.accepted]
                raise AssertionError(f"within {seconds} s only these came: {kinds}")
            time.sleep(0.05)


def _digest(event: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Serve on a free port of this machine (or on a given one) until the block ends."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.answer(self.path, headers, body["events"])
            data = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent: the test says what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
