"""`lineage backup FILE` and `lineage restore FILE`: the ledger in a file, and back.

Both open the store themselves. A back-up may be made while the service runs; a restore refuses beside one.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from lineage_service.cli.exits import Exit
from lineage_service.cli.screen import moving, show_lines
from lineage_service.evidence.backup import Contents, Made, back_up
from lineage_service.evidence.restore import Restored
from lineage_service.evidence.restore import restore as put_back
from lineage_service.ledger.note import parse_vkey
from lineage_service.recorder.installation import Places
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.opening import places_of, read_settings

_MIB: Final = 1024 * 1024
_MAX_SHOWN: Final = 5


_APART: Final = (
    "Keep these apart from this file. signer.state is no key: leave it where it is, and never copy it back; on a new "
    "machine, the newest signed head that somebody else holds takes its place."
)
_ANEW: Final = (
    "The signer's memory was made anew from a head of {size} records. What was recorded after the back-up is gone; "
    "clients that saw a newer head will be told so, and can prove it."
)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make; nothing is ever written over.")],
) -> None:
    """Write ledger, graph and vault of this instant to a file. The service may run; the keys are not in it."""
    places = places_of(read_settings())
    made = moving(f"copying to {file}", lambda progress: back_up(places.database, file, progress))
    show_lines(_account(made.held, file, places))
    if made.left_out:
        show_lines(_left_out(made, file))
        raise typer.Exit(Exit.PROVEN)


def _left_out(made: Made, file: Path) -> list[str]:
    """Say what such a file cannot hold; it was made all the same, because a back-up that may be needed comes first."""
    return [
        f"BUT not all that stands in Neo4j is in {file}: it holds things that this service never wrote.",
        *(f"  {finding.cls}: {finding.detail}: {finding.found}" for finding in made.left_out[:_MAX_SHOWN]),
        "Is data safe? The file holds what Neo4j still has of the log; whether that is whole was not looked at.",
        "Next: lineage verify --deep says what was done to this database, and where.",
    ]


def _account(held: Contents, file: Path, places: Places) -> list[str]:
    log_key, root_key = (parse_vkey(text) for text in (held.log_key, held.root_key))
    unsigned = held.records - held.signed
    later = f", and {unsigned} that no signature covered yet" if unsigned > 0 else ""
    return [
        f"{file} holds {held.origin}: {held.records} records, under a signed head of {held.signed}{later}.",
        f"  {file.stat().st_size / _MIB:.1f} MiB, readable by its owner only: ledger, graph, and encrypted values",
        f"The keys are NOT in it. To restore it, to sign and to open personal values one needs, from {places.keys}:",
        f"  log.key            signs heads, {log_key.key_id.hex()}",
        "  vault.key          opens personal values; lost, they are lost",
        "  id.key             recognises events and people, and seals the head",
        f"  root.key           vouches for a new log.key, {root_key.key_id.hex()}; on another machine",
        _APART,
        "Put it back with: lineage restore FILE. It is verified before it takes effect.",
    ]


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `lineage backup` made.")],
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="NOTE", help="The newest signed head held elsewhere, if the signer's memory was lost with its disk."
        ),
    ] = None,
) -> None:
    """Verify a back-up and put it in place. Refuses beside a service, over a ledger, and what is older than signed.

    Where the ledger is kept on a server, the back-up is copied into its database, which must be empty; a restore that
    was broken off is gone on with by the same command.
    """
    places = places_of(read_settings())
    done = moving(
        f"restoring {file}",
        lambda progress: put_back(file, places, head=head, progress=progress, clock=wall_clock),
    )
    show_lines(_told(done, file, places))


def _told(done: Restored, file: Path, places: Places) -> list[str]:
    held = done.held
    beyond = held.records - max(done.remembered, held.signed)
    lines = [
        f"{held.origin} is back at {places.database}: {held.records} records from {file}.",
        "Verified before it took effect: records, chain, tree, signed head, graph, and vault, with the keys here.",
    ]
    if done.memory_is_new:
        lines.append(_ANEW.format(size=done.remembered))
    else:
        lines.append(f"Nothing that was signed is missing: the signer remembers {done.remembered} records.")
    if beyond > 0:
        lines.append(f"The last {beyond} records are under no signature yet; the service signs them when it starts.")
    return [*lines, "Next: lineage serve, then lineage doctor."]


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command(epilog="Example: lineage backup /mnt/backups/lineage-2026-11-26.db")(backup)
    app.command(epilog=f"Example: lineage restore lineage.db. Exit codes: {Exit.PROVEN} damaged, altered or older.")(
        restore
    )
