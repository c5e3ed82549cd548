"""What a data scientist writes: no line of it knows lineage. Prints the ids of its runs and of its model as JSON."""

import json
import sys

import mlflow
import pandas as pd
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

COLUMNS = ["age", "income"]


def main(name: str) -> None:
    mlflow.set_experiment(name)
    frame = pd.DataFrame({"age": [20, 30, 40, 50] * 8, "income": [1.0, 2.0, 3.0, 4.0] * 8, "bad": [0, 0, 1, 1] * 8})
    lake = mlflow.data.from_pandas(frame, source="s3://lake/loans.csv", targets="bad", name="loans")
    memory = mlflow.data.from_pandas(frame, name="loans-in-memory")
    with mlflow.start_run(run_name="outer") as outer:
        mlflow.set_tag("data_start_date", "2026-01-01")
        with mlflow.start_run(run_name="train", nested=True) as train:
            mlflow.log_params({"C": 1.0, "gpu_type": "none", "db_password": "s3cr3t-parameter"})
            mlflow.log_params({"data_version": "v7", "data_source": "s3://lake/loans.csv"})
            mlflow.set_tag("note", "s3cr3t-tag")
            mlflow.log_input(lake, context="training")
            mlflow.log_input(memory, context="validation")
            mlflow.log_metric("auc", 0.97)
            mlflow.log_text("epoch,loss\n1,0.3\n", "plots/loss.csv")
            model = LogisticRegression().fit(frame[COLUMNS], frame["bad"])
            logged = mlflow.sklearn.log_model(
                model, name="model", registered_model_name=name, input_example=frame[COLUMNS].head(2),
                pip_requirements=["scikit-learn==1.7.0"],
            )  # fmt: skip
        with mlflow.start_run(run_name="evaluate", nested=True) as evaluate:
            mlflow.models.evaluate(
                logged.model_uri, lake, model_type="classifier", evaluators="default",
                evaluator_config={"log_explainer": False, "metric_prefix": "eval_"},
            )  # fmt: skip
    client = MlflowClient()
    client.set_model_version_tag(name, "1", "approved_by", "bob")
    client.set_registered_model_alias(name, "champion", "1")
    runs = {"outer": outer, "train": train, "evaluate": evaluate}
    made = {"model": logged.model_id, "experiment": outer.info.experiment_id}
    print(json.dumps({**made, **{word: run.info.run_id for word, run in runs.items()}}))


if __name__ == "__main__":
    main(sys.argv[1])
