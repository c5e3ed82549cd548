from pathlib import Path

import pytest

from collectors.git import GitError
from tests.unit.collectors.git.repositories import LATER, Scratch, new_repository, read


def refused(folder: Path, since: str | None = None) -> str:
    with pytest.raises(GitError) as caught:
        read(folder, since)
    assert caught.value.remedy
    return str(caught.value)


def test_an_empty_repository_is_refused(scratch: Scratch) -> None:
    assert "without any commit; commit something" in refused(scratch.folder)


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    assert "is not a git repository; give the folder" in refused(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "is not a folder that can be entered" in refused(tmp_path / "-nothing")


def test_a_repository_of_somebody_else_is_refused_with_the_command_that_mends_it(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch.commit("one")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    message = refused(scratch.folder)
    assert "belongs to another user" in message
    assert f"git config --global --add safe.directory {scratch.folder}" in message


def test_a_missing_git_is_refused(scratch: Scratch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scratch.commit("one")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "the program git was not found; install git" in refused(scratch.folder)


def test_a_damaged_repository_is_refused_after_what_could_be_read(scratch: Scratch) -> None:
    first = scratch.commit("one")
    scratch.commit("two")
    (scratch.folder / ".git" / "objects" / first[:2] / first[2:]).unlink()
    assert "git could not read" in refused(scratch.folder)
    assert first in refused(scratch.folder)


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"v":2}', '{"v":1,"repository":"a","read_at":true,"refs":{}}'])
def test_a_cursor_that_is_none_is_refused(scratch: Scratch, text: str) -> None:
    scratch.commit("one")
    assert "the cursor of the last read cannot be understood; remove it" in refused(scratch.folder, text)


def test_a_cursor_from_the_future_is_refused(scratch: Scratch) -> None:
    scratch.commit("one")
    _, cursor = read(scratch.folder, now=LATER)
    assert "still to come; set the clock right" in refused(scratch.folder, cursor)


def test_variables_that_point_git_elsewhere_are_not_followed(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch.commit("one")
    plain = read(scratch.folder)[0]
    other = new_repository(tmp_path / "other")
    other.commit("another", at="1700000077 +0000")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    assert read(scratch.folder)[0] == plain
