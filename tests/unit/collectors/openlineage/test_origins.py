"""The explicit facet ``lineage``: what an output was made of, instead of everything its run read."""

from typing import Any

import pytest

from tests.unit.collectors.openlineage.events import RUN, Json, bodies, dataset, run_event

JOB = {"type": "JOB"}


def source(name: str, **more: Any) -> Json:
    return {"type": "DATASET", "namespace": "s3://lake", "name": name, **more}


def named(*names: str) -> list[Json]:
    return [{"namespace": "s3://lake", "name": name} for name in names]


def read_and_made(event: Json) -> tuple[list[str], dict[str, list[str] | None]]:
    """Give what a run read, and of each output what it was made of (None where that is not said)."""
    (body,) = bodies(event, "run.observed")
    made = {
        one["name"]: [origin["name"] for origin in one["made_of"]] if "made_of" in one else None
        for one in body.get("outputs", [])
    }
    return [one["name"] for one in body.get("inputs", [])], made


def of_job(*entries: Json, outputs: tuple[str, ...] = ("x", "y")) -> Json:
    return run_event(
        inputs=[dataset("a"), dataset("b")],
        outputs=[dataset(name) for name in outputs],
        job_facets={"lineage": {"entries": list(entries)}},
    )


def test_without_the_facet_nothing_is_said_of_origins() -> None:
    assert read_and_made(run_event(inputs=[dataset("a")], outputs=[dataset("x")])) == (["a"], {"x": None})


def test_on_a_dataset_it_tells_of_that_output_only() -> None:
    facet = {"inputs": [source("a")], "fields": {"c": {"inputs": [source("b", field="f")]}}}
    event = run_event(inputs=[dataset("a"), dataset("z")], outputs=[dataset("x", lineage=facet), dataset("y")])
    assert read_and_made(event) == (["a", "z", "b"], {"x": ["a", "b"], "y": None})


def test_on_a_job_it_tells_of_every_output() -> None:
    event = of_job(source("x", inputs=[source("a")]))
    assert read_and_made(event) == (["a", "b"], {"x": ["a"], "y": []})


def test_what_only_an_entry_names_was_read_and_written() -> None:
    event = of_job(source("x", inputs=[source("new")]), source("z", inputs=[source("a")]))
    assert read_and_made(event) == (["a", "b", "new"], {"x": ["new"], "y": [], "z": ["a"]})


@pytest.mark.parametrize(
    ("entry", "made"), [({"inputs": []}, []), ({}, None), ({"fields": {}}, None), ({"inputs": None}, None)]
)
def test_an_empty_list_says_that_there_is_no_origin_and_its_absence_says_nothing(entry: Json, made: Any) -> None:
    assert read_and_made(of_job(source("x", **entry), outputs=("x",))) == (["a", "b"], {"x": made})


def test_an_output_fed_by_the_job_is_made_of_what_feeds_the_job() -> None:
    own = {"type": "JOB", "namespace": "etl", "name": "nightly", "runId": RUN}
    entries = (source("x", inputs=[JOB]), source("y", inputs=[source("b")]), {**own, "inputs": [source("a")]})
    assert read_and_made(of_job(*entries)) == (["a", "b"], {"x": ["a"], "y": ["b"]})


def test_an_output_fed_by_the_job_of_which_nothing_is_said_may_rest_on_all_of_it() -> None:
    assert read_and_made(of_job(source("x", inputs=[JOB]), outputs=("x",))) == (["a", "b"], {"x": None})


def test_another_job_or_run_is_not_this_one() -> None:
    other = {"type": "JOB", "namespace": "etl", "name": "other"}
    earlier = {"type": "JOB", "runId": RUN.replace("0", "1")}
    assert read_and_made(of_job(source("x", inputs=[other, earlier, source("b")]), outputs=("x",)))[1] == {"x": ["b"]}


def test_one_spelling_of_a_name_is_the_other() -> None:
    facet = {"inputs": [{"type": "DATASET", "namespace": "s3a://lake", "name": "a"}]}
    event = run_event(inputs=[dataset("a")], outputs=[dataset("x", lineage=facet)])
    assert read_and_made(event) == (["a"], {"x": ["a"]})


def test_a_long_origin_is_split_and_nothing_is_lost() -> None:
    names = [f"in{number}" for number in range(250)]
    event = run_event(outputs=[dataset("x", lineage={"inputs": [source(name) for name in names]})])
    made = bodies(event, "run.observed")
    told = [origin for body in made for output in body.get("outputs", []) for origin in output["made_of"]]
    assert told == named(*names)
    assert [one for body in made for one in body.get("inputs", [])] == named(*names)
