"""What happens in the demonstration's world: a repository, a data pipeline, training, and people who move models.

Everything here talks to real software through its own client; nothing is told to the lineage service directly.
The names are made up, the acts are done.
"""

import csv
import logging
import os
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx

from lineage_service.cli.demo.processes import run

LAKE: Final = "s3://demo-lake"
APPLICANTS: Final = "features/applicants.csv"
RAW: Final = "raw/applications.csv"
MODEL: Final = "credit-risk"
PEOPLE: Final = ("dana", "omar")
"""dana trains and registers; omar releases."""
_ADMIN: Final = ("admin", "demo-admin-password")
_PASSWORD: Final = "demo-password-of-{}"  # noqa: S105  of users that exist for three minutes on loopback
_ROWS: Final = 400
_SEED: Final = 7
_ENOUGH: Final = 60
"""Above this score the made-up loans are paid back."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that the training was run from."""

    sha: str
    repository: str


def make_repository(folder: Path) -> Commit:
    """Make a real git repository with two commits and return the newer."""
    folder.mkdir()
    identity = {
        "GIT_AUTHOR_NAME": "Dana Demo",
        "GIT_AUTHOR_EMAIL": "dana@demo.example",
        "GIT_COMMITTER_NAME": "Dana Demo",
        "GIT_COMMITTER_EMAIL": "dana@demo.example",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    git = ["git", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"]
    run([*git, "init", "--quiet"], folder, identity)
    run([*git, "remote", "add", "origin", "https://git.demo.example/team/credit.git"], folder, identity)
    for name, text, message in (
        ("features.py", "FEATURES = ['income', 'age']\n", "Choose features"),
        ("train.py", "C = 1.0\n", "Train a logistic regression"),
    ):
        (folder / name).write_text(text)
        run([*git, "add", name], folder, identity)
        run([*git, "commit", "--quiet", "-m", message], folder, identity)
    return Commit(run([*git, "rev-parse", "HEAD"], folder, identity).strip(), "https://git.demo.example/team/credit")


def has_git() -> bool:
    """Tell whether git can be run here."""
    try:
        return subprocess.run(["git", "--version"], capture_output=True, check=False).returncode == 0  # noqa: S607
    except FileNotFoundError:
        return False


def make_data(path: Path) -> None:
    """Write the table that the pipeline is said to make: two features and whether a loan was paid back."""
    generator = random.Random(_SEED)  # noqa: S311  made-up data, the same each time
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["income", "age", "paid_back"])
        for _ in range(_ROWS):
            income, age = generator.gauss(40, 12), generator.uniform(18, 80)
            writer.writerow([f"{income:.2f}", f"{age:.1f}", int(income + age / 2 + generator.gauss(0, 10) > _ENOUGH)])


def run_pipeline(url: str, token: str) -> None:
    """Send the two events of one pipeline run with the official OpenLineage client."""
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import dataset_version_dataset
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport
    from openlineage.client.uuid import generate_new_uuid

    config = HttpConfig(url=url, auth=ApiKeyTokenProvider({"apiKey": token}))
    client = OpenLineageClient(transport=HttpTransport(config))
    execution, job = Run(runId=str(generate_new_uuid())), Job(namespace="demo-airflow", name="build_applicants")
    version = {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion="2026-11-01")}
    read = [InputDataset(namespace=LAKE, name=RAW)]
    written = [OutputDataset(namespace=LAKE, name=APPLICANTS, facets=dict(version))]
    for state, inputs, outputs in ((RunState.START, read, []), (RunState.COMPLETE, read, written)):
        client.emit(
            RunEvent(
                eventTime=datetime.now(UTC).isoformat(),
                producer="https://demo.example/pipeline",
                run=execution,
                job=job,
                eventType=state,
                inputs=inputs,
                outputs=outputs,
            )
        )


def mlflow_command(port: int, folder: Path) -> list[str]:
    """Return the command that starts a real MLflow server with the plugin around its basic-auth application."""
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "lineage", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    return [*command, "--artifacts-destination", str(folder / "artifacts")]


def mlflow_environment(folder: Path) -> dict[str, str]:
    """Write the authentication settings of MLflow and return the environment that names them."""
    settings = folder / "basic_auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = MANAGE\n"
        f"database_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = {_ADMIN[0]}\nadmin_password = {_ADMIN[1]}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.urandom(16).hex(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
    }


def add_people(url: str) -> None:
    """Create MLflow's users, as its administrator."""
    for person in PEOPLE:
        reply = httpx.post(
            f"{url}/api/2.0/mlflow/users/create",
            auth=_ADMIN,
            json={"username": person, "password": _PASSWORD.format(person)},
            timeout=60.0,
        )
        reply.raise_for_status()


@contextmanager
def acting_as(person: str, url: str) -> Iterator[Any]:
    """Give MLflow's own client, logged in as somebody."""
    names = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_USERNAME": person,
        "MLFLOW_TRACKING_PASSWORD": _PASSWORD.format(person),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        yield mlflow.MlflowClient(url, url)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def train(url: str, data: Path, commit: Commit, strength: float) -> str:
    """Train on the pipeline's table, log the run as people do, register a version; return its number."""
    # The dataset is named by its address in the lake; the digest that MLflow wants is but a hint of its content.
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from sklearn.linear_model import LogisticRegression

    with data.open() as file:
        rows = [(float(r["income"]), float(r["age"]), int(r["paid_back"])) for r in csv.DictReader(file)]
    features, labels = [row[:2] for row in rows], [row[2] for row in rows]
    model = LogisticRegression(C=strength, max_iter=200).fit(features[:300], labels[:300])
    accuracy = float(model.score(features[300:], labels[300:]))
    with acting_as("dana", url) as client:
        experiment = client.get_experiment_by_name(MODEL)
        identifier = experiment.experiment_id if experiment else client.create_experiment(MODEL)
        tags = {
            "mlflow.source.name": "train.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": commit.sha,
            "mlflow.source.git.repoURL": f"{commit.repository}.git",
            "mlflow.source.git.branch": "main",
        }
        started = client.create_run(identifier, tags=tags)
        run_id = started.info.run_id
        source = f'{{"uri": "{LAKE}/{APPLICANTS}"}}'
        table = Dataset(name="applicants", digest=_digest(data), source_type="s3", source=source)
        client.log_inputs(run_id, [DatasetInput(table, [InputTag("mlflow.data.context", "training")])])
        client.log_param(run_id, "C", strength)
        client.log_metric(run_id, "accuracy", accuracy)
        client.set_terminated(run_id)
        if not client.search_registered_models(f"name = '{MODEL}'"):
            client.create_registered_model(MODEL)
        version = client.create_model_version(MODEL, f"{started.info.artifact_uri}/model", run_id)
    return str(version.version)


def _digest(data: Path) -> str:
    """Return a short digest, as MLflow makes them; what it says of a table's identity is a hint."""
    return sha256(data.read_bytes()).hexdigest()[:8]


def promote(url: str, version: str) -> None:
    """Move a version to Production as omar, archiving what was there, and let the alias follow."""
    with acting_as("omar", url) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MLflow calls stages deprecated; people use them
        client.transition_model_version_stage(MODEL, version, "Production", archive_existing_versions=True)
        client.set_registered_model_alias(MODEL, "champion", version)


def pause() -> None:
    """Let a moment pass between two acts, so that their order can be read from their times."""
    time.sleep(0.05)
