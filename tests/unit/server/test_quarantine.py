"""What is kept of refused bodies: sealed, capped for each sender and hour, no word of the sender in clear."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from lineage_service.errors import InputError
from lineage_service.server.quarantine import Quarantine, clear_path
from tests.service import Service, make_service, run_event, stage
from tests.unit.server.kept import kept_bytes

RUNS = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"]
BAD = b'{"events":["grace.hopper@example.org"]}'


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Service]:
    """Return a service that keeps three records and a thousand bytes an hour."""
    with make_service(tmp_path) as made:
        parts = made.app.state.parts
        tight = Quarantine(made.installation, made.clock, parts.counters, records=3, size=1000)
        object.__setattr__(parts, "quarantine", tight)
        yield made


def quarantined(service: Service) -> list[dict[str, Any]]:
    return service.records("payload.quarantined")


def test_beyond_its_records_a_sender_is_counted_and_the_next_hour_says_so(small: Service) -> None:
    token = small.source_token("mlflow")
    for _ in range(5):
        assert small.post("/api/v1/events", BAD, token).status_code == 422
    assert len(quarantined(small)) == 3
    figures = small.get("/metrics").text
    assert "lineage_quarantine_kept_total 3.0" in figures
    assert "lineage_quarantine_dropped_total 2.0" in figures
    small.clock.advance(3600)
    small.post("/api/v1/events", BAD, token)
    assert quarantined(small)[-1]["body"]["reason"] == "invalid; 2 more were refused before this one and not kept"
    small.post("/api/v1/events", BAD, token)
    assert quarantined(small)[-1]["body"]["reason"] == "invalid"


def test_beyond_its_bytes_a_sender_is_counted(small: Service) -> None:
    token = small.source_token("mlflow")
    for size in (600, 600, 300):
        small.post("/api/v1/events", b"x" * size, token)
    assert [record["body"]["kept"] for record in quarantined(small)] == [600, 300]


def test_each_sender_has_an_hour_of_its_own(small: Service) -> None:
    for _ in range(4):
        small.post("/api/v1/events", BAD, small.source_token("mlflow"))
    small.post("/api/v1/events", BAD, small.source_token("git"))
    vias = [record["actor"]["via"] for record in quarantined(small)]
    assert vias == ["token of source:mlflow/prod"] * 3 + ["token of source:git/prod"]


def test_the_same_bytes_twice_are_two_refusals(service: Service) -> None:
    for _ in range(2):
        service.post("/api/v1/events", BAD, service.source_token("mlflow"))
    assert len(quarantined(service)) == 2


def test_what_was_refused_lies_sealed_on_the_disk(tmp_path: Path) -> None:
    with make_service(tmp_path) as service:
        event = stage()
        event["body"] = {"grace.hopper@example.org": "grace.hopper@example.org"}
        service.send(event, token=service.source_token("mlflow"))
        record = quarantined(service)[0]
        assert record["body"]["field"] == "[0].body.model"
        assert b"grace.hopper" in kept_bytes(service, record)
    assert [p for p in tmp_path.rglob("*") if p.is_file() and b"grace.hopper" in p.read_bytes()] == []


@pytest.mark.parametrize(
    ("field", "index", "shown"),
    [
        ("body.params[3][1]", 7, "[7].body.params[3][1]"),
        ("body.grace@example.org", 0, "[0].body.?.org"),
        ('body["a b"].x', 0, "[0].body.?.x"),
        ("x" * 65, None, "?"),
        ("If-Checkpoint", None, "If-Checkpoint"),
        (None, 2, "[2]"),
        (None, None, None),
    ],
)
def test_a_path_in_a_record_holds_no_key_a_sender_made_up(
    field: str | None, index: int | None, shown: str | None
) -> None:
    assert clear_path(InputError("", field=field, index=index)) == shown


def test_a_batch_with_bad_events_is_kept_once_and_the_good_ones_are_recorded(service: Service) -> None:
    token = service.source_token("openlineage")
    batch = [run_event(RUNS[0]), {"bad": 1}, run_event(RUNS[1]), [], run_event(eventTime="never")]
    reply = service.post("/api/v1/lineage/batch", batch, token)
    answer = reply.json()
    assert reply.status_code == 200
    assert answer["status"] == "partial_success"
    assert answer["summary"] == {"received": 5, "successful": 2, "failed": 3, "retriable": 0, "non_retriable": 3}
    assert [event["index"] for event in answer["failed_events"]] == [1, 3, 4]
    assert [record["body"]["run"] for record in service.records("run.observed")] == RUNS
    assert len(quarantined(service)) == 1
    assert kept_bytes(service, quarantined(service)[0]) == orjson.dumps(batch)


@pytest.mark.parametrize(("batch", "status"), [([], "success"), ([run_event()], "success"), ([1], "failure")])
def test_a_batch_says_how_it_went(service: Service, batch: list[Any], status: str) -> None:
    reply = service.post("/api/v1/lineage/batch", batch, service.source_token("openlineage"))
    assert (reply.status_code, reply.json()["status"]) == (200, status)


def test_a_batch_that_is_none_is_refused_and_kept(service: Service) -> None:
    reply = service.post("/api/v1/lineage/batch", {}, service.source_token("openlineage"))
    assert reply.status_code == 422
    assert kept_bytes(service, quarantined(service)[0]) == b"{}"
