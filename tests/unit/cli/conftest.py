"""One running service for all commands that go over HTTP, and a way to run a command in this process."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lineage_service.cli.door import run
from tests.served import Served, serving, story


@dataclass
class Ended:
    """How a command ended, and what it printed where."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        with running.client(running.source) as source:
            source.record_events(story())
        yield running


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run commands in an empty folder, with no setting of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def lineage(*arguments: str) -> Ended:
        capfd.readouterr()
        code = run(arguments)
        out, err = capfd.readouterr()
        return Ended(code, out, err)

    return lineage


@pytest.fixture
def lineage(alone: Command, served: Served, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run commands as the first administrator of the running service."""
    monkeypatch.setenv("LINEAGE_URL", served.url)
    monkeypatch.setenv("LINEAGE_TOKEN", served.admin)
    return alone
