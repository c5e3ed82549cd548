"""A real MLflow server as a process of its own, for every journey that needs one.

Its start takes 20 to 65 seconds, most of it the schema: one server a session (see `mlflow` in conftest.py), a second
one only where the wrapped application must be another.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

START_SECONDS = 200.0
STOP_SECONDS = 30.0
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore",
}


class MlflowStartError(RuntimeError):
    """The server did not come up; the message ends with what it printed last."""


@dataclass
class MlflowProcess:
    """A running server, with all its workers in one process group."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What the server printed so far."""
        return (self.folder / "mlflow.log").read_text(errors="replace")

    def stop(self) -> None:
        """End the server as an operator would, wait for it, and make sure that no worker is left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        finally:
            self.kill()

    def kill(self) -> None:
        """End every process of the server at once, as a crash would."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start_mlflow(
    folder: Path,
    environment: Mapping[str, str],
    *,
    workers: int = 1,
    app: str | None = "lineage",
    options: Sequence[str] = (),
    artifacts: str | None = None,
    python: str | Path = sys.executable,
) -> MlflowProcess:
    """Start `mlflow server --app-name lineage` on SQLite below `folder`, and wait until it answers.

    `app` may be another one, or None for MLflow by itself; `options` are added to the command; `python` may be that of
    another release. `environment` holds the plugin's settings; those of whoever runs the tests do not reach the server.
    `artifacts`: where it keeps the files that it serves, if not below `folder`.
    """
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LINEAGE_", "MLFLOW_"))}
    inherited["PATH"] = f"{Path(python).parent}{os.pathsep}{inherited['PATH']}"  # older ones look for gunicorn
    command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", *options]
    command += ["--app-name", app] if app else []
    command += ["--port", str(port), "--workers", str(workers), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", artifacts or str(folder / "artifacts")]
    with (folder / "mlflow.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**inherited, **_QUIET, **environment}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    server = MlflowProcess(f"http://127.0.0.1:{port}", folder, process)
    try:
        _wait_until_up(server)
    except BaseException:
        server.kill()
        raise
    return server


def _wait_until_up(server: MlflowProcess) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise MlflowStartError(f"the server ended with {server.process.returncode}:\n{server.log[-3000:]}")
        try:
            if httpx.get(f"{server.url}/health", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.25)
    raise MlflowStartError(f"the server did not answer within {START_SECONDS:.0f} s:\n{server.log[-3000:]}")
