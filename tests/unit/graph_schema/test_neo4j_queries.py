"""Each query that the page for people shows is run on a genuine server, over one small story, and answers it."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from graph_schema import names
from graph_schema.events import parse_event
from lineage_service.recorder.preparation import Incoming, Sender
from tests.graphdb.address import Address
from tests.graphdb.installation import new_installation

PAGE = Path(__file__).parents[3] / "graph_schema" / "neo4j" / "README.md"
QUERIES = re.findall(r"^([^\n]+)\n```cypher\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
REGISTRY = "mlflow/prod"
VERSION = names.model_version(REGISTRY, "credit", "3", 1795392378318)
MODEL = names.model(REGISTRY, "credit")
DATA = names.dataset_version("s3://lake", "sales", "7")
TARGET = names.target("prod", "eu")


def fact(second: int, word: str, *, by: Sender, who: str | None = None, **body: Any) -> Incoming:
    """Return one fact at a second of a day."""
    actor = {"assurance": "observed"}
    if who is not None:
        actor = {"issuer": "mlflow:prod", "subject": who, "assurance": "authenticated", "via": "basic-auth"}
    event = {"type": word, "occurred_at": f"2026-11-20T10:00:{second:02d}Z", "actor": actor, "body": body}
    return Incoming(parse_event(event), by)


def story() -> list[Incoming]:
    """Return a model trained from a commit on a dataset, put into Production, deployed, and one mistake taken back."""
    mlflow, catalogue, house = Sender("mlflow", "prod"), Sender("openlineage", "etl"), Sender("lineage", "house")
    named = {"model": MODEL, "version": "3", "created_ms": 1795392378318}
    sales = {"namespace": "s3://lake", "name": "sales", "version": "7", "roles": ["training"]}
    wrong = {"namespace": "s3://lake", "name": "sales", "version": "6", "roles": ["test"]}
    run: dict[str, Any] = {"run": "r1", "commit": {"sha": "ab" * 20, "repository": "https://git.example/team/credit"}}
    taken_back = {"from": names.run("r1"), "type": "USED", "to": names.dataset_version("s3://lake", "sales", "6")}
    return [
        fact(1, "run.observed", by=mlflow, who="anna", **run, state="running", inputs=[sales]),
        fact(2, "run.observed", by=catalogue, **run, state="complete", inputs=[sales, wrong]),
        fact(3, "model_version.registered", by=mlflow, who="anna", **named, run="r1"),
        fact(4, "stage.transitioned", by=mlflow, who="ben", **named, to="Production", reason="better"),
        fact(
            5, "deployment.changed", by=mlflow, who="ben", **named, target={"environment": "prod", "region": "eu"}
        ),
        fact(6, "edge.withdrawn", by=house, **taken_back, source=catalogue.key, reason="a wrong catalogue entry"),
    ]


@pytest.fixture(scope="module")
def told(graph_server: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """Give the server with the story in it."""
    with closing(new_installation(tmp_path_factory.mktemp("story"))) as installation:
        installation.recorder.record(installation.preparation.prepare(story()))
        yield graph_server


def answer_of(server: Address, title: str) -> list[dict[str, Any]]:
    """Return what the query under a title answers."""
    (query,) = (text for above, text in QUERIES if title in above)
    actor = server.answer("MATCH (r:Record {type: 'stage.transitioned'}) RETURN r.actor AS actor")[0]["actor"]
    parameters = {
        "version": VERSION,
        "data": DATA,
        "dataset": names.dataset("s3://lake", "sales"),
        "target": TARGET,
        "run": names.run("r1"),
        "actor": actor,
    }
    return server.answer(query, **parameters)


def test_the_page_shows_ten_queries() -> None:
    assert len(QUERIES) == 10


def test_who_moved_which_version_where(told: Address) -> None:
    (row,) = answer_of(told, "Who moved which version")
    assert (row["stage"], row["record"]) == ("Production", 4)
    assert row["version"].startswith("credit/3")
    assert row["by"].startswith("p_")


def test_what_a_target_serves_now(told: Address) -> None:
    (row,) = answer_of(told, "What a target serves now")
    assert (row["target"], row["model"], row["version"]) == ("prod/eu", MODEL, VERSION)


def test_what_a_version_was_made_of(told: Address) -> None:
    keys = [row["key"] for row in answer_of(told, "made of: everything above")]
    assert DATA in keys
    assert names.run("r1") in keys


def test_what_a_dataset_version_went_into(told: Address) -> None:
    assert VERSION in [row["key"] for row in answer_of(told, "went into: everything below")]


def test_which_runs_trained_on_a_dataset(told: Address) -> None:
    assert answer_of(told, "trained on a dataset") == [{"run": names.run("r1"), "version": DATA}]


def test_from_production_to_the_commit(told: Address) -> None:
    (row,) = answer_of(told, "to the commit it was built from")
    assert (row["version"], row["commit"]) == (VERSION, "ab" * 20)


def test_all_that_was_recorded_about_an_entity(told: Address) -> None:
    types = [row["type"] for row in answer_of(told, "ever recorded about an entity")]
    assert types.count("stage.transitioned") == 1
    assert "model_version.registered" in types


def test_what_somebody_did(told: Address) -> None:
    assert [row["type"] for row in answer_of(told, "What somebody did")] == ["stage.transitioned", "deployment.changed"]


def test_what_was_taken_back_does_not_count(told: Address) -> None:
    used = [(row["to"], row["source"]) for row in answer_of(told, "What counts of an edge") if row["edge"] == "USED"]
    assert used == [(DATA, "source:mlflow/prod"), (DATA, "source:openlineage/etl")]


def test_the_first_look_at_the_ledger(told: Address) -> None:
    assert answer_of(told, "without a hole") == [{"size": 7, "records": 7, "first": 0, "last": 6}]
