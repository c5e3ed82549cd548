"""The exceptions of the service, split by who is at fault. Codes for HTTP and exits are given at the edges only.

    LineageError
    ├── CallerError               the request is at fault; nothing was changed
    │   ├── InputError            a field is wrong; ``field`` names it, ``index`` the event in a request of several
    │   ├── NotAllowedError       the principal may not do this
    │   ├── UnauthenticatedError  nobody we know
    │   └── UnknownThingError     the question names something that is not recorded, or is ambiguous
    ├── OperatorError             the installation is at fault; what was acknowledged is safe
    │   ├── SettingsError         a setting is missing or wrong
    │   ├── StoreUnavailableError the store cannot be reached, is locked, full, or of another version
    │   │   ├── StoreRetryError   a write did not come to its end and may be tried again, by the same ids
    │   │   └── StoreRefusedError the database is up and refused what was to be written; it may take the rest
    │   └── OverloadedError       more is waiting than is allowed; try again later
    └── IntegrityError            stored data contradicts itself: stop and verify
        └── StoreConflictError    somebody else moved the head

A message says what happened, whether data is safe, and what to do next.
"""

from collections.abc import Sequence


class LineageError(Exception):
    """Root of everything this service raises on purpose."""


class CallerError(LineageError):
    """The request is at fault; nothing was changed."""


class InputError(CallerError):
    """A field is wrong. ``field`` is its path, ``index`` the number of the event in a request of several."""

    def __init__(self, problem: str, *, field: str | None = None, index: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.field = field
        self.index = index


class NotAllowedError(CallerError):
    """The principal may not do this. ``rule`` names what forbids it."""

    def __init__(self, problem: str, *, rule: str) -> None:
        super().__init__(problem)
        self.rule = rule


class UnauthenticatedError(CallerError):
    """No valid credential was presented."""


class UnknownThingError(CallerError):
    """The question names something that is not recorded, or several things; ``candidates`` lists those."""

    def __init__(self, problem: str, *, candidates: Sequence[str] = ()) -> None:
        super().__init__(problem)
        self.candidates = tuple(candidates)


class OperatorError(LineageError):
    """The installation is at fault; what was acknowledged is safe."""


class SettingsError(OperatorError):
    """A setting is missing or wrong."""


class StoreUnavailableError(OperatorError):
    """The store cannot be reached, is locked, full, or of another version."""


class StoreRetryError(StoreUnavailableError):
    """A write did not come to its end: whether it was done is not known, the ids of what was to be written tell."""


class StoreRefusedError(StoreUnavailableError):
    """The database is up and refused what was to be written, for what it is: without it, the rest may be taken."""


class OverloadedError(OperatorError):
    """More is waiting than is allowed. ``retry_after`` is in seconds."""

    def __init__(self, problem: str, *, retry_after: int = 1) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class IntegrityError(LineageError):
    """Stored data contradicts itself: stop writing and verify."""


class StoreConflictError(IntegrityError):
    """The head is not where this process left it: somebody else wrote."""
