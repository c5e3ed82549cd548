"""Whatever JSON arrives: facts that the language accepts, or a refusal that names a field; never anything else."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collectors.openlineage import OpenLineageError, translate
from graph_schema.canonical import encode
from graph_schema.events import parse_event
from lineage_service.recorder.preparation import MAX_RECORD_BYTES
from tests.unit.collectors.openlineage.events import ACTOR, dataset, run_event

_WAY = {"type": "DIRECT", "subtype": "IDENTITY", "masking": False}
_FIELD = {"namespace": "s3://lake", "name": "in", "field": "f", "transformations": [_WAY]}
_SOURCE = {**_FIELD, "type": "DATASET"}
_DATASET = dataset(
    "k",
    schema={"fields": [{"name": "a", "type": "int", "fields": [{"name": "b"}]}]},
    version={"datasetVersion": "1"},
    symlinks={"identifiers": [{"namespace": "hive", "name": "t"}]},
    datasetType={"datasetType": "TABLE"},
    documentation={"description": "d"},
    tags={"tags": [{"key": "k", "value": "v"}]},
    output={"outputStatistics": {"rowCount": 1, "size": 2}},
    ownership={"owners": [{"name": "n", "type": "t"}]},
    lifecycleStateChange={
        "lifecycleStateChange": "RENAME",
        "previousIdentifier": {"namespace": "hive", "name": "was"},
    },
    columnLineage={
        "fields": {"a": {"inputFields": [_FIELD], "transformationType": "MASKED"}},
        "dataset": [_FIELD],
    },
    lineage={"inputs": [_SOURCE, {"type": "JOB"}], "fields": {"a": {"inputs": [_SOURCE]}}},
    dataQualityMetrics={"rowCount": 1, "columnMetrics": {"a": {"nullCount": 1}}},
    dataQualityAssertions={"assertions": [{"assertion": "unique", "success": True, "column": "a"}]},
)
_RUN = run_event(
    inputs=[_DATASET],
    outputs=[_DATASET, dataset("o")],
    dataset=_DATASET,
    facets={
        "parent": {
            "run": {"runId": "x"},
            "job": {"namespace": "a", "name": "b"},
            "root": {"run": {"runId": "z"}, "job": {"namespace": "a", "name": "c"}},
        },
        "parentRun": {"run": {"runId": "x"}},
        "airflow": {"dagRun": {"run_id": "y"}},
        "errorMessage": {"message": "m", "stackTrace": "s"},
        "tags": {"tags": [{"key": "k", "value": "v"}]},
    },
    job_facets={
        "sourceCodeLocation": {"type": "git", "version": "0123456789", "repoUrl": "https://h/r", "branch": "b"},
        "jobType": {"processingType": "BATCH", "integration": "SPARK", "jobType": "JOB"},
        "documentation": {"description": "d"},
        "ownership": {"owners": [{"name": "n"}]},
        "lineage": {
            "entries": [
                {"type": "DATASET", "namespace": "s3://lake", "name": "o", "inputs": [_SOURCE, {"type": "JOB"}]},
                {"type": "JOB", "inputs": [_SOURCE]},
            ]
        },
    },
)
SEALED = ("error", "description", "tags", "owners")
_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT | st.sampled_from(["x" * 5000, "é" * 17_000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Give the path of every value inside a value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in members for place in places(part, (*path, key)))]


_PLACES = [place for place in places(_RUN) if place]


@st.composite
def altered_events(draw: st.DrawFn) -> Any:
    """Make a rich event and put arbitrary JSON in a few of its places."""
    event: Any = copy.deepcopy(_RUN)
    kinds = ["RunEvent", "DatasetEvent", "JobEvent", "other"]
    event["schemaURL"] = f"https://openlineage.io/{draw(st.sampled_from(kinds))}"
    for place in draw(st.lists(st.sampled_from(_PLACES), min_size=1, max_size=3, unique=True)):
        inside = event
        for key in place[:-1]:
            inside = inside[key] if isinstance(inside, dict) and key in inside else None
        if isinstance(inside, dict):
            inside[place[-1]] = draw(_JSON)
    return event


def hold_to_the_language(value: Any) -> None:
    """Translate and check each fact, its size too."""
    try:
        made = translate(value, received_actor=ACTOR)
    except OpenLineageError:
        made = []
    for fact in made:
        parse_event(fact)
        body = {key: part for key, part in fact["body"].items() if key not in SEALED}
        assert len(encode(fact | {"body": body})) < MAX_RECORD_BYTES


@given(_JSON)
def test_any_json_gives_facts_or_a_refusal(value: Any) -> None:
    hold_to_the_language(value)


@given(altered_events())
def test_an_event_with_anything_in_any_place_gives_facts_or_a_refusal(event: Any) -> None:
    hold_to_the_language(event)


def test_the_event_that_is_altered_is_sound_by_itself() -> None:
    made = translate(_RUN, received_actor=ACTOR)
    assert [fact["type"] for fact in made] == [
        "run.observed",
        "job.declared",
        "dataset.declared",
        "columns.derived",
        "dataset.changed",
        "dataset.measured",
        "dataset.measured",
        "dataset.changed",
        "dataset.measured",
        "dataset.measured",
    ]
