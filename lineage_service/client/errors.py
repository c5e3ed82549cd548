"""What can go wrong between a client and the service, split by who is at fault.

    ClientError
    ├── CredentialError          there is no token to send, or its file cannot be read
    ├── UnavailableError         the service cannot be reached, or asks to be left alone for a while
    ├── AnswerError              whoever answered is not a service this client understands
    ├── RolledBackError          the log contradicts a head it signed earlier: stop, and verify
    ├── AbsentPackageError       something optional was asked for and is not installed
    └── ProblemError             the service said no; carries its problem document (RFC 9457)
        ├── BadRequestError      a field is wrong: ``field`` names it, ``index`` the event
        ├── UnknownNameError     nothing of that name is recorded, or several things: ``candidates``
        ├── NobodyError          the service does not know the token
        ├── RefusedError         the token may not do this
        └── DamageError          the service found that its stored data contradicts itself

Messages say what happened and what to do next.
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Root of what the client raises."""


class CredentialError(ClientError):
    """There is no token to send."""


class UnavailableError(ClientError):
    """The service cannot be reached or is overloaded. ``retry_after`` is in seconds, 0 if it did not say."""

    def __init__(self, problem: str, *, retry_after: float = 0.0) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class AnswerError(ClientError):
    """The answer is not one of a lineage service of this version."""


class RolledBackError(ClientError):
    """The service's log is not a continuation of the one this client saw before."""


class AbsentPackageError(ClientError):
    """An optional package is missing."""


class ProblemError(ClientError):
    """The service refused; ``status`` is the HTTP status and ``problem`` its whole problem document."""

    def __init__(self, message: str, *, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


class BadRequestError(ProblemError):
    """Something in the request is wrong; nothing was recorded."""

    @property
    def field(self) -> str | None:
        """The path of the field at fault, if one is."""
        field = self.problem.get("field")
        return None if field is None else str(field)

    @property
    def index(self) -> int | None:
        """The number of the event at fault in a request of several."""
        index = self.problem.get("index")
        return index if isinstance(index, int) else None


class UnknownNameError(ProblemError):
    """The question names something that is not recorded, or that is ambiguous."""

    @property
    def candidates(self) -> list[str]:
        """The keys it may mean."""
        return [str(one) for one in self.problem.get("candidates") or ()]


class NobodyError(ProblemError):
    """The token is unknown, was revoked or has expired."""


class RefusedError(ProblemError):
    """The token is known and may not do this."""


class DamageError(ProblemError):
    """The service says that its stored data contradicts itself."""
