"""Types, checked by mypy as pyproject.toml sets it: strict, over the packages and their tests."""

import subprocess
import sys

from tests.architecture.tree import ROOT


def test_mypy_strict_finds_nothing() -> None:
    command = [sys.executable, "-m", "mypy", "--no-color-output", "--no-error-summary"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
