"""Facts in: all of a request or none, repeats answered with the first receipt, and what senders are told."""

import gzip
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from graph_schema import names
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.merkle import leaf_hash, root_at, verify_inclusion
from lineage_service.ledger.note import parse_vkey
from lineage_service.ledger.tiles import TileReader
from lineage_service.recorder import queue
from tests.service import Service, run_event, stage
from tests.unit.server.kept import kept_bytes

DEPLOYED = {
    "type": "deployment.changed",
    "occurred_at": "2026-11-22T09:58:00Z",
    "body": {
        "model": "model:prod::credit",
        "version": "3",
        "created_ms": 1795392378318,
        "target": {"environment": "prod", "region": "eu-west"},
    },
}
VALIDATED: dict[str, Any] = {
    "type": "validation.recorded",
    "occurred_at": "2026-11-22T09:58:00Z",
    "body": {
        "model": "model:prod::credit",
        "version": "3",
        "created_ms": 1795392378318,
        "validation": "holdout-7",
        "name": "holdout AUC",
        "outcome": "failed",
        "checks": [{"metric": "auc", "value": "0.81", "comparison": ">=", "threshold": "0.85", "passed": False}],
        "data": [{"namespace": "s3://b", "name": "holdout", "version": "7"}],
        "comment": "too few of the old",
    },
}
WITHDRAWN = {
    "type": "edge.withdrawn",
    "occurred_at": "2026-11-22T09:58:00Z",
    "actor": {"issuer": "lineage", "subject": "somebody else", "assurance": "authenticated"},
    "body": {"from": "run:r1", "type": "READ", "to": names.dataset("s3://b", "k"), "source": "source:openlineage/prod"},
}


def test_a_receipt_proves_its_record_under_the_signed_head(service: Service) -> None:
    reply = service.send(stage(), stage("4"), token=service.source_token("mlflow"))
    answer = reply.json()
    key = parse_vkey(service.installation.log_vkey)
    head = open_checkpoint(answer["checkpoint"].encode(), service.installation.origin, [key])
    assert (reply.status_code, head.size) == (201, answer["size"])
    for receipt in answer["receipts"]:
        proof = [bytes.fromhex(digest) for digest in receipt["proof"]]
        body = service.get(f"/api/v1/records/{receipt['seq']}").content
        assert leaf_hash(body).hex() == receipt["hash"]
        verify_inclusion(receipt["seq"], head.size, leaf_hash(body), proof, head.root)
    assert [receipt["ack"] for receipt in answer["receipts"]] == ["signed", "signed"]


def test_a_repeat_gets_the_original_receipts_and_adds_nothing(service: Service) -> None:
    token = service.source_token("mlflow")
    first = service.send(stage(), stage("4"), token=token).json()["receipts"]
    size = service.size
    service.clock.advance(60)
    again = service.send(stage("4"), stage(), token=token).json()["receipts"]
    assert service.size == size
    assert [(r["id"], r["seq"], r["time"]) for r in again] == [(r["id"], r["seq"], r["time"]) for r in reversed(first)]


def test_the_same_fact_twice_in_a_request_is_one_record(service: Service) -> None:
    receipts = service.send(stage(), stage(), token=service.source_token("mlflow")).json()["receipts"]
    assert receipts[0]["seq"] == receipts[1]["seq"]


def test_the_same_fact_of_two_sources_is_two_records(service: Service) -> None:
    for instance in ("eu", "us"):
        assert service.send(stage(), token=service.source_token("mlflow", instance)).status_code == 201
    assert [r["source"]["instance"] for r in service.records("stage.transitioned")] == ["eu", "us"]


def test_one_bad_event_keeps_the_good_ones_out(service: Service) -> None:
    reply = service.send(stage(), stage(occurred_at="2027-01-01T00:00:00Z"), token=service.source_token("mlflow"))
    assert (reply.status_code, reply.json()["index"], reply.json()["field"]) == (422, 1, "occurred_at")
    assert service.records("stage.transitioned") == []


