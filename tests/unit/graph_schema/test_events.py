"""The language holds together: every field classified, every fact folded, the published schema up to date."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from graph_schema import fold as folding
from graph_schema.events import EVENT_TYPES, FAMILIES, OWN_TYPES, SOURCE_TYPES, json_schema, parse_event
from graph_schema.sealing import UnclassifiedFieldError, compiled

SCHEMA = Path(__file__).parents[3] / "graph_schema" / "event.schema.json"
RIGHTS = {"role.granted", "role.revoked", "token.issued", "token.revoked"}

STAGE: dict[str, Any] = {
    "type": "stage.transitioned",
    "occurred_at": "2026-11-22T23:57:16.123Z",
    "actor": {"issuer": "mlflow:prod", "subject": "deployer1", "assurance": "authenticated"},
    "body": {"model": "model:prod::credit", "version": "3", "to": "Production"},
}


def test_every_field_of_every_fact_has_a_class() -> None:
    for cls in EVENT_TYPES.values():
        compiled(cls.model_fields["body"].annotation)


def test_a_field_without_a_class_is_refused() -> None:
    class Careless(BaseModel):
        note: str

    with pytest.raises(UnclassifiedFieldError, match=r"Careless\.note"):
        compiled(Careless)


def test_every_fact_has_a_fold_and_a_description() -> None:
    assert set(folding._FOLDS) == set(EVENT_TYPES)
    assert all(cls.__doc__ for cls in EVENT_TYPES.values())


def test_the_published_schema_is_what_the_models_say() -> None:
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(json_schema()))


def test_the_published_schema_accepts_what_the_door_accepts_and_refuses_an_unknown_field() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.validate(STAGE, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**STAGE, "body": {**STAGE["body"], "surprise": 1}}, schema)


def test_rights_and_archive_facts_are_never_a_sources_to_state() -> None:
    assert RIGHTS <= OWN_TYPES
    assert {"ledger.opened", "source.registered", "payload.quarantined", "edge.withdrawn"} <= OWN_TYPES
    assert "collector.reported" in SOURCE_TYPES
    assert {EVENT_TYPES[word].family for word in SOURCE_TYPES} - set(FAMILIES) == {
        "validation.recorded",
        "collector.reported",
        "attempt.denied",
        "person.declared",
        "identity.linked",
        "permission.observed",
    }


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": "stage.guessed"}, ()),
        ({"occurred_at": "yesterday"}, ("occurred_at",)),
        ({"occurred_at": 1795391836}, ("occurred_at",)),
        ({"actor": {"assurance": "authenticated"}}, ("actor",)),
        ({"actor": {"issuer": "x", "subject": "y", "assurance": "observed"}}, ("actor",)),
        ({"actor": {"issuer": "x", "assurance": "claimed"}}, ("actor",)),
        ({"body": {**STAGE["body"], "model": "dataset:a::b"}}, ("body", "model")),
        ({"body": {**STAGE["body"], "model": "credit"}}, ("body", "model")),
        ({"body": {**STAGE["body"], "created_ms": "1"}}, ("body", "created_ms")),
        ({"body": {**STAGE["body"], "created_ms": -1}}, ("body", "created_ms")),
        ({"body": {**STAGE["body"], "archive_others": "yes"}}, ("body", "archive_others")),
        ({"surprise": 1}, ("surprise",)),
    ],
)
def test_bad_input_is_refused_and_its_field_named(change: dict[str, Any], where: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_event({**STAGE, **change})
    places = [tuple(part for part in error["loc"] if part != STAGE["type"]) for error in caught.value.errors()]
    assert where in places or where == ()


def test_spellings_that_mean_one_dataset_become_one() -> None:
    run = {
        "type": "run.observed",
        "occurred_at": "2026-11-22T23:57:16Z",
        "actor": {"assurance": "observed"},
        "body": {"run": "r", "inputs": [{"namespace": "s3a://lake/", "name": "a/b.parquet"}]},
    }
    read = parse_event(run).body.inputs[0]
    assert (read.namespace, read.name) == ("s3://lake", "a/b.parquet")


def test_a_withdrawal_of_an_edge_the_language_does_not_have_is_refused() -> None:
    withdrawal: dict[str, Any] = {
        "type": "edge.withdrawn",
        "occurred_at": "2026-11-22T23:57:16Z",
        "actor": {"issuer": "lineage", "subject": "ada", "assurance": "authenticated"},
        "body": {"from": "run:r", "type": "USED", "to": "dataset_version:s3://b::k@1", "source": "source:mlflow/prod"},
    }
    parse_event(withdrawal)
    for change in ({"type": "EATS"}, {"to": "run:x"}):
        with pytest.raises(ValidationError):
            parse_event({**withdrawal, "body": {**withdrawal["body"], **change}})
