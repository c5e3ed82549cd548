"""What is served beside what the registry says: verdicts, two times, renames, and when an answer can be complete."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph_schema.events import parse_event
from lineage_service.queries.asking import asking_of
from lineage_service.queries.drift import drift
from lineage_service.recorder.preparation import Incoming, Sender
from tests.unit.queries.test_envelope import CREATED, MODEL, NOW, House, version

EU, US = ({"environment": "prod", "region": region} for region in ("eu", "us"))
NEW = "model:prod::credit-2"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    for number in ("1", "2"):
        built.tell("model_version.registered", "08:00:00", version(number))
    built.tell("stage.transitioned", "09:00:00", {**version("1"), "to": "Production"})
    yield built
    built.log.close()


def serve(house: House, at: str, number: str, where: dict[str, str] = EU, **more: Any) -> int:
    return house.tell("deployment.changed", at, {**version(number), "target": where, **more})


def asked(house: House, *, as_of: str | None = None, known_at: str | None = None, **more: Any) -> Any:
    with house.log.store.read() as reader:
        return drift(asking_of(reader, as_of=as_of, known_at=known_at, tz="UTC", now=NOW), **more)


def verdicts(answer: Any) -> list[tuple[Any, ...]]:
    return [(row["target"], row["version"], row["registry_version"], row["verdict"]) for row in answer.value["rows"]]


def test_a_target_that_serves_what_the_registry_calls_production_is_the_same(house: House) -> None:
    seq = serve(house, "10:00:00", "1")
    answer = asked(house)
    assert verdicts(answer) == [("prod/eu", "1", "1", "same")]
    (row,) = answer.value["rows"]
    assert (row["since"][11:19], row["seq"], row["registry_since"][11:19]) == ("10:00:00", seq, "09:00:00")
    assert row["deployed_by"]["assurance"] == row["registry_by"]["assurance"] == "authenticated"
    assert {one["seq"] for one in answer.evidence} == {row["seq"], row["registry_seq"]}


def test_a_target_that_serves_another_version_is_told_with_the_one_it_should(house: House) -> None:
    serve(house, "10:00:00", "2")
    assert verdicts(asked(house)) == [("prod/eu", "2", "1", "other"), (None, None, "1", "not_served")]
    assert verdicts(asked(house, target="prod/eu")) == [("prod/eu", "2", "1", "other")]
    assert verdicts(asked(house, model="credit", target="prod/us")) == []


def test_a_canary_is_another_version_beside_the_same_and_a_shadow_is_a_shadow(house: House) -> None:
    serve(house, "10:00:00", "1")
    serve(house, "10:10:00", "2", traffic="0.1")
    serve(house, "10:10:00", "2", US, mode="shadow")
    rows = asked(house).value["rows"]
    assert [(row["target"], row["version"], row["mode"], row["traffic"], row["verdict"]) for row in rows] == [
        ("prod/eu", "1", "serving", None, "same"),
        ("prod/eu", "2", "serving", "0.1", "other"),
        ("prod/us", "2", "shadow", None, "shadow"),
    ]
    serve(house, "10:20:00", "2", traffic="0")
    serve(house, "10:20:00", "2", US, mode="none")
    assert verdicts(asked(house)) == [("prod/eu", "1", "1", "same")]


def test_a_registry_that_calls_nothing_production_has_none(house: House) -> None:
    serve(house, "10:00:00", "1")
    house.tell("stage.transitioned", "10:30:00", {**version("1"), "to": "Archived"})
    assert verdicts(asked(house)) == [("prod/eu", "1", None, "registry_has_none")]


def test_the_registry_forgets_what_it_deleted_and_the_target_serves_on(house: House) -> None:
    serve(house, "10:00:00", "1")
    house.tell("model_version.deleted", "10:30:00", version("1"))
    assert verdicts(asked(house)) == [("prod/eu", "1", None, "registry_has_none")]


def test_one_of_several_that_the_registry_calls_production_is_the_same_and_the_rest_are_told(house: House) -> None:
    house.tell("stage.transitioned", "09:30:00", {**version("2"), "to": "Production"})
    serve(house, "10:00:00", "1")
    answer = asked(house)
    assert verdicts(answer) == [("prod/eu", "1", "1", "same"), (None, None, "2", "not_served")]
    assert answer.value["rows"][0]["registry_others"] == ["2"]


def test_what_an_alias_names_may_count_as_production(house: House) -> None:
    serve(house, "10:00:00", "2")
    house.tell("alias.moved", "09:30:00", {**version("2"), "alias": "champion"})
    assert verdicts(asked(house, alias="champion")) == [("prod/eu", "2", "2", "same")]
    assert verdicts(asked(house, alias="challenger")) == [("prod/eu", "2", None, "registry_has_none")]


def test_both_times_are_honoured(house: House) -> None:
    late = serve(house, "10:00:00", "2")
    serve(house, "11:00:00", "1")
    assert verdicts(asked(house, as_of="2026-11-22T10:30:00Z"))[0] == ("prod/eu", "2", "1", "other")
    assert verdicts(asked(house)) == [("prod/eu", "1", "1", "same")]
    assert verdicts(asked(house, known_at=str(late - 1))) == [(None, None, "1", "not_served")]


def test_a_version_named_by_its_number_only_is_the_one_that_existed_then(house: House) -> None:
    house.tell("deployment.changed", "10:00:00", {"model": MODEL, "version": "1", "target": EU})
    assert verdicts(asked(house)) == [("prod/eu", "1", "1", "same")]
    house.tell("deployment.changed", "10:00:00", {"model": MODEL, "version": "9", "target": US})
    assert verdicts(asked(house))[1] == ("prod/us", "9", "1", "other")


@pytest.mark.parametrize("model", [None, "credit-2"])
def test_a_rename_takes_what_is_served_along_to_the_new_name(house: House, model: str | None) -> None:
    serve(house, "10:00:00", "1")
    carried = [{"version": number, "created_ms": CREATED} for number in ("1", "2")]
    house.tell("model.renamed", "10:10:00", {"model": MODEL, "to": NEW, "carried": carried})
    assert verdicts(asked(house, model=model)) == [("prod/eu", "1", "1", "same")]
    moved = {"model": NEW, "version": "2", "created_ms": CREATED, "to": "Production", "archive_others": True}
    house.tell("stage.transitioned", "10:20:00", moved)
    answer = asked(house, model=model)
    assert verdicts(answer) == [("prod/eu", "1", "2", "other"), (None, None, "2", "not_served")]
    assert {row["model"] for row in answer.value["rows"]} == {"credit-2"}


def watch(house: House, kind: str, method: str) -> None:
    """Register a source and let it report what it covered up to eleven."""
    house.register(method, ["movement"], kind)
    body = {"covered_from": "2026-11-22T08:00:00Z", "covered_to": "2026-11-22T11:00:00Z"}
    event = {"type": "collector.reported", "occurred_at": body["covered_to"], "actor": {"assurance": "system"}}
    prepared = house.log.preparation.prepare([Incoming(parse_event({**event, "body": body}), Sender(kind, "prod"))])
    house.log.recorder.record(prepared, ack="signed")


@pytest.mark.parametrize(
    ("watched", "complete"),
    [
        ({}, False),
        ({"mlflow": "in_path"}, False),
        ({"kubernetes": "polled"}, False),
        ({"mlflow": "in_path", "kubernetes": "polled"}, True),
        ({"mlflow": "in_path", "kubernetes": "pushed"}, False),
        ({"mlflow": "in_path", "kubernetes": "polled", "ci": "pushed"}, False),
    ],
)
def test_an_answer_is_complete_only_where_targets_and_registry_were_both_watched(
    house: House, watched: dict[str, str], complete: bool
) -> None:
    serve(house, "10:00:00", "1")
    for kind, method in watched.items():
        watch(house, kind, method)
    assert asked(house, as_of="2026-11-22T10:30:00Z").complete is complete
    assert not asked(house, as_of="2026-11-22T11:30:00Z").complete
