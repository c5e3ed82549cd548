"""A skip is a failure: the rule of tests/conftest.py, seen from outside on small runs of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, own_files, relative
from tests.graphdb.session import REQUIRE, SENTENCE

PASSES = "def test_holds():\n    assert True\n"
NOT_RUN = {
    "skip mark": "import pytest\n@pytest.mark.skip(reason='because')\ndef test_x():\n    assert True\n",
    "skip call": "import pytest\ndef test_x():\n    pytest.skip('because')\n",
    "missing module": "import pytest\npytest.importorskip('no_such_module_anywhere', reason='because')\n",
    "expected failure": "import pytest\n@pytest.mark.xfail(reason='because')\ndef test_x():\n    assert False\n",
    "unexpected pass": "import pytest\n@pytest.mark.xfail(reason='because')\ndef test_x():\n    assert True\n",
}


WANTS_NEO4J = "def test_x(graph_server):\n    assert graph_server.answer('RETURN 1 AS one') == [{'one': 1}]\n"


def run(folder: Path, source: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one file under a copy of our conftest, away from the tree and its settings."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_one.py").write_text(source)
    (folder / "test_two.py").write_text(PASSES)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "."]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "LINEAGE_"))}
    environment = {**inherited, **settings}
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


def run_without_neo4j(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a test that wants a Neo4j where there is no Docker daemon, no Java and no Maven."""
    nowhere = {"PATH": str(folder), "JAVA_HOME": "", "DOCKER_HOST": f"unix://{folder}/nobody", "PYTHONPATH": str(ROOT)}
    return run(folder, WANTS_NEO4J, **nowhere, **settings)


def test_a_run_without_a_neo4j_passes_and_says_loudly_what_it_did_not_test_and_why(tmp_path: Path) -> None:
    ended = run_without_neo4j(tmp_path)
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout
    named = ended.stdout.partition("for want of a Neo4j these tests did not run")[2]
    assert "test_one.py" in named
    assert "install Java 17 or 21" in named
    assert "this run has failed" not in ended.stdout


def test_a_run_that_requires_a_neo4j_fails_without_one(tmp_path: Path) -> None:
    ended = run_without_neo4j(tmp_path, **{REQUIRE: "1"})
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout
    assert f"{REQUIRE} is set: this is a failure" in ended.stdout
    assert "1 passed, 1 error" in ended.stdout


def test_no_other_test_can_excuse_itself_with_the_sentence_about_neo4j() -> None:
    sources = {relative(path): path.read_text(encoding="utf-8") for path in own_files() if path.suffix == ".py"}
    assert {name for name, text in sources.items() if SENTENCE in text} == {
        "tests/conftest.py",
        "tests/graphdb/session.py",
    }
