import json
import subprocess
from pathlib import Path

import pytest

from tests.served import Served, free_port
from tests.service import run_event
from tests.unit.cli.conftest import Command


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    git(folder, "init", "--initial-branch=main")
    git(folder, "remote", "add", "origin", f"https://git.example.org/{tmp_path.name}.git")
    git(folder, "commit", "--allow-empty", "-m", "first")
    return folder


@pytest.fixture
def collector(lineage: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run commands with the token of a git source."""
    monkeypatch.setenv("LINEAGE_TOKEN", lineage("source", "add", "git/models").out.strip())
    return lineage


def commits(served: Served) -> int:
    with served.client() as client:
        return len(client.records(type="commit.observed", limit=1000)["records"])


def test_each_read_records_what_is_new_and_repeats_nothing(
    collector: Command, served: Served, repository: Path
) -> None:
    before = commits(served)
    first = collector("collect", "git", "--all", str(repository), "--once")
    assert first.code == 0, first.err
    assert commits(served) == before + 1
    sha = git(repository, "rev-parse", "HEAD")
    with served.client() as client:
        assert client.node(f"commit:{sha}")["kind"] == "commit"
    collector("collect", "git", "--all", str(repository))
    assert commits(served) == before + 1
    git(repository, "commit", "--allow-empty", "-m", "second")
    assert collector("collect", "git", "--all", str(repository)).code == 0
    assert commits(served) == before + 2


def test_the_report_of_a_read_speaks_of_all_reads_that_join_it(
    collector: Command, served: Served, repository: Path
) -> None:
    with served.client() as client:
        before = len(client.records(type="collector.reported", limit=1000)["records"])
    for _ in range(3):
        assert collector("collect", "git", "--all", str(repository)).code == 0
    assert collector("collect", "git", "--all", str(repository), "--again").code == 0
    with served.client() as client:
        records = client.records(type="collector.reported", limit=1000)["records"][before:]
    spans = [(one["record"]["body"]["covered_from"], one["record"]["body"]["covered_to"]) for one in records]
    (begun, _), second, third, again = spans
    assert second[0] == third[0] == begun
    assert third[1] < again[0] == again[1]


def test_what_cannot_be_delivered_waits_and_is_sent_by_the_next_run(
    collector: Command, served: Served, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = commits(served)
    monkeypatch.setenv("LINEAGE_URL", f"http://127.0.0.1:{free_port()}")
    down = collector("collect", "git", "--all", str(repository))
    assert down.code == 69
    assert "wait in" in down.err
    monkeypatch.setenv("LINEAGE_URL", served.url)
    assert collector("collect", "git", "--all", str(repository)).code == 0
    assert commits(served) == before + 1


def test_a_token_of_another_source_is_said_to_be_the_wrong_one(
    collector: Command, served: Served, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", served.source)
    ended = collector("collect", "git", "--all", str(repository))
    assert ended.code == 77
    assert "lineage source add git/NAME" in ended.err


def test_a_named_cursor_takes_the_place_of_the_one_kept(
    collector: Command, served: Served, repository: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    assert collector("collect", "git", "--all", str(repository), "--state", str(state)).code == 0
    kept = (state / "cursor.json").read_bytes()
    (tmp_path / "old.json").write_bytes(kept)
    git(repository, "commit", "--allow-empty", "-m", "second")
    assert collector("collect", "git", "--all", str(repository), "--state", str(state)).code == 0
    older = ["--since", str(tmp_path / "old.json")]
    ended = collector("collect", "git", "--all", str(repository), "--state", str(state), *older)
    assert ended.code == 0, ended.err
    assert "1 commit and 1 movement" in ended.err  # the second commit and the branch, seen once more


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nowhere",), 65, "not a folder"),
        (("models", "--once", "--every", "5"), 64, "not both"),
        (("models", "--since", "nothing.json"), 65, "nothing.json"),
    ],
)
def test_a_read_that_cannot_begin_says_why(
    collector: Command, repository: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = collector("collect", "git", *arguments)
    assert ended.code == code
    assert said in ended.err


def test_events_of_a_file_are_recorded_and_those_refused_are_named_by_their_line(
    lineage: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", lineage("source", "add", "openlineage/airflow").out.strip())
    lines = [run_event(), {"eventType": "COMPLETE"}, run_event("11111111-b358-4d32-83d4-df660ff614dd")]
    (tmp_path / "events.ndjson").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    ended = lineage("collect", "openlineage", "events.ndjson")
    assert ended.code == 65
    told = json.loads(ended.out)
    assert told["summary"] == {"received": 3, "successful": 2, "failed": 1}
    assert [one["line"] for one in told["failed_events"]] == [2]


def test_a_torn_file_is_recorded_but_for_the_torn_line_which_is_named_and_kept(
    lineage: Command, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", lineage("source", "add", "openlineage/torn").out.strip())
    runs = [f"{number:08d}-b358-4d32-83d4-df660ff614dd" for number in (1, 2, 3)]
    whole = [json.dumps(run_event(run, huge="x" * 200_000)) for run in runs]
    torn = whole[0][:-100_000]
    (tmp_path / "events.ndjson").write_text(f"{whole[0]}\n{torn}\n\n{whole[1]}\n{whole[2]}\n{torn}")
    ended = lineage("collect", "openlineage", "events.ndjson")
    assert ended.code == 65
    told = json.loads(ended.out)
    assert told["summary"] == {"received": 5, "successful": 3, "failed": 2}
    assert [one["line"] for one in told["failed_events"]] == [2, 6]
    with served.client() as client:
        kept = client.records(type="payload.quarantined", limit=1000)["records"]
        assert [one["record"]["body"]["length"] for one in kept[-2:]] == [len(torn)] * 2
        assert {client.node(f"run:{run}")["kind"] for run in runs} == {"run"}


def test_a_file_larger_than_a_request_is_sent_in_several(
    lineage: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", lineage("source", "add", "openlineage/large").out.strip())
    runs = [f"{number:08d}-b358-4d32-83d4-df660ff614dd" for number in range(5)]
    lines = [json.dumps(run_event(run, huge="x" * 2_500_000)) for run in runs]
    (tmp_path / "events.ndjson").write_text("\n".join([*lines, json.dumps(run_event(huge="x" * 9_000_000))]))
    ended = lineage("collect", "openlineage", "events.ndjson")
    assert ended.code == 65
    told = json.loads(ended.out)
    assert told["summary"] == {"received": 6, "successful": 5, "failed": 1}
    assert told["failed_events"][0]["line"] == 6
    assert "bytes" in told["failed_events"][0]["reason"]
