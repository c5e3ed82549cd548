"""`lineage collect …`: observers, run once or every so many seconds, over HTTP to the running service.

What was observed lies in a spool on this machine before the cursor moves on, and leaves it for a receipt: an outage or
a crash repeats work and loses none. Cursor and spool of a repository stand in the data folder unless told otherwise.
"""

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from collectors.delivery import Delivery, Spool, Standing, Token
from collectors.delivery.files import replace_durably
from collectors.git import GitError
from collectors.git import collect as read_repository
from lineage_service.cli import collect_mlflow
from lineage_service.cli.exits import Exit
from lineage_service.cli.screen import busy, emit_json, plain, say
from lineage_service.cli.service import connected
from lineage_service.client import CredentialError
from lineage_service.errors import InputError, NotAllowedError, StoreUnavailableError
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.opening import read_settings
from lineage_service.settings import Settings

_collecting = typer.Typer(
    name="collect", help="Observe a system and record what changed.", no_args_is_help=True, rich_markup_mode=None
)

_BATCH: Final = 100


@_collecting.command(epilog="Example: lineage collect git /srv/models.git --every 300")
def git(
    repository: Annotated[Path, typer.Argument(metavar="PATH", help="A repository, bare or not, on this machine.")],
    once: Annotated[
        bool, typer.Option("--once", help="Read once and end. This is what happens without --every.")
    ] = False,
    every: Annotated[int | None, typer.Option(min=1, metavar="SECONDS", help="Read again and again.")] = None,
    since: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Start from this cursor, not from the one kept here.")
    ] = None,
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="Where cursor and spool are kept.")] = None,
) -> None:
    """Record the commits, branches and tags of a repository that are new since the last read."""
    if once and every is not None:
        raise typer.BadParameter("give --once or --every, and not both", param_hint="--every")
    settings = read_settings()
    folder = state or _state_folder(settings, repository)
    collector = _open_git(settings, repository, folder)
    claim = collector.spool.claim()
    if claim is None:
        raise StoreUnavailableError(f"another collector works with {folder}; it will do what is to be done")
    try:
        collector.begin(since)
        if every is None:
            _report(busy(f"reading {repository}", collector.read_once))
            collector.require_delivered()
        else:
            _repeat(collector, every)
    finally:
        claim.release()
        collector.delivery.close()


@dataclass(slots=True)
class _Read:
    """What one read brought."""

    observed: int
    waiting: int
    rejected: int


@dataclass(slots=True)
class _GitCollector:
    """One repository with its spool and cursor."""

    repository: Path
    folder: Path
    spool: Spool
    delivery: Delivery

    @property
    def _cursor(self) -> Path:
        return self.folder / "cursor.json"

    def begin(self, since: Path | None) -> None:
        """Take up the cursor of a file that was named, for good."""
        if since is not None:
            try:
                replace_durably(self._cursor, since.read_bytes())
            except OSError as error:
                raise InputError(f"the cursor {since} cannot be read ({error})", field="since") from error

    def read_once(self) -> _Read:
        """Read what is new, spool it, deliver what can be delivered."""
        rejected = self._rejected()
        observed = 0
        since = self._cursor.read_text(encoding="utf-8") if self._cursor.exists() else None
        for batch in read_repository(self.repository, since or None, wall_clock()):
            self.spool.append(batch.events)
            observed += len(batch.events)
            if batch.cursor is not None:
                replace_durably(self._cursor, batch.cursor.encode())
            self.delivery.step()
        self._drain()
        return _Read(observed, self.spool.waiting(), self._rejected() - rejected)

    def _drain(self) -> None:
        """Deliver until nothing waits or the way is barred."""
        while (wait := self.delivery.step().wait) is not None:
            if wait > 0:
                return

    def _rejected(self) -> int:
        path = self.spool.path / "rejected.ndjson"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def require_delivered(self) -> None:
        """Raise what keeps facts from being delivered, if anything does."""
        waiting = self.spool.waiting()
        if waiting and self.delivery.standing is Standing.NOT_ALLOWED:
            raise NotAllowedError(
                f"the service does not accept this token for the facts of git; {waiting} facts wait in "
                f"{self.spool.path}. A source's token is needed: lineage source add git/NAME",
                rule="token",
            )
        if waiting:
            raise StoreUnavailableError(
                f"{self.delivery.standing.value}; {waiting} facts wait in {self.spool.path}, the next run sends them"
            )
        if self._rejected():
            raise InputError(f"the service could not accept some facts; they are in {self.spool.path}/rejected.ndjson")


def _state_folder(settings: Settings, repository: Path) -> Path:
    name = sha256(str(repository.resolve()).encode()).hexdigest()[:12]
    return settings.data_dir / "collect" / f"git-{name}"


def _open_git(settings: Settings, repository: Path, folder: Path) -> _GitCollector:
    spool = Spool(folder / "spool")
    return _GitCollector(repository, folder, spool, Delivery(settings.url, _token_of(settings), spool))


def _token_of(settings: Settings) -> Token:
    text = None if settings.token is None else settings.token.get_secret_value()
    if not text and settings.token_file is None:
        raise CredentialError("there is no token to send facts with; `lineage source add git/NAME` prints one")
    return Token(text or None, settings.token_file)


def _repeat(collector: _GitCollector, seconds: int) -> None:
    """Read every so many seconds until told to stop; what fails is said, and tried again.

    A signal ends the wait, never a read or a delivery half-way: the second one does that.
    """
    told = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _frame: object) -> None:
        told.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, stop)
    while not told.is_set():
        try:
            _report(collector.read_once())
        except GitError as error:
            say(plain(f"{error}; tried again in {seconds} s"))
        told.wait(seconds)
    say("Stopped. What waits in the spool is sent by the next run.")


def _report(read: _Read) -> None:
    waits = f", {read.waiting} wait for delivery" if read.waiting else ""
    refused = f", {read.rejected} were not accepted" if read.rejected else ""
    say(f"{read.observed} facts observed{waits}{refused}.")


@_collecting.command(epilog="Example: lineage collect openlineage events.ndjson")
def openlineage(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One OpenLineage event a line, as the file transport writes.")
    ],
) -> None:
    """Record the OpenLineage events of a file. A repeat records nothing twice."""
    totals = {"received": 0, "successful": 0, "failed": 0}
    failed: list[dict[str, Any]] = []
    with connected() as client:
        for first, batch in _batches(file):
            answer = client.request("POST", "/lineage/batch", json=batch)
            for name in totals:
                totals[name] += answer["summary"][name]
            failed += [{**one, "line": first + one["index"]} for one in answer["failed_events"]]
    emit_json({"summary": totals, "failed_events": failed})
    if failed:
        say(f"{len(failed)} events were not accepted; the service kept them in quarantine, with the reason.")
        raise typer.Exit(Exit.BAD_INPUT)


def _batches(file: Path) -> Iterator[tuple[int, list[Any]]]:
    """Give the number of the first line and the events of each batch."""
    first, batch = 1, []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                batch.append(orjson.loads(line))
                if len(batch) == _BATCH:
                    yield first, batch
                    first, batch = number + 1, []
    except orjson.JSONDecodeError as error:
        raise InputError(f"line {first + len(batch)} of {file} is no JSON: {error}", field="FILE") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error}", field="FILE") from error
    if batch:
        yield first, batch


def add_to(app: typer.Typer) -> None:
    """Add this family of verbs."""
    collect_mlflow.add_to(_collecting)
    app.add_typer(_collecting)
