from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.mlflow.accounts import read_rights, resource_name
from collectors.mlflow.act import Act, Before, Rights
from collectors.mlflow.rights_watch import RightsWatch
from collectors.mlflow.routes import RECORDED, allowed_fields
from collectors.mlflow.translate import translate
from graph_schema.events import parse_event
from graph_schema.times import format_time

SECOND = 1_000_000
START = 1_795_393_750 * SECOND


def act(action: str, **more: Any) -> Act:
    fields = allowed_fields(RECORDED[action], more.pop("body"))
    plain = Act("r1", RECORDED[action], fields, START, START + 5, 200, {}, "prod", "admin", "mlflow-x", "mlflow:prod")
    return replace(plain, **more)


def told(one: Act) -> list[tuple[str, str, str | None, str]]:
    facts = translate(one)
    for fact in facts:
        parse_event(fact)
    bodies = [fact["body"] for fact in facts]
    return [(b["person"]["subject"], b["resource"], b.get("permission"), b["change"]) for b in bodies]


@pytest.mark.parametrize(
    ("action", "body", "right"),
    [
        ("POST users/create", {"username": "bob", "password": "x"}, ("bob", "account", "user", "created")),
        ("PATCH users/update-password", {"username": "bob"}, ("bob", "account", "user", "password changed")),
        (
            "PATCH users/update-admin",
            {"username": "bob", "is_admin": False},
            ("bob", "account", "user", "no admin any more"),
        ),
        ("DELETE users/delete", {"username": "bob"}, ("bob", "account", None, "deleted")),
        (
            "POST users/permissions/grant",
            {"username": "bob", "resource_type": "registered_model", "resource_id": "credit", "permission": "EDIT"},
            ("bob", "registered-model/credit", "EDIT", "granted"),
        ),
        (
            "PATCH registered-models/permissions/update",
            {"username": "bob", "name": "credit", "permission": "READ"},
            ("bob", "registered-model/credit", "READ", "granted"),
        ),
        (
            "DELETE experiments/permissions/delete",
            {"username": "bob", "experiment_id": "7"},
            ("bob", "experiment/7", None, "revoked"),
        ),
    ],
)
def test_what_a_request_says_is_the_fact(action: str, body: dict[str, Any], right: tuple[Any, ...]) -> None:
    assert told(act(action, body=body)) == [right]


def test_the_form_makes_an_account_only_where_there_was_none() -> None:
    taken = act("POST users/create-ui", body={"username": "bob"}, before=Before(account="user"))
    assert told(taken) == []
    assert told(replace(taken, before=Before())) == [("bob", "account", "user", "created")]


def test_a_role_gives_each_member_what_differs_and_a_deleted_user_loses_everything() -> None:
    before: Rights = {("ann", "account"): "user", ("bob", "account"): "user", ("bob", "experiment/1"): "EDIT"}
    after = {**before, ("ann", "registered-model/*"): "MANAGE", ("bob", "registered-model/*"): "MANAGE"}
    wish = {"role_id": 3, "resource_type": "registered_model", "resource_pattern": "*", "permission": "MANAGE"}
    changed = act("POST roles/permissions/add", body=wish, before=Before(rights=before), rights=after)
    assert [right[:3] for right in told(changed)] == [
        ("ann", "registered-model/*", "MANAGE"),
        ("bob", "registered-model/*", "MANAGE"),
    ]
    left = {("ann", "account"): "user"}
    deleted = act("DELETE users/delete", body={"username": "bob"}, before=Before(rights=before), rights=left)
    assert told(deleted) == [("bob", "account", None, "deleted"), ("bob", "experiment/1", None, "by users/delete")]


@pytest.mark.parametrize("name", ["zoë", "名前", "a\nb", "x" * 2000, "'; drop table users; --"])
def test_names_of_any_kind_are_told(name: str) -> None:
    (right,) = told(act("POST users/create", body={"username": name}))
    assert right[0] == name if len(name) <= 512 else right[0].startswith("xxx")


def test_a_resource_says_its_workspace_unless_it_is_the_default_one() -> None:
    assert resource_name("registered_model", "credit", None) == "registered-model/credit"
    assert resource_name("prompt", "p", "default") == "prompt/p"
    assert resource_name("experiment", "7", "team-a") == "workspace/team-a/experiment/7"


def test_without_accounts_of_mlflow_nothing_is_read() -> None:
    assert read_rights() is None


class Watched:
    """A watch on rights that the test sets."""

    def __init__(self, folder: Path | None) -> None:
        self.now = START
        self.rights: Rights = {("ann", "account"): "admin"}
        self.spooled: list[dict[str, Any]] = []
        self.watch = RightsWatch(folder, lambda: self.rights, "mlflow:prod", lambda: self.now)

    def look(self) -> list[tuple[str, str, str | None]]:
        self.spooled.clear()
        self.watch.look(self.spooled.extend)
        for fact in self.spooled:
            parse_event(fact)
        bodies = [fact["body"] for fact in self.spooled]
        return [(body["person"]["subject"], body["resource"], body.get("permission")) for body in bodies]


@pytest.mark.parametrize("on_disk", [True, False])
def test_all_is_told_once_and_then_what_changed_in_between(tmp_path: Path, on_disk: bool) -> None:
    watched = Watched(tmp_path if on_disk else None)
    assert watched.look() == [("ann", "account", "admin")]
    assert "not_before" not in watched.spooled[0]["body"]
    watched.rights = {("ann", "experiment/1"): "MANAGE"}
    assert watched.look() == []  # not yet time to look again
    watched.now += 31 * SECOND
    assert watched.look() == [("ann", "account", None), ("ann", "experiment/1", "MANAGE")]
    assert watched.spooled[0]["body"]["not_before"] == format_time(START)
    watched.now += 31 * SECOND
    assert watched.look() == []


def test_what_a_request_told_is_not_told_again_as_a_sighting(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.look()
    granted = {"username": "ann", "resource_type": "experiment", "resource_id": "1", "permission": "EDIT"}
    watched.watch.told(translate(act("POST users/permissions/grant", body=granted)))
    watched.rights = {("ann", "account"): "admin", ("ann", "experiment/1"): "EDIT"}
    watched.now += 31 * SECOND
    assert watched.look() == []


def test_after_a_restart_only_differences_are_told(tmp_path: Path) -> None:
    Watched(tmp_path).look()
    again = Watched(tmp_path)
    assert again.look() == []
    assert (tmp_path / "rights.json").stat().st_mode & 0o777 == 0o600
