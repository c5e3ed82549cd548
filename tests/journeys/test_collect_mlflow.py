"""The reader at the session's real MLflow server: what it says of what people did there, and what it says twice."""

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.mlflow.connection import Access, Server
from collectors.mlflow.existing import Existing
from collectors.mlflow.memory import Memory
from collectors.mlflow.reading import Reading
from graph_schema.events import parse_event
from lineage_service.recorder.recorder import wall_clock
from tests.journeys.conftest import WatchedMlflow

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture
def client(mlflow: WatchedMlflow, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give MLflow's own client."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient
    return MlflowClient(mlflow.url)


class Reader:
    """A reader of the session's server; other journeys use it too, so only facts of some names are shown."""

    def __init__(self, url: str, folder: Path) -> None:
        self.server = Server(Access(url))
        self.memory = Memory(folder / "seen.db", url)

    def read(self, *about: str) -> list[tuple[str, dict[str, Any]]]:
        """Read once; give type and body of each fact that names one of these."""
        facts: list[dict[str, Any]] = []
        reading = Reading(Existing(self.server), self.memory, "read", facts.extend, wall_clock, time.sleep)
        reading.read()
        for fact in facts:
            parse_event(fact)
        shown = [(fact["type"], fact["body"]) for fact in facts]
        return [one for one in shown if any(name in str(one[1]) for name in about)]

    def close(self) -> None:
        self.memory.close()
        self.server.close()


@pytest.fixture
def reader(mlflow: WatchedMlflow, tmp_path: Path) -> Iterator[Reader]:
    found = Reader(mlflow.url, tmp_path)
    yield found
    found.close()


def test_a_real_server_is_read_with_all_that_happened_to_it(reader: Reader, client: Any) -> None:
    experiment = client.create_experiment("read-experiment")
    run = client.create_run(experiment).info.run_id
    client.log_param(run, "C", "1.0")
    client.log_metric(run, "auc", 0.9)
    client.set_terminated(run)
    gone = client.create_run(experiment).info.run_id
    client.delete_run(gone)
    client.create_registered_model("read-credit", tags={"team": "risk"}, description="scores")
    made = [
        client.create_model_version("read-credit", "s3://models/1", run_id=run, tags={"validated": "yes"}),
        client.create_model_version("read-credit", "s3://models/2"),
    ]
    client.transition_model_version_stage("read-credit", "2", "Production")
    client.set_registered_model_alias("read-credit", "champion", "1")
    names = ("read-credit", "read-loans", run, gone)

    first = reader.read(*names)
    registered = [body for kind, body in first if kind == "model_version.registered"]
    assert sorted((b["version"], b["created_ms"]) for b in registered) == [
        (one.version, one.creation_timestamp) for one in made
    ]
    kinds = [kind for kind, _ in first]
    assert kinds.count("tag.set") == 2
    assert kinds.count("description.changed") == kinds.count("model.declared") == 1
    assert [body["to"] for kind, body in first if kind == "stage.transitioned"] == ["Production"]
    assert [body["alias"] for kind, body in first if kind == "alias.moved"] == ["champion"]
    states = [(body["run"], body.get("state"), body.get("existence")) for kind, body in first if kind == "run.observed"]
    assert (run, "complete", None) in states
    assert (gone, None, "deleted") in states
    assert reader.read(*names) == []

    client.set_registered_model_alias("read-credit", "champion", "2")
    client.delete_model_version("read-credit", "1")
    client.rename_registered_model("read-credit", "read-loans")
    client.set_tag(run, "validated", "late")
    second = reader.read(*names)
    assert sorted(kind for kind, _ in second) == [
        "alias.moved", "model.renamed", "model_version.deleted", "tag.set",
    ]  # fmt: skip
    assert all("not_before" in body for kind, body in second if kind in ("alias.moved", "model_version.deleted"))
    assert reader.read(*names) == []

    client.delete_registered_model("read-loans")
    client.create_registered_model("read-loans")
    client.create_model_version("read-loans", "s3://models/3")
    third = reader.read(*names)
    assert [kind for kind, _ in third if kind != "tag.set"] == [
        "model.deleted", "model.declared", "model_version.registered",
    ]  # fmt: skip
    assert reader.read(*names) == []


def test_rows_that_a_run_counted_and_what_was_measured_of_its_model_are_read_once(reader: Reader, client: Any) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    run = client.create_run(client.create_experiment("read-counted")).info.run_id
    place, profile = '{"uri": "s3://lake/read.csv"}', '{"num_rows": 6, "num_elements": 18}'
    data = Dataset("read", "ab12", "s3", place, profile=profile)
    client.log_inputs(run, [DatasetInput(data, [InputTag("mlflow.data.context", "testing")])])
    model = client.create_logged_model(client.get_run(run).info.experiment_id, "model", run).model_id
    client.finalize_logged_model(model, "READY")
    client.log_metric(run, "auc", 0.5, timestamp=1_790_000_000_000, model_id=model)
    client.set_terminated(run)

    first = reader.read(run, model)
    counted = [(body["version"], body["rows"]) for kind, body in first if kind == "dataset.measured"]
    assert counted == [("mlflow-ab12", 6)]
    assert [body["inputs"][0]["roles"] for _, body in first if "inputs" in body] == [["test"]]
    of_model = [body for kind, body in first if kind == "logged_model.observed"]
    assert [body.get("metrics") for body in of_model] == [None, [{"key": "auc", "value": "0.5"}]]
    assert reader.read(run, model) == []

    late = client.create_run(client.get_run(run).info.experiment_id).info.run_id
    client.log_metric(late, "auc", 0.9, timestamp=1_790_000_100_000, model_id=model)
    (measured,) = reader.read(model)
    assert measured[1]["metrics"] == [{"key": "auc", "value": "0.9"}]
    assert reader.read(model) == []
