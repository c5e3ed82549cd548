"""Which of MLflow's routes become facts, and which fields of their requests may be read at all.

Both are allow-lists: a route or a field that is not named here is never looked at, so a password, a webhook's secret or
a gateway's key cannot get into a record. The same routes exist under ``/api`` and ``/ajax-api`` (the web pages), and
under more than one version of the interface. What is not recorded stands in ``left_out``, each with its reason.

==========  ==========================================================================================================
in path     registry, users and permissions, deletion of runs and experiments, finished and deleted logged models: an
            intent is on disk before the change, or there is no change
buffered    runs and logged models while they are made: told after the answer, and nobody is made to wait
==========  ==========================================================================================================
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collectors.mlflow.left_out import LEFT_OUT, OF_NEWER_RELEASES

MUTATING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_INTERFACE = re.compile(r"/(?:ajax-)?api/\d+\.\d+/?(?:preview/)?(?:mlflow/)?(.+)\Z")
_OF_MLFLOW = re.compile(r"/(?:ajax-)?api/\d+\.\d+/")
_VARIABLE = re.compile(r"<(?:[a-z]+:)?(\w+)>|\{(\w+)(?::[a-z]+)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """A recorded route. ``in_path``: an intent is on disk before the change, or there is no change.

    ``fields`` may be read from the body, from the variables of the address, and of a DELETE from its query; of a form
    only where ``form`` says so.
    """

    path: str
    method: str
    fields: frozenset[str]
    in_path: bool = True
    form: bool = False

    @property
    def action(self) -> str:
        """The route as records name it, e.g. ``DELETE registered-models/alias``."""
        return f"{self.method} {self.path}"

    @property
    def about_rights(self) -> bool:
        """Whether it changes accounts or permissions."""
        return self.path.startswith(("users/", "roles/")) or "/permissions" in self.path


def _route(action: str, fields: str, *, in_path: bool = True, form: bool = False) -> Route:
    method, path = action.split()
    return Route(path, method, frozenset(fields.split()), in_path, form)


_REGISTRY: Final = (
    _route("POST registered-models/create", "name tags description"),
    _route("PATCH registered-models/update", "name description"),
    _route("POST registered-models/rename", "name new_name"),
    _route("DELETE registered-models/delete", "name"),
    _route("POST registered-models/alias", "name alias version"),
    _route("DELETE registered-models/alias", "name alias"),
    _route("POST registered-models/set-tag", "name key value"),
    _route("DELETE registered-models/delete-tag", "name key"),
    _route("POST model-versions/create", "name source run_id model_id tags description"),
    _route("PATCH model-versions/update", "name version description"),
    _route("POST model-versions/transition-stage", "name version stage archive_existing_versions"),
    _route("DELETE model-versions/delete", "name version"),
    _route("POST model-versions/set-tag", "name version key value"),
    _route("DELETE model-versions/delete-tag", "name version key"),
)
_RUNS: Final = (
    _route("POST runs/delete", "run_id"),
    _route("POST runs/restore", "run_id"),
    _route("POST experiments/delete", "experiment_id"),
    _route("POST experiments/restore", "experiment_id"),
    _route("DELETE workspaces/<workspace_name>", "workspace_name mode"),
    _route("POST runs/create", "experiment_id user_id", in_path=False),
    _route("POST runs/update", "run_id run_uuid status", in_path=False),
    _route("POST runs/log-inputs", "run_id datasets models", in_path=False),
    _route("POST runs/outputs", "run_id models", in_path=False),
    _route("POST runs/create-promptlab-run", "experiment_id", in_path=False),
)
_LOGGED_MODELS: Final = (
    _route("PATCH logged-models/<model_id>", "model_id status"),
    _route("DELETE logged-models/<model_id>", "model_id"),
    _route("PATCH logged-models/<model_id>/tags", "model_id tags"),
    _route("DELETE logged-models/<model_id>/tags/<tag_key>", "model_id tag_key"),
    _route("POST logged-models", "experiment_id name model_type source_run_id params tags", in_path=False),
    _route("POST logged-models/<model_id>/params", "model_id params", in_path=False),
)
_RIGHTS: Final = (
    _route("POST users/create", "username"),
    _route("POST users/create-ui", "username", form=True),
    _route("PATCH users/update-password", "username"),
    _route("PATCH users/update-admin", "username is_admin"),
    _route("DELETE users/delete", "username"),
    _route("POST users/permissions/grant", "username resource_type resource_id permission"),
    _route("POST users/permissions/revoke", "username resource_type resource_id"),
    _route("POST roles/create", "name workspace"),
    _route("PATCH roles/update", "role_id name"),
    _route("DELETE roles/delete", "role_id"),
    _route("POST roles/permissions/add", "role_id resource_type resource_pattern permission"),
    _route("PATCH roles/permissions/update", "role_permission_id permission"),
    _route("DELETE roles/permissions/remove", "role_permission_id"),
    _route("POST roles/assign", "username role_id"),
    _route("DELETE roles/unassign", "username role_id"),
)


def _right_on(things: str, fields: str) -> tuple[Route, ...]:
    """Return the three routes that gave, changed and took a right on one thing before rights were held by roles."""
    return (
        _route(f"POST {things}/permissions/create", f"username permission {fields}"),
        _route(f"PATCH {things}/permissions/update", f"username permission {fields}"),
        _route(f"DELETE {things}/permissions/delete", f"username {fields}"),
    )


_RIGHTS_BEFORE_ROLES: Final = (
    *_right_on("experiments", "experiment_id"),
    *_right_on("registered-models", "name"),
    *_right_on("scorers", "experiment_id scorer_name"),
    *_right_on("gateway/secrets", "secret_id"),
    *_right_on("gateway/endpoints", "endpoint_id"),
    *_right_on("gateway/model-definitions", "model_definition_id"),
    _route("POST workspaces/<workspace_name>/permissions", "workspace_name username permission"),
    _route("DELETE workspaces/<workspace_name>/permissions", "workspace_name username"),
)

RECORDED: Final[Mapping[str, Route]] = {
    one.action: one for one in (*_REGISTRY, *_RUNS, *_LOGGED_MODELS, *_RIGHTS, *_RIGHTS_BEFORE_ROLES)
}

OF_OTHER_RELEASES: Final[Mapping[str, str]] = {
    **{one.action: "until 3.12: each right by itself" for one in _RIGHTS_BEFORE_ROLES},
    **dict.fromkeys(OF_NEWER_RELEASES, "since 3.18"),
}
"""Rows that the newest tested release (3.17) does not have, and which releases do."""

NAMING: Final = frozenset(
    {"name", "version", "stage", "archive_existing_versions", "alias", "new_name", "key", "run_id", "run_uuid"}
    | {"experiment_id", "model_id", "tag_key", "status", "role_id", "role_permission_id", "workspace_name", "mode"}
    | {"resource_type", "resource_id", "resource_pattern", "permission", "is_admin", "scorer_name", "secret_id"}
    | {"endpoint_id", "model_definition_id"}
)
"""Fields that name things and hold nobody's text: what an intent on disk, and a denied attempt, may show."""