@pytest.mark.parametrize(("ack", "reached"), [("committed", "committed"), ("signed", "signed"), (None, "signed")])
def test_the_answer_waits_for_what_was_asked(service: Service, ack: str | None, reached: str) -> None:
    query = "" if ack is None else f"?ack={ack}"
    token = service.source_token("mlflow")
    answer = service.post(f"/api/v1/events{query}", {"events": [stage()]}, token).json()
    assert answer["receipts"][0]["ack"] == reached
    assert (answer["checkpoint"] is None) == (reached == "committed")


@pytest.mark.parametrize("ack", ["witnessed", "sworn", ""])
def test_a_promise_nobody_can_keep_is_refused(service: Service, ack: str) -> None:
    token = service.source_token("mlflow")
    reply = service.post(f"/api/v1/events?ack={ack}", {"events": [stage()]}, token)
    assert (reply.status_code, reply.json()["field"]) == (422, "ack")
    assert service.records("stage.transitioned") == []


def root(service: Service, size: int) -> bytes:
    with service.installation.store.read() as reader:
        return root_at(size, TileReader(reader.hashes, reader.tile).subtree)


@pytest.mark.parametrize("spelled", ["hex", "base64"])
def test_a_checkpoint_that_the_log_continues_is_fine(service: Service, spelled: str) -> None:
    token = service.source_token("mlflow")
    note = service.send(stage(), token=token).json()["checkpoint"].split("\n")
    text = root(service, int(note[1])).hex() if spelled == "hex" else note[2]
    assert service.send(stage("4"), token=token, **{"If-Checkpoint": f"{note[1]} {text}"}).status_code == 201


def _another(service: Service) -> str:
    return f"3 {'ab' * 32}"


def _ahead(service: Service) -> str:
    return f"{service.size + 1} {root(service, 3).hex()}"


@pytest.mark.parametrize("seen", [_another, _ahead])
def test_a_log_that_was_rolled_back_or_forked_meets_somebody_who_remembers(
    service: Service, seen: Callable[[Service], str]
) -> None:
    token = service.source_token("mlflow")
    size = service.size
    reply = service.send(stage(), token=token, **{"If-Checkpoint": seen(service)})
    assert (reply.status_code, reply.json()["type"]) == (409, "urn:problem-type:lineage:rolled-back")
    assert service.size == size
    assert service.client.get("/readyz").json()["status"] == "ok"  # the word of a sender is no finding of ours


@pytest.mark.parametrize("header", ["3", "three ab", f"3 {'xy' * 32}", f"-1 {'ab' * 32}"])
def test_a_checkpoint_that_is_none_is_refused(service: Service, header: str) -> None:
    reply = service.send(stage(), token=service.source_token("mlflow"), **{"If-Checkpoint": header})
    assert (reply.status_code, reply.json()["field"]) == (422, "If-Checkpoint")


def test_a_deployer_states_a_deployment_as_an_authenticated_person(service: Service) -> None:
    token = service.person_token("dora", "deployer")
    pseudonym = service.records("role.granted")[-1]["body"]["person"]["id"]
    assert service.send(DEPLOYED, token=token).status_code == 201
    record = service.records("deployment.changed")[0]
    assert record["actor"] == {"assurance": "authenticated", "id": pseudonym, "via": "token"}
    assert record["source"]["kind"] == "lineage"


def test_a_pipeline_says_on_whose_behalf_it_deploys(service: Service) -> None:
    behalf = {"issuer": "github", "subject": "octocat", "via": "github-actions", "ref": "https://example.org/run/1"}
    event = {**DEPLOYED, "actor": {"assurance": "system", "on_behalf_of": behalf}}
    assert service.send(event, token=service.person_token("ci", "deployer")).status_code == 201
    actor = service.records("deployment.changed")[0]["actor"]
    assert actor["assurance"] == "authenticated"
    assert (actor["on_behalf_of"]["assurance"], actor["on_behalf_of"]["via"]) == ("claimed", "github-actions")


