import pytest

from graph_schema.times import format_time
from tests.unit.collectors.git.repositories import LATER, NOW, SECOND, Scratch, of, read, sha256


def test_a_commit_is_given_as_git_holds_it(scratch: Scratch) -> None:
    first = scratch.commit("one")
    second = scratch.commit(
        "two\n\nwhy: ü",
        GIT_AUTHOR_DATE="1700000100 -0930",
        GIT_COMMITTER_DATE="1700000200 +0545",
    )
    events, _ = read(scratch.folder)
    found = {event["body"]["sha"]: event for event in events if event["type"] == "commit.observed"}
    assert set(found) == {first, second}
    assert found[second] == {
        "type": "commit.observed",
        "ev": 1,
        "occurred_at": "2023-11-14T22:16:40.000000Z",
        "source": {"event_id": second},
        "actor": {"issuer": "git", "subject": "grace@example.com", "assurance": "claimed"},
        "body": {
            "repository": str(scratch.folder),
            "sha": second,
            "tree": scratch.tree(),
            "parents": [first],
            "author": {"issuer": "git", "subject": "ada@example.com", "email": "ada@example.com", "name": "Ada"},
            "committer": {
                "issuer": "git", "subject": "grace@example.com", "email": "grace@example.com", "name": "Grace",
            },
            "authored_at": "2023-11-14T22:15:00.000000Z",
            "message": sha256("two\n\nwhy: ü\n"),
            "signature": "unknown",
        },
    }  # fmt: skip
    assert found[first]["body"]["parents"] == []


def test_a_merge_has_its_parents_in_order(scratch: Scratch) -> None:
    scratch.commit("root")
    scratch.git("switch", "--quiet", "--create", "side")
    side = scratch.commit("side")
    scratch.git("switch", "--quiet", "main")
    main = scratch.commit("main")
    scratch.git("merge", "--quiet", "--no-edit", "side", GIT_COMMITTER_DATE="1700000001 +0000")
    merge = scratch.git("rev-parse", "HEAD")
    bodies = {body["sha"]: body for body in of("commit.observed", read(scratch.folder, changed_paths=True)[0])}
    assert bodies[merge]["parents"] == [main, side]
    assert bodies[merge]["changed_paths"] == 1


def test_an_octopus_with_more_parents_than_a_fact_holds_gives_several(scratch: Scratch) -> None:
    root = scratch.commit("root")
    tree = scratch.tree()
    heads = [
        scratch.git("commit-tree", tree, "-p", root, "-m", f"h{number}", GIT_COMMITTER_DATE="1700000002 +0000")
        for number in range(66)
    ]
    parents = [option for head in heads for option in ("-p", head)]
    octopus = scratch.git("commit-tree", tree, *parents, "-m", "merge", GIT_COMMITTER_DATE="1700000003 +0000")
    scratch.git("update-ref", "refs/heads/main", octopus)
    bodies = [body for body in of("commit.observed", read(scratch.folder)[0]) if body["sha"] == octopus]
    assert [len(body["parents"]) for body in bodies] == [64, 2]
    assert [parent for body in bodies for parent in body["parents"]] == heads


@pytest.mark.parametrize(
    ("name", "email", "person"),
    [
        ("Žofie 数据", "žofie@příklad.cz", {"subject": "žofie@příklad.cz", "name": "Žofie 数据"}),
        ("", "nobody@example.com", {"subject": "nobody@example.com"}),
        ('o\'Brien, "Bob" | x', "a b;c@d", {"subject": "a b;c@d", "name": 'o\'Brien, "Bob" | x'}),
        ("n" * 600, "long@example.com", {"subject": "long@example.com"}),
    ],
)
def test_odd_names_are_kept(scratch: Scratch, name: str, email: str, person: dict[str, str]) -> None:
    scratch.commit("root")
    people = f"{name} <{email}> 1700000000 +0000"
    odd = scratch.stored(f"tree {scratch.tree()}\nauthor {people}\ncommitter {people}\n\nm\n".encode())
    scratch.git("update-ref", "refs/heads/odd", odd)
    (event,) = [event for event in read(scratch.folder)[0] if event["body"].get("tree") and event["body"]["sha"] == odd]
    assert event["body"]["author"] == event["body"]["committer"] == {"issuer": "git", "email": email, **person}
    assert event["actor"] == {"issuer": "git", "subject": email, "assurance": "claimed"}


@pytest.mark.parametrize("email", ["", "x" * 513])
def test_without_an_address_nobody_is_named(scratch: Scratch, email: str) -> None:
    scratch.commit("root")
    people = f"Ghost <{email}> 1700000000 +0000"
    odd = scratch.stored(f"tree {scratch.tree()}\nauthor {people}\ncommitter {people}\n\nm\n".encode())
    scratch.git("update-ref", "refs/heads/odd", odd)
    (event,) = [event for event in read(scratch.folder)[0] if event["body"].get("tree") and event["body"]["sha"] == odd]
    assert event["actor"] == {"assurance": "observed"}
    assert {"author", "committer"}.isdisjoint(event["body"])


