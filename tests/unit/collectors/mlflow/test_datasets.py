import json
from typing import Any

import pytest

from collectors.mlflow import datasets
from collectors.mlflow.act import Act
from collectors.mlflow.conventions import shipped
from collectors.mlflow.routes import RECORDED
from graph_schema.events import parse_event

ACT = Act("r", RECORDED["POST runs/update"], {}, 1, 2, 200, {}, "prod", issuer="mlflow:prod")


def dataset(kind: str, source: object, **more: Any) -> dict[str, Any]:
    told = {"name": "loans", "digest": "ab", "source_type": kind, "source": json.dumps(source), **more}
    return {"dataset": told, "tags": [{"key": "mlflow.data.context", "value": "training"}]}


def colspec(*columns: object) -> str:
    return json.dumps({"mlflow_colspec": list(columns)})


@pytest.mark.parametrize(
    ("kind", "source", "place"),
    [
        ("s3", {"uri": "s3n://lake/loans.csv"}, ("s3://lake", "loans.csv")),
        ("hugging_face", {"path": "org/loans", "revision": "main", "split": "train"}, ("huggingface", "org/loans")),
        ("delta_table", {"path": "s3://lake/t", "delta_table_version": 0}, ("s3://lake", "t")),
        ("spark", {"path": "hdfs://nn/data/loans"}, ("hdfs://nn", "data/loans")),
        ("spark", {"sql": "select * from loans where password = 'x'"}, ("mlflow:prod", "loans")),
        ("spark", {"table_name": "main.loans"}, ("mlflow:prod", "main.loans")),
        ("databricks-uc-table", {"table_name": "ml.loans"}, ("mlflow:prod", "ml.loans")),
        ("uc_volume", {"path": "/Volumes/c/s/v/a.csv"}, ("dbfs", "Volumes/c/s/v/a.csv")),
        ("mlflow_evaluation_dataset", {"dataset_id": "d-1"}, ("mlflow:prod", "loans")),
        ("sql", {"uri": "postgresql://u:p@db/loans"}, ("mlflow:prod", "loans")),
        ("code", {"tags": {"mlflow.source.name": "x.py"}}, ("mlflow:prod", "loans")),
    ],
)
def test_each_kind_of_source_has_its_name(kind: str, source: object, place: tuple[str, str]) -> None:
    (found,) = datasets.inputs(ACT, [dataset(kind, source)])
    assert (found["namespace"], found["name"]) == place
    assert found["roles"] == ["training"]


def test_only_a_version_that_its_own_store_names_is_declared() -> None:
    sources = [
        {"path": "org/loans", "revision": "a" * 40},
        {"path": "org/loans", "revision": "main"},
        {"path": "s3://lake/t", "delta_table_version": 0},
    ]
    found = list(datasets.inputs(ACT, [dataset("hugging_face", one) for one in sources]))
    assert [(one["version"], one["identity"]) for one in found] == [
        ("a" * 40, "declared"),
        ("mlflow-ab", "hint"),
        ("0", "declared"),
    ]


def test_columns_are_stated_where_nobody_else_describes_the_data() -> None:
    schema = colspec({"name": "age", "type": "long"}, {"name": "tags", "type": {"type": "array"}})
    own, lake = dataset("code", {}, schema=schema), dataset("s3", {"uri": "s3://lake/a"}, schema=schema)
    (fact,) = datasets.declared(ACT, [own, lake])
    parse_event(fact)
    columns = [{"name": "age", "type": "long"}, {"name": "tags"}]
    assert fact["body"] == {"namespace": "mlflow:prod", "name": "loans", "columns": columns}
    assert fact["actor"] == {"assurance": "observed"}


@pytest.mark.parametrize(
    "schema",
    [
        colspec({"type": "long"}),
        colspec(),
        colspec(*({"name": f"c{n}", "type": "long"} for n in range(3000))),
        json.dumps({"mlflow_tensorspec": {"features": "[]"}}),
        "no json",
        "[" * 100_000,
        None,
    ],
    ids=lambda one: str(one)[:30],
)
def test_a_schema_without_named_columns_or_too_large_for_a_record_is_not_stated(schema: str | None) -> None:
    assert list(datasets.declared(ACT, [dataset("code", {}, schema=schema)])) == []


VERSION = ["data_version", "v7"]


@pytest.mark.parametrize(
    ("told", "known", "place", "roles"),
    [
        ([VERSION, ["data_source", "s3a://lake/x"]], ["s3://lake/a"], ("s3://lake", "x"), ["unknown"]),
        ([VERSION, ["data_source", "s3a://lake/x"]], ["s3://lake/x", "s3://lake/a"], ("s3://lake", "x"), ["training"]),
        ([VERSION, ["data_source", "lending.loans"]], [], ("mlflow:prod", "lending.loans"), ["unknown"]),
        ([VERSION], ["s3://lake/a"], ("s3://lake", "a"), ["training"]),
        ([VERSION], ["s3://lake/a", "s3://lake/b"], ("mlflow:prod", "experiment-7"), ["unknown"]),
        ([VERSION], [], ("mlflow:prod", "experiment-7"), ["unknown"]),
    ],
)
def test_a_version_by_convention_is_declared_of_the_dataset_it_can_mean(
    told: list[list[str]], known: list[str], place: tuple[str, str], roles: list[str]
) -> None:
    inputs = list(datasets.inputs(ACT, [dataset("s3", {"uri": uri}) for uri in known]))
    (found,) = datasets.by_convention(ACT, told, inputs, "7", shipped())
    assert (found["namespace"], found["name"]) == place
    assert (found["version"], found["identity"], found["how"], found["roles"]) == ("v7", "declared", "declared", roles)


def test_a_source_without_a_version_is_read_and_a_credential_in_it_is_dropped() -> None:
    (found,) = datasets.by_convention(ACT, [["data_source", "https://u:s3cr3t@h.example/a?sig=x"]], [], "7", shipped())
    assert found == {
        "namespace": "https://h.example", "name": "a", "roles": ["unknown"], "how": "declared",
    }  # fmt: skip
    assert datasets.by_convention(ACT, [["C", "1"]], [], "7", shipped()) == []
