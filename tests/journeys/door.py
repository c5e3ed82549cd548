"""A door in front of the real service, which can be shut: what came through is passed on byte by byte."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


class Door:
    """`url` leads to the service while `shut` is not set; then everything is answered with 503."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.shut = False
        self.client = httpx.Client(base_url=target, timeout=30)

    def passed(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self.shut:
            return 503, b"{}"
        answer = self.client.post(path, content=body, headers=headers)
        return answer.status_code, answer.content


@contextmanager
def door_to(target: str) -> Iterator[Door]:
    """Serve a door on a free port of this machine until the block ends."""
    door = Door(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            status, data = door.passed(self.path, kept, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent: the test says what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    door.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        door.client.close()
