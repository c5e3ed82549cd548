"""A skip is a failure: the rule of tests/conftest.py, seen from outside on small runs of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

PASSES = "def test_holds():\n    assert True\n"
NOT_RUN = {
    "skip mark": "import pytest\n@pytest.mark.skip(reason='because')\ndef test_x():\n    assert True\n",
    "skip call": "import pytest\ndef test_x():\n    pytest.skip('because')\n",
    "missing module": "import pytest\npytest.importorskip('no_such_module_anywhere', reason='because')\n",
    "expected failure": "import pytest\n@pytest.mark.xfail(reason='because')\ndef test_x():\n    assert False\n",
    "unexpected pass": "import pytest\n@pytest.mark.xfail(reason='because')\ndef test_x():\n    assert True\n",
}


def run(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one file under a copy of our conftest, away from the tree and its settings."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_one.py").write_text(source)
    (folder / "test_two.py").write_text(PASSES)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "."]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_run_in_which_everything_ran_passes(tmp_path: Path) -> None:
    ended = run(tmp_path, PASSES)
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout
    assert "did not run" not in ended.stdout


@pytest.mark.parametrize("how", NOT_RUN)
def test_a_run_that_leaves_a_test_out_fails_and_says_which_and_why(tmp_path: Path, how: str) -> None:
    ended = run(tmp_path, NOT_RUN[how])
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout
    named = ended.stdout.partition("these tests did not run")[2]
    assert "test_one.py" in named
    assert "because" in named


def test_leaving_a_test_out_by_name_is_allowed(tmp_path: Path) -> None:
    ended = run(tmp_path, NOT_RUN["skip call"], "-k", "holds")
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout
