"""What is counted and tested of data reaches the version it is about; values of rows do not."""

import json

import pytest

from tests.unit.collectors.openlineage.events import AT, RUN, Json, bodies, dataset, facts, run_event
from tests.unit.collectors.openlineage.test_translate import refusal

NAMED = {"namespace": "s3://lake", "name": "a"}
COUNTED = {"outputStatistics": {"rowCount": 3.0, "size": 2048, "fileCount": 1}}
METRICS: Json = {
    "rowCount": 3,
    "bytes": 90,
    "columnMetrics": {
        "age": {"nullCount": 1, "distinctCount": 2.0, "count": 3, "min": 17, "max": 93, "quantiles": {"0.5": 30}},
        "name": {"min": "Anna", "max": "Zoe"},
    },
}


@pytest.mark.parametrize("version", [{}, {"version": {"datasetVersion": "7"}}])
def test_counts_of_an_output_belong_to_what_the_run_wrote(version: Json) -> None:
    event = run_event(outputs=[dataset(output=COUNTED, **version)])
    named = {"version": "7"} if version else {}
    expected = {**NAMED, **named, "run": RUN, "side": "written", "rows": 3, "bytes": 2048, "files": 1}
    assert bodies(event, "dataset.measured") == [expected]


def test_counts_of_columns_are_kept_and_values_of_rows_are_not() -> None:
    event = run_event(inputs=[dataset() | {"inputFacets": {"dataQualityMetrics": METRICS}}])
    columns = [{"column": "age", "count": 3, "nulls": 1, "distinct": 2}]
    expected = {**NAMED, "run": RUN, "side": "read", "rows": 3, "bytes": 90, "columns": columns}
    assert bodies(event, "dataset.measured") == [expected]
    assert not {"Anna", "93"} & set(json.dumps(facts(event)).replace('"', " ").split())


def test_a_measure_without_a_run_is_of_the_dataset_or_of_the_version_it_names() -> None:
    of_dataset = {"eventTime": AT, "dataset": dataset(dataQualityMetrics={"rowCount": 3})}
    of_version = {
        "eventTime": AT,
        "dataset": dataset(dataQualityMetrics={"rowCount": 3}, version={"datasetVersion": "7"}),
    }
    assert bodies(of_dataset, "dataset.measured") == [{**NAMED, "rows": 3}]
    assert bodies(of_version, "dataset.measured") == [{**NAMED, "version": "7", "rows": 3}]


def test_a_test_that_is_told_twice_is_one_and_of_two_of_a_kind_both_must_hold() -> None:
    told: list[Json] = [
        {"assertion": "not_null", "column": "id", "success": True, "severity": "error", "actual": "0"},
        {"assertion": "accepted_values", "column": "id", "success": True, "name": "accepted_values_id__anna"},
        {"assertion": "accepted_values", "column": "id", "success": False},
        {"assertion": "row_count", "success": False},
    ]
    facet: Json = {"dataQualityAssertions": {"assertions": told}}
    event = run_event(inputs=[dataset(**facet) | {"inputFacets": facet}])
    assert bodies(event, "dataset.measured") == [
        {
            **NAMED,
            "run": RUN,
            "side": "read",
            "checks": [
                {"check": "not_null", "column": "id", "severity": "error", "held": True},
                {"check": "accepted_values", "column": "id", "held": False},
                {"check": "row_count", "held": False},
            ],
        }
    ]
    assert "anna" not in json.dumps(facts(event))


def test_many_columns_and_tests_are_split_and_none_is_lost() -> None:
    metrics = {"rowCount": 1, "columnMetrics": {f"c{number}": {"nullCount": number} for number in range(1200)}}
    checks = {"assertions": [{"assertion": f"t{number}", "success": True} for number in range(700)]}
    event = run_event(outputs=[dataset(dataQualityMetrics=metrics, dataQualityAssertions=checks)])
    made = bodies(event, "dataset.measured")
    assert [one["rows"] for one in made if "rows" in one] == [1]
    columns = [column["nulls"] for one in made for column in one.get("columns", [])]
    assert columns == list(range(1200))
    assert [check["check"] for one in made for check in one.get("checks", [])] == [f"t{n}" for n in range(700)]


@pytest.mark.parametrize("count", [-1, 1.5, True, "3", 2**53, float("inf"), float("nan")])
def test_a_count_that_is_no_number_of_things_is_refused(count: object) -> None:
    event = run_event(outputs=[dataset(output={"outputStatistics": {"rowCount": count}})])
    assert refusal(event) == "outputs[0].outputFacets.outputStatistics.rowCount"


@pytest.mark.parametrize(
    ("facet", "change"),
    [
        ({"lifecycleStateChange": "CREATE"}, {"change": "create"}),
        ({"lifecycleStateChange": "OVERWRITE"}, {"change": "overwrite"}),
        (
            {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "s3a://lake", "name": "b"}},
            {"change": "rename", "previous": {"namespace": "s3://lake", "name": "b"}},
        ),
        ({"lifecycleStateChange": "VACUUM"}, None),
    ],
)
def test_what_happens_to_a_dataset_as_a_whole_is_a_fact(facet: Json, change: Json | None) -> None:
    event = run_event(outputs=[dataset(lifecycleStateChange=facet)])
    assert bodies(event, "dataset.changed") == ([{**NAMED, **change, "run": RUN}] if change else [])
