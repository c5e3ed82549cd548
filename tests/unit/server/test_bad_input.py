"""Every kind of bad input: refused with its place, nothing half-written, the bytes kept; and odd input that is good."""

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema import times
from lineage_service.server.limits import KEPT_OF_OVERSIZED, MAX_BODY, MAX_INFLATED
from tests.service import Service, make_service, run_event, stage
from tests.unit.server.kept import kept_bytes

EVENTS = "/api/v1/events"
LINEAGE = "/api/v1/lineage"
GOOD = orjson.dumps({"events": [stage()]})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with make_service(tmp_path_factory.mktemp("bad")) as made:
        yield made


def events(*found: Any) -> bytes:
    return orjson.dumps({"events": found})


def with_body(**fields: Any) -> bytes:
    event = stage()
    return events({**event, "body": {**event["body"], **fields}})


def at(text: Any) -> bytes:
    return events(stage(occurred_at=text))


def nested(levels: int) -> bytes:
    return b'{"events":' + b"[" * levels + b"]" * levels + b"}"


RENAMED = {
    "type": "model.renamed",
    "occurred_at": "2026-11-22T09:00:00Z",
    "actor": {"assurance": "observed"},
    "body": {"model": "model:prod::a", "to": "prompt:prod::a", "carried": [{"version": "1", "created_ms": 1}]},
}

CASES: dict[str, tuple[bytes, int | None, str | None]] = {
    "empty": (b"", None, None),
    "not JSON": (b'{"events":[', None, None),
    "two documents": (GOOD + GOOD, None, None),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, None, None),
    "not UTF-8": (GOOD.replace(b"credit", b"cr\xffdit"), None, None),
    "UTF-16": (GOOD.decode().encode("utf-16"), None, None),
    "overlong UTF-8": (GOOD.replace(b"credit", b"cr\xc0\xafdit"), None, None),
    "lone surrogate": (GOOD.replace(b"credit", b"cr\\ud800dit"), 0, "body.model"),
    "deeply nested": (nested(100_000), None, None),
    "nested beyond the limit": (nested(65), None, None),
    "duplicate key": (GOOD.replace(b'"to":', b'"to":"Staging","to":'), 0, "body.to"),
    "duplicate key at the top": (b'{"events":[],"events":[]}', None, "events"),
    "an array": (b"[]", None, "events"),
    "a number": (b"1", None, "events"),
    "null": (b"null", None, "events"),
    "no events": (b"{}", None, "events"),
    "an empty list": (events(), None, "events"),
    "more than a thousand": (events(*[1] * 1001), None, "events"),
    "something beside the events": (b'{"events":[1],"extra":1}', None, "extra"),
    "an event that is no object": (events(stage(), 7), 1, None),
    "no type": (events({}), 0, "type"),
    "a type that is no string": (events({"type": ["run.observed"]}), 0, "type"),
    "unknown type": (events(stage(type="stage.guessed")), 0, "type"),
    "unknown version of a type": (events(stage(ev=2)), 0, "ev"),
    "unknown field": (events(stage(more=1)), 0, "more"),
    "unknown field in the body": (with_body(colour="red"), 0, "body.colour"),
    "missing body": (events({key: value for key, value in stage().items() if key != "body"}), 0, "body"),
    "float where a string is due": (with_body(version=3.0), 0, "body.version"),
    "float where a number is due": (with_body(created_ms=1.5), 0, "body.created_ms"),
    "exponent": (GOOD.replace(b"1795392378318", b"1e12"), 0, "body.created_ms"),
    "number where a string is due": (with_body(version=3), 0, "body.version"),
    "string where a number is due": (with_body(created_ms="3"), 0, "body.created_ms"),
    "boolean where a number is due": (with_body(created_ms=True), 0, "body.created_ms"),
    "huge number": (GOOD.replace(b"1795392378318", b"9" * 40), 0, "body.created_ms"),
    "minus zero": (GOOD.replace(b"1795392378318", b"-0"), 0, "body.created_ms"),
    "NaN": (GOOD.replace(b"1795392378318", b"NaN"), 0, "body.created_ms"),
    "negative time of creation": (with_body(created_ms=-1), 0, "body.created_ms"),
    "empty name": (with_body(version=""), 0, "body.version"),
    "too long a name": (with_body(version="v" * 1025), 0, "body.version"),
    "unknown kind of node": (with_body(model="modell:prod::credit"), 0, "body.model"),
    "another kind of node": (with_body(model="run:r1"), 0, "body.model"),
    "key in another spelling": (with_body(model="model:prod::cre%64it"), 0, "body.model"),
    "impossible triple": (events(RENAMED), 0, "body"),
    "no zone": (at("2026-11-22T09:57:16"), 0, "occurred_at"),
    "odd zone": (at("2026-11-22T09:57:16+01:60"), 0, "occurred_at"),
    "named zone": (at("2026-11-22T09:57:16 Europe/Zurich"), 0, "occurred_at"),
    "a date": (at("2026-11-22"), 0, "occurred_at"),
    "hour 24": (at("2026-11-22T24:00:00Z"), 0, "occurred_at"),
    "30 February": (at("2026-02-30T09:57:16Z"), 0, "occurred_at"),
    "seconds since 1970": (at(1795392378), 0, "occurred_at"),
    "before 1970": (at("1969-12-31T23:59:59Z"), 0, "occurred_at"),
    "more than five minutes ahead": (at("2026-11-22T10:05:00.000001Z"), 0, "occurred_at"),
    "an actor without issuer": (events(stage(actor={"subject": "x", "assurance": "claimed"})), 0, "actor"),
    "an invented actor": (events(stage(actor={"assurance": "authenticated"})), 0, "actor"),
    "unknown assurance": (events(stage(actor={"assurance": "sworn"})), 0, "actor.assurance"),
    "a record beyond its size": (with_body(ticket="t" * 1024, reason="r" * 16385), 0, "body.reason"),
    "the second of two": (events(stage(), stage(body={})), 1, None),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_by_place_and_kept_whole(service: Service, case: str) -> None:
    body, index, field = CASES[case]
    token = service.source_token("mlflow")
    service.clock.now = times.parse_time("2026-11-22T10:00:00Z")
    service.app.state.parts.quarantine._hours.clear()
    before = service.size
    reply = service.post(EVENTS, body, token)
    problem = reply.json()
    assert reply.status_code == 422, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert problem["index"] == index if index is not None else "index" not in problem
    if case != "the second of two":
        assert problem.get("field") == field
    assert service.size == before + 1
    record = service.records()[-1]
    assert record["type"] == "payload.quarantined"
    assert record["body"]["route"] == "POST /api/v1/events"
    assert record["body"]["length"] == record["body"]["kept"] == len(body)
    assert kept_bytes(service, record) == body


