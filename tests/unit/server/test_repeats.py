"""A step of a pipeline that is run again is one fact, and a real second happening is never taken for a repeat."""

from typing import Any

import pytest

from graph_schema import times
from tests.service import Service

PLACE = {"environment": "prod", "region": "eu"}


def deployed(at: str, version: str = "3", *, name: str | None = "step-1", **more: Any) -> dict[str, Any]:
    return {
        "type": "deployment.changed",
        "occurred_at": f"2026-11-22T09:{at}:00Z",
        "source": {"ref": f"https://ci.example.org/{at}", **({"event_id": name} if name else {})},
        "actor": {"assurance": "observed"},
        "body": {"model": "model:prod::credit", "version": version, "target": PLACE, **more},
    }


def validated(at: str, outcome: str = "passed", **more: Any) -> dict[str, Any]:
    body = {"model": "model:prod::credit", "version": "3", "validation": "v1", "name": "bias", "outcome": outcome}
    return {**deployed(at), "type": "validation.recorded", "body": {**body, **more}}


def seqs(service: Service, *events: dict[str, Any], token: str | None = None) -> list[int]:
    """Send events one by one and return the numbers of their records."""
    sent = [service.send(event, token=token or service.source_token("ci")) for event in events]
    assert [reply.status_code for reply in sent] == [201] * len(events), sent[-1].text
    return [reply.json()["receipts"][0]["seq"] for reply in sent]


@pytest.mark.parametrize("told", [deployed, validated])
def test_a_fact_told_again_later_gets_the_first_receipt(service: Service, told: Any) -> None:
    first, again = seqs(service, told("10"), told("20"))
    assert first == again
    assert [record["occurred_at"][11:16] for record in service.records(told("10")["type"])] == ["09:10"]


def test_a_fact_that_nobody_named_is_a_fact_of_its_own(service: Service) -> None:
    first, again = seqs(service, deployed("10", name=None), deployed("20", name=None))
    assert first < again


@pytest.mark.parametrize(
    "between",
    [deployed("15", "4", name="step-2"), deployed("15", mode="none", name="step-2"), deployed("15", traffic="0.5")],
)
def test_what_moved_in_between_makes_it_happen_again(service: Service, between: dict[str, Any]) -> None:
    first, _, again = seqs(service, deployed("10"), between, deployed("20"))
    assert again > first
    live = service.get("/api/v1/live?target=prod/eu").json()["value"]["rows"]
    assert [row["version"] for row in live] == ["3"]


@pytest.mark.parametrize(
    "other",
    [
        deployed("20", ticket="CHG-9"),
        deployed("20", reason="another"),
        deployed("20", name="step-2"),
        {**deployed("20"), "actor": {"assurance": "observed", "on_behalf_of": {"issuer": "github", "subject": "ada"}}},
        deployed("05"),
    ],
)
def test_whatever_says_anything_else_is_another_fact(service: Service, other: dict[str, Any]) -> None:
    first, second = seqs(service, deployed("10"), other)
    assert first < second


def test_another_sender_says_its_own(service: Service) -> None:
    (first,) = seqs(service, deployed("10"))
    (second,) = seqs(service, deployed("20"), token=service.source_token("ci", "other"))
    assert first < second


def test_a_validation_that_was_stated_anew_in_between_is_stated_again(service: Service) -> None:
    first, _, again = seqs(service, validated("10"), validated("15", "failed"), validated("20"))
    assert first < again
    assert service.get("/api/v1/node?node=validation:v1").json()["properties"]["outcome"] == "passed"


def test_a_receipt_remarks_on_a_version_that_was_not_registered_then(service: Service) -> None:
    registry = service.source_token("mlflow")
    registered = {**deployed("12"), "type": "model_version.registered"}
    created = times.parse_time("2026-11-22T09:00:00Z") // 1000
    registered["body"] = {"model": "model:prod::credit", "version": "3", "created_ms": created}
    seqs(service, registered, token=registry)
    remarks = [
        service.send(event, token=service.source_token("ci")).json()["receipts"][0].get("remark")
        for event in (deployed("58"), deployed("58", "4"), deployed("58", created_ms=1), validated("58"))
    ]
    assert [remark is not None for remark in remarks] == [False, True, True, False]
    assert remarks[1] == "no version 4 of credit was registered here then; it is recorded as stated"
