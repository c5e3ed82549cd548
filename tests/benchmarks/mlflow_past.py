"""An MLflow server with a past: thousands of versions, each from a run with a logged model, put into its database.

Through MLflow's own interface this takes minutes; what the server answers is the same, since it reads these tables.
"""

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

VERSIONS_A_MODEL: Final = 20
_PARAMS: Final = (("C", "0.5"), ("max_depth", "5"), ("note", "baseline"))
_METRICS: Final = (("auc", 0.91), ("loss", 0.2), ("f1", 0.8))
_TAGS: Final = (("mlflow.user", "ada"), ("mlflow.source.git.commit", "ab" * 20), ("mlflow.runName", "nightly"))


def fill(database: Path, versions: int) -> None:
    """Add models with versions, tags, stages and aliases, and the runs and logged models they come from."""
    rows = _Rows(int(time.time() * 1000) - versions)
    for number in range(versions):
        rows.add_version(number)
    connection = sqlite3.connect(database, timeout=60)
    with connection:
        for table, found in rows.tables.items():
            columns = ", ".join(found[0])
            marks = ", ".join(f":{name}" for name in found[0])
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", found)
    connection.close()


class _Rows:
    """Rows by table; times in milliseconds."""

    def __init__(self, start: int) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self._start = start

    def _add(self, table: str, **row: Any) -> None:
        self.tables.setdefault(table, []).append(row)

    def add_version(self, number: int) -> None:
        """Add a version with the run and the logged model behind it; with the first of a model, the model."""
        model, place = divmod(number, VERSIONS_A_MODEL)
        name, at = f"model-{model:05d}", self._start + number
        if place == 0:
            times = {"creation_time": at, "last_updated_time": at}
            self._add("registered_models", name=name, description="scores", workspace="default", **times)
            self._add("registered_model_tags", name=name, key="business_unit", value="risk", workspace="default")
        run, logged = f"{number:032x}", f"m-{number:032x}"
        self._add_run(run, at)
        self._add_logged_model(logged, run, at)
        last = place == VERSIONS_A_MODEL - 1
        self._add(
            "model_versions",
            name=name, version=place + 1, creation_time=at, last_updated_time=at + int(last), run_id=run,
            current_stage="Production" if last else "None", source=f"models:/{logged}", status="READY",
            workspace="default",
        )  # fmt: skip
        tag = {"key": "validation_status", "value": "ok", "workspace": "default"}
        self._add("model_version_tags", name=name, version=place + 1, **tag)
        if last:
            self._add("registered_model_aliases", alias="champion", name=name, version=place + 1, workspace="default")

    def _add_run(self, run: str, at: int) -> None:
        self._add(
            "runs",
            run_uuid=run, name="nightly", source_type="UNKNOWN", source_name="", entry_point_name="", user_id="ada",
            status="FINISHED", start_time=at, end_time=at, source_version="", lifecycle_stage="active",
            artifact_uri=f"mlflow-artifacts:/0/{run}/artifacts", experiment_id=0,
        )  # fmt: skip
        for table, pairs in (("params", _PARAMS), ("tags", _TAGS)):
            self._add_pairs(table, run, pairs)
        for key, value in _METRICS:
            self._add("latest_metrics", run_uuid=run, key=key, value=value, timestamp=at, step=0, is_nan=0)

    def _add_pairs(self, table: str, run: str, pairs: Iterable[tuple[str, str]]) -> None:
        for key, value in pairs:
            self._add(table, run_uuid=run, key=key, value=value)

    def _add_logged_model(self, logged: str, run: str, at: int) -> None:
        self._add(
            "logged_models",
            model_id=logged, experiment_id=0, name="model", creation_timestamp_ms=at, last_updated_timestamp_ms=at,
            artifact_location=f"mlflow-artifacts:/0/models/{logged}/artifacts", status=2, lifecycle_stage="active",
            model_type="sklearn", source_run_id=run,
        )  # fmt: skip
