"""What MLflow's own authentication keeps of accounts and permissions, read in the same process. Never a password.

Only where the wrapped application is MLflow's `basic-auth`, or one made of it: others keep their accounts elsewhere,
and what they allow is known to them alone. Releases with roles and those before them are read alike: what comes
out is who may do what with which resource, whichever role says so.
"""

from __future__ import annotations

import functools
import logging
import sys
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from collectors.mlflow.act import Rights

ACCOUNT: Final = "account"
EVERYTHING: Final = "*"
"""The resource that the server's default permission is about."""

_STRENGTH: Final = ("NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE")
_DEFAULT_WORKSPACE: Final = "default"
_log = logging.getLogger("lineage.mlflow")


def read_rights() -> Rights | None:
    """Return all rights of all accounts; None where MLflow's own authentication is not in use."""
    auth = _auth()
    if auth is None:
        return None
    found: dict[tuple[str, str], str] = {}
    default = str(getattr(auth.auth_config, "default_permission", "") or "")
    for user, grants in _users(auth.store):
        found[user.username, ACCOUNT] = "admin" if user.is_admin else "user"
        if default:
            found[user.username, EVERYTHING] = default
        for resource, permission in grants:
            held = found.get((user.username, resource))
            found[user.username, resource] = permission if held is None else max(held, permission, key=_strength)
    return found


def read_account(username: str) -> str | None:
    """Return what a user is, ``user`` or ``admin``; None for one who is not there, or is kept elsewhere."""
    auth = _auth()
    if auth is None or not auth.store.has_user(username):
        return None
    return "admin" if auth.store.get_user(username).is_admin else "user"


def resource_name(kind: str, name: str, workspace: str | None) -> str:
    """Return how facts name a resource, e.g. ``registered-model/credit``, with its workspace unless the default one."""
    plain = f"{kind.replace('_', '-')}/{name}"
    return plain if workspace in (None, "", _DEFAULT_WORKSPACE) else f"workspace/{workspace}/{plain}"


def scorer_name(experiment: str, name: str) -> str:
    """Return how MLflow itself names a scorer since it has roles: by its experiment too, and its name quoted."""
    return f"{experiment}/{urllib.parse.quote(name, safe='')}"


def tell_user(keep: Callable[[str], None]) -> None:
    """Have MLflow's authentication tell whom it let in, request by request.

    Releases before 3.14 keep that from everybody who comes after them. Called once, when the wrapped application is
    built. A password that is checked anew would cost each request tens of milliseconds more.
    """
    module = _auth()
    ask = getattr(module, "authenticate_request", None)
    if ask is None:
        return

    @functools.wraps(ask)
    def telling() -> Any:
        found = ask()
        name = getattr(found, "username", None)  # a refusal is a response, and has none
        if name:
            keep(str(name))
        return found

    module.authenticate_request = telling


def _auth() -> Any:
    """Return MLflow's module if an application loaded it, to its end, and opened its store."""
    module = sys.modules.get("mlflow.server.auth")
    opened = hasattr(getattr(module, "store", None), "ManagedSessionMaker") and hasattr(module, "auth_config")
    return module if opened else None


def _users(store: Any) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    if hasattr(store, "list_users_with_roles"):
        for user, roles in store.list_users_with_roles():
            yield user, [one for role in roles for one in _of_role(role)]
        return
    for user in store.list_users():
        roles = store.list_user_roles(user.id) if hasattr(store, "list_user_roles") else ()
        yield user, [*_each_by_itself(store, user), *(one for role in roles for one in _of_role(role))]


def _each_by_itself(store: Any, user: Any) -> Iterator[tuple[str, str]]:
    """Give the rights that were held one by one, until 3.12 (which has roles beside them)."""
    name = user.username
    for one in store.list_experiment_permissions(name):
        yield resource_name("experiment", str(one.experiment_id), None), one.permission
    for one in _on_models(store, user):
        yield resource_name("registered_model", one.name, one.workspace), one.permission
    for one in store.list_scorer_permissions(name):
        yield resource_name("scorer", scorer_name(str(one.experiment_id), one.scorer_name), None), one.permission
    for one in store.list_gateway_secret_permissions(name):
        yield resource_name("gateway_secret", one.secret_id, None), one.permission
    for one in store.list_gateway_endpoint_permissions(name):
        yield resource_name("gateway_endpoint", one.endpoint_id, None), one.permission
    for one in store.list_gateway_model_definition_permissions(name):
        yield resource_name("gateway_model_definition", one.model_definition_id, None), one.permission
    for one in store.list_user_workspace_permissions(name):
        yield resource_name("workspace", EVERYTHING, one.workspace), one.permission


def _on_models(store: Any, user: Any) -> Iterable[Any]:
    """Return a user's rights on models of every workspace; the store's own list knows that of a request only."""
    from mlflow.server.auth.db.models import SqlRegisteredModelPermission as Held

    with store.ManagedSessionMaker() as session:
        return [row.to_mlflow_entity() for row in session.query(Held).filter(Held.user_id == user.id)]


def _of_role(role: Any) -> Iterator[tuple[str, str]]:
    for one in role.permissions:
        yield resource_name(one.resource_type, one.resource_pattern, role.workspace), one.permission


def _strength(permission: str) -> int:
    return _STRENGTH.index(permission) if permission in _STRENGTH else len(_STRENGTH)
