import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.mlflow import runs
from collectors.mlflow.act import Act, Before, Version, fitting
from collectors.mlflow.addresses import without_secrets
from collectors.mlflow.routes import RECORDED, allowed_fields, recorded_route, uncovered
from collectors.mlflow.translate import copied_version, logged_model, translate
from graph_schema.events import parse_event

RECORDINGS = Path(__file__).parent / "recordings"
STARTED, ENDED = 1_795_393_750_000_000, 1_795_393_750_123_456


def recorded(name: str) -> list[Act]:
    """Read a recording as the acts that the plugin would see."""
    acts = []
    for number, request in enumerate(json.loads((RECORDINGS / name).read_text())["requests"]):
        route = recorded_route(request["path"], request["method"])
        if route is not None:
            acts.append(
                Act(
                    id=f"request-{number}",
                    route=route,
                    fields=allowed_fields(route, request["body"]),
                    started=request.get("started", STARTED),
                    ended=request.get("ended", ENDED),
                    status=request["status"],
                    response=request["response"] or {},
                    registry="mlflow-prod",
                    user=request["user"],
                    via="mlflow-basic-auth",
                    issuer="mlflow:prod",
                )
            )
    return acts


def facts_of(act: Act) -> list[dict[str, Any]]:
    made = {"runs/create": runs.run_created, "runs/log-inputs": runs.inputs_logged}.get(act.route.path)
    if made is not None:
        return made(act)
    return [] if act.route.path == "runs/update" else translate(act)


def act(action: str, status: int = 200, **more: Any) -> Act:
    """Make an act by hand, as an anonymous client of a server."""
    fields = allowed_fields(RECORDED[action], more.pop("body"))
    plain = Act("r1", RECORDED[action], fields, STARTED, ENDED, status, {}, "prod", issuer="mlflow:prod")
    return replace(plain, **more)


AUTHENTICATED = recorded("server-3.18.0-basic-auth.json")
ANONYMOUS = recorded("client-3.18.0-no-auth.json")


def test_every_fact_of_the_recordings_is_one_of_the_language() -> None:
    facts = [fact for one in AUTHENTICATED + ANONYMOUS for fact in facts_of(one)]
    for fact in facts:
        parse_event(fact)
    assert {fact["type"] for fact in facts} == {
        "alias.moved",
        "alias.removed",
        "attempt.denied",
        "model.declared",
        "model.renamed",
        "model_version.deleted",
        "model_version.registered",
        "run.observed",
        "stage.transitioned",
        "tag.removed",
        "tag.set",
    }


def test_the_recorded_session_of_alice_and_bob_gives_these_facts() -> None:
    facts = [fact for one in AUTHENTICATED for fact in facts_of(one)]
    assert [(fact["type"], fact["actor"]["subject"]) for fact in facts] == [
        ("run.observed", "alice"),
        ("run.observed", "alice"),
        ("model.declared", "alice"),
        ("model_version.registered", "alice"),
        ("stage.transitioned", "alice"),
        ("alias.moved", "alice"),
        ("tag.set", "alice"),
        ("attempt.denied", "bob"),
        ("attempt.denied", "bob"),
        ("attempt.denied", "bob"),
    ]
    stage = facts[4]
    assert stage["occurred_at"] == "2026-11-23T00:10:10.790250Z"
    assert stage["body"] == {
        "model": "model:mlflow-prod::m1",
        "version": "1",
        "created_ms": 1795392609326,
        "to": "Production",
        "archive_others": False,
    }
    assert [fact["body"]["action"] for fact in facts[-3:]] == [
        "POST model-versions/transition-stage",
        "POST registered-models/alias",
        "DELETE registered-models/delete",
    ]


def test_a_user_that_a_client_claims_does_not_replace_the_authenticated_one() -> None:
    claiming_bob = [one for one in AUTHENTICATED if one.fields.get("user_id") == "bob"]
    (fact,) = facts_of(claiming_bob[0])
    assert (fact["actor"]["subject"], fact["actor"]["assurance"]) == ("alice", "authenticated")


