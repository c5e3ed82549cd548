"""`lineage copy --from STORE --to STORE`: the ledger moves house, byte for byte, and the graph is folded there anew.

It opens both stores itself and holds the signer's lock of this installation meanwhile. What it copies must be this
installation's own: sealed with its key, and holding all that its signer signed.
"""

import contextlib
from pathlib import Path
from typing import Annotated, Final

import typer

from lineage_service.cli.exits import Exit
from lineage_service.cli.installation import only_writer
from lineage_service.cli.screen import moving, show_lines
from lineage_service.errors import InputError, IntegrityError, SettingsError, StoreUnavailableError
from lineage_service.evidence.meter import Progress
from lineage_service.evidence.moving import Moved, carry, seal
from lineage_service.evidence.record_form import record_of
from lineage_service.ledger.keys import load_key, load_secret
from lineage_service.ledger.signer import Signer, SignerLock
from lineage_service.recorder.heads import HeadSigner
from lineage_service.recorder.installation import Places
from lineage_service.server.opening import places_of, read_settings
from lineage_service.store.address import Address, Database
from lineage_service.store.opening import create_store, found_at, is_created, open_store
from lineage_service.store.protocol import Store

_ONE_ACCOUNT: Final = (
    "both are on servers, and LINEAGE_NEO4J_… names the account of one: copy to a file first, --to sqlite:///PATH, and "
    "from there with the account of the other server"
)
_OLD_HOUSE: Final = (
    "{source} is as it was. Keep it until you have verified the copy; once the service has recorded anything more over "
    "there, no service starts on the old one again."
)


def copy(
    source: Annotated[str, typer.Option("--from", metavar="STORE", help="Where the ledger is now.")],
    target: Annotated[
        str, typer.Option("--to", metavar="STORE", help="Where it shall be: an empty place, or a copy that broke off.")
    ],
) -> None:
    """Copy the ledger to another store, byte for byte; fold the graph there, and compare both.

    A store is named as in LINEAGE_STORE: sqlite:///PATH, neo4j://HOST:PORT or bolt://HOST:PORT. The account of a server
    is that of LINEAGE_NEO4J_USER, LINEAGE_NEO4J_PASSWORD_FILE and LINEAGE_NEO4J_DATABASE; keys and signer's memory are
    those of this installation and stay where they are. The service must not run.

    Records, tree, checkpoint, payloads and personal values are copied as they are; what was erased stays erased.
    Nothing is written over. A copy that was broken off is gone on with by the same command, and until it is whole no
    service starts on it. Both stores must hold the same in the end, and both graphs have one state root: the hash
    over all that is known.
    """
    places = Places(_database("--from", source), read_settings().keys)
    to = _database("--to", target)
    if isinstance(places.database, Address) and isinstance(to, Address):
        raise typer.BadParameter(_ONE_ACCOUNT)
    if isinstance(places.database, Path) and isinstance(to, Path) and places.database.resolve() == to.resolve():
        raise typer.BadParameter("both are one place")
    if not is_created(places.database):
        raise StoreUnavailableError(f"there is no ledger at {places.database}: say by --from where it is")
    with only_writer(places) as lock:
        moved = moving(f"copying to {to}", lambda progress: _copy(places, to, lock, progress))
    show_lines(_told(moved, places.database, to, target))


def _database(option: str, store: str) -> Database:
    try:
        return places_of(read_settings(store=store)).database
    except SettingsError as error:
        raise SettingsError(f"{option} {store}: {str(error).removeprefix('LINEAGE_STORE: ')}") from error


def _copy(places: Places, to: Database, lock: SignerLock, progress: Progress) -> Moved:
    with contextlib.closing(open_store(places.database, writing=False)) as source:
        _require_own(places, source, lock)
        with contextlib.closing(_opened(to)) as target:
            moved = carry(source, target, progress)
            seal(target, moved)
    return moved


def _require_own(places: Places, source: Store, lock: SignerLock) -> None:
    """Refuse a ledger of another log, and one that the service of this installation would refuse to go on with."""
    log_key = load_key(places.log_key)
    with source.read() as reader:
        genesis = reader.record(0)
    if genesis is None:
        raise StoreUnavailableError(f"{places.database} holds no record: there is nothing to copy")
    try:
        origin = record_of(genesis.body)["log"]
    except ValueError as error:
        raise IntegrityError(f"record 0 of {places.database} does not open a log ({error}): lineage verify") from error
    if origin != log_key.name:
        raise InputError(
            f"{places.database} holds the log {origin}, and the keys in {places.keys} are those of {log_key.name}: set "
            "LINEAGE_DATA_DIR or LINEAGE_KEYS_DIR to where its own keys are",
            field="from",
        )
    HeadSigner(Signer(log_key, places.signer_state, lock), log_key.name, source, load_secret(places.id_key))


def _opened(to: Database) -> Store:
    found = found_at(to)
    if found == "something else":
        raise StoreUnavailableError(
            f"{to} holds something that is no ledger, and nothing is ever written over: name an empty place. Nothing "
            "was written"
        )
    if found == "nothing":
        create_store(to)
    return open_store(to)


def _told(moved: Moved, source: Database, to: Database, target: str) -> list[str]:
    counts = f"{moved.people} people, {moved.sealed} sealed values, {moved.payloads} payloads"
    lines = [
        f"{to} holds the ledger: {moved.head.size} records, {counts}, all read back and compared.",
        f"  state root  {moved.root.hex()}",
        "That is the hash over the graph in both places: they say the same.",
    ]
    if moved.found:
        lines.append(f"{moved.found} of the records were there before; the copy went on from them.")
    return [
        *lines,
        _OLD_HOUSE.format(source=source),
        f"Next: set LINEAGE_STORE={target}, then lineage serve.",
    ]


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command(
        epilog="Example: lineage copy --from sqlite:///lineage-data/lineage.db --to neo4j://graph.example.org:7687. "
        f"Exit codes: {Exit.PROVEN} a record, or what was written, does not hold; {Exit.UNAVAILABLE} refused."
    )(copy)
