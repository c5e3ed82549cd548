"""From the errors of the domain to RFC 9457 problem details: one table, at the edge and nowhere else.

Members beside the standard ones: ``field`` (a path), ``index`` (the event in a request of several), ``rule`` (what
forbids), ``candidates`` (what an ambiguous name may mean). A detail is for the sender; no error text goes to a log.
"""

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from graph_schema.names import NameSyntaxError
from graph_schema.times import TimeError
from lineage_service import errors
from lineage_service.ledger.errors import LedgerError
from lineage_service.server.denials import record_denial
from lineage_service.server.intake import RolledBackError, path_of
from lineage_service.server.limits import TooLargeError, UnsupportedEncodingError
from lineage_service.server.parts import Parts

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:problem-type:lineage:"
_log = logging.getLogger("lineage.server")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of problem: its word, its title, its status."""

    word: str
    title: str
    status: int


TABLE: Final[dict[type[Exception], Kind]] = {
    errors.InputError: Kind("invalid-input", "The request is not valid", 422),
    TooLargeError: Kind("too-large", "The body is too large", 413),
    UnsupportedEncodingError: Kind("unsupported-encoding", "The content coding is not supported", 415),
    NameSyntaxError: Kind("invalid-input", "The request is not valid", 422),
    TimeError: Kind("invalid-input", "The request is not valid", 422),
    errors.NotAllowedError: Kind("not-allowed", "Not allowed", 403),
    errors.UnauthenticatedError: Kind("unauthenticated", "A valid token is needed", 401),
    errors.UnknownThingError: Kind("not-found", "Nothing of this name is recorded", 404),
    RolledBackError: Kind("rolled-back", "The log does not continue the checkpoint you saw", 409),
    errors.CallerError: Kind("bad-request", "The request cannot be served", 400),
    errors.OverloadedError: Kind("overloaded", "Too much is waiting", 503),
    errors.OperatorError: Kind("unavailable", "The store cannot be used", 503),
    errors.IntegrityError: Kind("integrity", "Stored data contradicts itself", 500),
    LedgerError: Kind("integrity", "Stored data contradicts itself", 500),
}
_UNEXPECTED: Final = Kind("unexpected", "Unexpected error", 500)
_BY_STATUS: Final = {
    404: ("no-such-route", "There is no such address"),
    405: ("no-such-method", "The address has no such method"),
}
_RETRY_SECONDS: Final = 5


def kind_of(error: Exception) -> Kind:
    """Return the type of problem an error is."""
    return next((TABLE[cls] for cls in type(error).__mro__ if cls in TABLE), _UNEXPECTED)


def problem(request: Request, kind: Kind, detail: str, **more: Any) -> Response:
    """Return problem details; members that are None or empty are left out."""
    parts: Parts = request.app.state.parts
    parts.counters.problem(kind.word)
    body = {"type": _TYPE + kind.word, "title": kind.title, "status": kind.status, "detail": detail}
    if identifier := getattr(request.state, "request_id", None):
        body["instance"] = f"urn:request:{identifier}"
    body.update({name: value for name, value in more.items() if value is not None and value != ()})
    return Response(orjson.dumps(body), kind.status, media_type=MEDIA_TYPE)


def domain_problem(request: Request, error: Exception) -> Response:
    """Return what an error of ours means to the caller; a denial of a known principal is recorded first."""
    if isinstance(error, errors.NotAllowedError) and hasattr(request.state, "principal"):
        try:
            _record(request, error)
        except errors.LineageError as failed:  # nobody gets in, but the denial must be recorded: say why it was not
            error = failed
    kind = kind_of(error)
    _note(request, kind, error)
    members = {name: getattr(error, name, None) for name in ("field", "index", "rule", "candidates")}
    reply = problem(request, kind, getattr(error, "problem", None) or str(error), **members)
    if kind.status == 503:  # noqa: PLR2004  service unavailable
        reply.headers["Retry-After"] = str(getattr(error, "retry_after", _RETRY_SECONDS))
    if kind.status == 401:  # noqa: PLR2004  unauthenticated
        reply.headers["WWW-Authenticate"] = 'Bearer realm="lineage"'
    return reply


def _record(request: Request, error: errors.NotAllowedError) -> None:
    parts: Parts = request.app.state.parts
    route = request.scope.get("route")
    action = f"{request.method} {getattr(route, 'path', 'unknown')}"
    record_denial(parts.installation, request.state.principal, action, error.rule, str(error))


def _note(request: Request, kind: Kind, error: Exception) -> None:
    """Say in the log what an operator must know: never a text that may hold what somebody sent."""
    parts: Parts = request.app.state.parts
    if kind.word == "integrity":
        parts.condition.found("integrity")
        _log.error("%s while serving a request: stop writing and run `lineage verify`", type(error).__name__)
    elif isinstance(error, RolledBackError):
        _log.error("a sender saw a checkpoint that this log does not continue: run `lineage verify`")
    elif isinstance(error, errors.OperatorError):
        _log.warning("%s: %s", type(error).__name__, error)


def parameter_problem(request: Request, error: Exception) -> Response:
    """Return which parameter of a route is missing or wrong."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    told = "; ".join(f"{path_of(fault['loc'][1:])}: {fault['msg']}" for fault in faults[:5])
    field = path_of(faults[0]["loc"][1:]) if faults else None
    return problem(request, TABLE[errors.InputError], told or "the request is not valid", field=field)


def http_problem(request: Request, error: Exception) -> Response:
    """Return what the framework refuses by itself: no such route, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 400
    word, title = _BY_STATUS.get(status, ("bad-request", "The request cannot be served"))
    reply = problem(request, Kind(word, title, status), f"{title}: see /openapi.json for what there is")
    for name, value in (getattr(error, "headers", None) or {}).items():
        reply.headers[name] = value
    return reply


def disconnected(request: Request, _error: Exception) -> Response:
    """Return to nobody: the sender went away before the body was complete, and nothing was recorded."""
    return problem(request, Kind("disconnected", "The body is incomplete", 400), "the connection ended within the body")


def unexpected_problem(request: Request, error: Exception) -> Response:
    """Return 500 for an error nobody foresaw, and log where it arose without its text."""
    _log.error("unexpected %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return problem(request, _UNEXPECTED, "unexpected; what was acknowledged is safe, and the log says where this arose")


HANDLERS: Final[dict[type[Exception], Callable[[Request, Exception], Response]]] = {
    errors.LineageError: domain_problem,
    LedgerError: domain_problem,
    NameSyntaxError: domain_problem,
    TimeError: domain_problem,
    RequestValidationError: parameter_problem,
    HTTPException: http_problem,
    ClientDisconnect: disconnected,
}


def install(app: FastAPI) -> None:
    """Let every error of an application end in this table."""
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)
