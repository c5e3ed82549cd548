"""The lint rules of pyproject.toml, as part of a plain pytest."""

import subprocess
import sys

from tests.architecture.tree import ROOT


def test_ruff_finds_nothing() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
