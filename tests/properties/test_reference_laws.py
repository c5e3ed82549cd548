"""What must hold of the naive reference before it may judge the product, tried on random histories."""

from collections import Counter
from random import Random
from typing import get_args

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from graph_schema.answers import DriftVerdict
from graph_schema.fold import fold
from graph_schema.kinds import How
from tests.properties.histories import CASES, END, census, cuts, histories
from tests.properties.records import Sent, records_of
from tests.properties.reference import Answers, Reference
from tests.properties.reference_facts import read
from tests.properties.world import ALIASES


def everything(answers: Answers) -> object:
    """Return every answer that the reference has, without record numbers."""
    nodes = sorted(answers.known)
    rows = [answers.deployments(stage=stage) for stage in (None, "None", "Archived")]
    closures = [(answers.provenance(node), answers.impact(node)) for node in nodes[::3]]
    return rows, closures, [(answers.node_properties(node), answers.history(node)) for node in nodes]


@settings(max_examples=50)
@given(histories(), st.integers(0, 999), st.data())
def test_the_order_of_arrival_and_repetition_change_no_answer(
    history: list[Sent], salt: int, data: st.DataObject
) -> None:
    as_of, _ = data.draw(cuts(1))
    again = history + history[::2]
    Random(salt).shuffle(again)  # noqa: S311  an order of arrival, not a secret
    one, other = (Reference(records_of(told)).at(as_of, len(again)) for told in (history, again))
    assert everything(one) == everything(other)


@settings(max_examples=50)
@given(histories())
def test_the_fold_and_the_naive_reading_say_the_same_of_each_record(history: list[Sent]) -> None:
    for record in records_of(history):
        facts, changes = read([record]), fold(record)
        assert set(facts.known) == set(changes.nodes)
        rows: dict[str, dict[str, object]] = {}
        for row in facts.rows:
            rows.setdefault(row.key, {}).update(row.registers)
        assert rows == changes.properties
        edges: dict[tuple[str, int, str], tuple[int, int]] = {}
        for said in facts.assertions:
            how, roles = edges.get((said.start, said.type, said.end), (0, 0))
            edges[(said.start, said.type, said.end)] = (max(how, said.how), roles | said.roles)
        assert edges == changes.edges
        points = [(point.subject, point.slot, point.n, point.value) for point in facts.points]
        assert sorted(points, key=repr) == sorted(changes.points, key=repr)
        gone = [
            (withdrawal.start, withdrawal.type, withdrawal.end, withdrawal.source) for withdrawal in facts.withdrawals
        ]
        assert gone == changes.withdrawals


def depth(answers: Answers) -> set[str]:
    """Name the rules that decided something in an answer."""
    edges, reads = answers.edges, answers.runs.reads()
    versions = [key for key in answers.known if key.startswith("dataset_version:")]
    loose = [key for key in answers.known if key.endswith("@?")]
    held = {
        "an input was inferred": any(known.how is How.INFERRED for known in edges.values()),
        "the inferred input is a twin": any(
            known.how is How.INFERRED and edge[2] in answers.runs.stands_for.values() for edge, known in edges.items()
        ),
        "a version read is unknown": any(one.version is None for one in reads),
        "a version was attempted": any(answers.attempted(key) for key in versions),
        "a loose name was resolved": any(answers.shown(key) != key for key in loose),
        "a loose name stayed": any(answers.shown(key) == key for key in loose),
        "a sweep moved a version": any(period.begun.what == "sweep" for period in answers.periods),
        "a sighting moved something": any(period.begun.not_before for period in answers.periods),
        "a period has no length": any(period.until == period.begun.origin.at for period in answers.periods),
        "a closure is deep": any(max(answers.provenance(key).nodes.values()) > 3 for key in sorted(answers.known)[-9:]),
    }
    verdicts = {str(row[-1]) for alias in (None, *ALIASES) for row in answers.drift(alias)}
    return {word for word, holds in held.items() if holds} | {f"drift: {word}" for word in verdicts}


def test_every_special_case_occurs_in_the_histories_that_are_tried() -> None:
    seen: Counter[str] = Counter()
    sizes: list[int] = []

    @settings(max_examples=150, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(histories())
    def count(history: list[Sent]) -> None:
        sizes.append(len(history))
        seen.update(census(history))
        seen.update(depth(Reference(records_of(history)).at(END, len(history))))

    count()
    print(sorted(seen.items(), key=lambda item: item[1]))
    assert min(sizes) >= 20
    assert max(sizes) <= 200
    assert CASES - set(seen) == set()
    assert len(set(seen) - CASES) == 10 + len(get_args(DriftVerdict))
