"""Real repositories for tests, made by git itself with fixed people and dates."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.git import Ask, Batch, Choices, Named, collect
from graph_schema.events import parse_event
from graph_schema.times import parse_time

NOW = parse_time("2026-11-22T12:00:00Z")
LATER = parse_time("2026-11-22T13:00:00Z")
SECOND = 1_000_000

Json = dict[str, Any]

_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Grace",
    "GIT_COMMITTER_EMAIL": "grace@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Scratch:
    """A repository in a temporary folder."""

    folder: Path

    def git(self, *arguments: str, given: bytes = b"", **environment: str) -> str:
        """Run git in the repository and give what it printed, without the last line end."""
        ended = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            input=given, capture_output=True, check=True, env=os.environ | _ENVIRONMENT | environment,
        )  # fmt: skip
        return ended.stdout.decode().removesuffix("\n")

    def commit(self, message: str = "work", at: str = "1700000000 +0100", **environment: str) -> str:
        """Commit a new file and give the commit's hash."""
        (self.folder / f"file-{sha256(message)[7:15]}").write_text(message)
        self.git("add", "--all")
        environment = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at} | environment
        self.git("commit", "--quiet", "--allow-empty-message", "-m", message, given=b"", **environment)
        return self.git("rev-parse", "HEAD")

    def stored(self, text: bytes) -> str:
        """Store a commit object as it is, sound or not, and give its hash."""
        return self.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", given=text)

    def tree(self) -> str:
        """Give the tree of what is checked out."""
        return self.git("rev-parse", "HEAD^{tree}")


def new_repository(folder: Path) -> Scratch:
    """Make an empty repository with the branch main."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Scratch(folder)
    made.git("init", "--quiet", "--initial-branch=main")
    return made


def runs_name(*shas: str, after: int = 0) -> Ask:
    """Give a service whose runs name these commits, whatever was asked before."""
    return lambda _after: Named(frozenset(shas), after)


def read(folder: Path, since: str | None = None, now: int = NOW, **choices: bool) -> tuple[list[Json], str]:
    """Read all of a repository; give the events, which the language accepts, and the cursor."""
    return read_named(folder, runs_name(), since, now, everything=True, **choices)


def read_named(
    folder: Path, ask: Ask, since: str | None = None, now: int = NOW, **choices: bool
) -> tuple[list[Json], str]:
    """Read what runs and tags rest on; give the events, which the language accepts, and the cursor."""
    batches: list[Batch] = list(collect(folder, since, now, ask, Choices(**choices)))
    assert [batch.last for batch in batches] == [False] * (len(batches) - 1) + [True]
    events = [event for batch in batches for event in batch.events]
    for event in events:
        parse_event(event)
    return events, batches[-1].cursor


def sha256(data: str | bytes) -> str:
    """Give a digest as it stands in facts."""
    return f"sha256:{hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()}"


def of(kind: str, events: list[Json]) -> list[Json]:
    """Give the bodies of the events of one type."""
    return [event["body"] for event in events if event["type"] == kind]


def moved(events: list[Json]) -> list[tuple[str, str | None, bool]]:
    """Give (ref, commit, forced) of every branch and tag that moved."""
    return [(body["ref"], body.get("sha"), body.get("forced", False)) for body in of("branch.moved", events)]
