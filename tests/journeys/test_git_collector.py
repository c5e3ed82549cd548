"""`lineage collect git` as people run it: what runs rest on, gaps that close, ends half-way, signatures."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.served import Served, fact, serving, version

LINEAGE = Path(sys.executable).with_name("lineage")
MANY = 12_000
IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Place:
    """A folder with a repository in it, and the service its collector reports to."""

    folder: Path
    served: Served
    environment: dict[str, str]

    def git(self, *arguments: str, given: bytes = b"") -> str:
        command = ["git", "-C", str(self.folder), *IDENTITY, *arguments]
        return subprocess.run(command, check=True, capture_output=True, input=given).stdout.decode().strip()

    def commit(self, message: str) -> str:
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a collection in a process of its own."""
        command = [str(LINEAGE), "collect", "git", str(self.folder), *arguments]
        return subprocess.Popen(
            command, env=self.environment, cwd=self.folder.parent, stderr=subprocess.PIPE, text=True
        )

    def collect(self, *arguments: str) -> str:
        """Collect, require that it went well, and return what was said."""
        process = self.start(*arguments)
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
        return said

    def tell(self, run: str, **commit: Any) -> None:
        """Let the registry's source tell of a run and the version it made."""
        with self.served.client(self.served.source) as source:
            body = {"run": run, "state": "complete", "commit": commit}
            source.record_events(
                [
                    fact("run.observed", "2026-03-01T10:00:00Z", body),
                    fact("model_version.registered", "2026-03-01T11:00:00Z", version(run, run=run)),
                ]
            )

    def records(self) -> int:
        """Return how many records tell of commits, repeats counted."""
        found, after = 0, None
        with self.served.client() as client:
            while True:
                page = client.records(type="commit.observed", limit=1000, after=after)
                found, after = found + len(page["records"]), page["next"]
                if after is None:
                    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "models"
    folder.mkdir()
    with serving(tmp_path / "service") as served:
        with served.client() as admin:
            token = admin.request("POST", "/sources", json={"kind": "git", "instance": "models"})["token"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LINEAGE_")}
        settings = {"LINEAGE_URL": served.url, "LINEAGE_TOKEN": token, "PYTHONWARNINGS": "error", "COLUMNS": "100"}
        made = Place(folder, served, {**inherited, **settings})
        made.git("init", "--quiet", "--initial-branch=main")
        yield made


def gaps(place: Place, node: str) -> set[tuple[str, str]]:
    with place.served.client() as client:
        return {(gap["kind"], gap["subject"]) for gap in client.provenance(node).gaps if gap["kind"] == "not_recorded"}


def test_a_commit_that_a_run_names_is_a_gap_until_its_repository_is_read(place: Place) -> None:
    first, second, private = (place.commit(word) for word in ("first", "second", "nobody's business"))
    place.tell("train-9", sha=second, branch="main", dirty=True)
    place.tell("other-1", sha="e" * 40)
    assert gaps(place, "model_version:credit/train-9") == {("not_recorded", f"commit:{second}")}
    said = place.collect()
    assert "2 commits and 1 movement of branches and tags observed." in said
    assert "Of 2 commits that runs name, 1 are not in this repository" in " ".join(said.split())
    with place.served.client() as client:
        answer = client.provenance("model_version:credit/train-9")
        nodes = answer.value["nodes"]
        assert nodes["run:train-9"]["properties"]["commit"] == {"sha": second, "branch": "main", "dirty": True}
        assert nodes[f"commit:{second}"]["properties"]["sha"] == second
        assert client.node(f"commit:{first}")["properties"]["sha"] == first
        assert client.node(f"commit:{private}")["properties"] == {}  # where the branch stands, and no word about people
    assert gaps(place, "model_version:credit/train-9") == set()
    assert gaps(place, "model_version:credit/other-1") == {("not_recorded", f"commit:{'e' * 40}")}


def test_a_repository_of_which_no_run_speaks_says_what_to_do(place: Place) -> None:
    place.commit("first")
    assert "No run names a commit of this repository yet" in place.collect()
    assert place.records() == 0
    place.collect("--all")
    assert place.records() == 1


def history(commits: int) -> bytes:
    who = "A <a@example.org> {} +0000"
    parts = (
        f"commit refs/heads/main\nmark :{n}\nauthor {who.format(10**9 + n)}\ncommitter {who.format(10**9 + n)}\n"
        f"data 1\nm{f'{chr(10)}from :{n - 1}' if n > 1 else ''}\n\n"
        for n in range(1, commits + 1)
    )
    return "".join(parts).encode()


def killed_half_way(place: Place, number: int) -> tuple[int, str]:
    """Begin to collect many commits, end the process by a signal once some are recorded, and return code and words."""
    place.git("fast-import", "--quiet", given=history(MANY))
    # Where the tests run in the background, SIGINT is ignored, and a child would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = place.start("--all")
    deadline = time.monotonic() + 60
    while place.served.installation.heads.size < 2000:
        assert process.poll() is None, "it was done before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    return process.returncode, said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_read_that_is_ended_half_way_goes_on_where_it_was_and_repeats_nothing(
    place: Place, number: int, code: int
) -> None:
    ended, said = killed_half_way(place, number)
    assert (ended, "Traceback" in said) == (code, False)
    before = place.records()
    assert 0 < before < MANY
    told = place.collect("--all")
    rest = int(told.split(" commits")[0].replace(",", ""))
    assert rest < MANY - 1000
    assert place.records() == MANY


def test_signatures_are_checked_when_asked_by_the_keys_of_whoever_collects(place: Place) -> None:
    key, allowed = place.folder.parent / "key", place.folder.parent / "allowed"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed.write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
    for name, value in {"gpg.format": "ssh", "user.signingKey": str(key)}.items():
        place.git("config", name, value)
    place.git("commit", "--quiet", "--allow-empty", "-S", "-m", "signed")
    sha = place.git("rev-parse", "HEAD")
    process = place.start("--all", "--signatures")
    assert "allowedSignersFile" in process.communicate(timeout=60)[1]
    assert process.returncode == 65
    place.git("config", "gpg.ssh.allowedSignersFile", str(allowed))
    place.collect("--all")
    with place.served.client() as client:
        assert "signature" not in client.node(f"commit:{sha}")["properties"], "nobody could judge it"
        assert "0 commits and 0 movements" in place.collect("--all", "--signatures", "--changed-paths")
        assert "1 commit and 1 movement" in place.collect("--all", "--again", "--signatures", "--changed-paths")
        found = client.node(f"commit:{sha}")["properties"]
    assert (found["signature"], found["changed_paths"]) == ("good", 0)
