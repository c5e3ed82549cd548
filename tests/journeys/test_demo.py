"""The main job, as the README gives it: `lineage demo` on real MLflow, OpenLineage and git, in one go."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

SECONDS = 280


def demo(*arguments: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = dict(os.environ) if path is None else {**os.environ, "PATH": path}
    return subprocess.run(
        [str(Path(sys.executable).with_name("lineage")), "demo", *arguments],
        capture_output=True, text=True, timeout=SECONDS, check=False, env=environment,
    )  # fmt: skip


def words(text: str) -> str:
    """Return a text without the line breaks that a narrow screen puts in."""
    return " ".join(text.split())


def test_the_demonstration_answers_truly_verifies_and_leaves_no_process_behind(tmp_path: Path) -> None:
    done = demo("--no-serve", "--dir", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr + done.stdout
    out = words(done.stdout)
    # Who deployed what: omar, known by MLflow's own authentication; version 1 gave way to version 2.
    assert "credit-risk/2 Production from" in out
    assert "omar" in out
    assert "authenticated" in out
    assert "no change request" in out
    # What made it: the run, the table (found by when it was written), the commit of a real repository.
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path / "demo" / "credit", capture_output=True, text=True, check=True
    ).stdout
    assert f"built from commit {head[:12]}" in out
    assert "trained on dataset version features/applicants.csv@2026-11-01 [inferred]" in out
    assert "produced model version credit-risk/1" in out
    # And nobody altered anything.
    assert "level 2 SIGNED" in out
    assert "table edge: every row is what the records give" in out
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or ())]
    assert left == []


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = demo("--dir", str(tmp_path))
    assert done.returncode != 0
    assert "is not empty" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["precious"]


def test_without_git_it_says_so_before_anything_is_started(tmp_path: Path) -> None:
    done = demo("--dir", str(tmp_path / "demo"), path=str(tmp_path))
    assert done.returncode != 0
    assert "git is not installed" in done.stderr
