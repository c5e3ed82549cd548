"""Ten rounds of what `python -m tests.faults.crash` does: the service is killed, and every receipt is still true."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.crash import blows, run_rounds
from tests.faults.crash_round import Blow, run_round
from tests.faults.crash_service import BEGIN, COMMIT
from tests.faults.crash_site import Site

ROUNDS = 10
CHANCE = random.Random(1)  # noqa: S311  it chooses moments, it keeps no secret


def test_every_receipt_survives_ten_kills(tmp_path: Path) -> None:
    outcomes = list(run_rounds(tmp_path, blows(ROUNDS), CHANCE))
    print(*outcomes, sep="\n")
    assert Counter(outcome.blow.moment for outcome in outcomes) == {None: 5, COMMIT: 3, BEGIN: 2}
    assert all(outcome.receipts for outcome in outcomes)
    assert any(outcome.unanswered for outcome in outcomes)
    assert [outcome.records for outcome in outcomes] == sorted(outcome.records for outcome in outcomes)


def test_half_of_the_rounds_kill_at_a_mark() -> None:
    assert len([blow for blow in blows(ROUNDS) if blow.moment in (BEGIN, COMMIT)]) == ROUNDS // 2
    assert blows(3, at_random=True) == [Blow("service", None)] * 3


def test_a_service_that_cannot_start_is_no_passed_round(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_round(Site(tmp_path), "token", 0, Blow("service", None), CHANCE)
