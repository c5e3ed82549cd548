"""`lineage collect mlflow`: what an MLflow server holds, from outside: once, or again and again.

For what was there before the plugin, and for servers that take no plugin. What was read lies in a spool on this machine
before it is remembered as seen, and leaves it for a receipt; a crash or an outage repeats work and loses none.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from collectors.delivery import Delivery, Request, Spans, Spool, Standing, Token
from collectors.mlflow.connection import Access, MlflowUnavailableError, Server
from collectors.mlflow.existing import Existing
from collectors.mlflow.hand_over import IN_BULK, SWITCH_SECONDS, HandOver
from collectors.mlflow.memory import Memory
from collectors.mlflow.reading import Count, Reading, Wanted
from graph_schema import times
from lineage_service.cli.collect.handing import rejected, repeat, require_delivered, token_of
from lineage_service.cli.screen import aside, plain, say
from lineage_service.errors import InputError, StoreUnavailableError
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.opening import read_settings
from lineage_service.settings import Settings

_SHOWN: Final = 5
_HELP: Final = """Record what an MLflow server holds: models, versions, stages, aliases, tags, runs, logged models.

Nobody is named: a server does not say who did it. The first read is an import: answers say that what only it saw is
known since then. Later reads say what changed, between which two reads. Beside the plugin, both see one movement.

The server is entered as by MLflow's own client: MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME and _PASSWORD, or
MLFLOW_TRACKING_TOKEN, MLFLOW_WORKSPACE; its user must be allowed to read everything. Facts are sent with the token of a
source of its own, also where the plugin runs: lineage source add mlflow-poll/NAME. The registry's name in keys is that
of the plugin: LINEAGE_MLFLOW_REGISTRY, by default mlflow. MLflow 2.9 or newer.

