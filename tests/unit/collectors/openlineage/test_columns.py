"""Column lineage of every version of its facet: direct and indirect apart, split and never cut."""

import pytest

from collectors.openlineage.columns import MAX_EDGES
from tests.unit.collectors.openlineage.events import AT, Json, bodies, dataset, run_event

NAMED = {"namespace": "s3://lake", "name": "a"}
ID: Json = {"namespace": "s3a://lake", "name": "in", "field": "id"}
READ_ID: Json = {"namespace": "s3://lake", "name": "in", "field": "id"}
DIRECT = {"type": "DIRECT", "subtype": "IDENTITY"}
HASHED = {"type": "DIRECT", "subtype": "TRANSFORMATION", "masking": True}
JOINED = {"type": "INDIRECT", "subtype": "JOIN"}


def derived(output: Json) -> list[Json]:
    (body,) = bodies(run_event(outputs=[output]), "columns.derived")
    assert {key: body[key] for key in NAMED} == NAMED
    groups: list[Json] = body["derived"]
    return groups


def test_a_field_goes_directly_and_indirectly_into_a_column_and_both_are_kept_apart() -> None:
    text = {"description": "sha2(id) where name = 'Anna'"}
    fields = {"x": {"inputFields": [{**ID, "transformations": [HASHED | text]}, {**ID, "transformations": [JOINED]}]}}
    assert derived(dataset(columnLineage={"fields": fields})) == [
        {"columns": ["x"], "inputs": [{**READ_ID, "transformations": [HASHED, JOINED]}]}
    ]


def test_what_applies_to_the_dataset_applies_to_each_column_that_is_named() -> None:
    facet = {
        "fields": {"x": {"inputFields": [{**ID, "transformations": [DIRECT]}]}},
        "dataset": [{**ID, "transformations": [JOINED]}],
    }
    schema = {"fields": [{"name": "x"}, {"name": "y"}]}
    assert derived(dataset(columnLineage=facet, schema=schema)) == [
        {"columns": ["x"], "inputs": [{**READ_ID, "transformations": [DIRECT]}]},
        {"columns": ["x", "y"], "inputs": [{**READ_ID, "transformations": [JOINED]}]},
    ]


@pytest.mark.parametrize(
    ("word", "ways"),
    [
        ("IDENTITY", [DIRECT]),
        ("MASKED", [{"type": "DIRECT", "subtype": "MASKED", "masking": True}]),
        ("INDIRECT", [{"type": "INDIRECT"}]),
        ("SUM", [{"type": "unknown", "subtype": "SUM"}]),
        ("", None),
        (None, None),
    ],
)
def test_the_one_word_of_an_old_facet_is_understood(word: str | None, ways: list[Json] | None) -> None:
    fields = {"x": {"inputFields": [ID], "transformationType": word, "transformationDescription": "secret"}}
    said = {"transformations": ways} if ways else {}
    assert derived(dataset(columnLineage={"fields": fields})) == [{"columns": ["x"], "inputs": [{**READ_ID, **said}]}]


def test_the_explicit_facet_names_columns_too_and_a_job_as_source_makes_none() -> None:
    source = {**ID, "type": "DATASET"}
    fields = {"x": {"inputs": [{**source, "transformations": [DIRECT]}, {"type": "JOB"}]}}
    without_field = {"type": "DATASET", "namespace": "s3://lake", "name": "other"}
    facet = {"inputs": [{**source, "transformations": [JOINED]}, without_field], "fields": fields}
    assert derived(dataset(lineage=facet)) == [
        {"columns": ["x"], "inputs": [{**READ_ID, "transformations": [DIRECT]}]},
        {"columns": ["x"], "inputs": [{**READ_ID, "transformations": [JOINED]}]},
    ]


def test_columns_of_a_dataset_event_and_of_a_job_event_are_facts_without_a_run() -> None:
    described = dataset(columnLineage={"fields": {"x": {"inputFields": [ID]}}})
    job = {"namespace": "etl", "name": "nightly"}
    for event in ({"eventTime": AT, "dataset": described}, {"eventTime": AT, "job": job, "outputs": [described]}):
        assert bodies(event, "columns.derived") == [{**NAMED, "derived": [{"columns": ["x"], "inputs": [READ_ID]}]}]


def test_a_wide_table_joined_on_many_fields_is_split_and_no_pair_is_lost() -> None:
    schema = {"fields": [{"name": f"c{number}"} for number in range(300)]}
    joined = [{**ID, "field": f"f{number}", "transformations": [JOINED]} for number in range(40)]
    event = run_event(outputs=[dataset(schema=schema, columnLineage={"fields": {}, "dataset": joined})])
    made = bodies(event, "columns.derived")
    pairs = [
        (column, item["field"])
        for body in made
        for group in body["derived"]
        for column in group["columns"]
        for item in group["inputs"]
    ]
    assert len(pairs) == len(set(pairs)) == 300 * 40
    most = max(sum(len(one["columns"]) * len(one["inputs"]) for one in body["derived"]) for body in made)
    assert most <= MAX_EDGES
