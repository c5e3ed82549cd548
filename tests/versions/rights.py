"""What is done at a server with MLflow's `basic-auth`: accounts, rights of each kind that the release knows, a refusal.

Plain requests: routes and their words differ from release to release, and so do the methods of MLflow's own client.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.versions.environments import numbers

ADMIN_PASSWORD: Final = "correct horse battery"
Body = dict[str, Any]
OTHER: Final = "team-a"
"""The workspace beside the default one."""

_ROLES_SINCE: Final = (3, 12)
_ONE_BY_ONE_BEFORE: Final = (3, 13)


def settings(folder: Path) -> dict[str, str]:
    """Write the configuration of accounts; return the environment that a server with the plugin needs for them."""
    path = folder / "auth.ini"
    path.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = admin\n"
        f"admin_password = {ADMIN_PASSWORD}\n"  # older releases know no variable for it
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return {
        "LINEAGE_MLFLOW_APP": "basic-auth",
        "MLFLOW_AUTH_CONFIG_PATH": str(path),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key for tests only",
    }


class UnexpectedAnswerError(AssertionError):
    """A server answered otherwise than this release of MLflow does."""


@dataclass(frozen=True, slots=True)
class People:
    """Three people at one server: the admin, alice who makes a model, bob who may only read it at first."""

    url: str
    release: str

    def act(self) -> None:
        """Do everything, in order."""
        for user in ("alice", "bob", "carol"):
            self._ask("POST", "users/create", username=user, password=_password(user))
        self._model()
        self._accounts()
        if numbers(self.release) < _ONE_BY_ONE_BEFORE:
            self._one_by_one()
        else:
            right: Body = {"username": "bob", "resource_type": "registered_model", "resource_id": "credit"}
            self._ask("POST", "users/permissions/grant", api="3.0", permission="EDIT", **right)
            self._ask("POST", "users/permissions/revoke", api="3.0", **right)
        if numbers(self.release) >= _ROLES_SINCE:
            self._roles()

    def act_in_workspaces(self) -> None:
        """Make a model of one name in two workspaces, and give bob a right in a whole one, as that is done."""
        self._ask("POST", "users/create", username="bob", password=_password("bob"))
        self._ask("POST", "workspaces", api="3.0", name=OTHER)
        for workspace in ("default", OTHER):
            self._ask("POST", "registered-models/create", within=workspace, name="credit")
            source = f"s3://{workspace}/1"
            self._ask("POST", "model-versions/create", within=workspace, name="credit", source=source)
        if numbers(self.release) < _ONE_BY_ONE_BEFORE:
            rights = f"workspaces/{OTHER}/permissions"
            self._ask("POST", rights, api="3.0", username="bob", permission="MANAGE")
            self._ask("DELETE", rights, api="3.0", username="bob")
        else:
            right: Body = {"username": "bob", "resource_type": "registered_model", "resource_id": "credit"}
            self._ask("POST", "users/permissions/grant", api="3.0", within=OTHER, permission="EDIT", **right)
            self._ask("POST", "users/permissions/revoke", api="3.0", within=OTHER, **right)

    def _model(self) -> None:
        self._ask("POST", "registered-models/create", by="alice", name="credit")
        self._ask("POST", "model-versions/create", by="alice", name="credit", source="s3://models/1")
        move: Body = {"name": "credit", "version": "1", "stage": "Production"}
        self._ask("POST", "model-versions/transition-stage", by="bob", refused=True, **move)
        self._ask("POST", "model-versions/transition-stage", by="alice", **move)

    def _accounts(self) -> None:
        self._ask("PATCH", "users/update-password", username="carol", password=_password("carol's new"))
        self._ask("PATCH", "users/update-admin", username="carol", is_admin=True)
        self._ask("DELETE", "users/delete", username="carol")

    def _one_by_one(self) -> None:
        experiment: Body = {"experiment_id": "0"}
        for api, things, named in (
            ("2.0", "registered-models", {"name": "credit"}),
            ("2.0", "experiments", experiment),
            ("3.0", "scorers", {**experiment, "scorer_name": "fair and square"}),
            ("3.0", "gateway/secrets", {"secret_id": "s-1"}),
            ("3.0", "gateway/endpoints", {"endpoint_id": "e-1"}),
            ("3.0", "gateway/model-definitions", {"model_definition_id": "d-1"}),
        ):
            right: Body = {"username": "bob", **named}
            self._ask("POST", f"{things}/permissions/create", api=api, permission="EDIT", **right)
            self._ask("PATCH", f"{things}/permissions/update", api=api, permission="MANAGE", **right)
            self._ask("DELETE", f"{things}/permissions/delete", api=api, **right)

    def _roles(self) -> None:
        made = self._ask("POST", "roles/create", api="3.0", name="deployers", workspace="default")
        role = made.json()["role"]["id"]
        right: Body = {"resource_type": "registered_model", "resource_pattern": "*", "permission": "EDIT"}
        self._ask("POST", "roles/permissions/add", api="3.0", role_id=role, **right)
        self._ask("POST", "roles/assign", api="3.0", username="bob", role_id=role)
        self._ask("DELETE", "roles/delete", api="3.0", role_id=role)

    def _ask(
        self,
        method: str,
        route: str,
        *,
        by: str = "admin",
        api: str = "2.0",
        within: str = "default",
        refused: bool = False,
        **body: object,
    ) -> httpx.Response:
        password = ADMIN_PASSWORD if by == "admin" else _password(by)
        url = f"{self.url}/api/{api}/mlflow/{route}"
        headers = {"X-MLFLOW-WORKSPACE": within} if within != "default" else {}
        answer = httpx.request(method, url, json=body, auth=(by, password), headers=headers, timeout=60)
        if answer.is_success if refused else answer.is_error:
            raise UnexpectedAnswerError(f"{method} {route} was answered with {answer.status_code}: {answer.text[:500]}")
        return answer


def _password(user: str) -> str:
    return f"{user} has a long password"
