"""How the service's own lines look on stderr: one JSON object a line for machines, or plain text for a terminal.

Everything the process logs, uvicorn's lines and Python's warnings too, passes through one of the two forms here. Rules
kept: one line is one event, whatever stands in it; of an error its type and places are told and never its text, which
may hold what somebody sent; a line that arose within a request carries the request's id.
"""

import contextvars
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import orjson

Form = Literal["text", "json"]
REQUEST: Final[contextvars.ContextVar[str | None]] = contextvars.ContextVar("request", default=None)
"""The id of the request that is being served, for every line that arises meanwhile."""

FIELDS: Final = ("request_id", "method", "route", "status", "ms", "principal")
"""What a line may say beside its message: of requests, and nothing that names anybody."""

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def _about(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line says beside its message."""
    told = {name: getattr(record, name, None) for name in FIELDS}
    told["request_id"] = told["request_id"] or REQUEST.get()
    return {name: value for name, value in told.items() if value is not None}


def _at(record: logging.LogRecord) -> str:
    return f"{datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _places(exc_info: _ExcInfo) -> str:
    kind, _, trace = exc_info
    name = "no error" if kind is None else kind.__name__
    return f"{name}\n{''.join(traceback.format_tb(trace))}"


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": _at(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_about(record),
        }
        if record.exc_info:
            line["error"] = _places(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextLines(logging.Formatter):
    """One line of text; of a line with more than one, the others are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        error = f"\n{_places(record.exc_info)}" if record.exc_info else ""
        told = " ".join(f"{name}={value}" for name, value in _about(record).items())
        first, *more = f"{record.getMessage()}{error}".rstrip().split("\n")
        line = f"{_at(record)} {record.levelname} {record.name}: {first}{' ' if told else ''}{told}"
        return "\n    ".join([line, *more])


def form_for(wanted: Form | None, stream: TextIO) -> Form:
    """Return the form that was set, else text for a terminal and JSON for everything else."""
    if wanted is not None:
        return wanted
    return "text" if stream.isatty() else "json"


def logging_in(form: Form) -> dict[str, Any]:
    """Return the configuration of Python's logging under which all lines have one form."""
    formatter = {"()": JsonLines if form == "json" else TextLines}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "lineage": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            # Its lines hold whole addresses, and addresses may hold names: ours (server.request_log) take their place.
            "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }
