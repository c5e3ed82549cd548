"""`lineage collect git`: a repository, read once or every so many seconds, over HTTP to the running service."""

from pathlib import Path
from typing import Annotated

import typer

from collectors.git import Choices, GitError
from lineage_service.cli.collect.handing import repeat
from lineage_service.cli.collect.repository import Outcome, open_collector
from lineage_service.cli.screen import aside, say
from lineage_service.errors import StoreUnavailableError
from lineage_service.server.opening import read_settings


def git(
    repository: Annotated[Path, typer.Argument(metavar="PATH", help="A repository, bare or not, on this machine.")],
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every commit that branches reach, not only what runs and tags rest on.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Read once and end. This is what happens without --every.")
    ] = False,
    every: Annotated[int | None, typer.Option(min=1, metavar="SECONDS", help="Read again and again.")] = None,
    signatures: Annotated[
        bool,
        typer.Option(
            "--signatures",
            help="Let git check signatures: slow, and it runs the program that the repository's settings name.",
        ),
    ] = False,
    changed_paths: Annotated[
        bool, typer.Option("--changed-paths", help="Count the paths that each commit changed, with a digest of them.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Read from the beginning: what is recorded already is not repeated.")
    ] = False,
    since: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Start from this cursor, not from the one kept here.")
    ] = None,
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="Where cursor and spool are kept.")] = None,
) -> None:
    """Record the commits that runs and tags rest on, and where branches and tags stand.

    The service says which commits runs name; those, the tags, and all they descend from are recorded, and each read
    adds what is new. A commit that nothing rests on is left alone: it is about people and explains no model. A run may
    name a commit before the repository holds it, and the other way round. Force-pushes and deleted branches are
    recorded as what they are; of a shallow clone the gap is reported, and what a later fetch brings is added.
    """
    if once and every is not None:
        raise typer.BadParameter("give --once or --every, and not both", param_hint="--every")
    if again and since is not None:
        raise typer.BadParameter("give --again or --since, and not both", param_hint="--again")
    choices = Choices(everything, signatures, changed_paths, counted=aside().is_terminal)
    collector = open_collector(read_settings(), repository, state, choices)
    claim = collector.spool.claim()
    if claim is None:
        raise StoreUnavailableError(
            f"another collector works with {collector.folder}; it will do what is to be done"
        )
    try:
        collector.begin(since, again=again)
        if every is None:
            _report(collector.read_once(), everything=everything)
            collector.require_delivered()
        else:
            repeat(lambda: _report(collector.read_once(), everything=everything), every, GitError)
    finally:
        claim.release()
        collector.close()


EPILOG = """\b
Examples:
  lineage collect git .                              what runs and tags rest on, once
  lineage collect git /srv/models.git --every 300    a mirror that others fetch into
  lineage collect git . --all                        every commit of every branch
  lineage collect git . --all --again --signatures   once more, with signatures

\b
The token is a source's, given as LINEAGE_TOKEN or LINEAGE_TOKEN_FILE:
  lineage source add git/NAME > git.token
"""


def _report(read: Outcome, *, everything: bool) -> None:
    """Say what a read brought, and what it could not know."""
    brought = read.summary
    say(f"{_number(brought.commits, 'commit')} and {_number(brought.moved, 'movement')} of branches and tags observed.")
    if read.waiting:
        say(f"{_number(read.waiting, 'fact')} wait for delivery.")
    if read.rejected:
        say(f"{_number(read.rejected, 'fact')} were not accepted.")
    if not brought.told:
        say("The service could not be asked which commits runs name: the next read asks again.")
    elif brought.missing:
        say(
            f"Of {_number(brought.named, 'commit')} that runs name, {brought.missing:,} are not in this repository: "
            "they belong to others, or a fetch brings them. Each read looks for them."
        )
    if brought.told and not brought.reaches and not everything:
        say("No run names a commit of this repository yet, and it has no tags. --all records all that branches reach.")


def _number(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
