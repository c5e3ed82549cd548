"""What is recorded: what runs and tags rest on, once, whatever the order in which commits and names appear."""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.git.collect import Choices, collect
from collectors.git.cursor import MAX_MISSING, Cursor
from collectors.git.reach import Named
from tests.unit.collectors.git.repositories import LATER, NOW, Json, Scratch, moved, of, read, read_named, runs_name


def shas(events: list[Json]) -> list[str]:
    return [body["sha"] for body in of("commit.observed", events)]


def problem(events: list[Json]) -> str:
    (report,) = of("collector.reported", events)
    return str(report.get("problem", ""))


def test_what_a_run_rests_on_is_recorded_and_what_nobody_rests_on_is_not(scratch: Scratch) -> None:
    first, second, third = (scratch.commit(word) for word in ("one", "two", "three"))
    scratch.git("switch", "--quiet", "--create", "side", first)
    scratch.commit("somebody's own")
    events, _ = read_named(scratch.folder, runs_name(second))
    assert shas(events) == [first, second]
    assert ("refs/heads/main", third, False) in moved(events)


def test_a_release_is_a_tag_and_counts_without_any_run(scratch: Scratch) -> None:
    first = scratch.commit("one")
    scratch.git("tag", "--annotate", "v1", "-m", "release")
    second = scratch.commit("two")
    events, cursor = read_named(scratch.folder, runs_name())
    assert shas(events) == [first]
    scratch.git("tag", "--force", "v1", second)
    events, cursor = read_named(scratch.folder, runs_name(), cursor, LATER)
    assert (shas(events), moved(events)) == ([second], [("refs/tags/v1", second, True)])
    scratch.git("tag", "--delete", "v1")
    events, _ = read_named(scratch.folder, runs_name(), cursor, LATER)
    assert (shas(events), moved(events)) == ([], [("refs/tags/v1", None, False)])


def test_a_repository_of_which_nobody_speaks_gives_no_commit_and_says_so(scratch: Scratch) -> None:
    scratch.commit("one")
    (last,) = collect(scratch.folder, None, NOW, runs_name("f" * 40))
    assert shas(last.events) == []
    assert (last.summary.reaches, last.summary.named, last.summary.missing) == (False, 1, 1)


def test_later_names_of_older_and_newer_commits_bring_the_difference(scratch: Scratch) -> None:
    every = [scratch.commit(f"c{number}") for number in range(5)]
    events, cursor = read_named(scratch.folder, runs_name(every[2]))
    assert shas(events) == every[:3]
    events, cursor = read_named(scratch.folder, runs_name(every[0], every[1]), cursor, LATER)
    assert shas(events) == []
    events, _ = read_named(scratch.folder, runs_name(every[4]), cursor, LATER)
    assert shas(events) == every[3:]


def test_a_commit_that_a_fetch_brings_after_a_run_named_it_is_found_without_asking_again(
    scratch: Scratch, tmp_path: Path
) -> None:
    first = scratch.commit("one")
    scratch.git("clone", "--quiet", "--mirror", str(scratch.folder), str(tmp_path / "mirror"))
    second = scratch.commit("two")
    _, cursor = read_named(tmp_path / "mirror", runs_name(second, after=7))
    assert json.loads(cursor)["missing"] == [second]
    Scratch(tmp_path / "mirror").git("fetch", "--quiet")
    asked: list[int] = []

    def nothing_new(after: int) -> Named:
        asked.append(after)
        return Named((), after)

    events, cursor = read_named(tmp_path / "mirror", nothing_new, cursor, LATER)
    assert (asked, shas(events)) == ([7], [first, second])
    assert json.loads(cursor)["missing"] == []


def test_a_commit_that_no_branch_holds_any_more_is_recorded_when_a_run_names_it(scratch: Scratch) -> None:
    first = scratch.commit("one")
    rewritten = scratch.commit("two")
    scratch.git("reset", "--quiet", "--hard", first)
    assert shas(read_named(scratch.folder, runs_name(rewritten))[0]) == [first, rewritten]
    assert set(shas(read_named(scratch.folder, runs_name(rewritten), everything=True)[0])) == {first, rewritten}