@pytest.mark.parametrize("role", ["deployer", "approver"])
def test_a_deployer_or_an_approver_states_a_validation_and_its_comment_is_sealed(service: Service, role: str) -> None:
    assert service.send(VALIDATED, token=service.person_token("vera", role)).status_code == 201
    record = service.records("validation.recorded")[0]
    assert record["actor"]["assurance"] == "authenticated"
    assert record["body"]["comment"] == {"sd": 0}
    shown = service.get("/api/v1/node?node=validation:holdout-7").json()["properties"]
    assert (shown["outcome"], shown["name"], shown["comment"]) == ("failed", "holdout AUC", {"sealed": True})
    assert shown["checks"] == VALIDATED["body"]["checks"]


@pytest.mark.parametrize("role", ["reader", "requester", "auditor"])
def test_nobody_else_states_a_validation(service: Service, role: str) -> None:
    assert service.send(VALIDATED, token=service.person_token("vera", role)).status_code == 403


@pytest.mark.parametrize("node", ["model:credit", "model_version:credit/3"])
def test_the_history_of_a_version_and_of_its_model_tells_of_its_validations(service: Service, node: str) -> None:
    assert service.send(VALIDATED, token=service.person_token("vera", "approver")).status_code == 201
    (row,) = service.get(f"/api/v1/history?node={node}").json()["value"]["rows"]
    assert row["what"] == "version 3: failed validation holdout AUC: auc 0.81 (not >= 0.85)"
    assert row["reason"] == "too few of the old"


def test_a_validation_is_found_from_the_data_it_was_done_on_and_the_run_that_did_it(service: Service) -> None:
    body = {**VALIDATED["body"], "run": "check-1"}
    assert service.send({**VALIDATED, "body": body}, token=service.person_token("vera", "approver")).status_code == 201
    for node in ("dataset:s3://b::holdout", "run:check-1"):
        assert "validation:holdout-7" in service.get(f"/api/v1/impact?node={node}").json()["value"]["nodes"]
    edges = service.get("/api/v1/provenance?node=validation:holdout-7").json()["value"]["edges"]
    assert {(edge["type"], tuple(edge["roles"])) for edge in edges} == {("USED", ("evaluation",)), ("PRODUCED_BY", ())}


@pytest.mark.parametrize("part", ["comparison", "threshold", "passed"])
def test_half_a_requirement_is_refused(service: Service, part: str) -> None:
    (check,) = VALIDATED["body"]["checks"]
    body = {**VALIDATED["body"], "checks": [{k: v for k, v in check.items() if k != part}]}
    reply = service.send({**VALIDATED, "body": body}, token=service.person_token("vera", "approver"))
    assert (reply.status_code, reply.json()["field"]) == (422, "body.checks[0]")


def test_a_person_cannot_speak_as_somebody_else(service: Service) -> None:
    assert service.send(WITHDRAWN, token=service.admin_token).status_code == 201
    admin = service.records("role.granted")[0]["body"]["person"]["id"]
    assert service.records("edge.withdrawn")[0]["actor"]["id"] == admin


@pytest.mark.parametrize("packed", [False, True])
def test_an_openlineage_event_becomes_facts_with_the_raw_event_beside_them(service: Service, packed: bool) -> None:
    token, raw = service.source_token("openlineage"), orjson.dumps(run_event(), option=orjson.OPT_INDENT_2)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    reply = service.post("/api/v1/lineage", gzip.compress(raw) if packed else raw, token, **headers)
    assert (reply.status_code, reply.json()["receipts"][0]["ack"]) == (201, "committed")
    record = service.records("run.observed")[0]
    assert record["actor"] == {"assurance": "observed"}
    assert record["source"]["kind"] == "openlineage"
    assert kept_bytes(service, record) == raw