def test_an_oversized_body_is_refused_and_its_beginning_kept(service: Service) -> None:
    body = b'{"events":["' + b"x" * MAX_BODY + b'"]}'
    token, before = service.source_token("mlflow"), service.size
    reply = service.post(EVENTS, body, token)
    assert (reply.status_code, reply.json()["type"]) == (413, "urn:problem-type:lineage:too-large")
    assert service.size == before + 1
    record = service.records()[-1]
    assert record["body"]["reason"].startswith("too large")
    assert (record["body"]["length"], record["body"]["kept"]) == (len(body), KEPT_OF_OVERSIZED)
    assert kept_bytes(service, record) == body[:KEPT_OF_OVERSIZED]


def chunks(size: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"[" * size


def test_an_oversized_body_that_does_not_say_its_length_is_counted(service: Service) -> None:
    token = service.source_token("mlflow")
    headers = {"Authorization": f"Bearer {token}"}
    reply = service.client.post(EVENTS, content=chunks(1024 * 1024, 9), headers=headers)
    assert reply.status_code == 413
    record = service.records()[-1]
    assert (record["body"]["length"], record["body"]["kept"]) == (9 * 1024 * 1024, KEPT_OF_OVERSIZED)


def test_the_largest_body_is_still_read(service: Service) -> None:
    body = GOOD + b" " * (MAX_BODY - len(GOOD))
    assert service.post(EVENTS, body, service.source_token("mlflow")).status_code == 201


def test_a_bomb_is_refused_at_the_limit_and_kept_packed(service: Service) -> None:
    body = gzip.compress(b" " * (MAX_INFLATED + 1))
    token, before = service.source_token("mlflow"), service.size
    reply = service.post(EVENTS, body, token, **{"Content-Encoding": "gzip"})
    assert reply.status_code == 413
    assert service.size == before + 1
    assert kept_bytes(service, service.records()[-1]) == body


@pytest.mark.parametrize(
    "body",
    [
        b"no gzip at all",
        gzip.compress(GOOD)[:-4],
        gzip.compress(GOOD) + b"rest",
        gzip.compress(GOOD)[:20] + b"\xff" * 30,
    ],
    ids=["not gzip", "ends early", "something behind", "damaged"],
)
def test_damaged_gzip_is_bad_input(service: Service, body: bytes) -> None:
    token, before = service.source_token("mlflow"), service.size
    reply = service.post(EVENTS, body, token, **{"Content-Encoding": "gzip"})
    assert reply.status_code == 422
    assert service.size == before + 1
    assert kept_bytes(service, service.records()[-1]) == body


@pytest.mark.parametrize("body", [gzip.compress(GOOD), gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:])])
def test_gzip_of_one_or_several_members_is_read(service: Service, body: bytes) -> None:
    token = service.source_token("mlflow")
    assert service.post(EVENTS, body, token, **{"Content-Encoding": "gzip"}).status_code == 201
    headers = {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
    assert service.client.post(EVENTS, content=iter([body[:30], body[30:]]), headers=headers).status_code == 201


def test_another_content_coding_is_refused_and_kept(service: Service) -> None:
    reply = service.post(EVENTS, GOOD, service.source_token("mlflow"), **{"Content-Encoding": "br"})
    assert (reply.status_code, reply.json()["field"]) == (415, "Content-Encoding")
    assert kept_bytes(service, service.records()[-1]) == GOOD


GOOD_TIMES = {
    "2026-11-22T09:57:16.123456789Z": "2026-11-22T09:57:16.123456Z",
    "2026-11-22T10:57:16+01:00": "2026-11-22T09:57:16.000000Z",
    "2026-11-22t23:42:16.5+13:45": "2026-11-22T09:57:16.500000Z",
    "2026-11-21T23:57:16-10:00": "2026-11-22T09:57:16.000000Z",
    "2016-12-31T23:59:60Z": "2016-12-31T23:59:59.999999Z",
    "2026-11-22T10:05:00Z": "2026-11-22T10:05:00.000000Z",
}


@pytest.mark.parametrize("text", GOOD_TIMES)
def test_an_odd_time_that_is_one_is_accepted(service: Service, text: str) -> None:
    service.clock.now = times.parse_time("2026-11-22T10:00:00Z")
    reply = service.post(EVENTS, at(text), service.source_token("mlflow"))
    assert reply.status_code == 201, reply.text
    shown = service.get(f"/api/v1/records/{reply.json()['receipts'][0]['id']}").json()
    assert shown["occurred_at"] == GOOD_TIMES[text]


@pytest.mark.parametrize(
    "model",
    ["with space", "a/b/c", "a:b", "größe", "模型", "🤖", "a.b-c_d", "100%25", "tab%09", "%40home"],
)
def test_a_name_is_not_refused_for_its_spelling(service: Service, model: str) -> None:
    event = stage(version="v 1/é")
    event["body"]["model"] = f"model:prod::{model}"
    reply = service.post(EVENTS, events(event), service.source_token("mlflow"))
    assert reply.status_code == 201, reply.text
    kept = service.get(f"/api/v1/records/{reply.json()['receipts'][0]['seq']}").json()
    assert (kept["body"]["model"], kept["body"]["version"]) == (event["body"]["model"], "v 1/é")


def changed(**fields: Any) -> Callable[[], bytes]:
    return lambda: orjson.dumps(run_event(**fields))


OPENLINEAGE: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "not JSON": (lambda: b"{", None),
    "an array": (lambda: orjson.dumps([run_event()]), None),
    "NaN": (lambda: orjson.dumps(run_event()).replace(b'"COMPLETE"', b"NaN"), "eventType"),
    "duplicate key": (lambda: b'{"eventTime":"x","eventTime":"x"}', "eventTime"),
    "no time": (changed(eventTime=None), "eventTime"),
    "odd time": (changed(eventTime="yesterday"), "eventTime"),
    "future time": (changed(eventTime="2026-11-22T10:06:00Z"), "occurred_at"),
    "no run id": (changed(run={}), "run.runId"),
    "job that is no object": (changed(job="train"), "job"),
}