def test_without_authentication_only_runs_have_a_claimed_user() -> None:
    actors = {(fact["type"], json.dumps(fact["actor"])) for one in ANONYMOUS for fact in facts_of(one)}
    claimed = {kind for kind, actor in actors if "claimed" in actor}
    assert claimed == {"run.observed"}
    assert {json.loads(actor)["assurance"] for _, actor in actors} == {"claimed", "observed"}
    run = facts_of(ANONYMOUS[0])[0]
    assert run["actor"] == {
        "issuer": "mlflow:prod",
        "subject": "root",
        "assurance": "claimed",
        "via": "mlflow.user",
    }
    assert run["body"]["commit"]["repository"] == "https://git.example.com/team/credit"
    assert run["body"]["claimed_start"] == "2026-11-23T00:29:01.720000Z"


def test_what_the_registry_held_says_which_versions_were_archived() -> None:
    (moved,) = [one for one in ANONYMOUS if one.fields.get("archive_existing_versions")]
    held = (
        Version("1", 1795393747153, "Production"),
        Version("2", 1795393750465, "None"),
        Version("3", 1795393750536, "Staging"),
        Version("4", 1795393750600, "Production"),
    )
    facts = translate(replace(moved, before=Before(versions=held)))
    assert [(fact["body"]["version"], fact["body"]["to"]) for fact in facts] == [
        ("2", "Production"),
        ("1", "Archived"),
        ("4", "Archived"),
    ]
    assert [fact["body"].get("archive_others", False) for fact in facts] == [True, False, False]
    assert {fact["source"]["event_id"] for fact in facts} == {moved.id}
    assert {fact["body"]["not_before"] for fact in facts} == {"2026-11-23T00:29:10.000000Z"}


def test_a_transition_that_archives_nobody_is_one_fact() -> None:
    body = {"name": "m", "version": "2", "stage": "production"}
    answer = {"model_version": {"name": "m", "version": "2", "creation_timestamp": 5, "current_stage": "Production"}}
    held = Before(versions=(Version("1", 1, "Production"),))
    (fact,) = translate(act("POST model-versions/transition-stage", body=body, response=answer, before=held))
    assert fact["body"]["to"] == "Production"


def test_a_version_of_a_logged_model_belongs_to_the_run_that_made_it() -> None:
    made = next(one for one in ANONYMOUS if one.fields.get("model_id") and one.status == 200)
    (fact,) = translate(replace(made, before=Before(source_run="1b18bbded42344959ee4eb5c4624dc5a")))
    assert fact["body"]["run"] == "1b18bbded42344959ee4eb5c4624dc5a"
    assert fact["body"]["logged_model"] == "m-e7548fc644e94898b1941e67f31998ce"
    assert fact["body"]["created_ms"] == 1795393747153


def test_a_version_without_a_run_is_a_fact_without_one() -> None:
    (made,) = [one for one in ANONYMOUS if one.fields.get("source") == "s3://bucket/model"]
    (fact,) = translate(made)
    assert "run" not in fact["body"]
    assert fact["body"]["description"] == "no run"


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_request_that_failed_is_no_fact(status: int) -> None:
    for one in AUTHENTICATED + ANONYMOUS:
        if one.route.in_path:
            assert translate(replace(one, status=status)) == []


def test_a_denied_stranger_is_not_invented() -> None:
    for status in (401, 403):
        assert translate(act("DELETE registered-models/delete", status, body={"name": "m"})) == []


def test_a_denied_attempt_shows_names_and_no_texts() -> None:
    body = {"name": "m", "key": "salary", "value": "100000"}
    (fact,) = translate(act("POST registered-models/set-tag", 403, body=body, user="eve", via="mlflow-basic-auth"))
    assert json.loads(fact["body"]["detail"]) == {"key": "salary", "name": "m"}
    assert fact["body"]["node"] == "model:prod::m"


