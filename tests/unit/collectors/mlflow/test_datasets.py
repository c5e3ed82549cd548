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


def test_data_that_is_named_again_without_a_context_keeps_the_one_that_the_run_holds() -> None:
    with_context = dataset("s3", {"uri": "s3://lake/a"})
    again = {**with_context, "tags": []}
    other = {**dataset("s3", {"uri": "s3://lake/b"}, name="b"), "tags": []}
    assert not datasets.lack_context([with_context])
    assert datasets.lack_context([with_context, again])
    merged = datasets.with_contexts([again, again, other, "odd"], [with_context, None])
    found = [(one["name"], one["roles"]) for one in datasets.inputs(ACT, merged)]
    assert found == [("a", ["training"]), ("b", ["unknown"])]
    assert [one["roles"] for one in datasets.inputs(ACT, datasets.with_contexts([again], None))] == [["unknown"]]


def counted(*found: dict[str, Any]) -> list[dict[str, Any]]:
    facts = list(datasets.measured(ACT, "r1", list(found)))
    for fact in facts:
        parse_event(fact)
    return [fact["body"] for fact in facts]


def profile(rows: object) -> dict[str, str]:
    return {"profile": json.dumps({"num_rows": rows, "num_elements": 18})}


def test_the_rows_that_a_run_loaded_are_those_of_the_version_that_mlflows_digest_names() -> None:
    lake, own = dataset("s3", {"uri": "s3://lake/a"}, **profile(6)), dataset("code", {}, **profile(0))
    read = {"run": "r1", "side": "read"}
    assert counted(lake, own) == [
        {"namespace": "s3://lake", "name": "a", "version": "mlflow-ab", **read, "rows": 6},
        {"namespace": "mlflow:prod", "name": "loans", "version": "mlflow-ab", **read, "rows": 0},
    ]


def test_rows_of_a_version_that_its_store_names_are_those_that_the_run_read_since_it_may_be_a_part() -> None:
    table = dataset("delta_table", {"path": "s3://lake/t", "delta_table_version": 4}, **profile(6))
    (body,) = counted(table)
    assert "version" not in body
    assert (body["run"], body["side"], body["rows"]) == ("r1", "read", 6)
    without = dataset("s3", {"uri": "s3://lake/a"}, **profile(6), digest="")
    assert "version" not in counted(without)[0]


def test_two_counts_of_one_thing_in_one_run_are_no_count_of_it() -> None:
    source = {"path": "org/loans", "revision": "a" * 40}
    splits = [dataset("hugging_face", source, **profile(rows), digest=name) for rows, name in ((80, "x"), (20, "y"))]
    assert counted(*splits) == []
    halves = [dataset("hugging_face", source, **profile(50), digest=name) for name in ("x", "y")]
    assert counted(*halves) == []
    assert len(counted(splits[0], splits[0])) == 1


@pytest.mark.parametrize(
    "told",
    [
        None,
        "",
        "no json",
        "[6]",
        "6",
        '"6"',
        '{"num_elements": 18}',
        '{"num_rows": -1}',
        '{"num_rows": 6.0}',
        '{"num_rows": true}',
        '{"num_rows": "6"}',
        '{"num_rows": [6]}',
        '{"num_rows": null}',
        '{"approx_count": 6}',
        '{"num_rows": 9007199254740992}',
        f'{{"num_rows": {"9" * 5000}}}',
        "{" * 50_000,
        json.dumps({"num_rows": 6, "columns": ["x"] * 100_000}),
        {"num_rows": 6},
    ],
    ids=lambda one: str(one)[:30],
)
def test_a_profile_without_an_exact_number_of_rows_measures_nothing_and_does_no_harm(told: object) -> None:
    assert counted(dataset("s3", {"uri": "s3://lake/a"}, profile=told)) == []
    assert len(counted(dataset("s3", {"uri": "s3://lake/a"}, profile=told), dataset("code", {}, **profile(6)))) == 1


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
