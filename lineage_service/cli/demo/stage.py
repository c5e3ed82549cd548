"""Where the story plays: the folder, the addresses, the tokens, and what is running."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from lineage_service.cli.demo.processes import DemoError, Server, lineage, run, start
from lineage_service.cli.demo.registry import Registry
from lineage_service.cli.demo.repository import Repository
from lineage_service.cli.screen import say

_ARRIVAL_SECONDS: Final = 90.0
_WIDTH: Final = "110"


class Stage:
    """The state of one demonstration."""

    def __init__(self, folder: Path, port: int, mlflow_port: int) -> None:
        """Nothing is started yet."""
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.mlflow_port = mlflow_port
        self.mlflow = Registry(f"http://127.0.0.1:{mlflow_port}", folder)
        self.repository = Repository(folder / "credit")
        self.tokens: dict[str, str] = {}
        self.wrong_at = ""
        """When the wrong version was being served."""
        self._running = ExitStack()

    def settings(self, who: str = "admin", data: str = "lineage") -> dict[str, str]:
        """Return the environment of our own commands, with somebody's token."""
        token = self.tokens.get(who)
        return {
            "LINEAGE_DATA_DIR": str(self.folder / data),
            "LINEAGE_ORIGIN": "lineage.demo.example",
            "LINEAGE_LISTEN": self.url.removeprefix("http://"),
            "LINEAGE_URL": self.url,
            "COLUMNS": _WIDTH,
            **({"LINEAGE_TOKEN": token} if token else {}),
        }

    def command(self, *arguments: str, who: str = "admin", data: str = "lineage", ends: int = 0) -> str:
        """Run one of our own verbs as a user would, with somebody's token, and return what it printed."""
        return run(lineage(*arguments), self.folder, self.settings(who, data), ends=ends)

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """Say what is being done and, when it is done, how long it took; name the step that failed.

        What the step adds to the list is said behind its title.
        """
        began = time.monotonic()
        results: list[str] = []
        try:
            yield results
        except Exception as error:
            raise DemoError(f"the step '{title}' did not hold: {error}") from error
        say(f"  [{time.monotonic() - began:5.1f} s] {': '.join([title, *results])}")

    def server(self, name: str, command: list[str], url: str, environment: dict[str, str]) -> Server:
        """Start a server that is stopped when the story ends, however it ends."""
        server = start(name, command, self.folder, url, environment)
        self._running.callback(server.stop)
        return server

    def wait(self, for_what: str, done: Callable[[], bool]) -> None:
        """Return when something has come true; DemoError after a while."""
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise DemoError(f"{for_what} took more than {_ARRIVAL_SECONDS:.0f} s; see mlflow.log and the spool")
            time.sleep(0.2)

    def close(self) -> None:
        """Stop every server."""
        self._running.close()
