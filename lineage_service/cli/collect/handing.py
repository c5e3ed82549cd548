"""What every observer needs on its way to the service: a token, a rhythm, and words for what was not delivered."""

import signal
import threading
from collections.abc import Callable

from collectors.delivery import Spool, Standing, Token
from lineage_service.cli.screen import plain, say
from lineage_service.client import CredentialError
from lineage_service.errors import InputError, NotAllowedError, StoreUnavailableError
from lineage_service.settings import Settings


def token_of(settings: Settings, kind: str) -> Token:
    """Return the token that facts are sent with; CredentialError names the kind of source that needs one."""
    text = None if settings.token is None else settings.token.get_secret_value()
    if not text and settings.token_file is None:
        raise CredentialError(f"there is no token to send facts with; `lineage source add {kind}/NAME` prints one")
    return Token(text or None, settings.token_file)


def rejected(spool: Spool) -> int:
    """Return how many facts the service could not accept so far."""
    path = spool.path / "rejected.ndjson"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def require_delivered(spool: Spool, standing: Standing, kind: str) -> None:
    """Raise what keeps facts from being delivered, if anything does."""
    waiting = spool.waiting()
    if waiting and standing is Standing.NOT_ALLOWED:
        raise NotAllowedError(
            f"the service does not accept this token for the facts of {kind}; {waiting} facts wait in {spool.path}. "
            f"A source's token is needed: lineage source add {kind}/NAME",
            rule="token",
        )
    if waiting:
        raise StoreUnavailableError(f"{standing.value}; {waiting} facts wait in {spool.path}, the next run sends them")
    if rejected(spool):
        raise InputError(f"the service could not accept some facts; they are in {spool.path}/rejected.ndjson")


def repeat(read: Callable[[], None], seconds: int, passing: type[Exception]) -> None:
    """Read every so many seconds until told to stop; a fault of the kind ``passing`` is said, and tried again.

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
            read()
        except passing as error:
            say(plain(f"{error}; tried again in {seconds} s"))
        told.wait(seconds)
    say("Stopped. What waits in the spool is sent by the next run.")
