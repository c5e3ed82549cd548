"""Which parameter and tag names may stand in a record with their value in clear.

Everything else is sealed: a foreign key-value pair may hold anything, a name or a secret among it.
The list holds the usual lineage and governance conventions, what MLflow itself writes about code, and
the hyper-parameters everybody logs. It is part of the language: changing it changes what later
records show, never what earlier ones hold.
"""

from typing import Final

CONVENTIONS: Final = frozenset(
    {
        "data_version",
        "data_source",
        "data_start_date",
        "data_end_date",
        "git_commit",
        "git_branch",
        "python_version",
        "gpu_type",
        "validated",
        "validation_status",
        "approval_status",
        "ab_test_role",
        "performance_tier",
        "business_unit",
        "semver",
        "change_ticket",
    }
)

MLFLOW: Final = frozenset(
    {
        "mlflow.source.git.commit",
        "mlflow.source.git.branch",
        "mlflow.source.git.repoURL",
        "mlflow.source.git.dirty",
        "mlflow.source.type",
        "mlflow.parentRunId",
        "mlflow.data.context",
        "mlflow.prompt.is_prompt",
    }
)

HYPER_PARAMETERS: Final = frozenset(
    {
        "C",
        "alpha",
        "batch_size",
        "class_weight",
        "dropout",
        "epochs",
        "gamma",
        "kernel",
        "l1_ratio",
        "lr",
        "learning_rate",
        "max_depth",
        "max_features",
        "max_iter",
        "min_samples_leaf",
        "min_samples_split",
        "n_estimators",
        "num_leaves",
        "optimizer",
        "penalty",
        "random_state",
        "seed",
        "solver",
        "subsample",
        "tol",
        "weight_decay",
    }
)

CLEAR_KEYS: Final = CONVENTIONS | MLFLOW | HYPER_PARAMETERS