@pytest.mark.parametrize(
    ("name", "body"), [("change_ticket", {"value": "CHG-7"}), ("approved_by", {"hidden": "CHG-7"})]
)
def test_a_tag_is_clear_only_where_the_language_says_so(name: str, body: dict[str, str]) -> None:
    wish = {"name": "m", "version": "1", "key": name, "value": "CHG-7"}
    made = act("POST model-versions/set-tag", body=wish, before=Before(created_ms=7))
    (fact,) = translate(made)
    parse_event(fact)
    claimed = [{"means": "approver", "name": name, **body}] if name == "approved_by" else []
    claims = {"claims": claimed} if claimed else {}
    assert fact["body"] == {"node": "model_version:prod::m/1@7", "name": name, **body, **claims}


def test_a_tag_of_no_text_is_a_tag() -> None:
    wish = {"name": "m", "key": "note", "value": ""}
    (fact,) = translate(act("POST registered-models/set-tag", body=wish))
    parse_event(fact)
    assert fact["body"]["hidden"] == ""


def test_prompts_get_keys_of_their_own() -> None:
    held = Before(prompt=True, created_ms=9)
    for action, body, key in (
        ("POST registered-models/alias", {"name": "p", "alias": "live", "version": "1"}, "model"),
        ("DELETE registered-models/alias", {"name": "p", "alias": "live"}, "model"),
        ("DELETE model-versions/delete", {"name": "p", "version": "1"}, "model"),
        ("POST model-versions/set-tag", {"name": "p", "version": "1", "key": "k", "value": "v"}, "node"),
    ):
        (fact,) = translate(act(action, body=body, before=held))
        parse_event(fact)
        assert str(fact["body"][key]).startswith("prompt")


def test_a_rename_of_more_versions_than_one_fact_holds_is_several() -> None:
    held = Before(versions=tuple(Version(str(n), n, "None") for n in range(1, 2002)))
    answer = {"registered_model": {"name": "new"}}
    facts = translate(act("POST registered-models/rename", body={"name": "old"}, before=held, response=answer))
    assert [len(fact["body"]["carried"]) for fact in facts] == [1000, 1000, 1]
    for fact in facts:
        parse_event(fact)


def test_a_model_without_versions_can_be_renamed_and_deleted() -> None:
    for action, body in (
        ("POST registered-models/rename", {"name": "old", "newName": "new"}),
        ("DELETE registered-models/delete", {"name": "old"}),
    ):
        (fact,) = translate(act(action, body=body))
        parse_event(fact)


def test_a_copy_names_the_version_it_was_made_from() -> None:
    body = {"name": "prod", "source": "models:/team a/credit/3"}
    answer = {"model_version": {"name": "prod", "version": 1, "creation_timestamp": "8", "run_id": ""}}
    made = act("POST model-versions/create", body=body, response=answer, before=Before(parent_created_ms=4))
    (fact,) = translate(made)
    parse_event(fact)
    assert fact["body"]["derived_from"] == [{"model": "model:prod::team a/credit", "version": "3", "created_ms": 4}]


@pytest.mark.parametrize(
    ("source", "made", "copied"),
    [
        ("models:/m-4f1c", "m-4f1c", None),
        ("models:/credit/3", None, ("credit", "3")),
        ("models:/credit@champion", None, None),
        ("s3://bucket/models:/credit/3", None, None),
        (None, None, None),
    ],
)
def test_sources_are_told_apart(source: str | None, made: str | None, copied: tuple[str, str] | None) -> None:
    assert (logged_model(source), copied_version(source)) == (made, copied)