def test_an_openlineage_event_sent_again_gets_the_original_receipt(service: Service) -> None:
    token = service.source_token("openlineage")
    first = service.post("/api/v1/lineage", run_event(), token).json()["receipts"]
    size = service.size
    again = service.post("/api/v1/lineage", run_event(), token)
    batch = service.post("/api/v1/lineage/batch", [run_event()], token)
    assert (again.status_code, again.json()["receipts"], service.size) == (201, first, size)
    assert batch.json()["status"] == "success"


@pytest.mark.parametrize("many", [False, True])
def test_an_event_that_states_no_fact_of_the_language_is_accepted_and_its_bytes_are_kept(
    service: Service, many: bool
) -> None:
    token = service.source_token("openlineage")
    event = {
        "eventTime": "2026-11-22T09:00:00Z",
        "producer": "https://producer.example",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
        "job": {"namespace": "n", "name": "j", "facets": {"ownership": {"owners": []}}},
    }
    raw = orjson.dumps([event] if many else event)
    reply = service.post(f"/api/v1/lineage{'/batch' if many else ''}", raw, token)
    assert reply.status_code == (200 if many else 201)
    (record,) = service.records("payload.quarantined")
    assert record["body"]["reason"] == "states no fact of this language"
    assert kept_bytes(service, record) == raw


@pytest.mark.parametrize("route", ["/api/v1/events", "/api/v1/lineage"])
def test_overload_is_503_with_a_time_to_come_back(
    service: Service, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    token = service.source_token("openlineage")
    report = {
        "type": "collector.reported",
        "occurred_at": "2026-11-22T09:00:00Z",
        "actor": {"assurance": "system"},
        "body": {"covered_from": "2026-11-22T08:00:00Z", "covered_to": "2026-11-22T09:00:00Z"},
    }
    body: Any = run_event() if route.endswith("lineage") else {"events": [report]}
    monkeypatch.setattr(queue, "QUEUE_RECORDS", 0)
    recorder = service.installation.recorder
    with recorder._write_lock:
        waiting = threading.Thread(target=service.send, args=(report,), kwargs={"token": token})
        waiting.start()
        while not recorder.queued:
            waiting.join(0.01)
        reply = service.post(route, body, token)
    waiting.join()
    assert (reply.status_code, reply.json()["type"]) == (503, "urn:problem-type:lineage:overloaded")
    assert int(reply.headers["Retry-After"]) >= 1
    assert len(service.records("collector.reported")) == 1


def test_a_store_that_cannot_write_is_503_and_nothing_is_lost_of_what_was_acknowledged(service: Service) -> None:
    token = service.source_token("mlflow")
    service.send(stage(), token=token)
    service.installation.store._writer.execute("PRAGMA busy_timeout=20")  # type: ignore[attr-defined]
    other = sqlite3.connect(service.installation.places.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    reply = service.send(stage("4"), token=token)
    other.execute("ROLLBACK")
    other.close()
    assert (reply.status_code, reply.json()["type"]) == (503, "urn:problem-type:lineage:unavailable")
    assert "Retry-After" in reply.headers
    assert "lineage_commit_failures_total 1.0" in service.get("/metrics").text
    assert service.send(stage("4"), token=token).status_code == 201


def test_a_clock_that_went_back_is_one_record_and_stops_nobody(service: Service) -> None:
    token = service.source_token("mlflow")
    service.clock.advance(-30)
    for version in ("1", "2", "3"):
        assert service.send(stage(version), token=token).status_code == 201
    assert len(service.records("clock.anomaly")) == 1


def test_every_fact_of_a_large_request_is_recorded(service: Service) -> None:
    events = [stage(str(number)) for number in range(1000)]
    answer = service.send(*events, token=service.source_token("mlflow")).json()
    assert [receipt["seq"] for receipt in answer["receipts"]] == list(range(answer["size"] - 1000, answer["size"]))
