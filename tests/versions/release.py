"""One release of MLflow: its real server with the plugin, with accounts, read from outside; and what differs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collectors.mlflow.routes import MUTATING, uncovered
from tests.journeys.conftest import plugin_environment
from tests.journeys.mlflow_server import start_mlflow
from tests.journeys.receiver import Receiver, receiving
from tests.served import Served, serving
from tests.versions import environments, expectation, rights
from tests.versions.imported import read_twice, read_workspaces
from tests.versions.lines import lines


@dataclass
class Release:
    """A release, the interpreter of its environment, and a folder for servers; differences and figures add up."""

    name: str
    python: Path
    folder: Path
    differences: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Check everything that is claimed of this release."""
        if not environments.takes_plugin(self.name):
            with serving(self._part("service")) as served:
                self._without_plugin(served)
            return
        self._routes()
        self._plugin()
        self._accounts()
        self._workspaces()

    def _part(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _routes(self) -> None:
        rules = [(rule, method) for rule, method in environments.run(self.python, "rules.py", self._part("rules"))]
        self.differences += [f"routes: in no table: {rule}" for rule in uncovered(rules)]
        self.figures.append(f"{sum(method in MUTATING for _, method in rules)} rules known")

    def _plugin(self) -> None:
        folder = self._part("plugin")
        with serving(self._part("service")) as served, receiving() as received:
            server = start_mlflow(folder, plugin_environment(received, folder / "spool"), python=self.python)
            try:
                names = environments.run(self.python, "acts.py", folder, server.url)
                self._imported(served, server.url, names)
                self._arrive(received, "acts", names)
            finally:
                server.stop()
            self._compare("acts", received, names)

    def _accounts(self) -> None:
        folder = self._part("accounts")
        with receiving() as received:
            environment = plugin_environment(received, folder / "spool", **rights.settings(folder))
            server = start_mlflow(folder, environment, python=self.python)
            try:
                rights.People(server.url, self.name).act()
                self._arrive(received, "rights", {})
            finally:
                server.stop()
            self._compare("rights", received, {})

    def _workspaces(self) -> None:
        folder = self._part("workspaces")
        with serving(self._part("other-service")) as served, receiving() as received:
            environment = plugin_environment(received, folder / "spool", **rights.settings(folder))
            options = ("--enable-workspaces",)
            server = start_mlflow(folder, environment, python=self.python, options=options)
            try:
                rights.People(server.url, self.name).act_in_workspaces()
                found = read_workspaces(served, server.url, ("admin", rights.ADMIN_PASSWORD), ("default", rights.OTHER))
                self._arrive(received, "workspaces", {})
            finally:
                server.stop()
            self._compare("workspaces", received, {}, found)

    def _without_plugin(self, served: Served) -> None:
        folder = self._part("server")
        server = start_mlflow(folder, {}, app=None, python=self.python)
        try:
            names = environments.run(self.python, "acts.py", folder, server.url)
            self._imported(served, server.url, names)
        finally:
            server.stop()

    def _arrive(self, received: Receiver, what: str, names: Mapping[str, str]) -> None:
        """Wait for as many facts as are expected; which ones came is compared later."""
        wanted = sum(not line.startswith("imported: ") for line in expectation.expected(what, self.name))
        with contextlib.suppress(AssertionError):
            received.wait_for(lambda: len(lines(received.of_any_type(), names)) >= wanted)

    def _compare(self, what: str, received: Receiver, names: Mapping[str, str], beside: Sequence[str] = ()) -> None:
        arrived = lines(received.of_any_type(), names)
        self.differences += expectation.differences(what, self.name, [*arrived, *beside])
        problems = [report["body"].get("problem") for report in received.of_type("collector.reported")]
        self.differences += [f"{what}: reported: {problem}" for problem in dict.fromkeys(problems) if problem]
        self.figures.append(f"{what} {len(arrived)} facts")

    def _imported(self, served: Served, url: str, names: Mapping[str, str]) -> None:
        """Read a server from outside; a second read may add nothing."""
        found = read_twice(served, url, names)
        self.differences += expectation.differences("import", self.name, [*found.first, *found.answers])
        self.differences += [f"the second read adds: {line}" for line in found.second]
        self.figures.append(f"import {len(found.first)} facts and {len(found.second)} more")
