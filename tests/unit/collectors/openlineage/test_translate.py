import json
from typing import Any

import pytest

from collectors.openlineage import OpenLineageError, translate
from lineage_service.recorder.preparation import MAX_RECORD_BYTES
from tests.unit.collectors.openlineage.events import (
    ACTOR,
    AT,
    RUN,
    SPEC,
    Json,
    bodies,
    dataset,
    facts,
    run_body,
    run_event,
)


def refusal(event: Any) -> str:
    with pytest.raises(OpenLineageError) as caught:
        translate(event, received_actor=ACTOR)
    return caught.value.path


# ------------------------------------------------------------------------------------------------------- kind and time


@pytest.mark.parametrize("named", [{}, {"schemaURL": None}, {"schemaURL": "feast"}, {"schemaURL": 7}])
def test_without_a_known_schema_the_members_tell_the_kind(named: Json) -> None:
    members = [run_event(), {"eventTime": AT, "dataset": dataset()}, {"eventTime": AT, "job": run_event()["job"]}]
    for event in members:
        event.pop("schemaURL", None)
    kinds = [[fact["type"] for fact in facts(event | named)] for event in members]
    assert kinds == [["run.observed"], ["dataset.declared"], []]


def test_the_schema_decides_over_the_members() -> None:
    event = run_event(inputs=[dataset()], schemaURL=f"{SPEC}JobEvent")
    assert [fact["type"] for fact in facts(event)] == ["dataset.declared"]


def test_a_producer_need_not_be_a_uri_nor_be_there() -> None:
    event = run_event()
    assert run_body(event | {"producer": "feast"}) == run_body({**event, "producer": None})


def test_an_event_of_no_kind_is_refused() -> None:
    assert refusal({"eventTime": AT}) == ""


@pytest.mark.parametrize("value", [None, [], "x", 1.5, [run_event()]])
def test_what_is_no_object_is_refused(value: Any) -> None:
    assert refusal(value) == ""


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-11-23T00:18:39.314220999Z", "2026-11-23T00:18:39.314220Z"),
        ("2026-11-23T00:18:39.19Z", "2026-11-23T00:18:39.190000Z"),
        ("2026-11-23T00:18:39+00:00", "2026-11-23T00:18:39.000000Z"),
        ("2026-11-23T06:03:39.5+05:45", "2026-11-23T00:18:39.500000Z"),
        ("2026-11-22T14:48:39.929-09:30", "2026-11-23T00:18:39.929000Z"),
        ("2026-11-23 00:18:39z", "2026-11-23T00:18:39.000000Z"),
    ],
)
def test_a_time_of_any_zone_and_fraction_becomes_utc_microseconds(text: str, canonical: str) -> None:
    assert [fact["occurred_at"] for fact in facts(run_event(eventTime=text))] == [canonical]


@pytest.mark.parametrize("text", [None, "", 1795392378, "2026-11-23T00:18:39", "yesterday", "1969-12-31T23:59:59Z"])
def test_a_time_without_a_zone_or_that_is_none_is_refused(text: Any) -> None:
    assert refusal(run_event(eventTime=text)) == "eventTime"


# ---------------------------------------------------------------------------------------------------- the run, its job


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("START", "started"),
        ("RUNNING", "running"),
        ("COMPLETE", "complete"),
        ("ABORT", "aborted"),
        ("FAIL", "failed"),
        ("OTHER", None),
        (None, None),
    ],
)
def test_each_event_type_gives_its_state(word: str | None, state: str | None) -> None:
    assert run_body(run_event(word)).get("state") == state


@pytest.mark.parametrize("word", ["complete", "DONE", 3])
def test_an_unknown_event_type_is_refused(word: Any) -> None:
    assert refusal(run_event(word)) == "eventType"


