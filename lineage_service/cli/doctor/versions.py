"""The programs this installation runs on, and whether it was built for them."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Final

import lineage_service
from lineage_service.cli.doctor.seen import Seen

Version = tuple[int, ...]
PYTHON: Final[Version] = (3, 11)
SQLITE: Final[Version] = (3, 37)
"""The first SQLite with STRICT tables, which the schema is made of."""
GIT: Final[Version] = (2, 31)
MLFLOW: Final[tuple[Version, Version]] = ((3, 10), (4,))
"""From the first that the plugin works with to the first that it is not meant for; as the extra ``mlflow`` says."""
_SECONDS: Final = 5.0


def look() -> Iterator[Seen]:
    """Look at this package, Python, SQLite, git and MLflow."""
    python, library = tuple(sys.version_info[:3]), sqlite3.sqlite_version_info
    yield Seen("good", f"lineage-service {lineage_service.__version__}")
    yield _at_least("Python", python, PYTHON, "install a newer Python, and this package in it")
    yield _at_least("SQLite", library, SQLITE, "install a Python that brings a newer SQLite")
    yield _git()
    yield from _mlflow()


def _at_least(name: str, found: Version, least: Version, mend: str) -> Seen:
    if found < least:
        return Seen("wrong", f"{name} {_text(found)} is older than {_text(least)}, which is needed", mend)
    return Seen("good", f"{name} {_text(found)}")


def _git() -> Seen:
    program = shutil.which("git")
    needed = f"`lineage collect git` needs git {_text(GIT)} or newer"
    if program is None:
        return Seen("note", f"there is no git here; {needed}", "install git, if repositories are read on this machine")
    try:
        told = subprocess.run(  # noqa: S603  the git of whoever runs this, with one fixed argument
            [program, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
        found = version_in(told.stdout)
    except (OSError, subprocess.SubprocessError) as error:
        return Seen("note", f"git does not tell its version ({type(error).__name__}); {needed}", "git --version")
    if found < GIT:
        return Seen("note", f"git {_text(found)}; {needed}", "install a newer git, if repositories are read here")
    return Seen("good", f"git {_text(found)}")


def _mlflow() -> Iterator[Seen]:
    for name in ("mlflow", "mlflow-skinny"):
        try:
            told = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        least, beyond = MLFLOW
        shown = f"MLflow {told} is installed beside this package"
        if least <= version_in(told) < beyond:
            yield Seen("good", f"{shown}; the plugin is meant for {_text(least)} and newer, below {_text(beyond)}")
        else:
            what = f"{shown}, and the plugin is meant for {_text(least)} and newer, below {_text(beyond)}"
            yield Seen("wrong", what, "pip install 'lineage-service[mlflow]'")
        return


def version_in(text: str) -> Version:
    """Return the first version number in a text, as numbers; (0,) if there is none."""
    word = next((word for word in text.split() if word[:1].isdecimal()), "0")
    numbers = []
    for part in word.split("."):
        digits = part[: next((at for at, one in enumerate(part) if not one.isdecimal()), len(part))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _text(version: Version) -> str:
    return ".".join(str(number) for number in version)
