"""SQLite's errors in our words, at the one seam between them: every statement of the embedded store runs in here."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

from lineage_service.errors import IntegrityError, StoreConflictError, StoreUnavailableError

_ADVICE: Final = {
    "SQLITE_FULL": "free disk space, then try again",
    "SQLITE_BUSY": "end the process that holds the database, then try again",
    "SQLITE_LOCKED": "end the process that holds the database, then try again",
    "SQLITE_READONLY": "make the database and its folder writable for the service, then try again",
}
_OTHERWISE: Final = "look at the disk that holds the database, then try again"


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn SQLite's errors into ours; ``doing`` says in a few words what was being done."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StoreConflictError(f"{doing}: {error}; nothing of it was recorded, run `lineage verify`") from error
    except sqlite3.OperationalError as error:
        raise StoreUnavailableError(
            f"{doing}: {error}; nothing of it was recorded, what was acknowledged is safe: {_advice(error)}"
        ) from error
    except sqlite3.ProgrammingError as error:
        if "closed" not in str(error):
            raise
        raise StoreUnavailableError(f"{doing}: the store was closed, so nothing was done") from error
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"{doing}: {error}; stop the service and run `lineage verify --deep`") from error


def _advice(error: sqlite3.Error) -> str:
    """Return what to do about an error; extended codes such as SQLITE_BUSY_SNAPSHOT begin like the plain ones."""
    name = getattr(error, "sqlite_errorname", "")
    return next((advice for code, advice in _ADVICE.items() if name.startswith(code)), _OTHERWISE)
