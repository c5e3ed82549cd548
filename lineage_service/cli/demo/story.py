"""`lineage demo`: the whole story on real parts. Each step does something real, says what, and how long it took."""

import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from lineage_service.cli.demo import answers, happenings
from lineage_service.cli.demo.processes import free_port
from lineage_service.cli.demo.repository import has_git
from lineage_service.cli.demo.stage import Stage
from lineage_service.cli.screen import say
from lineage_service.errors import SettingsError

_NEEDED: Final = {"mlflow": "mlflow", "sklearn": "scikit-learn", "openlineage": "openlineage-python"}


def demo(
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where to put everything. Default: a new folder.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the service. Default: a free one.")] = 0,
    mlflow_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of MLflow. Default: a free one.")] = 0,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Reserved for the pages; without them both end by themselves.")
    ] = True,
) -> None:
    """Show the whole story on real parts: training, releases, a mistake, a roll-back, and who did what.

    A real MLflow server with the plugin and users of its own, a real git repository, a feature pipeline that speaks
    OpenLineage, four versions of a model. Then questions and answers, verification, and a forged copy that is caught.
    Nothing leaves this machine and no process is left behind.
    """
    del serve
    _require_parts()
    ports = free_port(port), free_port(mlflow_port)
    where = folder or Path(tempfile.mkdtemp(prefix="lineage-demo-"))
    where.mkdir(parents=True, exist_ok=True)
    if any(where.iterdir()):
        raise SettingsError(f"{where} is not empty; give --dir a new folder")
    began = time.monotonic()
    stage = Stage(where.resolve(), *ports)
    say(f"Everything of this demonstration is in {where}.", "")
    try:
        happenings.prepare(stage)
        happenings.train_and_release(stage)
        happenings.serve_the_wrong_one(stage)
        answers.ask(stage)
    finally:
        stage.close()
    answers.verify(stage)
    say("", f"Done in {time.monotonic() - began:.0f} s. What to look at next:")
    say(f"  LINEAGE_DATA_DIR={where}/lineage lineage serve    serves this log again")
    say(f"  {where}/admin.token    its admin token, for LINEAGE_TOKEN_FILE")
    say(f"  git -C {where}/credit log --stat    the code that was trained")
    say("  README.md, 'Five minutes by hand': point your own MLflow and producers at it")


def _require_parts() -> None:
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise SettingsError(f"{', '.join(missing)} is not installed: pip install 'lineage-service[demo]'")
    if not has_git():
        raise SettingsError("git is not installed or not on the PATH: install it, then run this again")


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo", epilog="Example: lineage demo --dir /tmp/lineage-demo")(demo)