@pytest.mark.parametrize("case", OPENLINEAGE)
def test_a_bad_openlineage_event_is_refused_by_place_and_kept(service: Service, case: str) -> None:
    make, field = OPENLINEAGE[case]
    service.clock.now = times.parse_time("2026-11-22T10:00:00Z")
    token, before = service.source_token("openlineage"), service.size
    reply = service.post(LINEAGE, make(), token)
    assert reply.status_code == 422, reply.text
    assert reply.json().get("field") == field
    assert service.size == before + 1
    assert kept_bytes(service, service.records()[-1]) == make()


def _fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return False
    return True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["run.observed", "tag.set"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "ev", "occurred_at", "actor", "body", "source", "model", "run", "issuer", "subject", "assurance"]
    ) | st.text(max_size=5), inner, max_size=5),
    max_leaves=15,
)  # fmt: skip


@settings(max_examples=60)
@given(st.binary(max_size=200) | st.builds(lambda value: orjson.dumps({"events": [value]}), JSON.filter(_fits)))
def test_no_bytes_whatever_are_more_than_bad_input(service: Service, body: bytes) -> None:
    service.app.state.parts.quarantine._hours.clear()
    token, before = service.source_token("mlflow"), service.size
    reply = service.post(EVENTS, body, token)
    assert reply.status_code in (403, 422)
    assert service.size == before + 1
