import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from collectors.git import Choices, GitError, collect, nobody_named
from tests.unit.collectors.git.repositories import LATER, NOW, Scratch, moved, of, read


def test_a_clone_sees_what_it_fetched_of_the_branches_of_its_origin(scratch: Scratch, tmp_path: Path) -> None:
    sha = scratch.commit("one")
    scratch.git("clone", "--quiet", str(scratch.folder), str(tmp_path / "clone"))
    events, _ = read(tmp_path / "clone")
    assert moved(events) == [("refs/heads/main", sha, False), ("refs/remotes/origin/main", sha, False)]
    assert {body["repository"] for body in of("branch.moved", events)} == {str(scratch.folder)}


def test_a_bare_mirror_gives_the_same_commits(scratch: Scratch, tmp_path: Path) -> None:
    scratch.commit("one")
    scratch.commit("two")
    scratch.git("clone", "--quiet", "--mirror", str(scratch.folder), str(tmp_path / "mirror.git"))
    assert read(tmp_path / "mirror.git")[0] == read(scratch.folder)[0]


def test_a_checkout_without_branches_is_read_from_what_is_checked_out(scratch: Scratch) -> None:
    sha = scratch.commit("one")
    scratch.git("checkout", "--quiet", "--detach")
    scratch.git("branch", "--delete", "--force", "main")
    events, cursor = read(scratch.folder)
    assert [body["sha"] for body in of("commit.observed", events)] == [sha]
    assert moved(events) == []
    assert of("commit.observed", read(scratch.folder, cursor, LATER)[0]) == []


def test_a_subfolder_and_a_second_work_tree_are_the_same_repository(scratch: Scratch, tmp_path: Path) -> None:
    (scratch.folder / "sub").mkdir()
    scratch.commit("one")
    scratch.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    whole = read(scratch.folder)[0]
    assert read(scratch.folder / "sub")[0] == whole
    assert read(tmp_path / "second")[0] == whole


def test_a_shallow_clone_keeps_true_parents_and_reports_the_gap_until_it_is_deepened(
    scratch: Scratch, tmp_path: Path
) -> None:
    shas = [scratch.commit(f"c{number}") for number in range(4)]
    clone = tmp_path / "clone"
    scratch.git("clone", "--quiet", "--depth=2", f"file://{scratch.folder}", str(clone))
    whole = {body["sha"]: body for body in of("commit.observed", read(scratch.folder)[0])}
    events, cursor = read(clone)
    assert {body["sha"]: body for body in of("commit.observed", events)} == {sha: whole[sha] for sha in shas[2:]}
    assert of("collector.reported", events)[0]["problem"].startswith("gap: the clone is shallow")
    edge = [body for body in of("commit.observed", read(clone, changed_paths=True)[0]) if body["sha"] == shas[2]]
    assert "changed_paths" not in edge[0]
    Scratch(clone).git("fetch", "--quiet", "--unshallow")
    deepened, _ = read(clone, cursor, LATER)
    assert {body["sha"]: body for body in of("commit.observed", deepened)} == {sha: whole[sha] for sha in shas[:3]}
    assert "problem" not in of("collector.reported", deepened)[0]


def test_at_the_edge_of_a_shallow_clone_no_branch_is_called_forced(scratch: Scratch, tmp_path: Path) -> None:
    scratch.commit("one")
    clone = Scratch(tmp_path / "clone")
    scratch.git("clone", "--quiet", "--mirror", "--depth=1", f"file://{scratch.folder}", str(clone.folder))
    _, cursor = read(clone.folder)
    scratch.commit("two")
    new = scratch.commit("three")
    clone.git("fetch", "--quiet", "--depth=1", "origin")
    assert moved(read(clone.folder, cursor, LATER)[0]) == [("refs/heads/main", new, False)]


def test_nothing_is_fetched_that_a_partial_clone_left_out(scratch: Scratch, tmp_path: Path) -> None:
    shas = {scratch.commit("one"), scratch.commit("two")}
    scratch.git("config", "uploadpack.allowFilter", "true")
    for lacking in ("blob:none", "tree:0"):
        filtered = ("--bare", f"--filter={lacking}", f"file://{scratch.folder}", str(tmp_path / lacking))
        scratch.git("clone", "--quiet", *filtered)
    held = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*:*/**/*") if path.is_file()}
    assert {body["sha"] for body in of("commit.observed", read(tmp_path / "blob:none", changed_paths=True)[0])} == shas
    with pytest.raises(GitError, match="partial clone"):
        read(tmp_path / "tree:0", changed_paths=True)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*:*/**/*") if path.is_file()} == held


