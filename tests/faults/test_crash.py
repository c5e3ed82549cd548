"""Ten rounds of what `python -m tests.faults.crash` does: the service is killed, and every receipt is still true."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.crash import moments, run_round, run_rounds
from tests.faults.crash_service import BEGIN, COMMIT

ROUNDS = 10
CHANCE = random.Random(1)  # noqa: S311  it chooses moments, it keeps no secret


def test_every_receipt_survives_ten_kills(tmp_path: Path) -> None:
    outcomes = list(run_rounds(tmp_path, moments(ROUNDS, at_random=False), CHANCE))
    print(*outcomes, sep="\n")
    assert Counter(outcome.moment for outcome in outcomes) == {"random": 5, "commit": 3, "begin": 2}
    assert all(outcome.receipts for outcome in outcomes)
    assert any(outcome.unanswered for outcome in outcomes)
    assert [outcome.records for outcome in outcomes] == sorted(outcome.records for outcome in outcomes)


def test_half_of_the_rounds_kill_at_a_mark() -> None:
    plan = moments(ROUNDS, at_random=False)
    assert len([moment for moment in plan if moment in (BEGIN, COMMIT)]) == ROUNDS // 2
    assert moments(3, at_random=True) == [None] * 3


def test_a_service_that_cannot_start_is_no_passed_round(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_round(tmp_path, "token", 0, None, CHANCE)
