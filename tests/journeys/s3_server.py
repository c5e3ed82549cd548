"""A server that speaks S3, for tests whose files lie there: moto's, in memory, on loopback. It takes any key."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.graphdb.leash import leash
from tests.journeys.mlflow_server import free_port

_START_SECONDS: Final = 60.0


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Run the server, which has no bucket yet, until the block ends; give its address. It writes a log in `folder`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen([*leash(), *command], stdout=log, stderr=log)
    try:
        _wait_until_up(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            httpx.get(url, timeout=5).raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
