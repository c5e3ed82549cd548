"""What a reply of the service means: its JSON, or the error it stands for, in the terms of whoever asked."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx

from lineage_service.client.errors import (
    AnswerError,
    BadRequestError,
    ClientError,
    DamageError,
    NobodyError,
    ProblemError,
    RefusedError,
    RolledBackError,
    UnavailableError,
    UnknownNameError,
)

_PROBLEMS: Mapping[int, type[ProblemError]] = {
    HTTPStatus.UNAUTHORIZED: NobodyError,
    HTTPStatus.FORBIDDEN: RefusedError,
    HTTPStatus.NOT_FOUND: UnknownNameError,
}
_DAMAGE = "integrity"
_NO_ROUTE = "no-such-route"


def content(response: httpx.Response) -> Any:
    """Return the JSON of a good reply; ClientError for everything else."""
    if response.is_error:
        raise error_of(response)
    if response.status_code == HTTPStatus.NO_CONTENT or not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise AnswerError(f"{response.url} answered something else than JSON; is that a lineage service?") from None


def error_of(response: httpx.Response) -> ClientError:
    """Return what a refused or failed request means."""
    problem = _problem(response)
    if response.status_code == HTTPStatus.CONFLICT and _word(problem) == "rolled-back":
        return RolledBackError(
            f"the graph was rolled back: {problem.get('detail')} Nodes and edges you were shown before may be missing "
            "from every answer."
        )
    status = response.status_code
    if status == HTTPStatus.SERVICE_UNAVAILABLE or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and not problem):
        said = problem.get("detail") or f"it answered {status}"
        return UnavailableError(f"the service cannot answer now: {said}", retry_after=_seconds(response))
    if not problem or _word(problem) == _NO_ROUTE:
        return AnswerError(f"{response.url} answered {status}; is that a lineage service, and of this version?")
    kind = DamageError if _word(problem) == _DAMAGE else _PROBLEMS.get(status, _by_class(status))
    return kind(_message(problem), status=status, problem=problem)


def _by_class(status: int) -> type[ProblemError]:
    return ProblemError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else BadRequestError


def _problem(response: httpx.Response) -> dict[str, Any]:
    """Return the problem document of a reply; empty if it has none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) and ("title" in found or "detail" in found) else {}


def _word(problem: Mapping[str, Any]) -> str:
    return str(problem.get("type", "")).rpartition(":")[2]


def _message(problem: Mapping[str, Any]) -> str:
    said = str(problem.get("detail") or problem.get("title"))
    field, index = problem.get("field"), problem.get("index")
    where = [*([f"event {index}"] if index is not None else []), *([f"field {field}"] if field else [])]
    return f"{' '.join(where)}: {said}" if where else said


def _seconds(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() else 0.0
