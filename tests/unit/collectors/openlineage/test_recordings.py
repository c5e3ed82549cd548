from typing import Any

import pytest

from graph_schema import fold, kinds, sealing
from tests.unit.collectors.openlineage.events import RUN, facts, recording

PYTHON = "openlineage-python-1.54.0-requests.json"
DBT = "openlineage-dbt-1.54.0-duckdb-requests.json"

DAG = "01a205c4-e451-71e5-91f5-de6e349fbb39"
TRAINING: dict[str, Any] = {
    "run": RUN,
    "job": {"namespace": "mlflow://127.0.0.1:5001", "name": "credit-risk/train.py"},
    "parent": DAG,
    "parent_job": {"namespace": "airflow", "name": "dag"},
    "tags": [["openlineage_client_version", "1.54.0"]],
    "commit": {
        "sha": "fdd5d328a420d7266a659b0e099fa2211dd893cc",
        "repository": "https://git.example.com/team/credit",
        "branch": "main",
    },
    "inputs": [{"namespace": "file", "name": "train.csv", "version": "ab6a6660", "identity": "declared"}],
    "outputs": [{"namespace": "mlflow://127.0.0.1:5001", "name": "models:/m-a845"}],
}
JOB = {
    **TRAINING["job"],
    "integration": "MLFLOW",
    "kind": "TRAINING",
    "processing": "BATCH",
    "location": TRAINING["commit"] | {"version": "fdd5d328a420d7266a659b0e099fa2211dd893cc"},
    "owners": [["alice", "MAINTAINER"]],
}
JOB["location"].pop("sha")
COLUMNS = {"namespace": "file", "name": "train.csv", "columns": [{"name": "age", "type": "long"}]}
MODEL = {"namespace": "mlflow://127.0.0.1:5001", "name": "models:/m-a845", "kind": "MODEL"}


@pytest.mark.parametrize(
    ("number", "at", "state"),
    [
        (0, "2026-11-23T00:18:39.314220Z", {"state": "started"}),
        (1, "2026-11-23T00:18:39.318994Z", {"state": "complete"}),
        (4, "2026-11-23T00:18:39.463023Z", {"state": "failed"}),
        (5, "2026-11-23T00:18:39.474665Z", {}),
    ],
)
def test_a_run_event_of_the_python_client_gives_the_run_and_what_it_says_of_its_datasets(
    number: int, at: str, state: dict[str, str]
) -> None:
    made = facts(recording(PYTHON)[number]["body"])
    assert [(fact["type"], fact["body"]) for fact in made] == [
        ("run.observed", TRAINING | state),
        ("job.declared", JOB),
        ("dataset.declared", COLUMNS),
        ("dataset.declared", MODEL),
    ]
    assert {fact["occurred_at"] for fact in made} == {at}


def test_a_job_event_of_the_python_client_describes_its_datasets_and_makes_no_run() -> None:
    made = facts(recording(PYTHON)[2]["body"])
    assert [(fact["type"], fact["body"]) for fact in made] == [
        ("job.declared", JOB),
        ("dataset.declared", COLUMNS),
        ("dataset.declared", MODEL),
    ]


def test_a_dataset_event_of_the_python_client_gives_its_tags() -> None:
    made = facts(recording(PYTHON)[3]["body"])
    assert [(fact["type"], fact["body"]) for fact in made] == [
        ("dataset.declared", {"namespace": "file", "name": "train.csv", "tags": [["pii", "true"]]})
    ]


SEED = "01a205cd-73fe-7c40-838b-cbff836912b0"
BUILD = "01a205cd-8511-72d9-a967-f95ed654cd96"
FEATURES_RUN = "01a205cd-9abb-793b-bf28-43eee7b79047"
REPORT_RUN = "01a205cd-9abc-781d-9fbf-f94d046efea4"
TESTS = "01a205cd-9e8e-733e-b5c3-726633a15c84"
ONE_TEST = "01a205cd-d54b-7112-9c02-30d1fd4f0038"
FEATURES = {"namespace": "duckdb://credit.duckdb", "name": "credit.main.features"}
REPORT = {"namespace": "duckdb://credit.duckdb", "name": "credit.main.report"}


