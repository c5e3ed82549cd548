"""What producers of OpenLineage events may rely on, and what the answers make of what they sent."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph_schema import names
from lineage_service.server.limits import MAX_INFLATED
from tests.service import Service, bearer, make_service, run_event
from tests.unit.server.kept import kept_bytes

Json = dict[str, Any]
ROUTE = "/api/v1/lineage"
ONE, TWO = "11111111-b358-4d32-83d4-df660ff614dd", "22222222-b358-4d32-83d4-df660ff614dd"


def table(name: str, **facets: Any) -> Json:
    return {"namespace": "s3://lake", "name": name, "facets": facets}


def version(name: str, run: str) -> str:
    return names.dataset_version("s3://lake", name, f"run-{run}")


def event(run: str, kind: str = "COMPLETE", job_facets: Json | None = None, **members: Any) -> Json:
    """Make an event of a run of the one job there is here."""
    facets = members.pop("facets", {})
    made = run_event(run, job={"namespace": "etl", "name": "nightly", "facets": job_facets or {}}, **members)
    return made | {"run": {"runId": run, "facets": facets}, "eventType": kind}


def send(service: Service, *events: Json) -> None:
    for one in events:
        reply = service.post(ROUTE, one, service.source_token("openlineage"))
        assert reply.status_code == 201, reply.text


def closure(service: Service, node: str, question: str = "provenance") -> Json:
    reply = service.client.get(
        f"/api/v1/{question}", params={"node": node}, headers=bearer(service.admin_token)
    )
    assert reply.status_code == 200, reply.text
    value: Json = reply.json()["value"]
    return value


def quarantined(service: Service) -> list[Json]:
    return service.records("payload.quarantined")


# ------------------------------------------------------------------------------------------------ what was made of what


def test_an_explicit_origin_beats_everything_the_run_read_whichever_event_comes_first(tmp_path: Path) -> None:
    """START lists three inputs and two outputs; COMPLETE says which of them went into one of the outputs."""
    entry = {"type": "DATASET", **table("x"), "inputs": [{"type": "DATASET", "namespace": "s3a://lake", "name": "a"}]}
    inputs, outputs = [table("a"), table("b"), table("c")], [table("x"), table("y")]
    start = event(ONE, "START", inputs=inputs, outputs=outputs, eventTime="2026-11-22T09:40:00Z")
    facet = {"entries": [entry, {"type": "DATASET", **table("y"), "inputs": []}]}
    told = [start, event(ONE, inputs=[], outputs=[], job_facets={"lineage": facet})]
    for number, order in enumerate((told, told[::-1])):
        with make_service(tmp_path / str(number)) as service:
            send(service, *order)
            above = set(closure(service, version("x", ONE))["nodes"])
            assert above == {version("x", ONE), f"run:{ONE}", "dataset:s3://lake::a"}
            assert set(closure(service, version("y", ONE))["nodes"]) == {version("y", ONE), f"run:{ONE}"}
            everything = set(closure(service, f"run:{ONE}")["nodes"])
            assert everything >= {f"dataset:s3://lake::{name}" for name in "abc"}
            assert version("x", ONE) not in closure(service, "dataset:s3://lake::b", "impact")["nodes"]


def test_two_runs_of_one_job_with_different_inputs_share_no_edge(service: Service) -> None:
    send(
        service,
        event(ONE, inputs=[table("a")], outputs=[table("x")]),
        event(TWO, inputs=[table("b")], outputs=[table("x")]),
    )
    one, two = closure(service, version("x", ONE)), closure(service, version("x", TWO))
    assert {key for key in one["nodes"] if key.startswith("dataset:")} == {"dataset:s3://lake::a"}
    assert {key for key in two["nodes"] if key.startswith("dataset:")} == {"dataset:s3://lake::b"}
    edges = [{(edge["from"], edge["type"], edge["to"]) for edge in value["edges"]} for value in (one, two)]
    assert edges[0].isdisjoint(edges[1])


def test_a_column_shows_which_fields_its_values_come_from_and_which_only_decided(service: Service) -> None:
    direct, joined = {"type": "DIRECT", "subtype": "IDENTITY"}, {"type": "INDIRECT", "subtype": "JOIN"}
    key, amount = ({"namespace": "s3://lake", "name": "a", "field": field} for field in ("id", "amount"))
    facet = {
        "fields": {
            "id": {"inputFields": [{**key, "transformations": [direct]}]},
            "total": {"inputFields": [{**amount, "transformations": [{"type": "DIRECT", "masking": True}]}]},
        },
        "dataset": [{**key, "transformations": [joined]}],
    }
    send(service, event(ONE, outputs=[table("x", columnLineage=facet)]))
    column = "column:s3://lake::x::id"
    above = closure(service, column)
    assert [(edge["type"], edge["roles"]) for edge in above["edges"]] == [("COLUMN_FROM", ["direct", "indirect"])]
    total = closure(service, "column:s3://lake::x::total")
    assert {edge["to"].rpartition("::")[2]: edge["roles"] for edge in total["edges"]} == {
        "amount": ["direct"],
        "id": ["indirect"],
    }
    shown = total["nodes"]["column:s3://lake::x::total"]
    said = shown["properties"]
    assert shown["name"] == "x.total"
    assert said["direct:column:s3://lake::a::amount"] == [{"type": "DIRECT", "masking": True}]


def test_counts_reach_the_version_that_only_the_run_names(service: Service) -> None:
    output = {**table("x"), "outputFacets": {"outputStatistics": {"rowCount": 7, "size": 90}}}
    send(service, event(ONE, "START", outputs=[table("x")]), event(ONE, "RUNNING", outputs=[output]), event(ONE))
    said = closure(service, version("x", ONE))["nodes"][version("x", ONE)]["properties"]
    assert (said["rows"], said["bytes"], said["identity"]) == (7, 90, "by_run")


def test_a_renamed_dataset_is_one_thing_under_both_names_and_its_history_says_when(service: Service) -> None:
    renamed = {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "s3://lake", "name": "old"}}
    send(
        service,
        event(ONE, outputs=[table("old", lifecycleStateChange={"lifecycleStateChange": "CREATE"})]),
        event(TWO, outputs=[table("new", lifecycleStateChange=renamed)], eventTime="2026-11-22T09:55:00Z"),
    )
    assert version("old", ONE) in closure(service, "dataset:s3://lake::new")["nodes"]
    reply = service.client.get(
        "/api/v1/history", params={"node": "dataset:s3://lake::new"}, headers=bearer(service.admin_token)
    )
    rows = [row for row in reply.json()["value"]["rows"] if row["type"] == "dataset.changed"]
    assert [row["occurred_at"] for row in rows] == ["2026-11-22T09:55:00.000000Z"]


def test_a_run_that_never_ends_is_unknown_after_a_week_of_silence(service: Service) -> None:
    send(service, event(ONE, "START"))
    shown = [closure(service, f"run:{ONE}")["nodes"][f"run:{ONE}"]["properties"]["outcome"]]
    service.clock.advance(8 * 24 * 3600)
    shown.append(closure(service, f"run:{ONE}")["nodes"][f"run:{ONE}"]["properties"]["outcome"])
    assert shown == ["started", "unknown"]


# ------------------------------------------------------------------------------------------------------- what is secret


def test_no_secret_of_a_stack_trace_and_no_value_of_a_row_lies_in_clear_on_the_disk(tmp_path: Path) -> None:
    secrets = {
        "trace": "bad row: password=hunter2-in-a-trace",
        "greatest": "zoe.least@example.org",
        "owner": "anna.owner@example.org",
        "tested": "accepted_values_users__paul@example.org",
        "described": "select sha2(iban) where name = 'Grete'",
        "job": "runs for carla@example.org each night",
    }
    exception = {"message": secrets["trace"], "programmingLanguage": "SCALA", "stackTrace": f"at X\n{secrets['trace']}"}
    metrics = {"columnMetrics": {"mail": {"nullCount": 1, "max": secrets["greatest"]}}}
    checks = {"assertions": [{"assertion": "accepted_values", "success": False, "name": secrets["tested"]}]}
    field = {
        "namespace": "s3://lake",
        "name": "a",
        "field": "f",
        "transformations": [{"type": "DIRECT", "description": secrets["described"]}],
    }
    output = table(
        "x",
        dataQualityMetrics=metrics,
        dataQualityAssertions=checks,
        ownership={"owners": [{"name": secrets["owner"], "type": "OWNER"}]},
        columnLineage={"fields": {"c": {"inputFields": [field], "transformationDescription": secrets["described"]}}},
    )
    facets = {"errorMessage": exception, "spark.exception": {"message": secrets["trace"]}}
    owned = {"documentation": {"description": secrets["job"]}, "ownership": {"owners": [{"name": secrets["owner"]}]}}
    with make_service(tmp_path) as service:
        send(service, event(ONE, "FAIL", owned, facets=facets, outputs=[output]))
        record = service.records("run.observed")[0]
        assert secrets["trace"].encode() in kept_bytes(service, record)
        assert len(service.records("dataset.measured")) == 2
    found = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "lineage.db" in found
    for secret in secrets.values():
        words = [word.encode() for word in (secret, secret.rpartition("=")[2])]
        assert [name for name, data in found.items() if any(word in data for word in words)] == [], secret


# -------------------------------------------------------------------------------------------------- how bodies may come


def chunked(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def sent(service: Service, data: bytes, *, in_chunks: bool) -> Any:
    """Send a gzip body, with its length or in chunks without one."""
    headers = {**bearer(service.source_token("openlineage")), "Content-Encoding": "gzip"}
    content: Any = chunked(data) if in_chunks else data
    return service.client.post(ROUTE, content=content, headers=headers)


@pytest.mark.parametrize("in_chunks", [False, True])
def test_gzip_is_read_with_a_length_and_in_chunks(service: Service, in_chunks: bool) -> None:
    raw = json.dumps(event(ONE, facets={"x": {"y": list(range(5000))}})).encode()
    reply = sent(service, gzip.compress(raw), in_chunks=in_chunks)
    assert reply.status_code == 201, reply.text
    assert kept_bytes(service, service.records("run.observed")[0]) == raw


@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize(
    ("data", "status", "reason", "told"),
    [
        (gzip.compress(b'{"a": "' + b"x" * MAX_INFLATED + b'"}'), 413, "too large", "inflates to more than"),
        (gzip.compress(json.dumps(event(ONE)).encode())[:-20], 422, "invalid", "ends in the middle"),
        (b"\x1f\x8b" + b"x" * 50, 422, "invalid", "not gzip"),
    ],
    ids=["a bomb", "torn", "no gzip"],
)
def test_a_body_that_is_not_what_it_claims_is_refused_with_the_reason_and_kept(
    service: Service, data: bytes, status: int, reason: str, told: str, in_chunks: bool
) -> None:
    reply = sent(service, data, in_chunks=in_chunks)
    assert (reply.status_code, told in reply.text) == (status, True), reply.text
    (record,) = quarantined(service)
    assert record["body"]["reason"] == reason
    assert kept_bytes(service, record) == data


def test_a_facet_of_megabytes_nobody_knows_is_kept_and_refuses_nothing(service: Service) -> None:
    huge = event(ONE, facets={"spark_unknown": {"plan": "x" * 5_000_000}, "environment-properties": {"a": [1.5]}})
    send(service, huge)
    assert json.loads(kept_bytes(service, service.records("run.observed")[0])) == huge


def test_an_event_of_many_datasets_columns_and_names_fits_its_records(service: Service) -> None:
    """Hundreds of long names, a schema of 3,000 columns, each with its origin: recorded in parts, and all there."""
    fields = [{"name": f"c{number}", "type": "string"} for number in range(3000)]
    source = {"namespace": "s3://lake", "name": "a", "field": "f"}
    links = [{"namespace": "hive://h", "name": f"{'t' * 900}{number}", "type": "TABLE"} for number in range(60)]
    wide = table(
        "x",
        schema={"fields": fields},
        columnLineage={"fields": {one["name"]: {"inputFields": [source]} for one in fields}, "dataset": [source]},
        symlinks={"identifiers": links},
    )
    long = {"namespace": "n" * 4000, "name": "j" * 4000}
    above = {"parent": {"run": {"runId": TWO}, "job": long, "root": {"run": {"runId": TWO}, "job": long}}}
    inputs = [table(f"{'ö' * 200}{number}") for number in range(300)]
    send(service, event(ONE, inputs=inputs, outputs=[wide], facets=above))
    read = [item["name"] for record in service.records("run.observed") for item in record["body"].get("inputs", [])]
    assert read == [one["name"] for one in inputs]
    derived = [group for record in service.records("columns.derived") for group in record["body"]["derived"]]
    assert {column for group in derived for column in group["columns"]} == {one["name"] for one in fields}
    described = [record["body"] for record in service.records("dataset.declared")]
    assert [body["column_count"] for body in described if "column_count" in body] == [3000]
    assert sum(len(body.get("same_as", ())) for body in described) == 60


def test_a_batch_of_a_thousand_events_is_recorded_at_once(service: Service) -> None:
    field = {"namespace": "s3://lake", "name": "a", "field": "f"}
    fields = {f"c{number}": {"inputFields": [field]} for number in range(9)}
    outputs = [{**table("x", columnLineage={"fields": fields}), "outputFacets": {"outputStatistics": {"rowCount": 1}}}]
    many = [event(f"{number:08d}-b358-4d32-83d4-df660ff614dd", outputs=outputs) for number in range(1000)]
    reply = service.post(f"{ROUTE}/batch", many, service.source_token("openlineage"))
    assert (reply.status_code, reply.json()["summary"]["successful"]) == (200, 1000)
    assert len(service.records("columns.derived")) == 1000
