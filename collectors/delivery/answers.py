"""What an answer of ``POST /api/v1/events`` means for the facts that were sent.

Only a 201 with one receipt for each fact lets facts leave the spool: a proxy's friendly page does not. A 422 is about
what was sent, everything else about the way there, and the facts stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

_LONGEST_WAIT: Final = 3600.0
_NOT_ALLOWED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_BUSY: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Accepted:
    """Every fact has a receipt."""

    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Invalid:
    """One fact cannot be accepted: the one at ``index``, or an unknown one of them; or all are too large together."""

    index: int | None
    problem: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Busy:
    """Try again, not before ``wait`` seconds if the service says so."""

    reason: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The credential is not known, or has not the right."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Whoever answered does not seem to be the service."""

    reason: str


Outcome = Accepted | Invalid | Busy | NotAllowed | Unexpected


def judge(response: httpx.Response, sent: int, now: float) -> Outcome:
    """Return what an answer to ``sent`` facts means; ``now`` is in seconds since 1970."""
    status = response.status_code
    body = _object(response)
    if status == HTTPStatus.CREATED and len(body.get("receipts") or ()) == sent:
        return Accepted(body)
    if status in {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
        return Invalid(_index(body, sent), body or {"status": int(status)})
    if status in _NOT_ALLOWED:
        return NotAllowed(f"{status} {body.get('detail') or body.get('title') or ''}".strip())
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Busy(f"{status} from {response.url}", _retry_after(response.headers.get("Retry-After"), now))
    return Unexpected(f"{status} from {response.url}, which is no receipt; is the address that of the service?")


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _index(body: Mapping[str, Any], sent: int) -> int | None:
    index = body.get("index")
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < sent:
        return index
    return None


def _retry_after(text: str | None, now: float) -> float:
    """Read ``Retry-After`` (RFC 9110, 10.2.3): seconds, or a date. What cannot be read asks for nothing."""
    if text is None:
        return 0.0
    if text.strip().isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    zoned = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(max(zoned.timestamp() - now, 0.0), _LONGEST_WAIT)