@pytest.mark.parametrize(
    ("address", "clean"),
    [
        ("s3://bucket/key", "s3://bucket/key"),
        ("https://user:secret@git.example.com/a.git", "https://git.example.com/a.git"),
        ("https://token@git.example.com/a.git", "https://git.example.com/a.git"),
        ("https://h/x?file=a&X-Amz-Signature=abc&sig=1", "https://h/x?file=a"),
        ("https://h/x?a=%20b&c", "https://h/x?a=%20b&c"),
        ("abfss://data@account.dfs.core.windows.net/x", "abfss://data@account.dfs.core.windows.net/x"),
        ("postgresql://u:p@db/x", "postgresql://db/x"),
        ("git@github.com:team/credit.git", "git@github.com:team/credit.git"),
        ("models:/m-1", "models:/m-1"),
        ("https://[broken", "https://[broken"),
        ("", ""),
    ],
)
def test_addresses_lose_what_lets_somebody_in(address: str, clean: str) -> None:
    assert without_secrets(address) == clean


def test_only_fields_of_the_list_are_read() -> None:
    route = RECORDED["POST model-versions/transition-stage"]
    body = {"name": "m", "version": None, "archiveExistingVersions": True, "password": "x", "token": "y"}
    assert allowed_fields(route, body) == {"name": "m", "archive_existing_versions": True}
    no_objects: tuple[object, ...] = (None, [], "text", 7)
    for odd in no_objects:
        assert allowed_fields(route, odd) == {}


def test_half_a_character_does_not_stop_a_fact() -> None:
    (fact,) = translate(act("DELETE registered-models/delete", body={"name": "a\ud800b"}))
    parse_event(fact)
    assert fact["body"]["model"] == "model:prod::a?b"


@pytest.mark.parametrize(
    ("rule", "method", "action"),
    [
        ("/api/2.0/mlflow/registered-models/alias", "DELETE", "DELETE registered-models/alias"),
        ("/ajax-api/2.0/mlflow/model-versions/create", "POST", "POST model-versions/create"),
        ("/prefix/ajax-api/3.1/mlflow/runs/update", "POST", "POST runs/update"),
        ("/api/2.0/preview/mlflow/registered-models/rename", "POST", "POST registered-models/rename"),
        ("/api/2.0/mlflow/registered-models/alias", "GET", None),
        ("/api/2.0/mlflow/users/create", "POST", "POST users/create"),
        ("/api/3.0/mlflow/logged-models/<model_id>", "PATCH", "PATCH logged-models/<model_id>"),
        ("/ajax-api/3.0/mlflow/logged-models/<path:model_id>/tags", "PATCH", "PATCH logged-models/<model_id>/tags"),
        ("/api/2.0/mlflow/webhooks", "POST", None),
        ("/api/2.0/mlflow/runs/log-metric", "POST", None),
        ("/api/2.0/mlflow/runs/create/more", "POST", None),
    ],
)
def test_routes_are_known_under_every_prefix_and_version(rule: str, method: str, action: str | None) -> None:
    found = recorded_route(rule, method)
    assert (found.action if found else None) == action


def test_a_registry_route_in_no_list_is_found() -> None:
    rules = [
        ("/api/2.0/mlflow/registered-models/alias", "PUT"),
        ("/api/4.0/mlflow/model-versions/<version>/approve", "POST"),
        ("/api/2.0/mlflow/model-versions/update", "PATCH"),
        ("/api/2.0/mlflow/model-versions/new", "GET"),
        ("/api/2.0/mlflow/webhooks", "POST"),
    ]
    assert uncovered(rules) == [
        "POST /api/4.0/mlflow/model-versions/<version>/approve",
        "PUT /api/2.0/mlflow/registered-models/alias",
    ]


def test_a_long_text_is_kept_to_its_beginning_and_says_so() -> None:
    assert fitting("x" * 16_000) == "x" * 16_000
    assert fitting("x" * 20_000).endswith("… (20000 characters)")
    assert len(fitting("x" * 20_000)) < 16_384
