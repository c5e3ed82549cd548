"""The laws can fail: each listed mutation of the fold makes the property named beside it fail."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import graph_schema.fold as folding
from graph_schema import names
from graph_schema.changes import Changes, order_key
from graph_schema.kinds import Edge, How
from tests.properties import product
from tests.properties.coverage_law import ASKED, HISTORIES, coverage_law
from tests.properties.histories import histories
from tests.properties.laws import meaning_law, order_law
from tests.properties.test_laws import AS_OF, NUMBER, STEP

Fold = Callable[[Mapping[str, Any]], Changes]
_arrived = itertools.count()


def newest_arrival_wins(record: Mapping[str, Any]) -> Changes:
    """The order key is drawn from the order of arrival instead of the facts."""
    changes = folding.fold(record)
    changes.order = order_key(changes.at, changes.source, next(_arrived), record["id"])
    return changes


_met = itertools.count()


def every_other_declaration_counts(record: Mapping[str, Any]) -> Changes:
    """The fold remembers: of the alias facts that arrive, every second one makes no points."""
    changes = folding.fold(record)
    if record["type"] == "alias.moved" and next(_met) % 2:
        changes.points.clear()
    return changes


def stated_origins_are_forgotten(record: Mapping[str, Any]) -> Changes:
    """What an output was made of is folded, but not that this is all of it."""
    changes = folding.fold(record)
    changes.edges = {
        (start, edge, end): (how, 0 if edge == Edge.PRODUCED_BY else roles)
        for (start, edge, end), (how, roles) in changes.edges.items()
    }
    return changes


def a_sweep_is_forgotten(record: Mapping[str, Any]) -> Changes:
    """``archive_others`` leaves no point on the model."""
    changes = folding.fold(record)
    changes.points = [point for point in changes.points if not point[1].startswith("swept:")]
    return changes


def executions_are_confused(record: Mapping[str, Any]) -> Changes:
    """All executions of a run share one slot."""
    changes = folding.fold(record)
    changes.points = [
        (subject, "state:" if slot.startswith("state:") else slot, n, value)
        for n, (subject, slot, _, value) in enumerate(changes.points)
    ]
    return changes


def every_edge_is_exact(record: Mapping[str, Any]) -> Changes:
    """What was only declared is asserted as exact."""
    changes = folding.fold(record)
    changes.edges = {edge: (int(How.EXACT), roles) for edge, (_, roles) in changes.edges.items()}
    return changes


def withdrawals_name_no_source(record: Mapping[str, Any]) -> Changes:
    """A withdrawal is booked under whoever reported it, not under the source whose word it withdraws."""
    changes = folding.fold(record)
    changes.withdrawals = [(start, edge, end, changes.source) for start, edge, end, _ in changes.withdrawals]
    return changes


def reads_count_as_used(record: Mapping[str, Any]) -> Changes:
    """A dataset read without a version is booked as a version called latest."""
    changes = folding.fold(record)
    for (start, edge, end), fact in list(changes.edges.items()):
        if edge == Edge.READ:
            del changes.edges[start, edge, end]
            namespace, name = names.parse(end).parts
            latest = names.dataset_version(namespace, name, "latest")
            changes.node(latest)
            changes.edges[start, int(Edge.USED), latest] = fact
    return changes


def reports_are_named_by_their_beginning_alone(record: Mapping[str, Any]) -> Changes:
    """Of reports that begin together the one made last counts, and not the one that reaches furthest."""
    changes = folding.fold(record)
    changes.points = [
        (subject, slot[: len("covered:") + 18] if slot.startswith("covered:") else slot, n, value)
        for subject, slot, n, value in changes.points
    ]
    return changes


def reports_share_one_name(record: Mapping[str, Any]) -> Changes:
    """Of all reports of a source only the newest counts."""
    changes = folding.fold(record)
    changes.points = [
        (subject, slot.partition(":")[0] if slot.startswith("covered:") else slot, n, value)
        for subject, slot, n, value in changes.points
    ]
    return changes


ORDER = (order_law, (histories(), st.integers(0, 999), st.lists(st.integers(1, 40), max_size=6), AS_OF))
COVERAGE = (coverage_law, (HISTORIES, *ASKED))
MEANING = (meaning_law, (histories(), STEP, AS_OF, NUMBER))

MUTATIONS: list[tuple[Fold, Any]] = [
    (newest_arrival_wins, ORDER),
    (every_other_declaration_counts, ORDER),
    (a_sweep_is_forgotten, MEANING),
    (executions_are_confused, MEANING),
    (every_edge_is_exact, MEANING),
    (withdrawals_name_no_source, MEANING),
    (reads_count_as_used, MEANING),
    (stated_origins_are_forgotten, MEANING),
    (reports_are_named_by_their_beginning_alone, COVERAGE),
    (reports_share_one_name, COVERAGE),
]


@pytest.mark.parametrize(("mutation", "broken"), MUTATIONS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_mutation_of_the_fold_breaks_its_law(
    mutation: Fold, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    law, strategies = broken
    monkeypatch.setattr(product, "fold", mutation)
    broke: list[AssertionError] = []

    @settings(
        max_examples=150, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(st.tuples(*strategies))
    def attempt(drawn: tuple[Any, ...]) -> None:
        if not broke:
            try:
                law(*drawn)
            except AssertionError as failure:
                broke.append(failure)

    attempt()
    assert broke
