"""One read of a repository: what is new since the cursor, in batches, with a report of what the read covered.

Rules kept here:

- Commits come parents first, and every batch brings a cursor: a read that is stopped goes on where its last kept batch
  ended. Only the cursor of the last batch moves the time of the read, the refs, and the place in the list of names.
- A commit that cannot be translated is left out, named in the report, and stops nothing.
- A shallow clone is a gap and is reported as one. When it is deepened later, what appears below the old edge is read.
- A commit whose descendants were recorded and then removed from the repository may be given again: facts are the same
  then, and the service knows them again.
- The report of a read speaks of all reads since the first that joins. A first read covers nothing yet: it says how
  things stand, not since when it would have seen them change.
- Commits stream through; refs are held in memory.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collectors.git.cursor import Cursor
from collectors.git.movements import MAX_REF, movements, too_long
from collectors.git.observe import Commit, Looks, Repository, commits, count, open_repository
from collectors.git.program import GitError
from collectors.git.reach import Ask, Frontier, Named, Reach, reach_of
from collectors.git.translate import CommitTimeError, commit_events, is_ahead, report_event
from graph_schema import times

MAX_BATCH: Final = 1000
"""Facts in a batch: what the service takes at once."""

MAX_NAMED: Final = 50
"""Problems that a report spells out; of the others it gives the number."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a read looks at: all refs or only what runs and tags name; signatures, changed paths; how many there are.

    Signatures are checked by the program that the repository's settings name. ``counted`` walks the history once more.
    """

    everything: bool = False
    signatures: bool = False
    changed_paths: bool = False
    counted: bool = False
    batch: int = MAX_BATCH


@dataclass(slots=True)
class Summary:
    """What a read brought so far: commits (and how many there are, if counted), refs that moved, names that runs gave.

    ``told`` is False when the service could not be asked for names; ``missing`` counts the names not found here;
    ``reaches`` is False when nothing that counts leads to any commit of this repository.
    """

    commits: int = 0
    expected: int | None = None
    moved: int = 0
    named: int = 0
    missing: int = 0
    told: bool = True
    reaches: bool = True


@dataclass(frozen=True, slots=True)
class Batch:
    """Wire events to deliver together, and the cursor to keep once they are on disk.

    ``covered`` (microseconds) is what the report of the batch that ends the read says, None before.
    """

    events: list[dict[str, Any]]
    cursor: str
    summary: Summary
    covered: tuple[int, int] | None = None

    @property
    def last(self) -> bool:
        """Whether the read ends with it."""
        return self.covered is not None


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


@dataclass(slots=True)
class _Read:
    """One read on its way."""

    opened: Repository
    before: Cursor | None
    now: int
    choices: Choices
    reach: Reach
    frontier: Frontier
    summary: Summary
    beginning: Callable[[int], int]
    problems: _Problems = field(default_factory=_Problems)

    def batches(self) -> Generator[Batch, None, None]:
        held: list[dict[str, Any]] = []
        for events in self._commits():
            if len(held) + len(events) > self.choices.batch:
                yield Batch(held, self._on_the_way(), dataclasses.replace(self.summary))
                held = []
            held += events
            self.summary.commits += bool(events)
        for event in movements(self.opened, self.before, self.now):
            if len(held) == self.choices.batch:
                yield Batch(held, self._on_the_way(), dataclasses.replace(self.summary))
                held = []
            held.append(event)
            self.summary.moved += 1
        if len(held) == self.choices.batch:
            yield Batch(held, self._on_the_way(), dataclasses.replace(self.summary))
            held = []
        cursor, read_before = self._at_the_end(), self.before.read_at if self.before else None
        begun = self.now if read_before is None else self.beginning(read_before)
        yield Batch([*held, self._report(begun, cursor)], cursor, self.summary, covered=(begun, self.now))

    def _commits(self) -> Iterator[list[dict[str, Any]]]:
        """Give the facts of each commit: first what came to light below an old edge, then what is new."""
        looks = Looks(signatures=self.choices.signatures, changed_paths=self.choices.changed_paths)
        for commit in commits(self.opened, self.reach.uncovered, (), looks):
            yield self._facts(commit)
        for commit in commits(self.opened, self.reach.wanted, self.reach.known, looks):
            facts = self._facts(commit)
            yield facts
            self.frontier.add(commit)

    def _facts(self, commit: Commit) -> list[dict[str, Any]]:
        try:
            events = commit_events(commit, self.opened.address, self.now)
        except CommitTimeError as error:
            self.problems.add(f"left out: {error}")
            return []
        if is_ahead(commit, self.now):
            self.problems.add(f"commit {commit.sha} is dated in the future; it is recorded at the time of reading")
        return events

    def _on_the_way(self) -> str:
        """Return the cursor of the read before, with the commits recorded since."""
        begun = self.before or Cursor(self.opened.address, None, {}, edge=tuple(self.opened.edge))
        return dataclasses.replace(begun, roots=tuple(self.frontier.roots)).to_text()

    def _at_the_end(self) -> str:
        return Cursor(
            self.opened.address, self.now, self.opened.refs, tuple(self.frontier.roots), tuple(self.opened.edge),
            self.reach.asked, tuple(self.reach.missing),
        ).to_text()  # fmt: skip

    def _report(self, begun: int, cursor: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(cursor.encode()).hexdigest()}"
        return report_event(begun, self.now, digest, self.problems.text())

    def note_gaps(self) -> None:
        """Note what is missing from the beginning."""
        if self.opened.edge:
            self.problems.add(
                f"gap: the clone is shallow, history before {len(self.opened.edge)} commits is missing; "
                "git fetch --unshallow completes it"
            )
        if not self.reach.told and not self.choices.everything:
            self.problems.add("gap: the service could not be asked which commits runs name; the next read asks again")
        for name, sha in sorted(self.reach.short.items()):
            self.problems.add(f"runs name the commit {name}, which is short for {sha} here; that one is recorded")
        for ref in too_long(self.opened, self.before):
            self.problems.add(
                f"left out: a ref whose name has {len(ref)} characters; at most {MAX_REF} can be recorded"
            )


def _alone(read_before: int) -> int:
    """Stand for reports that each speak of the time since the read before."""
    return read_before


def collect(
    repository: Path,
    since: str | None,
    now: int,
    ask: Ask,
    choices: Choices = Choices(),
    beginning: Callable[[int], int] = _alone,
) -> Generator[Batch, None, None]:
    """Give what a repository holds and a cursor does not know, at most ``choices.batch`` events at a time.

    Args:
        repository: a folder of the repository, bare or not.
        since: the cursor kept last, None to read from the beginning.
        now: when this read begins, in microseconds since 1970.
        ask: how to learn which commits runs name.
        choices: what is read.
        beginning: gives where the reads began that join the one which ended at an instant (``Spans.beginning``).

    Raises:
        GitError: if the repository cannot be read, or the cursor is none, or lies in the future.
    """
    opened = open_repository(repository)
    before = _applicable(since, opened, now)
    reach = reach_of(opened, before, ask, everything=choices.everything)
    summary = Summary(
        named=reach.named, missing=len(reach.missing), told=reach.told,
        reaches=bool(reach.wanted or reach.known),
        expected=_expected(opened, reach) if choices.counted else None,
    )  # fmt: skip
    read = _Read(opened, before, now, choices, reach, Frontier(set(reach.known)), summary, beginning)
    read.note_gaps()
    yield from read.batches()


def nobody_named(_after: int) -> Named | None:
    """Stand for a service that knows of no run: to read tags alone, or everything."""
    return Named((), 0)


def _expected(opened: Repository, reach: Reach) -> int:
    return count(opened, reach.uncovered, ()) + count(opened, reach.wanted, reach.known)


def _applicable(since: str | None, opened: Repository, now: int) -> Cursor | None:
    """Return the cursor of this repository; one of another address says nothing about this one."""
    if since is None:
        return None
    cursor = Cursor.from_text(since)
    if cursor.read_at is not None and cursor.read_at > now:
        raise GitError(
            f"the last read of {opened.folder} is dated {times.format_time(cursor.read_at)}, which is still to come",
            "set the clock right; if the cursor is wrong, remove it and the repository is read from its beginning",
        )
    return cursor if cursor.repository == opened.address else None