def test_the_dbt_recording_gives_its_runs_parents_and_datasets() -> None:
    made = [fact for request in recording(DBT) for fact in facts(request["body"])]
    runs = [fact["body"] for fact in made if fact["type"] == "run.observed"]
    shown = [
        (body["run"], body["state"], body.get("parent"), body.get("inputs", []), body.get("outputs", []))
        for body in runs
    ]
    assert shown == [
        (SEED, "started", None, [], []),
        (SEED, "complete", None, [], []),
        (BUILD, "started", None, [], []),
        (FEATURES_RUN, "started", BUILD, [], [FEATURES]),
        (REPORT_RUN, "started", BUILD, [FEATURES], [REPORT]),
        (FEATURES_RUN, "complete", BUILD, [], [FEATURES]),
        (REPORT_RUN, "complete", BUILD, [FEATURES], [REPORT]),
        (BUILD, "complete", None, [], []),
        (TESTS, "started", None, [], []),
        (ONE_TEST, "started", TESTS, [FEATURES], []),
        (ONE_TEST, "complete", TESTS, [FEATURES], []),
        (TESTS, "complete", None, [], []),
    ]
    described = [fact["body"] for fact in made if fact["type"] == "dataset.declared"]
    assert described == [FEATURES | {"columns": [{"name": "id"}]}] * 4


def edges_of(event: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Fold the facts of an event as the recorder would, and give the edges of lineage and of runs."""
    found = set()
    for number, fact in enumerate(facts(event)):
        whole = {**fact, "source": {**fact["source"], "kind": "openlineage", "instance": "test"}}
        sealed, _ = sealing.seal(whole, dict.fromkeys(sealing.people(whole), "s_1"))
        changes = fold.fold({**whole, **sealed, "id": f"{number:032x}"})
        found |= {(start, kinds.Edge(kind).name, end) for start, kind, end in changes.edges}
    return found


def test_the_facts_of_the_python_recording_fold_to_its_lineage() -> None:
    dataset, model = "dataset:file::train.csv", "dataset:mlflow://127.0.0.1:5001::models:/m-a845"
    commit = "commit:fdd5d328a420d7266a659b0e099fa2211dd893cc"
    written = f"dataset_version:mlflow://127.0.0.1:5001::models:/m-a845@run-{RUN}"
    assert edges_of(recording(PYTHON)[1]["body"]) == {
        (f"run:{RUN}", "OF_JOB", "job:mlflow://127.0.0.1:5001::credit-risk/train.py"),
        (f"run:{RUN}", "PARENT", f"run:{DAG}"),
        (f"run:{DAG}", "OF_JOB", "job:airflow::dag"),
        (f"run:{RUN}", "BUILT_FROM", commit),
        (commit, "IN_REPOSITORY", "repository:https://git.example.com/team/credit"),
        (f"run:{RUN}", "USED", f"{dataset.replace('dataset:', 'dataset_version:')}@ab6a6660"),
        (f"{dataset.replace('dataset:', 'dataset_version:')}@ab6a6660", "VERSION_OF", dataset),
        (written, "PRODUCED_BY", f"run:{RUN}"),
        (written, "VERSION_OF", model),
    }


def test_a_request_that_a_client_repeats_gives_the_same_facts() -> None:
    event = recording(PYTHON)[0]["body"]
    shuffled = dict(reversed(event.items()))
    assert list(shuffled) != list(event)
    assert facts(shuffled) == facts(event)


def test_the_repeats_that_a_client_was_seen_to_send_are_told_apart_by_their_time_alone() -> None:
    sent = recording("openlineage-http-retry-observed.json")
    template = recording(PYTHON)[0]["body"]
    made = [facts(template | {"eventTime": one["eventTime"], "eventType": one["eventType"]}) for one in sent]
    identities = [repr(fact) for fact in made]
    assert len(set(identities)) == len({one["eventTime"] for one in sent}) == 6