def test_a_failure_followed_by_completion_gives_both_states_for_one_run() -> None:
    failed = run_event("FAIL", eventTime="2026-11-23T00:18:39.100Z", outputs=[dataset()])
    complete = run_event("COMPLETE", eventTime="2026-11-23T00:18:39.119Z", outputs=[dataset()])
    made = [facts(event)[0] for event in (failed, complete)]
    assert [(fact["body"]["run"], fact["body"]["state"]) for fact in made] == [(RUN, "failed"), (RUN, "complete")]
    assert made[0]["occurred_at"] < made[1]["occurred_at"]


@pytest.mark.parametrize(
    "run",
    [
        {"runId": "manual__2026"},
        {"runId": None},
        {"runId": ""},
        {"runId": 7},
        {},
        {"runId": "{01a205c4-e451-72a1-ac58-f25e0d10d16a}"},
    ],
)
def test_a_run_id_that_is_no_uuid_is_refused(run: Json) -> None:
    assert refusal(run_event(run=run)) == "run.runId"


def test_two_spellings_of_one_uuid_are_one_run() -> None:
    assert run_body(run_event(run={"runId": RUN.upper()}))["run"] == RUN


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"run": None}, "run"),
        ({"run": RUN}, "run"),
        ({"job": None}, "job"),
        ({"job": {"name": "a"}}, "job.namespace"),
        ({"job": {"namespace": "a", "name": ""}}, "job.name"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": [dataset(), dataset(), {"namespace": "a"}]}, "inputs[2].name"),
        ({"outputs": [{"name": "a"}]}, "outputs[0].namespace"),
        ({"outputs": [dataset(), 5]}, "outputs[1]"),
        ({"inputs": [dataset("x" * 4097)]}, "inputs[0].name"),
        ({"inputs": [dataset("x", f"wasb://{'x' * 4089}")]}, "inputs[0].namespace"),
        ({"inputs": [dataset("half \ud800")]}, "inputs[0].name"),
        ({"facets": []}, "run.facets"),
        ({"facets": {"parent": {}}}, "run.facets.parent.run"),
        ({"facets": {"parent": {"run": {}}}}, "run.facets.parent.run.runId"),
        ({"facets": {"tags": {"tags": [{"key": "a"}]}}}, "run.facets.tags.tags[0].value"),
        ({"facets": {"errorMessage": {"message": 1}}}, "run.facets.errorMessage.message"),
        ({"inputs": [dataset(version={"datasetVersion": 5})]}, "inputs[0].facets.version.datasetVersion"),
        ({"inputs": [dataset(schema={"fields": [{"type": "int"}]})]}, "inputs[0].facets.schema.fields[0].name"),
    ],
)
def test_a_refusal_names_the_field_at_fault(members: Json, path: str) -> None:
    assert refusal(run_event(**members)) == path


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(OpenLineageError) as caught:
        translate(run_event(run={"runId": "alice@example.com"}), received_actor=ACTOR)
    assert str(caught.value).startswith("run.runId: ")
    assert "alice" not in str(caught.value)


@pytest.mark.parametrize("name", ["parent", "parentRun"])
def test_the_parent_is_read_under_both_names_of_its_facet(name: str) -> None:
    parent = {"run": {"runId": RUN.replace("0", "A")}, "job": {"namespace": "a", "name": "b"}}
    assert run_body(run_event(facets={name: parent}))["parent"] == RUN.replace("0", "a")


def test_a_parent_that_is_no_uuid_is_kept() -> None:
    assert run_body(run_event(facets={"parent": {"run": {"runId": "Nightly 1"}}}))["parent"] == "Nightly 1"


@pytest.mark.parametrize("facet", ["airflow", "airflowDagRun"])
def test_airflow_names_the_execution(facet: str) -> None:
    facets = {facet: {"dagRun": {"run_id": "manual__2026-01-02T00:00:00+00:00", "conf": {}}, "dag": "{'a': 1}"}}
    output = dataset(output={"outputStatistics": {"rowCount": 3}})
    made = facts(run_event(facets=facets, outputs=[output]))
    assert [fact["body"]["execution"] for fact in made] == ["manual__2026-01-02T00:00:00+00:00"] * 2


