"""An environment for each release of MLflow, built once and kept in a folder of this user's."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any, Final

TREE: Final = Path(__file__).parents[2]
OLDEST_WITH_PLUGIN: Final = (3, 10)
_BUILD_SECONDS: Final = 1200
_SCRIPT_SECONDS: Final = 300


class EnvironmentFailedError(RuntimeError):
    """A release could not be installed; the message ends with what pip said last."""


class ScriptFailedError(RuntimeError):
    """What is done with a release's own client failed; the message ends with what it printed last."""


def numbers(release: str) -> tuple[int, ...]:
    """Return a release as numbers, to compare."""
    return tuple(int(part) for part in release.split(".") if part.isdecimal())


def takes_plugin(release: str) -> bool:
    """Tell whether the plugin is meant for a release; older ones are read from outside."""
    return numbers(release) >= OLDEST_WITH_PLUGIN


def usual_folder() -> Path:
    """Return where environments are kept unless told otherwise."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lineage-service" / "mlflow"


def interpreter(folder: Path, release: str) -> Path:
    """Return the interpreter of a release's environment, after building it if it is not there or not complete.

    Where the plugin runs, this tree is installed in it: as a folder, so that the tree is what is tested.
    """
    home = folder / release
    python, made_of = home / "bin" / "python", home / "made-of"
    wanted = _packages(release)
    if not made_of.exists() or made_of.read_text() != "\n".join(wanted):
        made_of.unlink(missing_ok=True)
        venv.create(home, with_pip=True)
        _install(python, wanted)
        made_of.write_text("\n".join(wanted))
    return python


def _packages(release: str) -> list[str]:
    if takes_plugin(release):
        return [f"mlflow[auth]=={release}", "--editable", str(TREE)]
    # Releases of that time import what later ones of these lack: pkg_resources, and a class of connection pools.
    return [f"mlflow=={release}", "setuptools<80", "sqlalchemy<2.1"]


def _install(python: Path, packages: list[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailedError(f"pip did not end within {_BUILD_SECONDS} s: {packages}") from error
    if done.returncode:
        raise EnvironmentFailedError(f"{packages} could not be installed:\n{done.stderr[-2000:]}")


def run(python: Path, script: str, folder: Path, *arguments: str) -> Any:
    """Run a script that lies beside this module with a release's interpreter; return the JSON it printed last."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore", "LINEAGE_CONTEXT": "off"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LINEAGE_", "MLFLOW_"))}
    done = subprocess.run(
        [python, Path(__file__).with_name(script), *arguments], env={**inherited, **quiet}, cwd=folder,
        capture_output=True, text=True, timeout=_SCRIPT_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ScriptFailedError(f"{script} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