def test_an_abbreviated_name_counts_when_it_means_one_commit_and_is_told_in_words(scratch: Scratch) -> None:
    first = scratch.commit("one")
    events, cursor = read_named(scratch.folder, runs_name(first[:9]))
    assert shas(events) == [first]
    assert problem(events) == f"runs name the commit {first[:9]}, which is short for {first} here; that one is recorded"
    assert json.loads(cursor)["missing"] == []


def test_an_abbreviated_name_of_several_commits_means_none(scratch: Scratch) -> None:
    scratch.commit("root")
    tree, made = scratch.tree(), {}
    for number in range(10**6):
        sha = scratch.git("commit-tree", tree, "-m", str(number), GIT_COMMITTER_DATE="1700000000 +0000")
        if sha[:4] in made:
            break
        made[sha[:4]] = sha
    else:
        pytest.fail("no two hashes that begin alike")
    events, cursor = read_named(scratch.folder, runs_name(sha[:4]))
    assert (shas(events), json.loads(cursor)["missing"]) == ([], [sha[:4]])


def test_a_branch_that_is_called_like_a_hash_is_no_commit_of_that_name(scratch: Scratch) -> None:
    scratch.commit("one")
    scratch.git("branch", "deadbeef")
    events, cursor = read_named(scratch.folder, runs_name("deadbeef", "HEAD", "--all", "x\nHEAD"))
    assert shas(events) == []
    assert json.loads(cursor)["missing"] == ["--all", "HEAD", "deadbeef", "x\nHEAD"]


def test_while_the_service_cannot_be_asked_the_gap_is_told_and_nothing_is_forgotten(scratch: Scratch) -> None:
    sha = scratch.commit("one")
    _, cursor = read_named(scratch.folder, runs_name("f" * 40, after=9))
    events, cursor = read_named(scratch.folder, lambda _after: None, cursor, LATER)
    assert "could not be asked which commits runs name" in problem(events)
    assert (json.loads(cursor)["asked"], json.loads(cursor)["missing"]) == (9, ["f" * 40])
    assert shas(read_named(scratch.folder, runs_name(sha), cursor, LATER)[0]) == [sha]


def test_more_missing_names_than_are_remembered_are_asked_for_again_from_the_start(scratch: Scratch) -> None:
    scratch.commit("one")
    many = [f"{number:040x}" for number in range(MAX_MISSING + 1)]
    _, cursor = read_named(scratch.folder, runs_name(*many, after=99))
    assert (json.loads(cursor)["asked"], json.loads(cursor)["missing"]) == (0, [])
    assert len(cursor) < 1000


def test_all_after_less_brings_the_rest_and_less_after_all_brings_nothing(scratch: Scratch) -> None:
    every = [scratch.commit(f"c{number}") for number in range(4)]
    _, cursor = read_named(scratch.folder, runs_name(every[1]))
    events, cursor = read(scratch.folder, cursor, LATER)
    assert shas(events) == every[2:]
    assert shas(read_named(scratch.folder, runs_name(every[3]), cursor, LATER)[0]) == []


def test_a_cursor_of_the_first_version_had_read_all_that_refs_reach(scratch: Scratch) -> None:
    old = scratch.commit("one")
    kept = {"v": 1, "repository": str(scratch.folder), "read_at": NOW, "refs": {"refs/heads/main": old}, "head": old}
    new = scratch.commit("two")
    events, _ = read(scratch.folder, json.dumps({**kept, "edge": []}), LATER)
    assert (shas(events), moved(events)) == ([new], [("refs/heads/main", new, False)])