@pytest.mark.parametrize("shape", [None, [], "x", {}, {"dagRun": "{'run_id': 'a'}"}, {"dagRun": {"run_id": 5}}])
def test_an_airflow_facet_of_another_shape_says_nothing(shape: Any) -> None:
    assert "execution" not in run_body(run_event(facets={"airflow": shape}))


def test_an_error_keeps_message_and_stack_trace() -> None:
    facet = {"message": "no column age", "programmingLanguage": "SCALA", "stackTrace": "at X\nat Y"}
    assert run_body(run_event("FAIL", facets={"errorMessage": facet}))["error"] == "no column age\nat X\nat Y"


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ({"message": "no column age", "stackTrace": "at X\nat Y"}, "no column age\nat X\nat Y"),
        ({"message": 5, "stackTrace": None}, None),
        ({"a": [1.5, None]}, None),
        ("text", None),
        (None, None),
    ],
)
def test_an_error_of_spark_is_one_and_of_another_shape_none(shape: Any, error: str | None) -> None:
    assert run_body(run_event("FAIL", facets={"spark.exception": shape})).get("error") == error


def test_a_long_error_is_cut_and_says_so() -> None:
    error = run_body(run_event("FAIL", facets={"errorMessage": {"message": "é" * 20_000}}))["error"]
    assert len(error) == 16_000
    assert error.endswith("\n[cut here: 20000 characters in the event as received]")


def test_tags_of_a_run_become_pairs() -> None:
    tags = [{"key": "semver", "value": "1.2", "source": "CONFIG"}, {"key": "team", "value": ""}]
    assert run_body(run_event(facets={"tags": {"tags": tags}}))["tags"] == [["semver", "1.2"], ["team", ""]]


@pytest.mark.parametrize(
    ("location", "commit"),
    [
        (
            {"type": "git", "version": "FDD5D32", "repoUrl": "https://u:secret@git.example.com/a.git", "branch": "x"},
            {"sha": "fdd5d32", "repository": "https://git.example.com/a", "branch": "x"},
        ),
        ({"type": "git", "version": "fdd5d32", "repoUrl": "../a"}, {"sha": "fdd5d32"}),
        ({"type": "git", "version": "v1.2"}, None),
        ({"type": "git"}, None),
        ({"type": "svn", "version": "1234567"}, None),
    ],
)
def test_a_source_code_location_of_git_gives_the_commit(location: Json, commit: Json | None) -> None:
    assert run_body(run_event(job_facets={"sourceCodeLocation": location})).get("commit") == commit


def test_unknown_facets_are_accepted() -> None:
    unknown: Json = {
        "spark.exception": {"a": [1.5, None]},
        "environment-properties": {"b": True},
        "x": 5,
        "nominalTime": [],
    }
    plain = run_body(run_event(inputs=[dataset()]))
    assert run_body(run_event(facets=unknown, job_facets=unknown, inputs=[dataset(**unknown)], more=unknown)) == plain


def test_the_actor_is_whom_the_receiver_names() -> None:
    assert {json.dumps(fact["actor"]) for fact in facts(run_event(inputs=[dataset()]))} == {json.dumps(ACTOR)}


# ------------------------------------------------------------------------------------------------------------ datasets


@pytest.mark.parametrize(
    "name", ["a b/c d.csv", "models:/m-1", "db.schema::odd", "čaj/données/数据", "100%@home", "\t"]
)
def test_names_of_any_spelling_are_kept(name: str) -> None:
    event = run_event(inputs=[dataset(name, "postgres://host:5432")], job={"namespace": name, "name": name})
    body = run_body(event)
    assert body["inputs"] == [{"namespace": "postgres://host:5432", "name": name}]
    assert body["job"] == {"namespace": name, "name": name}


