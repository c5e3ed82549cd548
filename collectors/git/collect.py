"""One read of a repository: what is new since the cursor, in batches, with a report of what the read covered.

Rules kept here:

- The cursor comes with the last batch only. A read that stops before starts again where the last whole one ended; facts
  are the same then, and the service knows them again.
- A commit that cannot be translated is left out, named in the report, and stops nothing.
- A shallow clone is a gap and is reported as one. When it is deepened later, everything is read again, because commits
  below the old edge are not new by any ref.
- Commits stream through; refs are held in memory.
"""

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collectors.git.cursor import Cursor
from collectors.git.observe import Repository, commits, is_ancestor, open_repository, present
from collectors.git.program import GitError
from collectors.git.translate import CommitTimeError, branch_event, commit_events, is_ahead, report_event
from graph_schema import times

MAX_BATCH: Final = 100
MAX_NAMED: Final = 50
"""Problems that a report spells out; of the others it gives the number."""

_MAX_REF: Final = 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Wire events to deliver together. ``cursor`` is set on the last batch: keep it when all were delivered."""

    events: list[dict[str, Any]]
    cursor: str | None = None


@dataclass(slots=True)
class _Problems:
    """What a read could not record as it is."""

    lines: list[str] = field(default_factory=list)
    number: int = 0

    def add(self, line: str) -> None:
        self.number += 1
        if len(self.lines) < MAX_NAMED:
            self.lines.append(line)

    def text(self) -> str | None:
        more = self.number - len(self.lines)
        return "\n".join([*self.lines, *([f"and {more} more"] if more else [])]) or None


def collect(
    repository: Path, since: str | None, now: int, *, signatures: bool = False, changed_paths: bool = False
) -> Generator[Batch, None, None]:
    """Give what a repository holds and a cursor does not know, at most ``MAX_BATCH`` events at a time.

    Args:
        repository: a folder of the repository, bare or not.
        since: the cursor of the last whole read, None to read from the beginning.
        now: when this read begins, in microseconds since 1970.
        signatures: let git check signatures (slow; runs the program that the repository's settings name).
        changed_paths: count the changed paths of each commit.

    Raises:
        GitError: if the repository cannot be read, or the cursor is none, or lies in the future.
    """
    opened = open_repository(repository)
    before = _applicable(since, opened, now)
    cursor = Cursor(opened.address, now, opened.refs, opened.head, tuple(opened.edge)).to_text()
    problems = _Problems()
    batch: list[dict[str, Any]] = []
    for event in _events(opened, before, now, problems, signatures=signatures, changed_paths=changed_paths):
        if len(batch) == MAX_BATCH:
            yield Batch(batch)
            batch = []
        batch.append(event)
    if len(batch) == MAX_BATCH:
        yield Batch(batch)
        batch = []
    digest = f"sha256:{hashlib.sha256(cursor.encode()).hexdigest()}"
    report = report_event(now, before.read_at if before else None, digest, problems.text())
    yield Batch([*batch, report], cursor)


def _applicable(since: str | None, opened: Repository, now: int) -> Cursor | None:
    """Return the cursor of this repository; one of another address says nothing about this one."""
    if since is None:
        return None
    cursor = Cursor.from_text(since)
    if cursor.read_at > now:
        raise GitError(
            f"the last read of {opened.folder} is dated {times.format_time(cursor.read_at)}, which is still to come",
            "set the clock right; if the cursor is wrong, remove it and the repository is read from its beginning",
        )
    return cursor if cursor.repository == opened.address else None


def _events(
    opened: Repository, before: Cursor | None, now: int, problems: _Problems, *, signatures: bool, changed_paths: bool
) -> Iterator[dict[str, Any]]:
    if opened.edge:
        problems.add(
            f"gap: the clone is shallow, history before {len(opened.edge)} commits is missing; "
            "git fetch --unshallow completes it"
        )
    known = _known(opened, before)
    for commit in commits(opened, sorted(known), signatures=signatures, changed_paths=changed_paths):
        try:
            events = commit_events(commit, opened.address, now)
        except CommitTimeError as error:
            problems.add(f"left out: {error}")
            continue
        if is_ahead(commit, now):
            problems.add(f"commit {commit.sha} is dated in the future; it is recorded at the time of reading")
        yield from events
    yield from _movements(opened, before, now, problems)


def _known(opened: Repository, before: Cursor | None) -> set[str]:
    """Return the commits below which everything was read before."""
    if before is None or set(before.edge) != set(opened.edge):
        return set()
    return present(opened.folder, {*before.refs.values(), *([before.head] if before.head else [])})


def _movements(opened: Repository, before: Cursor | None, now: int, problems: _Problems) -> Iterator[dict[str, Any]]:
    """Give a sighting for every ref that does not stand where it stood, and for every one that is gone."""
    then = before.refs if before else {}
    held = present(opened.folder, then.values())
    for ref in sorted({*then, *opened.refs}):
        old, new = then.get(ref), opened.refs.get(ref)
        if old == new:
            continue
        if len(ref) > _MAX_REF:
            problems.add(f"left out: a ref whose name has {len(ref)} characters; at most {_MAX_REF} can be recorded")
            continue
        forced = old is not None and new is not None and _is_forced(opened, ref, old if old in held else None, new)
        yield branch_event(opened.address, ref, new, now, not_before=before.read_at if before else None, forced=forced)


def _is_forced(opened: Repository, ref: str, old: str | None, new: str) -> bool:
    """Tell whether a ref left its history: a tag that moves always does; a commit that is gone was in nobody's past.

    At the edge of a shallow clone the past is hidden, and nothing can be said.
    """
    if ref.startswith("refs/tags/"):
        return True
    if old is not None and is_ancestor(opened.folder, old, new):
        return False
    return not opened.edge