@functools.lru_cache(maxsize=4096)
def action_of(rule: str, method: str) -> str:
    """Return a rule of Flask or FastAPI (or a path) as the tables name it: without prefix, types and the interface."""
    found = _INTERFACE.search(rule)
    path = found[1] if found else rule
    return f"{method} {_VARIABLE.sub(lambda named: f'<{named[1] or named[2]}>', path)}"


def recorded_route(rule: str, method: str) -> Route | None:
    """Return the recorded route of a URL rule (or path) and method; None for all others."""
    return RECORDED.get(action_of(rule, method))


def uncovered(rules: Iterable[tuple[str, str]], prefix: str = "") -> list[str]:
    """Return the rules (rule and method) that could change something and are in no table.

    ``prefix`` is what the server puts before every rule (``--static-prefix``). A rule outside MLflow's own interface
    counts as well: one of a wrapped application may change what MLflow keeps.
    """
    actions = {(action_of(rule.removeprefix(prefix), method), rule) for rule, method in rules if method in MUTATING}
    return sorted({f"{action.split()[0]} {rule}" for action, rule in actions if not _is_known(action)})


def is_of_mlflow(rule: str) -> bool:
    """Tell whether a rule belongs to MLflow's interface, whichever application serves it."""
    return _OF_MLFLOW.search(rule) is not None


def _is_known(action: str) -> bool:
    return action in RECORDED or action in LEFT_OUT


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
