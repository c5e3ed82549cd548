"""Which of MLflow's REST routes become facts, and which fields of their bodies may be read at all.

Both are allow-lists: a route or a field that is not named here is never looked at, so a password, a webhook's secret or
a gateway's key cannot get into a record. The same routes exist under ``/api`` and ``/ajax-api`` (the web pages), and
under more than one version of the interface.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

MUTATING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_ROUTE = re.compile(
    r"/(?:ajax-)?api/\d+\.\d+/(?:preview/)?mlflow/((?:registered-models|model-versions|runs)/[a-z-]+)\Z"
)
_REGISTRY = re.compile(r"/mlflow/(?:registered-models|model-versions)\b")


@dataclass(frozen=True, slots=True)
class Route:
    """A recorded route. ``in_path``: an intent is on disk before the change, or there is no change."""

    path: str
    method: str
    fields: frozenset[str]
    in_path: bool = True

    @property
    def action(self) -> str:
        """The route as records name it, e.g. ``DELETE registered-models/alias``."""
        return f"{self.method} {self.path}"


def _route(action: str, fields: str, *, in_path: bool = True) -> Route:
    method, path = action.split()
    return Route(path, method, frozenset(fields.split()), in_path)


RECORDED: Final[Mapping[str, Route]] = {
    route.action: route
    for route in (
        _route("POST registered-models/create", "name tags description"),
        _route("POST registered-models/rename", "name new_name"),
        _route("DELETE registered-models/delete", "name"),
        _route("POST registered-models/alias", "name alias version"),
        _route("DELETE registered-models/alias", "name alias"),
        _route("POST registered-models/set-tag", "name key value"),
        _route("DELETE registered-models/delete-tag", "name key"),
        _route("POST model-versions/create", "name source run_id model_id tags description"),
        _route("POST model-versions/transition-stage", "name version stage archive_existing_versions"),
        _route("DELETE model-versions/delete", "name version"),
        _route("POST model-versions/set-tag", "name version key value"),
        _route("DELETE model-versions/delete-tag", "name version key"),
        _route("POST runs/delete", "run_id"),
        _route("POST runs/restore", "run_id"),
        _route("POST runs/create", "experiment_id user_id", in_path=False),
        _route("POST runs/update", "run_id run_uuid status", in_path=False),
        _route("POST runs/log-inputs", "run_id datasets", in_path=False),
    )
}

LEFT_OUT: Final[Mapping[str, str]] = {
    "PATCH registered-models/update": "changes a description only, for which the language has no fact",
    "PATCH model-versions/update": "changes a description only, for which the language has no fact",
    "POST registered-models/get-latest-versions": "reads",
}
"""Registry routes that are not recorded although their method could change something, each with its reason."""

NAMING: Final = frozenset(
    {"name", "version", "stage", "archive_existing_versions", "alias", "new_name", "key", "run_id", "run_uuid"}
)
"""Fields that name things and hold nobody's text: what an intent on disk, and a denied attempt, may show."""


def recorded_route(rule: str, method: str) -> Route | None:
    """Return the recorded route of a URL rule (or path) and method; None for all others."""
    found = _ROUTE.search(rule)
    return RECORDED.get(f"{method} {found[1]}") if found else None


def uncovered(rules: Iterable[tuple[str, str]]) -> list[str]:
    """Return the registry rules (rule and method) that could change something and are in no list of this module."""
    missed = set()
    for rule, method in rules:
        found = _ROUTE.search(rule)
        known = found is not None and (f"{method} {found[1]}" in RECORDED or f"{method} {found[1]}" in LEFT_OUT)
        if method in MUTATING and _REGISTRY.search(rule) and not known:
            missed.add(f"{method} {rule}")
    return sorted(missed)


def allowed_fields(route: Route, body: object) -> dict[str, Any]:
    """Return the fields of a body that the route's allow-list names; {} for a body that is no object.

    MLflow reads protobuf's JSON: each field may be spelt in snake_case or lowerCamelCase. A key of the same meaning
    twice is refused by MLflow itself.
    """
    if not isinstance(body, Mapping):
        return {}
    spelt = {_snake_case(str(key)): value for key, value in body.items()}
    return {key: plain(value) for key, value in spelt.items() if key in route.fields and value is not None}


def plain(value: Any) -> Any:
    """Return JSON in which every text is made of characters: half a surrogate pair becomes a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {plain(key): plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value


def _snake_case(key: str) -> str:
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key)
