"""Tokens end, are revoked and bounded; rights come from the ledger and from no row somebody put beside it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest

from lineage_service.ledger.merkle import Frontier, leaf_hash
from lineage_service.server.authority import Authority
from tests.service import Service, bearer, make_service, stage

DAY = 86_400


def identifier(token: str) -> str:
    return token.split("_")[1]


@contextlib.contextmanager
def database(service: Service) -> Iterator[sqlite3.Connection]:
    """Open the database as somebody with its file and without our keys does."""
    with contextlib.closing(sqlite3.connect(service.installation.places.file, isolation_level=None)) as connection:
        yield connection


def test_a_token_opens_until_its_last_instant_and_not_after(service: Service) -> None:
    token = service.person_token("grace", "reader", days=1)
    service.clock.advance(DAY - 1)
    assert service.get("/api/v1/sources", token).status_code == 200
    service.clock.advance(1)
    reply = service.get("/api/v1/sources", token)
    assert reply.status_code == 401
    assert "expired" in reply.json()["detail"]
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_token_opens_nothing_from_the_next_request_on(service: Service) -> None:
    token = service.source_token("mlflow")
    assert service.send(stage(), token=token).status_code == 201
    assert service.delete(f"/api/v1/tokens/{identifier(token)}").status_code == 200
    assert service.send(stage("4"), token=token).status_code == 401
    assert service.records("token.revoked")[0]["body"]["token"] == identifier(token)


def test_a_revocation_holds_although_the_clock_went_back(service: Service) -> None:
    token = service.person_token("grace", "reader")
    service.clock.advance(-3600)
    assert service.delete(f"/api/v1/tokens/{identifier(token)}").status_code == 200
    assert service.get("/api/v1/sources", token).status_code == 401


def test_revoking_an_unknown_token_is_said(service: Service) -> None:
    assert service.delete("/api/v1/tokens/000000000000").status_code == 404


def test_the_tokens_of_a_retired_source_open_nothing(service: Service) -> None:
    token = service.source_token("mlflow", "eu/prod 1")
    assert service.delete("/api/v1/sources/mlflow/eu/prod 1").status_code == 200
    assert service.send(stage(), token=token).status_code == 401
    assert service.get("/api/v1/sources").json()["sources"][0]["active"] is False


def test_a_source_that_is_registered_anew_has_the_new_bounds_with_its_old_token(service: Service) -> None:
    old = service.source_token("mlflow")
    service.tokens.clear()
    service.source_token("mlflow", families=["run"], assurance="claimed")
    reply = service.send(stage(), token=old)
    assert reply.status_code == 403
    assert "run" in reply.json()["detail"]


def test_another_token_for_a_source_is_bound_to_it(service: Service) -> None:
    service.source_token("mlflow")
    made = service.post("/api/v1/tokens", {"source": "mlflow/prod", "days": 2}, service.admin_token)
    assert made.status_code == 201
    assert service.send(stage(), token=made.json()["token"]).status_code == 201
    assert service.records("stage.transitioned")[0]["source"]["instance"] == "prod"


def test_a_claim_is_cut_down_to_what_the_source_may_claim(service: Service) -> None:
    token = service.source_token("mlflow", assurance="claimed")
    service.send(stage(), token=token)
    assert service.records("stage.transitioned")[0]["actor"]["assurance"] == "claimed"


def test_where_nobody_is_named_nobody_is_authenticated(service: Service) -> None:
    token = service.source_token("mlflow")
    service.send(stage(actor={"assurance": "system"}), token=token)
    assert service.records("stage.transitioned")[0]["actor"] == {"assurance": "observed"}


def test_a_sender_cannot_say_who_it_is(service: Service) -> None:
    token = service.source_token("mlflow")
    reply = service.send(stage(source={"kind": "git", "instance": "x"}), token=token)
    assert reply.status_code == 422
    assert reply.json()["field"] == "source.kind"


def test_a_role_that_is_taken_back_is_gone_at_once(service: Service) -> None:
    token = service.person_token("grace", "auditor")
    assert service.get("/api/v1/records", token).status_code == 200
    assert service.delete("/api/v1/roles/auditor/grace").status_code == 200
    assert service.get("/api/v1/records", token).status_code == 403
    assert service.delete("/api/v1/roles/auditor/grace").status_code == 404


@pytest.mark.parametrize("person", ["nobody", "x" * 513, "a/b c%20d"])
def test_a_role_that_nobody_holds_cannot_be_taken_back(service: Service, person: str) -> None:
    assert service.delete(f"/api/v1/roles/auditor/{person}").status_code == 404


@pytest.mark.parametrize("instance", ["x" * 495, "größe 1/模型:@%", "e\u0301"])
def test_a_source_of_any_name_works_and_can_be_denied_and_retired(service: Service, instance: str) -> None:
    token = service.source_token("mlflow", instance)
    assert service.send(stage(), token=token).status_code == 201
    assert service.send({}, token=token).status_code == 422
    assert service.get("/api/v1/tokens", token).status_code == 403
    assert service.delete(f"/api/v1/sources/mlflow/{quote(instance)}").status_code == 200
    assert service.send(stage(), token=token).status_code == 401


def test_a_role_can_be_granted_again(service: Service) -> None:
    token = service.person_token("grace", "auditor")
    service.delete("/api/v1/roles/auditor/grace")
    made = service.post("/api/v1/roles", {"person": "grace", "role": "auditor", "reason": "back"}, service.admin_token)
    assert made.status_code == 201
    assert service.get("/api/v1/records", token).status_code == 200


def test_a_role_is_taken_back_although_the_clock_went_back(service: Service) -> None:
    token = service.person_token("grace", "auditor")
    service.clock.advance(-60)
    assert service.delete("/api/v1/roles/auditor/grace").status_code == 200
    assert service.get("/api/v1/records", token).status_code == 403


def test_names_of_people_stay_out_of_the_records(service: Service) -> None:
    service.person_token("grace.hopper@example.org", "reader")
    assert b"grace" not in b"".join(orjson.dumps(record) for record in service.records())
    names = {line["name"] for line in service.get("/api/v1/roles").json()["roles"]}
    assert names == {"ada", "grace.hopper@example.org"}


def test_tokens_are_listed_with_state_and_without_secret(service: Service) -> None:
    token = service.source_token("mlflow")
    gone = service.person_token("grace", "reader", days=1)
    service.delete(f"/api/v1/tokens/{identifier(token)}")
    service.clock.advance(2 * DAY)
    reply = service.get("/api/v1/tokens")
    states = {line["id"]: line["state"] for line in reply.json()["tokens"]}
    assert states[identifier(token)] == "revoked"
    assert states[identifier(gone)] == "expired"
    assert states[identifier(service.admin_token)] == "valid"
    assert "sha256" not in reply.text


def test_the_secret_of_a_token_is_nowhere_on_the_disk(tmp_path: Path) -> None:
    with make_service(tmp_path) as service:
        tokens = [service.admin_token, service.source_token("mlflow"), service.person_token("grace", "reader")]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [token for token in tokens if token.split("_", 2)[2].encode() in written] == []
    assert identifier(tokens[0]).encode() in written


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer lin_000000000000_" + "a" * 43},
        {"Authorization": "Bearer ünknown".encode()},
        {"Authorization": "Basic YWRhOmFkYQ=="},
    ],
    ids=str,
)
def test_what_is_no_token_of_ours_opens_nothing(service: Service, headers: dict[str, str]) -> None:
    reply = service.client.get("/api/v1/sources", headers=headers)
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"


def test_the_right_id_with_another_secret_opens_nothing(service: Service) -> None:
    front, back = service.admin_token[:-1], service.admin_token[-1]
    changed = front + ("A" if back != "A" else "B")
    assert service.get("/api/v1/sources", changed).status_code == 401


def test_a_token_in_the_address_opens_nothing(service: Service) -> None:
    assert service.client.get(f"/api/v1/sources?token={service.admin_token}").status_code == 401


def test_two_tokens_at_once_open_nothing(service: Service) -> None:
    headers = [("Authorization", f"Bearer {service.admin_token}")] * 2
    assert service.client.get("/api/v1/sources", headers=headers).status_code == 401


def test_strangers_are_one_record_a_minute_and_leave_no_bytes(service: Service) -> None:
    before = service.size
    for _ in range(5):
        service.client.post("/api/v1/events", content=b"who am I", headers=bearer("lin_x"))
    assert service.size == before
    service.clock.advance(61)
    service.client.get("/api/v1/sources")
    record = service.records("access.denied")[0]
    assert service.size == before + 1
    assert record["body"]["count"] == 5
    assert record["actor"] == {"assurance": "system"}
    assert "payload" not in record["source"]


def test_strangers_of_the_last_minute_are_recorded_when_the_service_ends(tmp_path: Path) -> None:
    with make_service(tmp_path) as service:
        service.client.get("/api/v1/sources")
        service.client.__exit__()
        assert [record["body"]["count"] for record in service.records("access.denied")] == [1]
        service.client.__enter__()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "lineage", "instance": "x", "families": ["run"]}, "kind"),
        ({"kind": "mlflow", "instance": "x", "assurance": "system"}, "assurance"),
        ({"kind": "registry", "instance": "x"}, "families"),
        ({"kind": "mlflow", "instance": "x", "families": ["rights"]}, "families[0]"),
        ({"kind": "mlflow", "instance": "x", "families": []}, "families"),
        ({"kind": "mlflow", "instance": ""}, "instance"),
        ({"kind": "mlflow"}, "instance"),
        ({"kind": "mlflow", "instance": "x" * 502}, "instance"),
        ({"kind": "mlflow", "instance": "\u0001" * 400}, "instance"),
        ({"kind": "ml/flow", "instance": "x"}, "kind"),
        ({"kind": "mlflow", "instance": "x", "method": "guessed"}, "method"),
        ({"kind": "mlflow", "instance": "x", "more": 1}, "more"),
    ],
    ids=str,
)
def test_a_source_that_cannot_be_is_refused_by_field(service: Service, body: dict[str, object], field: str) -> None:
    reply = service.post("/api/v1/sources", body, service.admin_token)
    assert (reply.status_code, reply.json()["field"]) == (422, field)
    assert service.records("source.registered") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "person"),
        ({"person": "grace", "source": "mlflow/prod"}, "person"),
        ({"source": "mlflow"}, "source"),
        ({"source": "mlflow/prod", "roles": ["admin"]}, "roles"),
        ({"person": "grace", "roles": ["root"]}, "roles[0]"),
        ({"person": "grace", "days": 0}, "days"),
        ({"person": "grace", "days": 99999}, "days"),
    ],
    ids=str,
)
def test_a_token_that_cannot_be_is_refused_by_field(service: Service, body: dict[str, object], field: str) -> None:
    reply = service.post("/api/v1/tokens", body, service.admin_token)
    assert (reply.status_code, reply.json()["field"]) == (422, field)


def test_a_person_whose_identity_was_erased_acts_no_more(service: Service) -> None:
    token = service.person_token("grace", "admin")
    pseudonym = service.records("role.granted")[-1]["body"]["person"]["id"]
    service.installation.store.vault().erase(pseudonym)
    reply = service.post("/api/v1/roles", {"person": "eve", "role": "reader"}, token)
    assert reply.status_code == 401
    assert service.delete(f"/api/v1/tokens/{identifier(token)}").status_code == 200
    assert service.get("/api/v1/sources", token).status_code == 401


_GIVE = """
    INSERT INTO point(subject, slot, name, ord, n, seq, actor, value)
    SELECT (SELECT id FROM node WHERE key = ?1), 'role', 'admin', CAST(p.ord || x'01' AS BLOB), 0, p.seq, p.actor,
    p.value FROM point p WHERE p.slot = 'role' AND p.name = 'admin'