def test_one_dataset_in_two_spellings_is_one() -> None:
    inputs = [dataset("/data/a", "file"), dataset("/data/a/", "file://localhost"), dataset("k", "s3a://lake")]
    assert run_body(run_event(inputs=inputs))["inputs"] == [
        {"namespace": "file", "name": "/data/a"},
        {"namespace": "s3://lake", "name": "k"},
    ]


def test_a_version_is_declared_by_its_producer() -> None:
    assert run_body(run_event(inputs=[dataset(version={"datasetVersion": "5"})]))["inputs"] == [
        {"namespace": "s3://lake", "name": "a", "version": "5", "identity": "declared"}
    ]


@pytest.mark.parametrize("facet", [None, {}, {"datasetVersion": ""}, {"datasetVersion": "5", "_deleted": True}])
def test_a_version_that_is_not_stated_is_none(facet: Json | None) -> None:
    assert run_body(run_event(inputs=[dataset(version=facet)]))["inputs"] == [{"namespace": "s3://lake", "name": "a"}]


@pytest.mark.parametrize("count", [-1, 1.5, True, "3", 2**53, float("inf"), float("nan")])
def test_a_count_that_is_no_number_of_things_is_refused(count: Any) -> None:
    event = run_event(
        outputs=[dataset(version={"datasetVersion": "7"}, output={"outputStatistics": {"rowCount": count}})]
    )
    assert refusal(event) == "outputs[0].outputFacets.outputStatistics.rowCount"


def test_a_dataset_is_described_by_its_facets() -> None:
    described = dataset(
        schema={"fields": [{"name": "id", "type": "long"}, {"name": "who", "fields": [{"name": "x", "type": "int"}]}]},
        symlinks={"identifiers": [{"namespace": "hive://h", "name": "db.t", "type": "TABLE"}]},
        datasetType={"datasetType": "MODEL"},
        documentation={"description": "all loans"},
        ownership={"owners": [{"name": "team:loans", "type": "OWNER"}, {"name": "anna"}]},
        tags={"tags": [{"key": "pii", "value": "yes"}, {"key": "mask", "value": "yes", "field": "who"}]},
    )
    assert bodies({"eventTime": AT, "dataset": described}, "dataset.declared") == [
        {
            "namespace": "s3://lake",
            "name": "a",
            "columns": [{"name": "id", "type": "long"}, {"name": "who"}, {"name": "who.x", "type": "int"}],
            "kind": "MODEL",
            "description": "all loans",
            "owners": [["team:loans", "OWNER"], ["anna", ""]],
            "tags": [["pii", "yes"]],
            "same_as": [{"namespace": "hive://h", "name": "db.t"}],
        }
    ]


def test_a_dataset_event_with_a_version_gives_it_with_its_columns() -> None:
    described = dataset(version={"datasetVersion": "7"}, schema={"fields": [{"name": "id"}]})
    assert bodies({"eventTime": AT, "dataset": described}, "dataset_version.observed") == [
        {
            "namespace": "s3://lake", "name": "a", "version": "7", "identity": "declared",
            "columns": [{"name": "id"}],
        }
    ]  # fmt: skip


def test_a_symlink_to_itself_is_no_other_name() -> None:
    links = {"identifiers": [{"namespace": "s3a://lake", "name": "a"}]}
    assert bodies(run_event(inputs=[dataset(symlinks=links)]), "dataset.declared") == []


def test_a_dataset_on_both_sides_is_described_once_as_the_output_has_it() -> None:
    def link(name: str) -> Json:
        return {"identifiers": [{"namespace": "hive://h", "name": name}]}

    before = dataset(schema={"fields": [{"name": "old"}]}, symlinks=link("t"), datasetType={"datasetType": "TABLE"})
    after = dataset(schema={"fields": [{"name": "new"}]}, symlinks=link("u"))
    assert bodies(run_event(inputs=[before], outputs=[after]), "dataset.declared") == [
        {
            "namespace": "s3://lake",
            "name": "a",
            "columns": [{"name": "new"}],
            "kind": "TABLE",
            "same_as": [{"namespace": "hive://h", "name": "t"}, {"namespace": "hive://h", "name": "u"}],
        }
    ]


