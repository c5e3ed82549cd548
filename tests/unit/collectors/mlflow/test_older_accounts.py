"""MLflow's accounts before 3.13, as its store and its authentication are there: stand-ins with its own names.

The real ones of 3.10 and 3.12 are run by `python -m tests.versions`.
"""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from collectors.mlflow.accounts import read_rights, tell_user
from tests.unit.collectors.mlflow.test_rights import act, told

BOB = SimpleNamespace(id=1, username="bob", is_admin=False)


class Row:
    """A row of the table of rights on models, which says its workspace."""

    def to_mlflow_entity(self) -> SimpleNamespace:
        return SimpleNamespace(name="credit", workspace="team-a", permission="EDIT")


class Store:
    """The store of 3.10: a list for each kind of thing, and none of roles."""

    @contextlib.contextmanager
    def ManagedSessionMaker(self) -> Iterator[Any]:  # noqa: N802  MLflow's word
        yield SimpleNamespace(query=lambda _table: SimpleNamespace(filter=lambda _condition: [Row()]))

    def list_users(self) -> list[SimpleNamespace]:
        return [BOB]

    def list_experiment_permissions(self, _user: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(experiment_id="7", permission="READ")]

    def list_scorer_permissions(self, _user: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(experiment_id="7", scorer_name="fair & square", permission="EDIT")]

    def list_gateway_secret_permissions(self, _user: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(secret_id="s-1", permission="USE")]

    def list_gateway_endpoint_permissions(self, _user: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(endpoint_id="e-1", permission="USE")]

    def list_gateway_model_definition_permissions(self, _user: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(model_definition_id="d-1", permission="MANAGE")]

    def list_user_workspace_permissions(self, _user: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(workspace="team-a", permission="MANAGE")]


class StoreWithRoles(Store):
    """The store of 3.12: roles beside the rights that are held one by one."""

    def list_user_roles(self, user: int) -> list[SimpleNamespace]:
        assert user == BOB.id
        right = SimpleNamespace(resource_type="experiment", resource_pattern="7", permission="MANAGE")
        return [SimpleNamespace(workspace="default", permissions=[right])]


def older_mlflow(monkeypatch: pytest.MonkeyPatch, store: Store) -> Any:
    """Put a module in the place of MLflow's; give it."""
    module: Any = ModuleType("mlflow.server.auth")
    module.store, module.auth_config = store, SimpleNamespace(default_permission="READ")
    models: Any = ModuleType("mlflow.server.auth.db.models")
    models.SqlRegisteredModelPermission = SimpleNamespace(user_id=1)
    monkeypatch.setitem(sys.modules, "mlflow.server.auth", module)
    monkeypatch.setitem(sys.modules, "mlflow.server.auth.db.models", models)
    return module


def test_rights_that_are_held_one_by_one_are_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    older_mlflow(monkeypatch, Store())
    assert read_rights() == {
        ("bob", "account"): "user",
        ("bob", "*"): "READ",
        ("bob", "experiment/7"): "READ",
        ("bob", "workspace/team-a/registered-model/credit"): "EDIT",
        ("bob", "scorer/7/fair%20%26%20square"): "EDIT",
        ("bob", "gateway-secret/s-1"): "USE",
        ("bob", "gateway-endpoint/e-1"): "USE",
        ("bob", "gateway-model-definition/d-1"): "MANAGE",
        ("bob", "workspace/team-a/workspace/*"): "MANAGE",
    }


def test_roles_beside_them_count_too_and_the_stronger_right_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    older_mlflow(monkeypatch, StoreWithRoles())
    rights = read_rights()
    assert rights is not None
    assert rights["bob", "experiment/7"] == "MANAGE"


def test_whom_the_authentication_lets_in_is_told_and_a_refusal_names_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    module = older_mlflow(monkeypatch, Store())
    answers: list[Any] = [SimpleNamespace(username="bob"), SimpleNamespace(status_code=401)]
    module.authenticate_request = lambda: answers[0]
    heard: list[str] = []
    tell_user(heard.append)
    assert module.authenticate_request() is answers[0]
    del answers[0]
    assert module.authenticate_request() is answers[0]
    assert heard == ["bob"]


def test_without_accounts_of_mlflow_nobody_is_heard() -> None:
    tell_user(pytest.fail)


@pytest.mark.parametrize(
    ("things", "named", "resource"),
    [
        ("experiments", {"experiment_id": "7"}, "experiment/7"),
        ("registered-models", {"name": "credit"}, "registered-model/credit"),
        ("scorers", {"experiment_id": "7", "scorer_name": "fair/square"}, "scorer/7/fair%2Fsquare"),
        ("gateway/secrets", {"secret_id": "s-1"}, "gateway-secret/s-1"),
        ("gateway/endpoints", {"endpoint_id": "e-1"}, "gateway-endpoint/e-1"),
        ("gateway/model-definitions", {"model_definition_id": "d-1"}, "gateway-model-definition/d-1"),
    ],
)
def test_a_right_given_by_itself_is_told_in_the_words_of_later_releases(
    things: str, named: dict[str, str], resource: str
) -> None:
    right = {"username": "bob", **named}
    given = act(f"POST {things}/permissions/create", body={**right, "permission": "EDIT"})
    assert told(given) == [("bob", resource, "EDIT", "granted")]
    changed = act(f"PATCH {things}/permissions/update", body={**right, "permission": "MANAGE"})
    assert told(changed) == [("bob", resource, "MANAGE", "granted")]
    taken = act(f"DELETE {things}/permissions/delete", body=right)
    assert told(taken) == [("bob", resource, None, "revoked")]


def test_a_right_in_a_whole_workspace_is_told_under_its_name() -> None:
    route, right = "workspaces/<workspace_name>/permissions", {"workspace_name": "team-a", "username": "bob"}
    given = act(f"POST {route}", body={**right, "permission": "MANAGE"})
    assert told(given) == [("bob", "workspace/team-a/workspace/*", "MANAGE", "granted")]
    assert told(act(f"DELETE {route}", body=right)) == [("bob", "workspace/team-a/workspace/*", None, "revoked")]
