"""What tags claim, beside deployments: who said it, of what, and that it approves nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from lineage_service.client import words
from tests.service import Service, make_service

MODEL, CREATED = "model:prod::credit", 1795392378318
VERSION = {"model": MODEL, "version": "3", "created_ms": CREATED}
VERSION_KEY = f"model_version:prod::credit/3@{CREATED}"
WHO = ("omar (mlflow:prod)", "authenticated")
OMAR = {"issuer": "mlflow:prod", "subject": "omar", "assurance": "authenticated"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with make_service(tmp_path) as running:
        tell(running, "model_version.registered", "08:00:00", VERSION)
        tell(running, "alias.moved", "09:00:00", {**VERSION, "alias": "champion"})
        yield running


def tell(service: Service, kind: str, at: str, body: dict[str, Any]) -> None:
    event = {"type": kind, "ev": 1, "occurred_at": f"2026-03-01T{at}Z", "actor": OMAR, "body": body}
    reply = service.send(event, token=service.source_token("mlflow"))
    assert reply.status_code == 201, reply.text


def tag(service: Service, at: str, node: str, name: str, means: str, **value: str) -> None:
    claim = {"means": means, "name": name, **value}
    tell(service, "tag.set", at, {"node": node, "name": name, **value, "claims": [claim]})


def asked(service: Service, *roles: str, **parameters: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the claims of the one row, and the whole answer."""
    token = service.person_token("vera", *roles)
    answer = service.get(f"/api/v1/deployments?{urlencode(parameters)}", token).json()
    (row,) = answer["value"]["rows"]
    return row["claims"], answer


def test_a_claim_says_what_it_means_where_it_stands_and_who_set_it(service: Service) -> None:
    tag(service, "10:00:00", VERSION_KEY, "approved_by", "approver", hidden="bob")
    tag(service, "10:00:01", VERSION_KEY, "approval_status", "approval", value="approved")
    tag(service, "10:00:02", MODEL, "business_unit", "owner", value="retail")
    claims, answer = asked(service, "auditor")
    assert [(one["on"], one["means"], one["name"], one["value"]) for one in claims] == [
        ("model_version", "approval", "approval_status", "approved"),
        ("model_version", "approver", "approved_by", "bob"),
        ("model", "owner", "business_unit", "retail"),
    ]
    assert {(one["claimed_by"]["name"], one["claimed_by"]["assurance"]) for one in claims} == {WHO}
    assert {one["seq"] for one in claims} <= {cited["seq"] for cited in answer["evidence"]}
    assert answer["value"]["rows"][0]["approved_by"] == []
    said = words.claim(claims[1])
    assert said == "approver bob: claimed in tag approved_by of the model version by omar (mlflow:prod) (authenticated)"


def test_a_reader_sees_that_somebody_is_claimed_to_have_approved_and_not_who(service: Service) -> None:
    tag(service, "10:00:00", VERSION_KEY, "approved_by", "approver", hidden="bob")
    (claim,), answer = asked(service, "reader")
    assert (claim["means"], claim["value"]) == ("approver", None)
    assert [gap["kind"] for gap in answer["gaps"]].count("restricted") == 1
    assert "bob" not in str(answer)
    assert "a value you may not see" in words.claim(claim)


def test_a_claim_ends_with_its_tag_and_counts_only_when_it_was_made(service: Service) -> None:
    tag(service, "10:00:00", VERSION_KEY, "approval_status", "approval", value="approved")
    tell(
        service, "tag.removed", "11:00:00", {"node": VERSION_KEY, "name": "approval_status", "meant": ["approval"]}
    )
    assert asked(service, "reader")[0] == []
    assert len(asked(service, "reader", as_of="2026-03-01T10:30:00Z")[0]) == 1
    assert asked(service, "reader", as_of="2026-03-01T09:30:00Z")[0] == []


def test_a_renamed_version_keeps_what_was_claimed_of_it(service: Service) -> None:
    tag(service, "10:00:00", VERSION_KEY, "approval_status", "approval", value="approved")
    new = "model:prod::lending"
    carried = [{"version": "3", "created_ms": CREATED}]
    tell(service, "model.renamed", "11:00:00", {"model": MODEL, "to": new, "carried": carried})
    tell(service, "alias.moved", "12:00:00", {**VERSION, "model": new, "alias": "champion"})
    token = service.person_token("vera", "reader")
    rows = service.get(f"/api/v1/deployments?{urlencode({'model': new})}", token).json()["value"]["rows"]
    assert [[one["means"] for one in row["claims"]] for row in rows] == [["approval"]]