If nothing is to be read after an import, end its source: lineage source retire mlflow-poll/NAME. Else answers about
later times wait for its next report, and are never complete."""


def add_to(collecting: typer.Typer) -> None:
    """Add the verb to the family."""
    example = "Example: lineage collect mlflow https://mlflow.example.org --once"
    collecting.command("mlflow", help=_HELP, epilog=example)(mlflow)


def mlflow(
    url: Annotated[str | None, typer.Argument(metavar="[URL]", help="The server; else MLFLOW_TRACKING_URI.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Read once and end. This is what happens without --every.")
    ] = False,
    every: Annotated[
        int | None,
        typer.Option(min=1, metavar="SECONDS", help="Read again and again; runs that ended long ago once a day."),
    ] = None,
    registry: Annotated[
        str | None, typer.Option(metavar="NAME", help="The registry's name in keys; else LINEAGE_MLFLOW_REGISTRY.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Leave out runs and logged models begun before.")
    ] = None,
    experiments: Annotated[
        list[str] | None, typer.Option("--experiment", metavar="NAME", help="Only runs of this one; may be repeated.")
    ] = None,
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="Where spool and what was seen are kept.")] = None,
) -> None:
    """Read the server; see the help of the verb."""
    if once and every is not None:
        raise typer.BadParameter("give --once or --every, and not both", param_hint="--every")
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = read_settings()
    wanted = Wanted(experiments or None, _instant(since), thorough=every is None)
    with _opened(settings, url, registry or os.environ.get("LINEAGE_MLFLOW_REGISTRY") or "mlflow", state) as collector:
        if every is None:
            _report(collector.read_once(wanted), collector)
            collector.require_delivered()
        else:
            repeat(lambda: _report(collector.read_once(wanted), collector), every, MlflowUnavailableError)


def _instant(text: str | None) -> int | None:
    try:
        return None if text is None else times.parse_instant(text, "UTC")
    except times.TimeError as error:
        raise InputError(f"--since: {error}", field="since") from error


@dataclass(slots=True)
class _Collector:
    """One server and registry, with its spool and what was seen."""

    server: Server
    registry: str
    memory: Memory
    spool: Spool
    settings: Settings
    token: Token
    standing: Standing = Standing.DELIVERING

    def read_once(self, wanted: Wanted) -> tuple[Count, float]:
        """Read, spool, and deliver what can be delivered; return what was met, and the seconds it took."""
        began = time.monotonic()
        version = self.server.require_supported()
        delivery = Delivery(self.settings.url, self.token, self.spool, request=self._request())
        hand_over = HandOver(self.spool, delivery)
        try:
            with _progress(f"MLflow {version}") as progress:
                count = self._reading(wanted, hand_over, Spans(self.spool.path, delivery.receipts), progress).read()
        finally:
            try:
                hand_over.finish()
            finally:
                delivery.close()
                self.standing = delivery.standing
        return count, time.monotonic() - began

    def _request(self) -> Request:
        """An import is handed over in bulk; later reads wait for the signed head, which names the log they go to."""
        return IN_BULK if self.memory.about("moment") is None else Request(IN_BULK.facts)

    def _reading(
        self, wanted: Wanted, hand_over: HandOver, spans: Spans, progress: Callable[[Count], None]
    ) -> Reading:
        return Reading(
            Existing(self.server),
            self.memory,
            self.registry,
            hand_over.append,
            wall_clock,
            time.sleep,
            wanted,
            progress,
            spans,
        )

    def require_delivered(self) -> None:
        """Raise what keeps facts from being delivered, if anything does."""
        require_delivered(self.spool, self.standing, "mlflow-poll")


@contextmanager
def _opened(settings: Settings, url: str | None, registry: str, state: Path | None) -> Iterator[_Collector]:
    """Open the server, the spool and what was seen, as the one collector that works with them."""
    access = Access.from_env(url, os.environ, Path.home())
    name = f"{registry}/{access.workspace}" if access.workspace else registry
    subject = f"{access.url} as {name}"
    folder = state or settings.data_dir / "collect" / f"mlflow-{sha256(subject.encode()).hexdigest()[:12]}"
    with ExitStack() as closing:
        spool = Spool(folder / "spool")
        claim = spool.claim()
        if claim is None:
            raise StoreUnavailableError(f"another collector works with {folder}; it will do what is to be done")
        closing.callback(claim.release)
        memory = Memory(folder / "seen.db", subject)
        closing.callback(memory.close)
        server = Server(access)
        closing.callback(server.close)
        yield _Collector(server, name, memory, spool, settings, token_of(settings, "mlflow-poll"))


@contextmanager
def _progress(task: str) -> Iterator[Callable[[Count], None]]:
    """Show on a terminal what was met so far and how fast; show nothing anywhere else."""
    console = aside()
    if not console.is_terminal:
        yield lambda _count: None
        return
    began = time.monotonic()
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as bar:
        shown = bar.add_task(f"reading {task}")

        def tell(count: Count) -> None:
            rate = count.facts / max(time.monotonic() - began, 0.001)
            left = count.seconds_left(time.monotonic() - began)
            ends = "" if left is None else f", about {left:.0f} s left"
            bar.update(shown, description=f"{_met(count)}; {count.facts:,} facts, {rate:,.0f} a second{ends}")

        yield tell


def _met(count: Count) -> str:
    return ", ".join(f"{number:,} {kind}" for kind, number in count.met.items() if number) or "nothing"


def _report(done: tuple[Count, float], collector: _Collector) -> None:
    count, seconds = done
    since = "" if count.first else " since the last read"
    say(f"Read {_met(count)} in {seconds:.1f} s: {count.facts:,} facts{since or ' imported'}.")
    waiting, refused = collector.spool.waiting(), rejected(collector.spool)
    if waiting:
        say(f"{waiting:,} facts wait for delivery in {collector.spool.path}.")
    if refused:
        say(f"{refused:,} facts were not accepted so far; they are in {collector.spool.path}/rejected.ndjson.")
    for problem in count.problems[:_SHOWN]:
        say(plain(f"Left out: {problem}."))
    if len(count.problems) > _SHOWN:
        say(f"Left out: {len(count.problems) - _SHOWN} more things; the report that was recorded names them.")
