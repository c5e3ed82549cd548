"""Neo4j's errors in our words, at the one seam between them: every statement of the production store runs in here."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from neo4j.exceptions import (
    AuthError,
    ConstraintError,
    DriverError,
    Neo4jError,
    ResultError,
    ServiceUnavailable,
    SessionExpired,
    TransactionError,
)

from lineage_service.errors import StoreConflictError, StoreRefusedError, StoreRetryError, StoreUnavailableError

_ADVICE: Final = {
    "Neo.ClientError.Security": "see that LINEAGE_NEO4J_USER and LINEAGE_NEO4J_PASSWORD_FILE belong together",
    "Neo.ClientError.Database.DatabaseNotFound": "see that LINEAGE_NEO4J_DATABASE names a database of that server",
    "Neo.TransientError.General.OutOfMemoryError": "give the server more heap (server.memory.heap.max_size)",
    "Neo.TransientError.General.MemoryPoolOutOfMemoryError": "raise dbms.memory.transaction.total.max on the server",
    "Neo.DatabaseError.Transaction.TransactionLogError": "free disk space on the server, then restart it",
    "Neo.DatabaseError.Transaction.TransactionCommitFailed": "free disk space on the server, then restart it",
    "Neo.TransientError.General.DatabaseUnavailable": "wait until the database is up, or look at the server's own log",
    "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase": "let the server write to this database again",
    "Neo.ClientError.Cluster.NotALeader": "use a neo4j:// address, which finds the leader by itself",
}
_OTHERWISE: Final = "look at the server's own log, then try again"
_OF_WHAT_WAS_ASKED: Final = ("Neo.ClientError.Statement.", "Neo.DatabaseError.Statement.")
_GONE: Final = (ServiceUnavailable, SessionExpired)
_READ_TRIES: Final = 3

Result = TypeVar("Result")


@contextlib.contextmanager
def translated(doing: str, *, writing: bool = False) -> Iterator[None]:
    """Turn the driver's errors into ours; ``doing`` says in a few words what was being done.

    Raises:
        StoreConflictError: if a constraint refused it; nothing was done.
        StoreRetryError: where ``writing``, if the same may be tried again: whether it was done is not known, and the
            ids of what was to be recorded will tell.
        StoreRefusedError: where ``writing``, if the server refused this very thing, such as a name beyond its limits.
        StoreUnavailableError: if the server cannot be reached or refuses.
    """
    try:
        yield
    except ConstraintError as error:
        told = _told(error)
        raise StoreConflictError(f"{doing}: {told}; nothing of it was recorded, run `lineage verify`") from error
    except (Neo4jError, *_GONE) as error:
        if writing and (error.is_retryable() or isinstance(error, _GONE)):
            raise StoreRetryError(_sentence(doing, error)) from error
        if writing and (getattr(error, "code", None) or "").startswith(_OF_WHAT_WAS_ASKED):
            raise StoreRefusedError(_sentence(doing, error)) from error
        raise StoreUnavailableError(_sentence(doing, error)) from error
    except (ResultError, TransactionError) as error:
        raise StoreUnavailableError(_sentence(doing, error)) from error
    except DriverError as error:
        if "closed" not in str(error):
            raise
        raise StoreUnavailableError(f"{doing}: the store was closed, so nothing was done") from error


def once_more(read: Callable[[], Result]) -> Result:
    """Read, and again where a connection broke while nobody used it: another is taken then."""
    for left in reversed(range(_READ_TRIES)):
        try:
            return read()
        except (Neo4jError, DriverError) as error:
            if not (left and error.is_retryable()):
                raise
    raise AssertionError


def _sentence(doing: str, error: Exception) -> str:
    return f"{doing}: {_told(error)}; what was acknowledged is safe: {advice(error)}"


def _told(error: Exception) -> str:
    """Return what the server said, in one line and without its codes."""
    told = error.message if isinstance(error, Neo4jError) and error.message else str(error)
    return " ".join(told.split(" (resolved to", 1)[0].split()).rstrip(".")


def advice(error: Exception) -> str:
    """Return what the operator can do about an error."""
    if isinstance(error, AuthError):
        return _ADVICE["Neo.ClientError.Security"]
    if isinstance(error, _GONE):
        return "start the server, or see that LINEAGE_STORE names it and nothing lies between"
    code = getattr(error, "code", None) or ""
    return next((text for start, text in _ADVICE.items() if code.startswith(start)), _OTHERWISE)
