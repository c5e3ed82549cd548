"""One repository on its way into the service: its cursor, its spool, its delivery.

What was observed lies in a spool on this machine before the cursor moves on, and leaves it for a receipt: an outage or
a crash repeats a little work and loses none. Cursor and spool stand in the data folder unless told otherwise.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from collectors.delivery import Delivery, Request, Spans, Spool
from collectors.delivery.files import replace_durably
from collectors.git import Batch, Choices, Named, Summary, collect
from collectors.git.collect import MAX_BATCH
from lineage_service.cli.collect.handing import rejected, require_delivered, token_of
from lineage_service.cli.screen import aside, plain
from lineage_service.cli.service import credential_of
from lineage_service.client import BadRequestError, ClientError, LineageClient
from lineage_service.errors import InputError
from lineage_service.recorder.recorder import wall_clock
from lineage_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one read brought, how many facts wait for delivery, how many the service would not take."""

    summary: Summary
    waiting: int
    rejected: int


@dataclass(slots=True)
class Collector:
    """One repository with its spool and cursor. ``folder`` holds both."""

    repository: Path
    folder: Path
    spool: Spool
    delivery: Delivery
    client: LineageClient
    choices: Choices
    resting: float = 0.0

    @property
    def _cursor(self) -> Path:
        return self.folder / "cursor.json"

    def begin(self, since: Path | None, *, again: bool) -> None:
        """Take up the cursor of a file that was named, for good, or none."""
        try:
            if again:
                self._cursor.unlink(missing_ok=True)
            elif since is not None:
                replace_durably(self._cursor, since.read_bytes())
        except OSError as error:
            raise InputError(f"the cursor {since or self._cursor} cannot be used ({error})", field="since") from error

    def close(self) -> None:
        """Close the connections."""
        self.delivery.close()
        self.client.close()

    def read_once(self) -> Outcome:
        """Read what is new, spool it, deliver what can be delivered."""
        before = rejected(self.spool)
        summary = Summary()
        since = self._cursor.read_text(encoding="utf-8") if self._cursor.exists() else None
        spans = Spans(self.spool.path, self.delivery.receipts)
        read = collect(self.repository, since or None, wall_clock(), self._named, self.choices, spans.beginning)
        with _shown(read) as batches:
            for batch in batches:
                self.spool.append(batch.events)
                replace_durably(self._cursor, batch.cursor.encode())
                if batch.covered is not None:
                    spans.keep(*batch.covered)
                self._step()
                summary = batch.summary
        while self._step():
            pass
        return Outcome(summary, self.spool.waiting(), rejected(self.spool) - before)

    def _step(self) -> bool:
        """Deliver one batch, and tell whether to go on at once; while the way is barred nothing is tried."""
        if time.monotonic() < self.resting:
            return False
        wait = self.delivery.step().wait
        self.resting = time.monotonic() + (wait or 0.0)
        return wait == 0

    def _named(self, after: int) -> Named | None:
        """Ask the service which commits runs name; None while it cannot be asked."""
        found: set[str] = set()
        try:
            while True:
                part = self.client.commits_of_runs(after)
                found.update(part["commits"])
                after = part["after"]
                if not part["more"]:
                    return Named(found, after)
        except BadRequestError as error:
            raise InputError(
                f"{error} The cursor {self._cursor} was kept for another log; lineage collect git {self.repository} "
                "--again starts afresh"
            ) from error
        except ClientError:
            return None

    def require_delivered(self) -> None:
        """Raise what keeps facts from being delivered, if anything does."""
        require_delivered(self.spool, self.delivery.standing, "git")


def open_collector(settings: Settings, repository: Path, state: Path | None, choices: Choices) -> Collector:
    """Return the collector of a repository; CredentialError without a token."""
    name = sha256(str(repository.resolve()).encode()).hexdigest()[:12]
    folder = state or settings.data_dir / "collect" / f"git-{name}"
    token = token_of(settings, "git")
    spool = Spool(folder / "spool")
    delivery = Delivery(settings.url, token, spool, request=Request(MAX_BATCH))
    return Collector(repository, folder, spool, delivery, LineageClient(settings.url, credential_of(settings)), choices)


@contextmanager
def _shown(batches: Iterator[Batch]) -> Iterator[Iterator[Batch]]:
    """Give the batches of a read, with a bar while somebody watches."""
    console = aside()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=None)

        def watched() -> Iterator[Batch]:
            for batch in batches:
                yield batch
                progress.update(
                    task, description=plain("commits"), completed=batch.summary.commits, total=batch.summary.expected
                )

        yield watched()