def test_a_message_in_another_encoding_is_digested_as_utf8(scratch: Scratch) -> None:
    scratch.commit("root")
    people = b"author A <a@x> 1700000000 +0000\ncommitter A <a@x> 1700000000 +0000\nencoding ISO-8859-1\n\n"
    odd = scratch.stored(b"tree " + scratch.tree().encode() + b"\n" + people + b"caf\xe9\n\n")
    scratch.git("update-ref", "refs/heads/odd", odd)
    digests = {body["sha"]: body["message"] for body in of("commit.observed", read(scratch.folder)[0])}
    assert digests[odd] == sha256("café\n\n")


def test_no_name_message_or_path_can_pass_for_another_field(scratch: Scratch) -> None:
    (scratch.folder / "odd\nname\n").write_text("x")
    (scratch.folder / ("a" * 40)).write_text("x")
    plain = scratch.commit("\n\ncommit 0000\x01\nauthor X <x@y>\n\n%x00%H\n")
    empty = scratch.commit("")
    scratch.git("commit", "--quiet", "--allow-empty", "-m", "no path", GIT_COMMITTER_DATE="1700000000 +0000")
    last = scratch.git("rev-parse", "HEAD")
    bodies = {body["sha"]: body for body in of("commit.observed", read(scratch.folder, changed_paths=True)[0])}
    assert {sha: body["changed_paths"] for sha, body in bodies.items()} == {plain: 3, empty: 1, last: 0}
    paths = scratch.git("ls-tree", "-z", "--name-only", plain).encode()
    assert bodies[plain]["paths"] == sha256(paths)
    assert bodies[empty]["message"] == sha256("")


def test_a_signature_is_looked_at_only_when_asked(scratch: Scratch) -> None:
    scratch.commit("root")
    answers = [of("commit.observed", read(scratch.folder, signatures=asked)[0]) for asked in (False, True)]
    assert [[body["signature"] for body in bodies] for bodies in answers] == [["unknown"], ["none"]]


SIGNED = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n"


def signed(scratch: Scratch, verdict: str) -> str:
    """Store a commit with a signature, and let a program that always says the same check it."""
    scratch.commit("root")
    people = "author A <a@x> 1700000000 +0000\ncommitter A <a@x> 1700000000 +0000"
    sha = scratch.stored(f"tree {scratch.tree()}\n{people}\n{SIGNED}\nm\n".encode())
    scratch.git("update-ref", "refs/heads/signed", sha)
    program = scratch.folder / ".git" / "verdict"
    program.write_text(f"#!/bin/sh\nprintf '\\n[GNUPG:] {verdict}\\n'\necho 'gpg: a remark' >&2\n")
    program.chmod(0o755)
    scratch.git("config", "gpg.program", str(program))
    return sha


@pytest.mark.parametrize(
    ("verdict", "signature"),
    [
        ("GOODSIG 1234567890ABCDEF A\\n[GNUPG:] TRUST_FULLY 0 pgp", "good"),
        ("GOODSIG 1234567890ABCDEF A\\n[GNUPG:] TRUST_UNDEFINED 0 pgp", "unknown"),
        ("BADSIG 1234567890ABCDEF A", "bad"),
        ("REVKEYSIG 1234567890ABCDEF A", "unknown"),
        ("ERRSIG 1234567890ABCDEF 1 8 00 1 9", "unknown"),
    ],
)
def test_a_signature_is_as_git_judges_it(scratch: Scratch, verdict: str, signature: str) -> None:
    sha = signed(scratch, verdict)
    bodies = {body["sha"]: body for body in of("commit.observed", read(scratch.folder, signatures=True)[0])}
    assert bodies[sha]["signature"] == signature


def test_a_setting_that_prints_every_signature_changes_nothing(scratch: Scratch) -> None:
    signed(scratch, "GOODSIG 1234567890ABCDEF A")
    plain = read(scratch.folder)[0]
    scratch.git("config", "log.showSignature", "true")
    assert read(scratch.folder)[0] == plain


def test_settings_that_change_what_git_log_prints_change_nothing(scratch: Scratch) -> None:
    scratch.commit("root")
    scratch.commit("näxt")
    scratch.git("notes", "add", "-m", "a note", "HEAD")
    plain = read(scratch.folder, changed_paths=True)[0]
    for name, value in {
        "log.showRoot": "false", "log.date": "relative", "color.ui": "always",
        "core.quotePath": "true", "diff.renames": "copies", "i18n.logOutputEncoding": "ISO-8859-1",
        "notes.displayRef": "refs/notes/*", "log.follow": "true", "log.diffMerges": "separate",
    }.items():  # fmt: skip
        scratch.git("config", name, value)
    assert read(scratch.folder, changed_paths=True)[0] == plain


