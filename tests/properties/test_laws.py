"""The laws of the language, kept by the product on its real store (see laws.py for each law in full)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema import names
from tests.properties.histories import END, cuts, histories
from tests.properties.laws import cut_law, lateness_law, meaning_law, order_law, portion_law, reach_law
from tests.properties.records import Sent
from tests.properties.stories import DATA, RAW, fact, raw, run

STEP = st.integers(2, 6)
AS_OF = cuts(1).map(lambda cut: cut[0])
NUMBER = st.integers(0, 10_000)


@settings(max_examples=300)
@given(histories(), st.integers(0, 999), st.lists(st.integers(1, 40), max_size=6), AS_OF)
def test_the_same_facts_in_any_order_repeated_and_batched_in_any_way_give_the_same_answers(
    history: list[Sent], salt: int, batches: list[int], as_of: int
) -> None:
    order_law(history, salt, batches, as_of)


@settings(max_examples=300)
@given(histories(), STEP, AS_OF, NUMBER)
def test_what_is_known_at_n_is_what_a_log_cut_at_n_answers(
    history: list[Sent], step: int, as_of: int, known_at: int
) -> None:
    cut_law(history, step, as_of, known_at)


@settings(max_examples=300)
@given(histories(), STEP, NUMBER)
def test_a_late_fact_changes_no_answer_about_a_time_before_its_own(history: list[Sent], step: int, which: int) -> None:
    lateness_law(history, step, which)


@settings(max_examples=300)
@given(histories(), STEP, st.one_of(st.just(END), AS_OF), NUMBER)
def test_every_answer_is_the_one_that_a_naive_reading_of_the_records_gives(
    history: list[Sent], step: int, as_of: int, known_at: int
) -> None:
    meaning_law(history, step, as_of, known_at)


@settings(max_examples=100)
@given(histories(), STEP, st.integers(0, 4))
def test_a_closure_that_goes_less_far_shows_the_same_as_far_as_it_goes(
    history: list[Sent], step: int, depth: int
) -> None:
    reach_law(history, step, depth)


@settings(max_examples=300)
@given(histories(), AS_OF, st.booleans())
def test_what_moved_is_told_the_same_whether_read_together_or_a_model_at_a_time(
    history: list[Sent], as_of: int, swept: bool
) -> None:
    portion_law(history, as_of, swept)


def test_a_reader_that_names_its_version_elsewhere_is_no_reader_of_an_unnamed_one() -> None:
    named = run(7, "r", "started", inputs=[DATA, {**DATA, "version": "v2"}])
    belonging = {"from": raw("v2"), "type": "VERSION_OF", "to": RAW, "source_": names.source("mlflow", "one")}
    withdrawn = fact(9, "edge.withdrawn", source="house", reason="another bucket", **belonging)
    meaning_law([named, withdrawn], step=1, as_of=END, known_at=1)
