"""Programs that stand on the PATH in place of Maven and Java, which are not ours, and the jars of the real ones."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.graphdb.address import NoNeo4jError
from tests.graphdb.jars import jars
from tests.graphdb.session import skip_or_fail

Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Give a function that puts a shell script on a PATH where otherwise only the shell's own tools are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("ln", "sh", "sleep"):
        (folder / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    def put(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return put


@pytest.fixture(scope="session")
def real_jars() -> Path:
    """Give the folder of the jars as Maven serves them."""
    try:
        return jars()
    except NoNeo4jError as error:
        skip_or_fail(error)