def test_a_renamed_file_is_two_changed_paths(scratch: Scratch) -> None:
    scratch.commit("root")
    scratch.git("mv", *scratch.git("ls-files").split(), "renamed")
    scratch.git("commit", "--quiet", "-m", "rename", GIT_COMMITTER_DATE="1700000001 +0000")
    sha = scratch.git("rev-parse", "HEAD")
    bodies = {body["sha"]: body for body in of("commit.observed", read(scratch.folder, changed_paths=True)[0])}
    assert bodies[sha]["changed_paths"] == 2


def test_grafts_do_not_change_a_commit(scratch: Scratch) -> None:
    scratch.commit("one")
    second = scratch.commit("two")
    plain = read(scratch.folder)[0]
    (scratch.folder / ".git" / "info").mkdir(exist_ok=True)
    (scratch.folder / ".git" / "info" / "grafts").write_text(f"{second}\n")
    assert read(scratch.folder)[0] == plain


def test_replacement_objects_do_not_change_a_commit(scratch: Scratch) -> None:
    first = scratch.commit("one")
    second = scratch.commit("two")
    plain = read(scratch.folder)[0]
    scratch.git("replace", second, first)
    assert read(scratch.folder)[0] == plain


# --------------------------------------------------------------------------------------------------------- odd times


def with_dates(scratch: Scratch, author: str, committer: str) -> str:
    scratch.commit("root")
    people = f"author A <a@x> {author} +0000\ncommitter A <a@x> {committer} +0000"
    odd = scratch.stored(f"tree {scratch.tree()}\n{people}\n\nm\n".encode())
    scratch.git("update-ref", "refs/heads/odd", odd)
    return odd


@pytest.mark.parametrize(
    ("author", "committer", "reason"),
    [
        ("1700000000", "-5", "its committer date cannot be read"),
        ("1700000000", "", "its committer date cannot be read"),
        ("1700000000", "253402300800", "its committer date lies outside 1970 to 9999"),
        ("99999999999999999999", "1700000000", "its author date lies outside 1970 to 9999"),
    ],
)
def test_a_commit_whose_date_is_no_time_is_left_out_and_named(
    scratch: Scratch, author: str, committer: str, reason: str
) -> None:
    odd = with_dates(scratch, author, committer)
    events, cursor = read(scratch.folder)
    assert [body["sha"] for body in of("commit.observed", events)] == [scratch.git("rev-parse", "main")]
    (report,) = of("collector.reported", events)
    assert report["problem"] == f"left out: commit {odd}: {reason}"
    assert read(scratch.folder, cursor, LATER)[0][0]["type"] == "collector.reported"


@pytest.mark.parametrize("seconds", ["0", "2147483648"])
def test_old_and_coming_dates_of_the_calendar_are_kept(scratch: Scratch, seconds: str) -> None:
    odd = with_dates(scratch, seconds, "0")
    bodies = {body["sha"]: body for body in of("commit.observed", read(scratch.folder)[0])}
    assert bodies[odd]["authored_at"] == format_time(int(seconds) * SECOND)


def test_a_commit_dated_after_the_read_is_recorded_when_it_was_seen_and_named(scratch: Scratch) -> None:
    odd = with_dates(scratch, "1700000000", str(NOW // SECOND + 301))
    events, _ = read(scratch.folder)
    assert next(event["occurred_at"] for event in events if event["body"].get("sha") == odd) == format_time(NOW)
    assert odd in of("collector.reported", events)[0]["problem"]


def test_a_commit_dated_a_little_ahead_keeps_its_time(scratch: Scratch) -> None:
    odd = with_dates(scratch, "1700000000", str(NOW // SECOND + 299))
    events, _ = read(scratch.folder)
    at = next(event["occurred_at"] for event in events if event["body"].get("sha") == odd)
    assert at == format_time(NOW + 299 * SECOND)
    assert "problem" not in of("collector.reported", events)[0]


def test_many_problems_are_counted(scratch: Scratch) -> None:
    scratch.commit("root")
    for number in range(60):
        odd = scratch.stored(
            f"tree {scratch.tree()}\nauthor A <a@x> {number}\ncommitter A <a@x> -1 +0000\n\nm".encode()
        )
        scratch.git("update-ref", f"refs/heads/odd{number}", odd)
    (report,) = of("collector.reported", read(scratch.folder)[0])
    assert len(report["problem"].splitlines()) == 51
    assert report["problem"].endswith("\nand 10 more")
