"""The team's repository: a real one, with a training script that is run from it, in two versions."""

import os
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from lineage_service.cli.demo.processes import run
from lineage_service.cli.demo.world import REPOSITORY

_DANA: Final = {
    "GIT_AUTHOR_NAME": "Dana Demo",
    "GIT_AUTHOR_EMAIL": "dana@demo.example",
    "GIT_COMMITTER_NAME": "Dana Demo",
    "GIT_COMMITTER_EMAIL": "dana@demo.example",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
_GIT: Final = ("git", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false")
_TWO_FEATURES: Final = 'FEATURES = ["income", "age"]'
_THREE_FEATURES: Final = 'FEATURES = ["income", "age", "debt"]'


def has_git() -> bool:
    """Tell whether git can be run here."""
    try:
        return subprocess.run(["git", "--version"], capture_output=True, check=False).returncode == 0  # noqa: S607
    except FileNotFoundError:
        return False


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository in a folder."""

    folder: Path

    @property
    def script(self) -> Path:
        """The training script."""
        return self.folder / "train.py"

    def make(self) -> str:
        """Make the repository with its first commit and return it."""
        self.folder.mkdir()
        self._git("init", "--quiet")
        self._git("remote", "add", "origin", REPOSITORY)
        self.script.write_text(_script())
        return self._commit("Train on income and age")

    def add_feature(self) -> str:
        """Commit the change that makes the model better and return it."""
        self.script.write_text(_script().replace(_TWO_FEATURES, _THREE_FEATURES))
        return self._commit("Use debt as a feature too")

    def _commit(self, message: str) -> str:
        self._git("add", "train.py")
        self._git("commit", "--quiet", "-m", message)
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        return run([*_GIT, *arguments], self.folder, _DANA)


def _script() -> str:
    return files("lineage_service.cli.demo").joinpath("credit", "train.py.txt").read_text(encoding="utf-8")
