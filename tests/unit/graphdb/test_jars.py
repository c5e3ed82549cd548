"""The cache of jars: whole or refused, fetched once, and never half there."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.graphdb.address import NoNeo4jError, SpoiledJarsError
from tests.graphdb.jars import CACHE, cache_folder, digests, jars, require_whole
from tests.unit.graphdb.conftest import Program

# What a Maven does that writes one jar and then believes that it was all.
HALF = """
for word in "$@"; do
    case "$word" in -DoutputDirectory=*) echo half > "${word#*=}/neo4j-5.26.30.jar" ;; esac
done
"""


def hashed(files: dict[str, bytes]) -> dict[str, str]:
    """Return the digests that a folder with these files has."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache folder of this test's own, which is not there yet."""
    folder = tmp_path / "caches" / "neo4j"
    monkeypatch.setenv(CACHE, str(folder))
    return folder


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ({"a.jar": b"a"}, "b.jar"),
        ({"a.jar": b"a", "b.jar": b""}, "b.jar"),
        ({"a.jar": b"a", "b.jar": b"b", "c.jar": b"c"}, "c.jar"),
        ({}, "a.jar"),
    ],
    ids=["missing", "cut short", "one too many", "empty"],
)
def test_a_folder_that_is_not_whole_is_refused_by_name(tmp_path: Path, found: dict[str, bytes], named: str) -> None:
    for name, content in found.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SpoiledJarsError, match=named):
        require_whole(tmp_path, hashed({"a.jar": b"a", "b.jar": b"b"}))


def test_a_whole_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_bytes(b"a")
    require_whole(tmp_path, hashed({"a.jar": b"a"}))


def test_a_cache_that_was_left_half_filled_is_refused_and_not_repaired_in_silence(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "neo4j-5.26.30.jar").write_bytes(b"")
    with pytest.raises(SpoiledJarsError, match="Delete that folder"):
        jars()


def test_a_half_download_leaves_no_cache(cache: Path, program: Program) -> None:
    program("mvn", HALF)
    with pytest.raises(SpoiledJarsError):
        jars()
    assert [path.name for path in cache.parent.iterdir()] == [".neo4j.lock"]


def test_a_maven_that_fails_is_quoted_and_leaves_no_cache(cache: Path, program: Program) -> None:
    program("mvn", "echo 'Unknown host repo.example'; exit 1")
    with pytest.raises(NoNeo4jError, match=r"ended with 1:\nUnknown host repo\.example"):
        jars()
    assert [path.name for path in cache.parent.iterdir()] == [".neo4j.lock"]


@pytest.mark.usefixtures("program")
def test_without_maven_the_sentence_says_what_to_install(cache: Path) -> None:
    with pytest.raises(NoNeo4jError, match=r"install Maven 3\.6\.3"):
        jars()


def test_of_two_runs_at_once_one_fetches_and_both_have_all(cache: Path, program: Program, real_jars: Path) -> None:
    calls = cache.parent.parent / "calls"
    copy = 'case "$word" in -DoutputDirectory=*) sleep 0.5; ln -s "$JARS"/* "${word#*=}" ;; esac'
    program("mvn", f'echo called >> "{calls}"\nfor word in "$@"; do {copy}; done')
    environment = {**os.environ, "JARS": str(real_jars)}
    command = [sys.executable, "-m", "tests.graphdb.jars"]
    runs = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate()[0].strip() for run in runs]
    assert said == [str(cache)] * 2
    assert [run.returncode for run in runs] == [0, 0]
    assert calls.read_text().splitlines() == ["called"]
    require_whole(cache, digests())


def test_the_folder_is_found_below_the_caches_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(CACHE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lineage-service" / "neo4j-5.26.30"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "lineage-service" / "neo4j-5.26.30"
