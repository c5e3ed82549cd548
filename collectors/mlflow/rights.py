"""From a request about accounts and permissions to facts, so that "who could deploy on 14 August" has an answer. Pure.

What a request names itself is told from the request. What it changes besides (a role's permissions are those of all its
members; a deleted user loses every right) is the difference between all rights before and after it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from collectors.mlflow.accounts import ACCOUNT, EVERYTHING, resource_name, scorer_name
from collectors.mlflow.act import Act, Rights, subject_of
from graph_schema.times import format_time

Facts = Iterator[dict[str, Any]]
Right = tuple[str, str, str | None]
"""User, resource, and the permission; None where there is none any more."""

_LONGEST_RESOURCE: Final = 4096


def rights_changed(act: Act) -> Facts:
    """Give a fact for each right that a request changed, or stated anew."""
    stated = dict(_STATED[act.route.action](act)) if act.route.action in _STATED else {}
    for (user, resource), (permission, change) in stated.items():
        yield _fact(act, (user, resource, permission), change)
    for right in differences(act.before.rights, act.rights):
        if right[:2] not in stated:
            yield _fact(act, right, _word(act))


def differences(before: Rights | None, after: Rights | None) -> list[Right]:
    """Return the rights that are not what they were, in order; none where either is not known."""
    if before is None or after is None:
        return []
    keys = sorted({key for key in {**before, **after} if before.get(key) != after.get(key)})
    return [(user, resource, after.get((user, resource))) for user, resource in keys]


def rights_seen(rights: list[Right], issuer: str, not_before: int | None, now: int) -> Facts:
    """Give a sighting for each right that was found different between two instants (microseconds).

    Without the first instant nothing was known before, so that the right is known since ``now``.
    """
    window = {} if not_before is None else {"not_before": format_time(min(not_before, now))}
    for user, resource, permission in rights:
        body = _body(issuer, (user, resource, permission), "seen")
        yield {
            "type": "permission.observed",
            "ev": 1,
            "occurred_at": format_time(now),
            "actor": {"assurance": "observed"},
            "source": {"event_id": str(uuid.uuid4())},
            "body": {**body, **window},
        }


def _fact(act: Act, right: Right, change: str) -> dict[str, Any]:
    return act.fact("permission.observed", {**_body(act.issuer, right, change), **act.window})


def _body(issuer: str, right: Right, change: str) -> dict[str, Any]:
    user, resource, permission = right
    body = {
        "person": {"issuer": issuer[:256], "subject": subject_of(user)},
        "system": issuer,
        "resource": resource[:_LONGEST_RESOURCE],
        "change": change,
    }
    return body if permission is None else {**body, "permission": permission[:1024]}


def _word(act: Act) -> str:
    return f"by {act.route.path}"


Stated = Iterator[tuple[tuple[str, str], tuple[str | None, str]]]


def _account_made(act: Act) -> Stated:
    """An account; the form's answer is the same page when the name was taken, so what was there before decides."""
    if act.route.form and act.before.account is not None:
        return
    made = act.response.get("user")
    admin = isinstance(made, Mapping) and made.get("is_admin") is True
    yield (_user(act), ACCOUNT), ("admin" if admin else "user", "created")


def _password_changed(act: Act) -> Stated:
    yield (_user(act), ACCOUNT), (act.before.account or "user", "password changed")


def _admin_changed(act: Act) -> Stated:
    admin = act.fields.get("is_admin") in (True, "true", "True", 1)
    yield (_user(act), ACCOUNT), ("admin" if admin else "user", "made an admin" if admin else "no admin any more")


def _account_deleted(act: Act) -> Stated:
    yield (_user(act), ACCOUNT), (None, "deleted")


def _granted(act: Act) -> Stated:
    yield (_user(act), _resource(act)), (str(act.fields.get("permission")), "granted")


def _revoked(act: Act) -> Stated:
    yield (_user(act), _resource(act)), (None, "revoked")


def _user(act: Act) -> str:
    return str(act.fields["username"])


def _resource(act: Act) -> str:
    things, fields = act.route.path.partition("/permissions")[0], act.fields
    if things == "scorers":
        named = scorer_name(str(fields["experiment_id"]), str(fields["scorer_name"]))
        return resource_name("scorer", named, act.workspace)
    if things in _NAMED_BY:
        kind, field = _NAMED_BY[things]
        return resource_name(kind, str(fields[field]), act.workspace)
    return resource_name(str(fields["resource_type"]), str(fields["resource_id"]), act.workspace)


_NAMED_BY: Final = {
    "experiments": ("experiment", "experiment_id"),
    "registered-models": ("registered_model", "name"),
    "gateway/secrets": ("gateway_secret", "secret_id"),
    "gateway/endpoints": ("gateway_endpoint", "endpoint_id"),
    "gateway/model-definitions": ("gateway_model_definition", "model_definition_id"),
}
"""What a route is about that names one kind of thing, in the words of later releases, and the field with its name."""


def _in_workspace(act: Act) -> str:
    return resource_name("workspace", EVERYTHING, str(act.fields["workspace_name"]))


def _workspace_granted(act: Act) -> Stated:
    yield (_user(act), _in_workspace(act)), (str(act.fields.get("permission")), "granted")


def _workspace_revoked(act: Act) -> Stated:
    yield (_user(act), _in_workspace(act)), (None, "revoked")


def _right_on(things: str) -> Mapping[str, Callable[[Act], Stated]]:
    return {
        f"POST {things}/permissions/create": _granted,
        f"PATCH {things}/permissions/update": _granted,
        f"DELETE {things}/permissions/delete": _revoked,
    }


_STATED: Final[Mapping[str, Callable[[Act], Stated]]] = {
    "POST users/create": _account_made,
    "POST users/create-ui": _account_made,
    "PATCH users/update-password": _password_changed,
    "PATCH users/update-admin": _admin_changed,
    "DELETE users/delete": _account_deleted,
    "POST users/permissions/grant": _granted,
    "POST users/permissions/revoke": _revoked,
    **{action: told for things in (*_NAMED_BY, "scorers") for action, told in _right_on(things).items()},
    "POST workspaces/<workspace_name>/permissions": _workspace_granted,
    "DELETE workspaces/<workspace_name>/permissions": _workspace_revoked,
}
