"""`lineage doctor`: what is wrong with this installation, and for each thing the command that mends it.

It changes nothing and takes no lock, so it may run beside the service. What it finds is a warning (``!``) or a problem
(``x``); only problems make the exit code other than 0, and only what is proven makes it 1: a ledger behind its signer,
or a service that found its data contradicting itself. What a file without authority says is never more than a problem.
"""

import os
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from lineage_service.cli.doctor import ledger, machine, service, versions
from lineage_service.cli.doctor.seen import Part, Seen, as_data, shown
from lineage_service.cli.exits import Exit
from lineage_service.cli.screen import busy, emit, emit_json, screen
from lineage_service.errors import SettingsError
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.opening import places_of, read_settings
from lineage_service.settings import unknown_names


def doctor(json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False) -> None:
    """Say what is wrong here. And for each thing the command that mends it."""
    parts = busy("looking", lambda: list(examine(wall_clock)))
    if json:
        emit_json(as_data(parts))
    else:
        for line in shown(parts, screen().width):
            emit(line)
    worst = {one.how for _, seen in parts for one in seen}
    if "tampered" in worst:
        raise typer.Exit(Exit.PROVEN)
    if "wrong" in worst:
        raise typer.Exit(Exit.INCOMPLETE)


def examine(clock: Callable[[], int]) -> Iterator[Part]:
    """Look at the parts of an installation, from what everything rests on to what runs on it."""
    names = list(_names())
    try:
        settings = read_settings()
    except SettingsError as error:
        mend = "correct them, in the environment or in lineage.toml"
        yield "Settings", [*names, Seen("wrong", f"the settings cannot be used: {error}", mend)]
        return
    places = places_of(settings)
    yield "Settings", names
    yield "Versions", list(versions.look())
    yield "Disk", list(machine.disks(places))
    yield "Keys", list(machine.keys(places))
    opened = ledger.open_ledger(places)
    yield "Ledger", list(ledger.look(opened, places, clock()))
    if isinstance(opened, ledger.Opened):
        try:
            yield "Sources", list(ledger.look_at_sources(opened, places, clock()))
        finally:
            opened.close()
    yield "Spools here", list(machine.spools(settings.data_dir, os.environ.get("LINEAGE_SPOOL"), clock()))
    yield "Service", list(service.look(settings, clock))


def _names() -> Iterator[Seen]:
    unknown = unknown_names(os.environ)
    for name, nearest in unknown.items():
        mend = f"unset {name}" + (f" (did you mean {nearest}?)" if nearest else "")
        yield Seen("wrong", f"{name} is set and means nothing", mend)
    if not unknown:
        yield Seen("good", "every LINEAGE_ variable is known")


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command(epilog="Example: lineage doctor")(doctor)
