"""The demonstration, step by step: each step does something real, says what, and how long it took."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from lineage_service.cli.demo import parts
from lineage_service.cli.demo.processes import DemoError, Server, answers, free_port, lineage, run, start
from lineage_service.cli.screen import emit, say
from lineage_service.client import LineageClient
from lineage_service.errors import SettingsError

_SERVICE_SECONDS: Final = 30.0
_MLFLOW_SECONDS: Final = 180.0
_ARRIVAL_SECONDS: Final = 60.0
_NEEDED: Final = {"mlflow": "mlflow", "sklearn": "scikit-learn", "openlineage": "openlineage-python"}


class Story:
    """The state of one demonstration: where things are, who may do what, what is running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.mlflow_url = f"http://127.0.0.1:{free_port()}"
        self.token = ""
        self.tokens: dict[str, str] = {}
        self.commit = parts.Commit("", "")
        self.running = ExitStack()

    @property
    def settings(self) -> dict[str, str]:
        """The environment of our own commands."""
        return {
            "LINEAGE_DATA_DIR": str(self.folder / "lineage"),
            "LINEAGE_ORIGIN": "lineage.demo.example",
            "LINEAGE_LISTEN": self.url.removeprefix("http://"),
            "LINEAGE_URL": self.url,
            **({"LINEAGE_TOKEN": self.token} if self.token else {}),
        }

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say what is being done and, when it is done, how long it took; name the step that failed."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            raise DemoError(f"the step '{title}' did not hold: {error}") from error
        say(f"  [{time.monotonic() - began:5.1f} s] {title}")

    def command(self, *arguments: str) -> str:
        """Run one of our own verbs as a user would, and return what it printed."""
        return run(lineage(*arguments), self.folder, self.settings)

    def command_as(self, source: str, *arguments: str) -> str:
        """Run one of our own verbs with the token of a source."""
        settings = {**self.settings, "LINEAGE_TOKEN": self.tokens[source]}
        return run(lineage(*arguments), self.folder, settings)

    def server(self, name: str, command: list[str], url: str, environment: dict[str, str]) -> Server:
        """Start a server that is stopped when the story ends, however it ends."""
        server = start(name, command, self.folder, url, environment)
        self.running.callback(server.stop)
        return server

    def close(self) -> None:
        """Stop every server."""
        self.running.close()


def demo(
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where to put everything. Default: a new folder.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Reserved for the pages; without them both end by themselves.")
    ] = True,
) -> None:
    """Show the whole line on real parts: MLflow, OpenLineage, git, signed records, answers, verification."""
    del serve
    _require_parts()
    where = folder or Path(tempfile.mkdtemp(prefix="lineage-demo-"))
    where.mkdir(parents=True, exist_ok=True)
    if any(where.iterdir()):
        raise SettingsError(f"{where} is not empty; give --dir a new folder")
    story = Story(where.resolve())
    say(f"Everything of this demonstration is in {where}.", "")
    try:
        _prepare(story)
        _work(story)
        _ask(story)
        _verify(story)
    finally:
        story.close()
    say("", "What to look at next:")
    say(f"  LINEAGE_DATA_DIR={where}/lineage lineage serve      serve this log again")
    say(f"  LINEAGE_DATA_DIR={where}/lineage lineage verify --deep")
    say("  README.md, 'Five minutes by hand': point your own MLflow and producers at it")


def _require_parts() -> None:
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise SettingsError(f"{', '.join(missing)} is not installed: pip install 'lineage-service[demo]'")
    if not parts.has_git():
        raise SettingsError("git is not installed or not on the PATH: install it, then run this again")


