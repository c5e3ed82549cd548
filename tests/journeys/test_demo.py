"""The main job, as the README gives it: `lineage demo` on real MLflow, OpenLineage and git, in one go."""

import os
import socket
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
    # Who deployed what: omar, known by MLflow's own authentication; version 1 gave way to 2, and 2 to 3.
    assert "credit-risk/1 Production from" in out
    assert "credit-risk/3 Production from" in out
    assert "omar" in out
    assert "authenticated" in out
    assert "no change request" in out
    # What made the worse version: the same commit of a real repository, and the damaged table.
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path / "demo" / "credit", capture_output=True, text=True, check=True
    ).stdout
    assert out.count(f"built from commit {head[:12]}") == 2
    assert "trained on dataset version features/applicants.csv@2026-10" in out
    assert "trained on dataset version features/applicants.csv@2026-11" in out
    assert "produced model version credit-risk/4" in out
    # A wrong version was served, and rolled back; somebody tried what she may not.
    assert "credit-risk/4 prod/eu" in out
    assert "denied: POST" in out
    assert "model-versions/transition-stage" in out
    assert "lena" in out
    # Nobody altered anything, and a forged copy is found out.
    assert "level 2 SIGNED" in out
    assert "table edge: every row is what the records give" in out
    assert "TAMPERING PROVEN at record" in out
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or ())]
    assert left == []


def test_a_port_in_use_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = demo("--dir", str(tmp_path / "demo"), "--port", str(port))
    assert done.returncode != 0
    assert f"port {port} of 127.0.0.1 cannot be used" in words(done.stderr)
    assert not (tmp_path / "demo").exists()


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