"""


def test_a_row_in_the_graph_that_no_record_states_opens_no_door_and_is_told(service: Service) -> None:
    eve = service.person_token("eve", "reader")
    key = service.get("/api/v1/roles").json()["roles"]
    person = next(line["person"] for line in key if line["name"] == "eve")
    with database(service) as connection:
        assert connection.execute(_GIVE, (person,)).rowcount == 1
    service.app.state.parts.authority.refresh()
    assert service.get("/api/v1/tokens", eve).status_code == 403
    ready = service.client.get("/readyz")
    assert ready.json()["status"] == "degraded"
    assert ready.json()["findings"].keys() == {"unproven rights"}
    assert ready.headers["Lineage-Condition"] == "degraded"


def test_a_record_put_into_the_table_opens_no_door(service: Service) -> None:
    eve = service.person_token("eve")
    granted = service.records("role.granted")[0]
    pseudonym = service.records("token.issued")[-1]["body"]["person"]["id"]
    forged = {**granted, "seq": service.size, "id": "f" * 32, "body": {"person": {"id": pseudonym}, "role": "admin"}}
    body = orjson.dumps(forged, option=orjson.OPT_SORT_KEYS)
    with database(service) as connection:
        connection.execute(
            "INSERT INTO record(seq, id, type, actor, time, leaf, body)"
            " SELECT ?, ?, type, actor, time, ?, ? FROM record WHERE seq = 1",
            (service.size, bytes.fromhex("f" * 32), leaf_hash(body), body),
        )
        order = connection.execute("SELECT ord FROM point WHERE slot = 'role' LIMIT 1").fetchone()[0]
        connection.execute(
            "INSERT INTO point(subject, slot, name, ord, n, seq, actor, value)"
            " SELECT id, 'role', 'admin', ?, 0, ?, NULL, '{\"granted\":true}' FROM node WHERE key = ?",
            (order + b"\x01", service.size, f"person:{pseudonym}"),
        )
        frontier = Frontier.from_bytes(connection.execute("SELECT frontier FROM head").fetchone()[0])
        grown = frontier.extend([leaf_hash(body)]).to_bytes()
        connection.execute("UPDATE head SET size = size + 1, last = ?, frontier = ?", (leaf_hash(body), grown))
    rights = service.app.state.parts.authority.refresh()
    assert rights.roles.keys() == {"person:" + granted["body"]["person"]["id"]}
    assert (
        service.get("/api/v1/tokens", eve).status_code == 500
    )  # nobody gets in, and no denial fits behind a forged head
    assert service.client.get("/readyz").json()["findings"]["integrity"] == 1


def test_a_record_that_was_changed_opens_no_door(service: Service) -> None:
    eve = service.person_token("eve", "reader")
    with database(service) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        seq, body = connection.execute(
            "SELECT seq, body FROM record WHERE type = 'role.granted' ORDER BY seq DESC"
        ).fetchone()
        changed = body.replace(b'"reader"', b'"admin"')
        assert changed != body
        connection.execute("UPDATE record SET body = ?, leaf = ? WHERE seq = ?", (changed, leaf_hash(changed), seq))
        connection.execute("UPDATE point SET name = 'admin' WHERE seq = ?", (seq,))
    service.app.state.parts.authority._proven.clear()
    assert service.app.state.parts.authority.refresh().roles == {}
    assert service.get("/api/v1/tokens", eve).status_code == 401


def test_rights_of_the_ledger_are_found_again_after_a_restart(tmp_path: Path) -> None:
    with make_service(tmp_path) as service:
        token = service.source_token("mlflow")
        fresh = Authority(service.installation, service.clock, print)
        assert fresh.rights().tokens.keys() == {identifier(token), identifier(service.admin_token)}
        assert fresh.rights().unproven == 0
