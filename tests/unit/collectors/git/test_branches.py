import json
import subprocess

import pytest

from collectors.git import Choices, collect
from graph_schema.times import format_time
from tests.unit.collectors.git.repositories import LATER, NOW, Scratch, moved, of, read, runs_name, sha256


def test_the_first_read_sees_every_branch_and_tag_at_its_commit(scratch: Scratch) -> None:
    first = scratch.commit("one")
    scratch.git("tag", "light")
    scratch.git("tag", "--annotate", "heavy", "-m", "release")
    scratch.git("tag", "--annotate", "nested", "heavy", "-m", "release of a release")
    scratch.git("tag", "on-a-tree", scratch.tree())
    second = scratch.commit("two")
    scratch.git("branch", "ünï/ćode", first)
    events, _ = read(scratch.folder)
    assert moved(events) == [
        ("refs/heads/main", second, False),
        ("refs/heads/ünï/ćode", first, False),
        ("refs/tags/heavy", first, False),
        ("refs/tags/light", first, False),
        ("refs/tags/nested", first, False),
    ]
    seen = [event for event in events if event["type"] == "branch.moved"]
    assert {event["occurred_at"] for event in seen} == {format_time(NOW)}
    assert {json.dumps(event["actor"]) for event in seen} == {'{"assurance": "observed"}'}
    assert all("not_before" not in event["body"] for event in seen)


def test_a_second_read_of_an_unchanged_repository_only_reports(scratch: Scratch) -> None:
    scratch.commit("one")
    _, cursor = read(scratch.folder)
    events, _ = read(scratch.folder, cursor, LATER)
    assert [event["type"] for event in events] == ["collector.reported"]
    body = events[0]["body"]
    assert (body["covered_from"], body["covered_to"]) == (format_time(NOW), format_time(LATER))


def test_a_first_read_covers_no_time(scratch: Scratch) -> None:
    scratch.commit("one")
    (report,) = of("collector.reported", read(scratch.folder)[0])
    assert report["covered_from"] == report["covered_to"] == format_time(NOW)


def test_a_report_reaches_back_over_the_reads_that_join_it(scratch: Scratch) -> None:
    scratch.commit("one")
    cursor, said, began = None, [], {NOW: NOW, LATER: NOW}
    for now in (NOW, LATER, LATER + 7):
        (batch,) = collect(
            scratch.folder, cursor, now, runs_name(), Choices(everything=True), beginning=began.__getitem__
        )
        cursor = batch.cursor
        said += of("collector.reported", batch.events)
        assert batch.covered == (NOW, now)
    assert [body["covered_from"] for body in said] == [format_time(NOW)] * 3
    assert [body["covered_to"] for body in said] == [format_time(now) for now in (NOW, LATER, LATER + 7)]


def test_a_report_names_its_cursor_by_digest(scratch: Scratch) -> None:
    scratch.commit("one")
    events, cursor = read(scratch.folder)
    assert of("collector.reported", events)[0]["cursor"] == sha256(cursor)


def test_new_commits_alone_are_read_the_second_time(scratch: Scratch) -> None:
    scratch.commit("one")
    _, cursor = read(scratch.folder)
    new = [scratch.commit("two"), scratch.commit("three")]
    events, _ = read(scratch.folder, cursor, LATER)
    assert {body["sha"] for body in of("commit.observed", events)} == set(new)
    (body,) = of("branch.moved", events)
    assert body["not_before"] == format_time(NOW)
    assert "forced" not in body


def test_a_renamed_branch_is_gone_under_one_name_and_there_under_the_other(scratch: Scratch) -> None:
    sha = scratch.commit("one")
    _, cursor = read(scratch.folder)
    scratch.git("branch", "--move", "main", "trunk")
    events, _ = read(scratch.folder, cursor, LATER)
    assert moved(events) == [("refs/heads/main", None, False), ("refs/heads/trunk", sha, False)]
    assert of("commit.observed", events) == []


def test_a_force_push_is_a_fact(scratch: Scratch) -> None:
    base = scratch.commit("one")
    scratch.commit("two")
    _, cursor = read(scratch.folder)
    scratch.git("reset", "--quiet", "--hard", base)
    rewritten = scratch.commit("two again", at="1700000009 +0000")
    events, _ = read(scratch.folder, cursor, LATER)
    assert moved(events) == [("refs/heads/main", rewritten, True)]
    assert [body["sha"] for body in of("commit.observed", events)] == [rewritten]


def test_a_force_push_whose_old_commits_are_gone_is_still_a_fact(scratch: Scratch) -> None:
    base = scratch.commit("one")
    lost = scratch.commit("two")
    _, cursor = read(scratch.folder)
    scratch.git("reset", "--quiet", "--hard", base)
    rewritten = scratch.commit("two again", at="1700000009 +0000")
    scratch.git("reflog", "expire", "--expire=now", "--all")
    scratch.git("gc", "--quiet", "--prune=now")
    with pytest.raises(subprocess.CalledProcessError):
        scratch.git("cat-file", "-e", lost)
    events, _ = read(scratch.folder, cursor, LATER)
    assert moved(events) == [("refs/heads/main", rewritten, True)]
    assert {body["sha"] for body in of("commit.observed", events)} >= {rewritten}


def test_a_branch_set_back_was_forced_and_a_tag_that_moves_always_is(scratch: Scratch) -> None:
    first = scratch.commit("one")
    scratch.git("tag", "stable")
    second = scratch.commit("two")
    _, cursor = read(scratch.folder)
    scratch.git("tag", "--force", "stable", second)
    scratch.git("reset", "--quiet", "--hard", first)
    events, _ = read(scratch.folder, cursor, LATER)
    assert moved(events) == [("refs/heads/main", first, True), ("refs/tags/stable", second, True)]


def test_a_ref_name_that_does_not_fit_is_left_out_and_reported(scratch: Scratch) -> None:
    scratch.commit("one")
    long = "/".join(["x" * 200] * 6)
    scratch.git("branch", long)
    events, _ = read(scratch.folder)
    assert [ref for ref, _, _ in moved(events)] == ["refs/heads/main"]
    assert "a ref whose name has" in of("collector.reported", events)[0]["problem"]