def test_a_name_of_256_bits_is_found_too(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.git("init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    sha = scratch.commit("one")
    scratch.commit("two")
    events, _ = read_named(tmp_path, runs_name(sha, "a" * 40))
    assert shas(events) == [sha]


def test_the_cursor_does_not_grow_with_the_history(scratch: Scratch) -> None:
    scratch.git("fast-import", "--quiet", given=b"".join(random_history(300, random.Random(1), merges=False)))  # noqa: S311
    (tip,) = scratch.git("rev-parse", "main").split()
    _, cursor = read_named(scratch.folder, runs_name(tip))
    assert json.loads(cursor)["roots"] == [tip]


# ------------------------------------------------------------------------------------------------- histories of chance


def random_history(commits: int, chance: random.Random, *, merges: bool, clocks: bool = True) -> Iterator[bytes]:
    """Give the input of git fast-import for a history of many lines, with merges, and maybe of clocks gone wrong."""
    for number in range(1, commits + 1):
        when = 1_500_000_000 + (number if clocks else chance.randrange(10**6))
        parents = [number - 1] if number > 1 else []
        if merges and number > 1:
            parents = chance.sample(range(1, number), min(number - 1, chance.choice((1, 1, 1, 2, 3))))
        lines = [f"commit refs/heads/main\nmark :{number}\ncommitter C <c@x> {when} +0000\ndata 1\nm"]
        lines += [f"{'merge' if at else 'from'} :{parent}" for at, parent in enumerate(parents)]
        yield ("\n".join(lines) + f"\nM 644 inline f\ndata {len(str(number))}\n{number}\n\n").encode()


def marks_of(scratch: Scratch, history: bytes) -> list[str]:
    marks = scratch.folder / "marks"
    scratch.git("fast-import", "--quiet", "--force", f"--export-marks={marks}", given=history)
    pairs = [line.removeprefix(":").split() for line in marks.read_text().splitlines()]
    return [sha for _, sha in sorted((int(mark), sha) for mark, sha in pairs)]


@pytest.mark.parametrize("clocks", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_named_in_whatever_order_each_commit_is_given_once_and_parents_first(
    scratch: Scratch, seed: int, clocks: bool
) -> None:
    chance = random.Random(seed)  # noqa: S311
    every = marks_of(scratch, b"".join(random_history(60, chance, merges=True, clocks=clocks)))
    given: list[str] = []
    named: set[str] = set()
    cursor = None
    for _ in range(12):
        names = chance.sample(every, chance.randrange(4))
        named.update(names)
        stop = chance.choice((1, 2, 3, None, None))
        for at, batch in enumerate(collect(scratch.folder, cursor, NOW, runs_name(*named), Choices(batch=4))):
            given += shas(batch.events)
            cursor = batch.cursor
            if at == stop:
                break  # as if the process had been killed once this batch was kept
    for batch in collect(scratch.folder, cursor, NOW, runs_name(*named)):
        given += shas(batch.events)
    reached = scratch.git("rev-list", *named).split()
    # Where clocks are far wrong, git itself takes a commit for new that is not: it is given again, and known again.
    assert set(given) == set(reached)
    assert len(given) == len(reached) or not clocks
    place = {sha: at for at, sha in reversed(list(enumerate(given)))}
    parents = [line.split() for line in scratch.git("rev-list", "--parents", *named).splitlines()]
    assert all(place[parent] < place[sha] for sha, *above in parents for parent in above)


def test_a_commit_removed_for_good_takes_nothing_with_it(scratch: Scratch) -> None:
    first = scratch.commit("one")
    lost = scratch.commit("two")
    _, cursor = read_named(scratch.folder, runs_name(lost))
    scratch.git("reset", "--quiet", "--hard", first)
    third = scratch.commit("three", at="1700000009 +0000")
    scratch.git("reflog", "expire", "--expire=now", "--all")
    scratch.git("gc", "--quiet", "--prune=now")
    with pytest.raises(subprocess.CalledProcessError):
        scratch.git("cat-file", "-e", lost)
    events, cursor = read_named(scratch.folder, runs_name(third), cursor, LATER)
    assert moved(events) == [("refs/heads/main", third, True)]
    assert shas(events) == [first, third]  # the first again, because what stood for it is gone: a fact known already
    assert Cursor.from_text(cursor).roots == (third,)