def test_a_hash_of_256_bits_is_a_commit_too(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.git("init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    sha = scratch.commit("one")
    assert len(sha) == 64
    assert [body["sha"] for body in of("commit.observed", read(tmp_path)[0])] == [sha]


def test_credentials_in_a_remote_never_appear_in_any_event(scratch: Scratch) -> None:
    scratch.commit("one")
    scratch.git("tag", "v1")
    for url in (
        "https://alice:s3cret@git.example.com/team/credit.git",
        "https://s3cret@git.example.com/team/credit.git/?private_token=s3cret#s3cret",
        "https://oauth2:s3cret@GIT.example.com:443/team/credit",
    ):
        scratch.git("config", "remote.origin.url", url)
        events, cursor = read(scratch.folder)
        assert "s3cret" not in json.dumps(events) + cursor
        assert "alice" not in json.dumps(events) + cursor
        assert {event["body"].get("repository") for event in events} == {"https://git.example.com/team/credit", None}


def test_another_address_is_another_repository_and_read_from_its_beginning(scratch: Scratch) -> None:
    sha = scratch.commit("one")
    _, cursor = read(scratch.folder)
    scratch.git("config", "remote.origin.url", "git@git.example.com:team/credit.git")
    bodies = of("commit.observed", read(scratch.folder, cursor, LATER)[0])
    assert [(body["repository"], body["sha"]) for body in bodies] == [("ssh://git@git.example.com/team/credit", sha)]


@pytest.mark.parametrize(
    ("remotes", "address"),
    [
        ({"upstream": "https://h/a"}, "https://h/a"),
        ({"upstream": "https://h/a", "origin": "https://h/b"}, "https://h/b"),
        ({"one": "https://h/a", "two": "https://h/b"}, None),
        ({"origin": "../other.git"}, "../other"),
        ({"origin": "ext::ssh -p s3cret h %S /a"}, None),
    ],
)
def test_the_address_is_that_of_origin_or_of_the_only_remote(
    scratch: Scratch, remotes: dict[str, str], address: str | None
) -> None:
    scratch.commit("one")
    for name, url in remotes.items():
        scratch.git("config", f"remote.{name}.url", url)
    expected = str((scratch.folder / (address or ".")).resolve()) if (address or ".").startswith(".") else address
    assert {body["repository"] for body in of("commit.observed", read(scratch.folder)[0])} == {expected}


def history(commits: int) -> Iterator[bytes]:
    """Give the input of git fast-import for a long history."""
    for number in range(commits):
        who = f"A{number % 7} <a{number % 7}@x>"
        yield (
            f"commit refs/heads/main\nmark :{number + 1}\nauthor {who} {10**9 + number} +0000\n"
            f"committer C <c@x> {10**9 + number} +0100\ndata 12\nmessage {number % 1000:03}\n\n"
            + (f"from :{number}\n" if number else "")
            + f"M 644 inline f{number % 50}\ndata 7\n{number:06}\n\n"
        ).encode()


def test_two_thousand_commits_are_read_in_batches_at_a_measured_speed(scratch: Scratch) -> None:
    scratch.git("fast-import", "--quiet", given=b"".join(history(2000)))
    start = time.perf_counter()
    batches = list(collect(scratch.folder, None, NOW, nobody_named, Choices(everything=True, counted=True)))
    seconds = time.perf_counter() - start
    print(f"\n2,000 commits in {seconds:.3f} s: {2000 / seconds:.0f} a second")
    assert [len(batch.events) for batch in batches] == [1000, 1000, 2]
    assert [(batch.summary.commits, batch.summary.expected) for batch in batches] == [
        (1000, 2000), (2000, 2000), (2000, 2000)
    ]  # fmt: skip
    shas = [event["body"]["sha"] for batch in batches[:-1] for event in batch.events]
    assert set(shas) == set(scratch.git("rev-list", "main").split())
    # The back-fill of 50,000 commits has to stay under a minute: 2.4 s for 2,000.
    assert seconds < 2.4


def test_a_reader_that_stops_early_leaves_no_process_and_can_start_again(scratch: Scratch) -> None:
    scratch.git("fast-import", "--quiet", given=b"".join(history(2000)))
    before = psutil.Process().children()
    with closing(collect(scratch.folder, None, NOW, nobody_named, Choices(everything=True))) as batches:
        first = next(batches)
        assert not first.last
        assert len(psutil.Process().children()) == len(before) + 1
    assert psutil.Process().children() == before
    with closing(collect(scratch.folder, None, NOW, nobody_named, Choices(everything=True))) as batches:
        assert next(batches) == first
