"""What a data scientist writes: a run with a file, a model of it, in production. Prints what it made as JSON."""

import json
import sys
import warnings
from pathlib import Path

import mlflow
from mlflow import MlflowClient


def main(name: str, file: Path) -> None:
    client = MlflowClient()
    mlflow.set_experiment(name)
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.91)
        mlflow.log_artifact(str(file), "model")
    client.create_registered_model(name)
    source = f"{run.info.artifact_uri}/model"
    version = client.create_model_version(name, source, run.info.run_id)
    client.set_registered_model_alias(name, "champion", version.version)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # stages are on their way out
        client.transition_model_version_stage(name, version.version, "Production")
    print(json.dumps({"run": run.info.run_id, "version": version.version, "source": version.source}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
