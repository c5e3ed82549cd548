"""How a command ends: the exit code of every error, whether data is safe, and what to do next.

One table, for the errors of the service, of the ledger, of the client and of the collectors. Rules kept: the codes are
those of the public contract; 1 means that tampering or a failed check is *proven* and never anything less; no traceback
reaches a terminal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from collectors.delivery.errors import DeliveryError
from collectors.git import GitError
from collectors.mlflow import connection as mlflow
from graph_schema.names import NameSyntaxError
from graph_schema.times import TimeError
from lineage_service import errors
from lineage_service.client import errors as asked
from lineage_service.evidence.restore import UncheckedBackupError, UnfitBackupError
from lineage_service.ledger.errors import KeyFileError, LedgerError, NoteError, SignerRefusedError


class Exit(IntEnum):
    """The exit codes."""

    FINE = 0
    PROVEN = 1
    INCOMPLETE = 2
    BELOW_LEVEL = 3
    USAGE = 64
    BAD_INPUT = 65
    UNAVAILABLE = 69
    NOT_ALLOWED = 77
    INTERRUPTED = 130
    PIPE_CLOSED = 141


@dataclass(frozen=True, slots=True)
class Ending:
    """What is said beside the error itself."""

    code: Exit
    safe: str
    then: str


_NOTHING: Final = "nothing was changed"
_ACKNOWLEDGED: Final = "everything that was acknowledged is safe"
_READ_SO_FAR: Final = "what was read so far is kept, and the next read takes it up"
_BAD_INPUT: Final = Ending(Exit.BAD_INPUT, _NOTHING, "correct what is named above and try again")
_NOT_ALLOWED: Final = Ending(
    Exit.NOT_ALLOWED,
    _NOTHING,
    "use a token that may do this; an admin makes one: lineage token create PERSON --role ROLE",
)
_CORRUPT: Final = Ending(
    Exit.PROVEN,
    "the stored history contradicts itself; do not write to it",
    "stop the service, keep a copy of database and keys as they are, and run: lineage verify --deep",
)
_DOWN: Final = Ending(
    Exit.UNAVAILABLE, _ACKNOWLEDGED, "start the service with: lineage serve (or set LINEAGE_URL to where it runs)"
)

TABLE: Final[Mapping[type[Exception], Ending]] = {
    errors.UnauthenticatedError: _NOT_ALLOWED,
    errors.NotAllowedError: _NOT_ALLOWED,
    errors.CallerError: _BAD_INPUT,
    errors.SettingsError: Ending(Exit.USAGE, _NOTHING, "see what is wrong with the settings: lineage doctor"),
    errors.StoreUnavailableError: Ending(
        Exit.UNAVAILABLE, _ACKNOWLEDGED, "see what is wrong with the store: lineage doctor"
    ),
    errors.OverloadedError: Ending(Exit.UNAVAILABLE, _ACKNOWLEDGED, "try again in a few seconds"),
    errors.IntegrityError: _CORRUPT,
    UnfitBackupError: Ending(
        Exit.PROVEN, "nothing was put in place, and the file is as it was", "restore another back-up, or see above"
    ),
    UncheckedBackupError: Ending(
        Exit.INCOMPLETE, "nothing was put in place, and the file is as it was", "mend what is named above, then restore"
    ),
    errors.LineageError: Ending(Exit.UNAVAILABLE, _ACKNOWLEDGED, "see what is wrong: lineage doctor"),
    KeyFileError: Ending(
        Exit.UNAVAILABLE, f"{_ACKNOWLEDGED}; nothing was written", "see which file is at fault: lineage doctor"
    ),
    SignerRefusedError: _CORRUPT,
    NoteError: _BAD_INPUT,
    LedgerError: _CORRUPT,
    NameSyntaxError: _BAD_INPUT,
    TimeError: _BAD_INPUT,
    asked.CredentialError: Ending(
        Exit.NOT_ALLOWED, _NOTHING, "set LINEAGE_TOKEN, or LINEAGE_TOKEN_FILE to a file that holds the token"
    ),
    asked.UnavailableError: _DOWN,
    asked.AnswerError: Ending(
        Exit.UNAVAILABLE, _ACKNOWLEDGED, "check LINEAGE_URL, and that client and service have one version"
    ),
    asked.RolledBackError: Ending(
        Exit.PROVEN,
        "records that were acknowledged are not in the history any more",
        "write nothing more; keep the checkpoints you have and run: lineage verify",
    ),
    asked.DamageError: _CORRUPT,
    asked.NobodyError: _NOT_ALLOWED,
    asked.RefusedError: _NOT_ALLOWED,
    asked.UnknownNameError: Ending(
        Exit.BAD_INPUT, _NOTHING, "check the spelling; what is recorded is found with: lineage ask history model:NAME"
    ),
    asked.BadRequestError: _BAD_INPUT,
    asked.ClientError: _DOWN,
    GitError: _BAD_INPUT,
    mlflow.MlflowSettingsError: Ending(Exit.USAGE, _NOTHING, "set what is named above and try again"),
    mlflow.MlflowRefusedError: Ending(Exit.NOT_ALLOWED, _READ_SO_FAR, "give the right credential and read again"),
    mlflow.MlflowError: Ending(Exit.UNAVAILABLE, _READ_SO_FAR, "see that the MLflow server answers, and read again"),
    DeliveryError: Ending(
        Exit.UNAVAILABLE, "what waits in the spool stays there", "mend the disk or the token named above"
    ),
}


def ending_of(error: Exception) -> Ending | None:
    """Return how a command ends that meets this error; None for an error nobody foresaw."""
    return next((TABLE[cls] for cls in type(error).__mro__ if cls in TABLE), None)


def unforeseen(error: Exception) -> str:
    """Return one line that lets a fault of ours be found: what it was, and the last place of ours it passed."""
    place, trace = "an unknown place", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] in {
            "lineage_service",
            "collectors",
            "graph_schema",
        }:
            place = f"{trace.tb_frame.f_globals['__name__']}, line {trace.tb_lineno} ({code.co_name})"
        trace = trace.tb_next
    return f"a fault of this program: {type(error).__name__} in {place}: {error}"
