import json
import re

import pytest

from tests.served import Served
from tests.unit.cli.conftest import Command

TOKEN = re.compile(r"lin_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n")


def test_a_new_token_stands_alone_on_stdout_and_works(lineage: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lineage("token", "create", "alice", "--role", "reader")
    assert made.code == 0, made.err
    assert TOKEN.fullmatch(made.out)
    assert made.out.strip() not in made.err
    monkeypatch.setenv("LINEAGE_TOKEN", made.out.strip())
    assert lineage("ask", "live").code == 0
    refused = lineage("token", "list")
    assert refused.code == 77
    assert "auditor" in refused.err


def test_a_revoked_token_opens_nothing(lineage: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    made = json.loads(lineage("token", "create", "carol", "--role", "reader", "--json").out)
    assert lineage("token", "revoke", made["id"]).out.startswith("Record ")
    listed = json.loads(lineage("token", "list", "--json").out)
    assert {one["id"]: one["state"] for one in listed}[made["id"]] == "revoked"
    monkeypatch.setenv("LINEAGE_TOKEN", made["token"])
    ended = lineage("ask", "live")
    assert ended.code == 77
    assert "revoked" in ended.err


def test_a_source_is_registered_with_what_its_kind_needs(lineage: Command, served: Served) -> None:
    made = lineage("source", "add", "git/models")
    assert TOKEN.fullmatch(made.out), made.err
    listed = {one["source"]: one for one in json.loads(lineage("source", "list", "--json").out)}
    assert listed["source:git/models"]["families"] == ["code", "collector.reported"]
    assert listed["source:git/models"]["method"] == "polled"
    shown = lineage("source", "list").out
    assert "git/models" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_a_retired_source_sends_nothing_and_its_name_says_so(lineage: Command) -> None:
    assert lineage("source", "add", "mlflow-poll/once").code == 0
    done = lineage("source", "retire", "mlflow-poll/once", "--reason", "imported")
    assert "source mlflow-poll/once sends nothing any more" in done.out, done.err
    listed = {one["source"]: one["active"] for one in json.loads(lineage("source", "list", "--json").out)}
    assert listed["source:mlflow-poll/once"] is False
    again = lineage("source", "retire", "mlflow-poll/once")
    assert again.code == 65
    assert "source list" in again.err
    assert lineage("source", "retire", "mlflow").code == 64


def test_a_source_gets_another_token(lineage: Command) -> None:
    assert TOKEN.fullmatch(lineage("token", "create", "--source", "mlflow/prod").out)


def test_a_role_is_granted_and_revoked(lineage: Command) -> None:
    assert "dave holds the role approver" in lineage("role", "grant", "dave", "approver", "--reason", "owner").out
    held = {one["name"]: one["roles"] for one in json.loads(lineage("role", "list", "--json").out)}
    assert held["dave"] == ["approver"]
    assert "any more" in lineage("role", "revoke", "dave", "approver").out
    again = lineage("role", "revoke", "dave", "approver")
    assert again.code == 65
    assert "role list" in again.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("source", "add", "mlflow"), 64),
        (("source", "add", "other/x"), 65),
        (("token", "create"), 64),
        (("token", "create", "x", "--source", "mlflow/prod"), 64),
        (("token", "revoke", "000000000000"), 65),
        (("role", "grant", "dave", "king"), 65),
    ],
)
def test_what_cannot_be_granted_is_refused(lineage: Command, arguments: tuple[str, ...], code: int) -> None:
    ended = lineage(*arguments)
    assert (ended.code, ended.out) == (code, "")


@pytest.mark.parametrize("arguments", [("token", "list"), ("role", "list"), ("source", "list")])
def test_lists_fit_a_narrow_terminal(lineage: Command, arguments: tuple[str, ...]) -> None:
    out = lineage(*arguments).out
    assert "#" in out or "Key" in out
    assert max(len(line) for line in out.splitlines()) <= 80
