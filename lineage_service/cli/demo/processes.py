"""The servers of the demonstration, as processes of their own that leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from lineage_service.errors import OperatorError

_STOP_SECONDS: Final = 20.0
_PAUSE: Final = 0.2
_LAST_LINES: Final = 15


class DemoError(OperatorError):
    """A part of the demonstration did not do what it should; the message names the part and its log."""


@dataclass(slots=True)
class Server:
    """A running server with everything it started, and the file it writes to."""

    name: str
    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when ``ready`` says so; DemoError with the end of the log when it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise DemoError(f"{self.name} ended with code {self.process.returncode}.\n{self.last_lines()}")
            if ready():
                return
            time.sleep(_PAUSE)
        raise DemoError(f"{self.name} did not answer within {seconds:.0f} s.\n{self.last_lines()}")

    def last_lines(self) -> str:
        """Return where the log is and how it ends."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"Its log, {self.log}, ends with:", *(f"  {line}" for line in lines)])

    def stop(self) -> None:
        """End the server as an operator would; then make sure that nothing it started is left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def start(name: str, command: Sequence[str], folder: Path, url: str, environment: Mapping[str, str]) -> Server:
    """Start a server in a session of its own, with only the settings given here."""
    log = folder / f"{name}.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603  our own commands, from lists
            list(command),
            cwd=folder,
            env=clean_environment(environment),
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    return Server(name, url, log, process)


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without anybody's settings of ours or MLflow's, plus those given."""
    foreign = ("LINEAGE_", "MLFLOW_", "OPENLINEAGE_", "GIT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | dict(settings)


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], *, ends: int = 0) -> str:
    """Run a command to its end and return what it printed; DemoError with its words unless it ends with ``ends``."""
    done = subprocess.run(  # noqa: S603  our own commands, from lists
        list(command), cwd=folder, env=clean_environment(environment), capture_output=True, text=True, check=False
    )
    if done.returncode != ends:
        shown = " ".join(command[-6:])
        raise DemoError(f"`{shown}` ended with code {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout


def lineage(*arguments: str) -> list[str]:
    """Return the command line of this program, whatever it is installed as."""
    return [sys.executable, "-c", "import sys; from lineage_service.cli.door import main; sys.exit(main())", *arguments]


def free_port(wanted: int = 0) -> int:
    """Return a port that was free a moment ago: the wanted one, or any; DemoError if the wanted one is in use."""
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise DemoError(
                f"port {wanted} of 127.0.0.1 cannot be used ({error.strerror}); nothing was started. Stop what uses "
                "it, name another one, or leave the option out to get a free one"
            ) from None
        port: int = listener.getsockname()[1]
    return port


def answers(url: str) -> bool:
    """Tell whether something answers at an address."""
    try:
        return httpx.get(url, timeout=2.0).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.HTTPError:
        return False
