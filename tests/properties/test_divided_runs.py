"""Runs that do not lead from every output to every input (specification, section 4): answers written by hand.

Each story is told to the naive reading and, by the law of meaning, to the product.
"""

from graph_schema import names
from tests.properties.histories import END
from tests.properties.laws import meaning_law
from tests.properties.stories import DATA, RAW, at, raw, run

OTHER_DATA = {"namespace": "s3://b", "name": "other"}


def test_an_output_with_a_stated_origin_rests_on_that_and_on_nothing_else_its_run_read() -> None:
    """Section 4, stated origins: up from each output, down from each input, and from the run itself."""
    table = {"namespace": "s3://lake", "name": "table"}
    written = [{**table, "version": "t", "made_of": [DATA]}, {**OTHER_DATA, "version": "o"}]
    facts = [
        run(1, "r", "started", inputs=[{**DATA, "version": "v1"}, {**OTHER_DATA, "version": "x"}]),
        run(2, "r", "complete", outputs=written, commit={"sha": "a" * 40}),
    ]
    stated = names.dataset_version("s3://lake", "table", "t")
    free, unused = (names.dataset_version(OTHER_DATA["namespace"], OTHER_DATA["name"], one) for one in ("o", "x"))
    commit = f"commit:{'a' * 40}"
    assert at(facts).provenance(stated).nodes == {stated: 0, RAW: 1, "run:r": 1, raw("v1"): 2, commit: 2}
    assert at(facts).provenance(free).nodes == {free: 0, "run:r": 1, raw("v1"): 2, unused: 2, commit: 2}
    assert set(at(facts).provenance("run:r").nodes) == {"run:r", raw("v1"), unused, commit}
    assert at(facts).impact(raw("v1")).nodes == {raw("v1"): 0, "run:r": 1, stated: 2, free: 2}
    assert at(facts).impact(unused).nodes == {unused: 0, "run:r": 1, free: 2}
    assert at(facts).impact(commit).nodes == {commit: 0, "run:r": 1, stated: 2, free: 2}
    assert at(facts, as_of=1).provenance("run:r").nodes == {"run:r": 0, raw("v1"): 1, unused: 1}
    none = [facts[0], run(2, "r", outputs=[{**table, "version": "t", "made_of": []}])]
    assert at(none).provenance(stated).nodes == {stated: 0, "run:r": 1}
    for history in (facts, none):
        meaning_law(history, step=1, as_of=END, known_at=len(history) - 1)


def test_what_is_read_between_the_lines_keeps_to_the_stated_origin() -> None:
    """The inputs have no versions: which were read is inferred, and still only the stated one counts."""
    facts = [
        run(1, "w", "complete", outputs=[DATA, OTHER_DATA]),
        run(5, "r", "started", inputs=[DATA, OTHER_DATA]),
        run(6, "r", "complete", outputs=[{"namespace": "s3://b", "name": "out", "made_of": [OTHER_DATA]}]),
    ]
    made, written = (
        names.dataset_version("s3://b", "out", "run-r"),
        names.dataset_version("s3://b", "other", "run-w"),
    )
    other = names.dataset("s3://b", "other")
    assert at(facts).provenance(made).nodes == {made: 0, "run:r": 1, other: 1, written: 2, "run:w": 3}
    assert made not in at(facts).impact(raw("run-w")).nodes
    assert made in at(facts).impact(written).nodes
    meaning_law(facts, step=1, as_of=END, known_at=2)


def test_each_execution_of_a_run_read_what_was_there_when_it_began_and_that_counts_for_what_it_wrote() -> None:
    """Two executions of a writer and a reader; the ids are used again, only the names of the executions differ."""
    out = {"namespace": "s3://b", "name": "out"}
    facts = [
        *(run(at_, "w", "complete", execution=one, outputs=[DATA]) for at_, one in ((1, "e1"), (11, "e2"))),
        *(run(at_, "r", "started", execution=one, inputs=[DATA]) for at_, one in ((5, "e1"), (15, "e2"))),
        *(run(at_, "r", "complete", execution=one, outputs=[out]) for at_, one in ((6, "e1"), (16, "e2"))),
        run(17, "r", execution="e3", outputs=[out]),
    ]
    made = {one: names.dataset_version("s3://b", "out", f"run-r/{one}") for one in ("e1", "e2", "e3")}
    read = {one: raw(f"run-w/{one}") for one in ("e1", "e2")}
    for one, other in (("e1", "e2"), ("e2", "e1")):
        above = at(facts).provenance(made[one]).nodes
        assert (above[read[one]], read[other] in above) == (2, False)
        below = at(facts).impact(read[one]).nodes
        assert (below[made[one]], made[other] in below) == (2, False)
    assert read["e1"] in at(facts).provenance(made["e3"]).nodes  # no state: taken for the earliest
    assert {read["e1"], read["e2"]} <= at(facts).provenance("run:r").nodes.keys()
    meaning_law(facts, step=1, as_of=END, known_at=len(facts) - 1)


def test_an_input_named_by_its_version_belongs_to_the_run_and_counts_for_all_it_wrote() -> None:
    facts = [
        run(5, "r", "complete", execution="e1", inputs=[{**DATA, "version": "v1"}], outputs=[OTHER_DATA]),
        run(15, "r", "complete", execution="e2", outputs=[OTHER_DATA]),
    ]
    for one in ("e1", "e2"):
        assert raw("v1") in at(facts).provenance(names.dataset_version("s3://b", "other", f"run-r/{one}")).nodes
    meaning_law(facts, step=1, as_of=END, known_at=1)
