"""`lineage init`, `serve`, `migrate`: the verbs of whoever runs an installation.

All but ``serve`` open the store themselves, and refuse while a service holds the signer's lock: a log has one writer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from lineage_service.cli.screen import emit, say, show
from lineage_service.client import words
from lineage_service.errors import StoreUnavailableError
from lineage_service.ledger.errors import KeyFileError
from lineage_service.ledger.signer import SignerLock
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.server.opening import places_of, read_settings
from lineage_service.server.rights import Issued, first_admin
from lineage_service.settings import Settings
from lineage_service.store.opening import create_store, is_created


def init(
    admin: Annotated[str, typer.Option(metavar="NAME", help="Name of the first administrator.")] = "admin",
) -> None:
    """Open a new log: keys, an empty ledger, a token. The first admin token stands alone on a line of stdout."""
    settings = read_settings()
    places = places_of(settings)
    if places.signer_state.exists():
        with only_writer(places):  # a running service is the better reason to refuse, so it is said first
            pass
    installation = create(places, origin=settings.origin)
    try:
        issued = first_admin(installation, admin)
    finally:
        installation.close()
    say(*_account(settings, installation, issued, admin))
    emit(issued.token)


_ROOT_KEY: Final = (
    "Now move {root_key} to another machine. It vouches for the signing key, should that one be lost or stolen, and is "
    "needed for nothing else. Back up the keys folder apart from the database: each is useless to a thief without the "
    "other, and personal values are lost with the keys."
)
_PUBLIC_KEY: Final = (
    "Note down the log's public key where this machine cannot change it. With it anybody can verify without us: "
    "lineage verify --trust FILE"
)


def _account(settings: Settings, installation: Installation, issued: Issued, admin: str) -> list[str]:
    places, until = installation.places, words.when(issued.expires_at)
    return [
        f"A new log is open: {installation.origin}",
        f"  ledger and graph   {places.database}",
        f"  keys               {places.keys} (log.key signs, vault.key and id.key protect personal values)",
        f"  signer's memory    {places.signer_state} (never copy it back from a backup)",
        "",
        _ROOT_KEY.format(root_key=places.root_key),
        "",
        _PUBLIC_KEY,
        f"  {installation.log_vkey}",
        "",
        f"Next: lineage serve, which listens on {settings.listen}. Then, elsewhere:",
        "  export LINEAGE_TOKEN=…            the token below",
        "  lineage source add mlflow/prod    lets an MLflow server send facts",
        "  lineage token create NAME --role reader",
        "",
        f"This is the admin token of {admin}, valid until {until}. It is shown once and kept nowhere:",
    ]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: that of LINEAGE_LISTEN.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; likewise.")] = None,
) -> None:
    """Run the service. When it is told to stop, it signs, stores and closes."""
    from lineage_service.server.serve import serve as run_server  # half a second that no other verb should pay

    settings = read_settings()
    if host is not None or port is not None:
        name = settings.host if host is None else host.strip("[]")
        shown = f"[{name}]" if ":" in name else name
        settings = read_settings(listen=f"{shown}:{settings.port if port is None else port}")
    try:
        run_server(settings)
    except SystemExit as error:  # the HTTP server gives up in this way, having said why
        raise StoreUnavailableError(
            f"the service could not listen on {settings.listen}: is another one running there? Give --port"
        ) from error


def migrate() -> None:
    """Bring the database to this version. A repeat does nothing."""
    places = places_of(read_settings())
    if not is_created(places.database):
        raise StoreUnavailableError(f"there is no ledger at {places.database}: run `lineage init`")
    with only_writer(places):
        done = create_store(places.database)
    show(f"Applied: {', '.join(done)}." if done else "Nothing to do: the schema is that of this version.")


@contextmanager
def only_writer(places: Places) -> Iterator[SignerLock]:
    """Hold the signer's lock, and give it; StoreUnavailableError says so if a service, or another command, holds it."""
    try:
        lock = SignerLock(places.signer_state)
    except KeyFileError as error:
        raise StoreUnavailableError(f"nothing was written: {error}") from error
    with lock:
        yield lock


def add_to(app: typer.Typer) -> None:
    """Add this family of verbs."""
    app.command(epilog="Example: LINEAGE_ORIGIN=lineage.example.org/prod lineage init > admin.token")(init)
    app.command(epilog="Example: lineage serve --port 8765")(serve)
    app.command(epilog="Example: lineage migrate")(migrate)