# ---------------------------------------------------------------------------------------------------------------- size


def test_a_long_list_is_split_and_nothing_is_lost() -> None:
    event = run_event(
        inputs=[dataset(f"in{number}") for number in range(150)],
        outputs=[dataset(f"out{number}") for number in range(101)],
        facets={"airflow": {"dagRun": {"run_id": "again"}}},
    )
    made = facts(event)
    assert [fact["source"]["ref"] for fact in made] == ["part 1 of 3", "part 2 of 3", "part 3 of 3"]
    assert [fact["body"].get("state") for fact in made] == ["complete", None, None]
    assert {(fact["body"]["run"], fact["body"]["execution"]) for fact in made} == {(RUN, "again")}
    for side, prefix, number in (("inputs", "in", 150), ("outputs", "out", 101)):
        named = [item["name"] for fact in made for item in fact["body"].get(side, [])]
        assert named == [f"{prefix}{count}" for count in range(number)]


def test_long_names_are_split_so_that_every_fact_fits_a_record() -> None:
    event = run_event(inputs=[dataset(f"{number}{'é' * 4000}") for number in range(60)])
    made = facts(event)
    assert sum(len(fact["body"]["inputs"]) for fact in made) == 60
    assert max(len(json.dumps(fact, ensure_ascii=False).encode()) for fact in made) < MAX_RECORD_BYTES - 1024


def test_many_other_names_are_split() -> None:
    links = [{"namespace": "hive://h", "name": f"t{number}"} for number in range(120)]
    made = bodies(run_event(inputs=[dataset(symlinks={"identifiers": links})]), "dataset.declared")
    assert [len(body["same_as"]) for body in made] == [50, 50, 20]
    assert [item for body in made for item in body["same_as"]] == links


@pytest.mark.parametrize(("count", "told"), [(400, "columns"), (2001, "column_count"), (100_000, "column_count")])
def test_of_a_schema_too_large_for_a_record_the_number_of_columns_is_told_and_nothing_is_refused(
    count: int, told: str
) -> None:
    fields = [{"name": f"c{number}", "type": "decimal(38,18)"} for number in range(count)]
    event = run_event(inputs=[dataset(schema={"fields": fields})], outputs=[dataset("b")])
    (body,) = bodies(event, "dataset.declared")
    assert body == {"namespace": "s3://lake", "name": "a", told: fields if told == "columns" else count}
    assert run_body(event)["outputs"] == [{"namespace": "s3://lake", "name": "b"}]
    versioned = {"eventTime": AT, "dataset": dataset(schema={"fields": fields}, version={"datasetVersion": "7"})}
    assert told in bodies(versioned, "dataset_version.observed")[0]


def test_a_type_longer_than_a_name_is_cut_and_says_so() -> None:
    fields = [{"name": "nested", "type": "struct<" + "a:int," * 1000 + ">"}]
    (body,) = bodies(run_event(inputs=[dataset(schema={"fields": fields})]), "dataset.declared")
    assert len(body["columns"][0]["type"]) == 1024
    assert body["columns"][0]["type"].endswith("[cut here: 6008 characters in the event as received]")


def test_more_tags_than_a_fact_holds_are_refused() -> None:
    tags = [{"key": f"k{number}", "value": "v"} for number in range(1001)]
    assert refusal(run_event(facets={"tags": {"tags": tags}})) == "run.facets.tags.tags"


def test_an_event_nested_beyond_reading_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert refusal(run_event(facets={"x": deep})) == ""