def _prepare(story: Story) -> None:
    """Open a log, start the service, register who may send facts, start MLflow with the plugin."""
    with story.step("lineage init: keys, an empty signed ledger, an admin token"):
        story.token = story.command("init").strip()
    with story.step("lineage serve"):
        service = story.server("service", lineage("serve"), story.url, story.settings)
        service.wait_until(lambda: answers(f"{story.url}/readyz"), _SERVICE_SECONDS)
    with story.step("lineage source add: mlflow/demo, openlineage/airflow, git/team"):
        for source in ("mlflow/demo", "openlineage/airflow", "git/team"):
            story.tokens[source] = story.command("source", "add", source).strip()
    plugin = {
        "LINEAGE_URL": story.url,
        "LINEAGE_TOKEN": story.tokens["mlflow/demo"],
        "LINEAGE_MLFLOW_APP": "basic-auth",
        "LINEAGE_MLFLOW_REGISTRY": "demo",
        "LINEAGE_SPOOL": str(story.folder / "spool"),
    }
    environment = {**parts.mlflow_environment(story.folder), **plugin}
    port = int(story.mlflow_url.rpartition(":")[2])
    mlflow = story.server("mlflow", parts.mlflow_command(port, story.folder), story.mlflow_url, environment)
    with story.step("a git repository with two commits, and lineage collect git --all"):
        story.command_as("git/team", "collect", "git", str(_repository(story)), "--all")
    with story.step("a feature pipeline run, told by the official OpenLineage client"):
        parts.make_data(story.folder / "applicants.csv")
        parts.run_pipeline(story.url, story.tokens["openlineage/airflow"])
    with story.step("mlflow server --app-name lineage, around MLflow's basic-auth"):
        mlflow.wait_until(lambda: answers(f"{story.mlflow_url}/health"), _MLFLOW_SECONDS)
        parts.add_people(story.mlflow_url)


def _repository(story: Story) -> Path:
    path = story.folder / "credit"
    story.commit = parts.make_repository(path)
    return path


def _work(story: Story) -> None:
    """Train two versions as dana, release one after the other as omar."""
    data = story.folder / "applicants.csv"
    for strength in (1.0, 0.01):
        with story.step(f"dana trains with C={strength} and registers a version; omar moves it to Production"):
            version = parts.train(story.mlflow_url, data, story.commit, strength)
            parts.pause()
            parts.promote(story.mlflow_url, version)
    with story.step("the plugin's facts have arrived, and its report of what it covered"):
        _wait(lambda: _arrived(story) and _covered(story))


def _arrived(story: Story) -> bool:
    with LineageClient(story.url, story.token) as client:
        rows = client.live(model=parts.MODEL).rows if _known(client) else []
    return {(row["version"], row["stage"] or row["alias"]) for row in rows} >= {("2", "Production"), ("2", "champion")}


def _covered(story: Story) -> bool:
    """Tell whether the plugin has reported since: only then can an answer be known to be complete."""
    with LineageClient(story.url, story.token) as client:
        return any(part["to"] for part in client.live(model=parts.MODEL).coverage if part["source"] == "mlflow/demo")


def _known(client: LineageClient) -> bool:
    return bool(client.nodes("model")["nodes"])


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise DemoError("the facts of MLflow did not arrive within a minute; see mlflow.log and the spool")
        time.sleep(0.2)


def _ask(story: Story) -> None:
    """Ask the questions with the same commands a user would type, and print what they print."""
    for question, arguments in (
        ("Who deployed what, when, why, approved by whom?", ("deployments", parts.MODEL)),
        ("What made the version that is in Production now?", ("provenance", f"model_version:{parts.MODEL}/2")),
        (
            "Which models does this table reach?",
            ("impact", f"dataset:{parts.LAKE}::{parts.APPLICANTS}"),
        ),
        ("What is live now?", ("live", parts.MODEL)),
    ):
        say("", f"{question}", f"  $ lineage ask {' '.join(arguments)}", "")
        emit(story.command("ask", *arguments).rstrip())
        sys.stdout.flush()


def _verify(story: Story) -> None:
    say("", "Was anything altered?", "  $ lineage verify --deep", "")
    emit(story.command("verify", "--deep").rstrip())


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo", epilog="Example: lineage demo --dir /tmp/lineage-demo")(demo)
