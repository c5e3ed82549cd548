"""From JSON to the answer types: what is missing or of another kind is found here, and named by its path.

The types of ``graph_schema.answers`` are followed as they are declared. Rules kept: a member that a later service adds
is no fault, and neither is a word that a later service adds to a closed list (a new kind of gap is still a gap).
"""

import types
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from graph_schema.answers import Answer, ClosureValue, DeploymentsValue, DriftValue, HistoryValue, LiveValue
from lineage_service.client.errors import AnswerError

VALUES: Final[dict[str, type[Any]]] = {
    "provenance": ClosureValue,
    "impact": ClosureValue,
    "deployments": DeploymentsValue,
    "live": LiveValue,
    "drift": DriftValue,
    "history": HistoryValue,
}
"""What each question's value is."""


def require_answer(question: str, data: object) -> dict[str, Any]:
    """Return the members of an answer's envelope; AnswerError says what does not fit."""
    if not isinstance(data, dict):
        raise AnswerError("the service's answer is no object; is the address that of a lineage service?")
    members: dict[str, Any] = {}
    for name, hint in get_type_hints(Answer).items():
        if name not in data:
            raise _misfit(name, "is missing")
        _require(VALUES[question] if isinstance(hint, TypeVar) else hint, data[name], name)
        members[name] = data[name]
    return members


def _require(hint: Any, value: Any, path: str) -> None:
    """Require that a value has the declared type."""
    origin = get_origin(hint)
    if hint is Any:
        return
    if is_typeddict(hint):
        _require_members(hint, value, path)
    elif origin in {Union, types.UnionType}:
        _require_one(get_args(hint), value, path)
    elif origin is Literal:
        _require_plain(str, value, path)
    elif origin is list:
        _require_plain(list, value, path)
        for number, item in enumerate(value):
            _require(get_args(hint)[0], item, f"{path}[{number}]")
    elif origin is dict:
        _require_plain(dict, value, path)
        for key, item in value.items():
            _require(get_args(hint)[1], item, f"{path}[{key!r}]")
    else:
        _require_plain(hint, value, path)


def _require_members(hint: Any, value: Any, path: str) -> None:
    _require_plain(dict, value, path)
    for name, inner in _hints(hint).items():
        if name in value:
            _require(inner, value[name], f"{path}.{name}")
        elif name in hint.__required_keys__:
            raise _misfit(f"{path}.{name}", "is missing")


def _require_one(hints: tuple[Any, ...], value: Any, path: str) -> None:
    if value is None and type(None) in hints:
        return
    _require(next(hint for hint in hints if hint is not type(None)), value, path)


def _require_plain(kind: type[Any], value: Any, path: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _misfit(path, f"is not of type {kind.__name__}")


_KNOWN_HINTS: Final[dict[Any, Mapping[str, Any]]] = {}


def _hints(typed_dict: Any) -> Mapping[str, Any]:
    if typed_dict not in _KNOWN_HINTS:
        _KNOWN_HINTS[typed_dict] = get_type_hints(typed_dict)
    return _KNOWN_HINTS[typed_dict]


def _misfit(path: str, what: str) -> AnswerError:
    return AnswerError(f"in the service's answer {path} {what}; client and service are of different versions")
