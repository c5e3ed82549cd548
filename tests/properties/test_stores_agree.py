"""Both stores, told the same, hold the same bytes and answer every question alike.

Each history (the steps of the laws, 10 to 25 facts) is recorded by the product in a fresh SQLite file and in an
emptied Neo4j: in requests of any size, so that late facts meet earlier groups, and for many histories with everything
closed and opened again in between, so that what a store remembers of earlier groups is gone. Keys, origin, clock and
randomness are the same for both (``twins.py``). Compared are receipts, head, records, leaves, notes and vault, raw
reads of all nodes, state roots, and all answers as canonical JSON, at several instants and records (``trials.py``).

Each history has a ledger of its own: in one ledger for many, a question about one would find names of the others, and
what a store wrongly lets in from a neighbour could pass for an answer.

A seed stands for a history and all that is asked of it; what fails is told again with fewer steps, as long as it fails.
CI tries the same seeds in every run, a desk others each time. For a run of this file alone ``LINEAGE_TEST_HISTORIES``
sets how many (200 at least) and ``LINEAGE_TEST_FIRST_HISTORY`` the first seed, such as the one a failure names::

    LINEAGE_TEST_HISTORIES=2000 pytest -n0 tests/properties/test_stores_agree.py
"""

import os
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graph_schema.fold import fold
from lineage_service.ledger.tiles import TILE_WIDTH
from tests.properties.census import CASES, census
from tests.properties.records import records_of
from tests.properties.trials import FACTS, disagreements, smallest, trial_of

LEAST = 200
HISTORIES = max(LEAST, int(os.environ.get("LINEAGE_TEST_HISTORIES") or LEAST))
FIRST = int(os.environ.get("LINEAGE_TEST_FIRST_HISTORY") or (0 if os.environ.get("CI") else secrets.randbelow(10**9)))
PARTS = 10
LONG = (400, 400)
CROWD = 16
"""So many repeats of one node are read as they are by both stores; of more, most are passed over."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_both_stores_hold_the_same_and_answer_alike(part: int, tmp_path: Path) -> None:
    tried = set()
    for seed in range(FIRST + part, FIRST + HISTORIES, PARTS):
        trial = trial_of(seed)
        print(f"seed {seed}")  # shown if what follows fails in any way
        found = disagreements(trial, tmp_path / str(seed))
        assert not found, smallest(trial, found, tmp_path)
        tried.add(repr(trial.plan.history()))
    assert len(tried) >= LEAST // PARTS


@pytest.mark.timeout(3600)
def test_both_stores_agree_about_a_log_with_a_complete_tile_and_nodes_that_many_records_describe(
    tmp_path: Path,
) -> None:
    trial = trial_of(FIRST, LONG)
    records = records_of(trial.plan.history())
    assert len(records) > TILE_WIDTH
    assert max(repeats(records).values()) > CROWD
    assert disagreements(trial, tmp_path) == []


def repeats(records: list[dict[str, Any]]) -> dict[str, int]:
    """Return how often nodes are described in words in which they were described before."""
    said = Counter((key, repr(words)) for record in records for key, words in fold(record).properties.items())
    again: Counter[str] = Counter()
    for (key, _), times in said.items():
        again[key] += times - 1
    return again


def test_the_histories_of_ci_hold_every_special_case() -> None:
    histories = [trial_of(seed).plan.history() for seed in range(LEAST)]
    assert {len(history) for history in histories} == set(range(FACTS[0], FACTS[1] + 1))
    assert len({repr(history) for history in histories}) == LEAST
    assert CASES - set().union(*map(census, histories)) == set()
