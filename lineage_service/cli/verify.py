"""`lineage verify`: is the history whole, and is the graph its fold? The exit code is the verdict.

It reads the ledger itself, needs no running service and no token, and may run beside the service. What it said last is
left in a small file beside the database, to be shown and to decide nothing (``evidence.last_verdict``).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lineage_service.cli.screen import emit_json, say, show_lines, telling
from lineage_service.evidence.findings import SELF_CONSISTENT, Report
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.last_verdict import LastVerdict, leave
from lineage_service.recorder.installation import Places
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.opening import places_of, read_settings


def verify(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also fold the ledger anew and compare every table with it.")
    ] = False,
    trust: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYFILE", help="The log's public key or genesis hash, noted down outside of this machine."
        ),
    ] = None,
    level: Annotated[
        int, typer.Option(min=1, metavar="N", help="Exit with 3 below this level: 1 self-consistent, 2 signed.")
    ] = SELF_CONSISTENT,
    since: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A checkpoint kept from before, which the log must continue.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Verify that the history is whole. Records, chain, tree, signatures, signer's memory; with --deep the graph."""
    places = places_of(read_settings())

    def work(tell: Callable[[str], None]) -> Report:
        def progress(part: float) -> None:
            tell(f"copying from {places.database}: {part:.0%}" if part < 1 else "verifying")

        return run_verify(places, deep=deep, trust=trust, level=level, since=since, progress=progress)

    report = telling("verifying", work)
    _leave(places, LastVerdict.of(report, deep=deep, time=wall_clock()))
    if json:
        emit_json(report.as_dict())
    else:
        show_lines(report.lines())
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _leave(places: Places, verdict: LastVerdict) -> None:
    """Leave the verdict for `/metrics` and `doctor`; the verdict itself stands, whether that is possible or not."""
    try:
        leave(places.beside, verdict)
    except OSError as error:
        say(f"The verdict could not be left for /metrics and doctor: {error}")


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command(epilog="Example: lineage verify --deep --trust /media/usb/lineage.vkey")(verify)
