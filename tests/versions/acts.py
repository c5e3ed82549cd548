"""What is done at an MLflow server of any release, with that release's own client: ``python acts.py URL``.

Run by the interpreter of the release's environment, so it imports nothing of ours. It prints JSON: what the identifiers
that MLflow drew stand for, so that facts of different servers read alike.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main(url: str) -> dict[str, str]:
    """Do everything at a server; return names by identifier."""
    import mlflow
    from mlflow import MlflowClient

    mlflow.set_tracking_uri(url)
    client = MlflowClient(url)
    names: dict[str, str] = {}
    run = _runs(client, names)
    _registry(client, run)
    if hasattr(client, "create_logged_model"):
        _logged_models(client, names)
    return names


def _runs(client: Any, names: dict[str, str]) -> str:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    experiment = client.create_experiment("scoring")
    tags = {"mlflow.source.git.commit": "ab" * 20, "mlflow.source.git.repoURL": "https://git.example.org/team/credit"}
    run: str = client.create_run(experiment, tags=tags, run_name="train").info.run_id
    names[run] = "RUN"
    client.log_param(run, "C", "1.0")
    client.log_metric(run, "auc", 0.91)
    source = json.dumps({"uri": "s3://lake/loans.parquet"})
    read = DatasetInput(Dataset("loans", "ab6a6660", "s3", source), [InputTag("mlflow.data.context", "training")])
    client.log_inputs(run, [read])
    client.set_terminated(run)
    gone: str = client.create_run(experiment, run_name="gone").info.run_id
    names[gone] = "GONE"
    client.set_terminated(gone, "FAILED")
    client.delete_run(gone)
    return run


def _registry(client: Any, run: str) -> None:
    client.create_registered_model("credit", tags={"team": "risk"}, description="scores")
    client.create_model_version("credit", "s3://models/1", run_id=run, tags={"change_ticket": "CHG-7"})
    client.create_model_version("credit", "s3://models/2")
    client.transition_model_version_stage("credit", "1", "Production")
    client.transition_model_version_stage("credit", "2", "Production", archive_existing_versions=True)
    client.set_registered_model_alias("credit", "champion", "1")
    client.set_registered_model_alias("credit", "champion", "2")
    client.set_registered_model_alias("credit", "old", "1")
    client.delete_registered_model_alias("credit", "old")
    client.set_model_version_tag("credit", "2", "validated", "yes")
    client.delete_model_version_tag("credit", "2", "validated")
    client.set_registered_model_tag("credit", "owner", "Ada")
    client.update_model_version("credit", "2", "the second")
    client.copy_model_version("models:/credit/2", "copied")
    client.create_registered_model("brief")
    client.create_model_version("brief", "s3://models/3")
    client.rename_registered_model("brief", "long")
    client.create_model_version("long", "s3://models/4")
    client.delete_model_version("long", "1")
    client.create_registered_model("ended")
    client.delete_registered_model("ended")


def _logged_models(client: Any, names: dict[str, str]) -> None:
    from mlflow.entities import LoggedModelOutput

    experiment = client.create_experiment("logged")
    run: str = client.create_run(experiment, run_name="make").info.run_id
    names[run] = "MAKER"
    model = client.create_logged_model(experiment, name="credit", source_run_id=run, model_type="classifier").model_id
    names[model] = "LOGGED"
    client.log_model_params(model, {"C": "1.0"})
    client.log_outputs(run, [LoggedModelOutput(model, 0)])
    client.finalize_logged_model(model, "READY")
    client.set_logged_model_tags(model, {"semver": "1.2.0"})
    client.create_model_version("credit", f"models:/{model}", model_id=model)
    client.set_terminated(run)
    unused = client.create_logged_model(experiment, name="unused").model_id
    names[unused] = "UNUSED"
    client.delete_logged_model(unused)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
