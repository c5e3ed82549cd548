"""What happens in the story: preparation, four trainings, releases by different people, a mistake and its repair."""

import time
from datetime import UTC, datetime
from typing import Final

import httpx

from lineage_service.cli.demo.pipeline import run_pipeline
from lineage_service.cli.demo.processes import DemoError, lineage
from lineage_service.cli.demo.registry import Trained, server_command, server_environment
from lineage_service.cli.demo.stage import Stage
from lineage_service.cli.demo.world import MODEL, MONTHS, ONLOOKER, RELEASER, TRAINER, Month, write_holdout, write_month
from lineage_service.client import LineageClient

SOURCES: Final = ("mlflow/demo", "openlineage/airflow", "git/team")
PRODUCTION: Final = "prod/eu"
_SERVICE_SECONDS: Final = 30.0
_MLFLOW_SECONDS: Final = 180.0
_PIPELINE: Final = "https://ci.demo.example/rollouts/{}"


def prepare(stage: Stage) -> None:
    """Open a log, start the service, register who may send facts, start MLflow with the plugin, make the repository."""
    with stage.step("lineage init: keys, an empty signed ledger, an admin token"):
        stage.tokens["admin"] = stage.command("init").strip()
        keep = stage.folder / "admin.token"
        keep.touch(mode=0o600)
        keep.write_text(stage.tokens["admin"] + "\n")
    with stage.step("lineage serve"):
        service = stage.server("service", lineage("serve"), stage.url, stage.settings())
        service.wait_until(lambda: _answers(f"{stage.url}/readyz"), _SERVICE_SECONDS)
    with stage.step(f"lineage source add {', '.join(SOURCES)}; lineage token create {RELEASER} --role deployer"):
        for source in SOURCES:
            stage.tokens[source] = stage.command("source", "add", source).strip()
        stage.tokens[RELEASER] = stage.command("token", "create", RELEASER, "--role", "deployer").strip()
    plugin = {
        "LINEAGE_URL": stage.url,
        "LINEAGE_TOKEN": stage.tokens["mlflow/demo"],
        "LINEAGE_MLFLOW_APP": "basic-auth",
        "LINEAGE_MLFLOW_REGISTRY": "demo",
        "LINEAGE_SPOOL": str(stage.folder / "spool"),
    }
    environment = {**server_environment(stage.folder), **plugin}
    mlflow = stage.server("mlflow", server_command(stage.mlflow_port, stage.folder), stage.mlflow.url, environment)
    with stage.step("a git repository with a training script"):
        stage.repository.make()
    with stage.step(f"mlflow server --app-name lineage, around basic-auth; users {TRAINER}, {RELEASER}, {ONLOOKER}"):
        mlflow.wait_until(lambda: _answers(f"{stage.mlflow.url}/health"), _MLFLOW_SECONDS)
        stage.mlflow.add_people()
        write_holdout(stage.folder)


def train_and_release(stage: Stage) -> None:
    """Train three versions as dana and let omar release each; the third one is better, because the code is."""
    september, october, _ = MONTHS
    _make_table(stage, september)
    _train(stage, september)
    with stage.step(f"MLflow's administrator lets {RELEASER} manage {MODEL}"):
        stage.mlflow.let_release()
    with stage.step(f"{RELEASER} moves version 1 to Staging, then to Production"):
        stage.mlflow.promote("1", "Staging")
        stage.mlflow.promote("1")
    _make_table(stage, october)
    _release(stage, _train(stage, october))
    with stage.step(f"{TRAINER} commits a change of the code: one feature more"):
        stage.repository.add_feature()
    better = _train(stage, october)
    _release(stage, better)
    with stage.step(f"a pipeline rolls version {better.version} out: lineage record deployment --target {PRODUCTION}"):
        _roll_out(stage, better.version, 1, "CHG-7")


def serve_the_wrong_one(stage: Stage) -> None:
    """Train on the damaged table; see the version denied, served all the same, found out and rolled back."""
    november = MONTHS[2]
    _make_table(stage, november)
    worse = _train(stage, november)
    with stage.step(f"lena, who may only look, tries to move version {worse.version} to Production") as results:
        if not stage.mlflow.try_to_promote(worse.version):
            raise DemoError("MLflow did not deny it")
        results.append("denied by MLflow, recorded here")
    with stage.step(f"by mistake the pipeline rolls version {worse.version} out to {PRODUCTION}"):
        _roll_out(stage, worse.version, 2)
        time.sleep(0.1)
        stage.wrong_at = datetime.now(UTC).isoformat()
        time.sleep(0.1)
    with stage.step("the facts of MLflow have arrived"):
        stage.wait("the arrival of MLflow's facts", lambda: _arrived(stage))
    with stage.step("lineage collect git: the commits that runs were built from"):
        stage.command("collect", "git", str(stage.repository.folder), who="git/team")


def roll_back(stage: Stage) -> None:
    """Roll the target back to what the registry calls Production."""
    with stage.step(f"{RELEASER} rolls {PRODUCTION} back to version 3"):
        _roll_out(stage, "3", 3, "INC-12")


def _make_table(stage: Stage, month: Month) -> None:
    damage = "; a join slipped, and nobody noticed" if month.damaged else ""
    with stage.step(f"the feature pipeline writes the table of {month.version} and tells by OpenLineage{damage}"):
        table = write_month(stage.folder, month)
        run_pipeline(stage.url, stage.tokens["openlineage/airflow"], month, table)


def _train(stage: Stage, month: Month) -> Trained:
    with stage.step(f"{TRAINER} runs train.py on the table of {month.version}") as results:
        trained = stage.mlflow.train(stage.repository, month)
        results.append(f"version {trained.version}, AUC {trained.auc:.3f}")
    return trained


def _release(stage: Stage, trained: Trained) -> None:
    with stage.step(f"{RELEASER} moves version {trained.version} to Production; the one before is archived"):
        stage.mlflow.promote(trained.version)


def _roll_out(stage: Stage, version: str, number: int, ticket: str | None = None) -> None:
    about = ["--ref", _PIPELINE.format(number), *(["--ticket", ticket] if ticket else [])]
    stage.command("record", "deployment", f"demo::{MODEL}", version, "--target", PRODUCTION, *about, who=RELEASER)


def _arrived(stage: Stage) -> bool:
    """Tell whether the last thing that happened in MLflow is on record: facts are delivered in order."""
    with LineageClient(stage.url, stage.tokens["admin"]) as client:
        return bool(client.records(type="attempt.denied")["records"])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.HTTPError:
        return False
