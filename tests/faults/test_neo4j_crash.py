"""Five rounds of `python -m tests.faults.crash --store neo4j`: whatever is killed, every receipt is still true."""

import random
from pathlib import Path

import pytest

from tests.faults.crash import blows, run_rounds, server_for
from tests.faults.crash_round import Blow
from tests.faults.crash_service import BEGIN, COMMIT

CHANCE = random.Random(1)  # noqa: S311  it chooses moments, it keeps no secret
PLAN = blows(5, "neo4j")


@pytest.mark.timeout(290)
def test_every_receipt_survives_a_killed_service_a_killed_neo4j_and_both(tmp_path: Path) -> None:
    with server_for("neo4j", tmp_path / "neo4j") as server:
        outcomes = list(run_rounds(tmp_path, PLAN, CHANCE, server))
    print(*outcomes, sep="\n")
    assert all(outcome.receipts for outcome in outcomes)
    assert any(outcome.unanswered for outcome in outcomes)
    assert [outcome.records for outcome in outcomes] == sorted(outcome.records for outcome in outcomes)
    assert all((outcome.back is not None) == (outcome.blow.victim == "neo4j") for outcome in outcomes)


def test_half_of_the_rounds_and_more_kill_inside_a_transaction() -> None:
    assert [
        Blow("service", COMMIT), Blow("neo4j", None), Blow("both", BEGIN), Blow("service", None), Blow("neo4j", COMMIT)
    ] == PLAN  # fmt: skip


def test_twelve_rounds_kill_everything_at_every_moment() -> None:
    pairs = {(blow.victim, blow.moment) for blow in blows(12, "neo4j")}
    moments = (BEGIN, COMMIT, None)
    assert {(victim, moment) for victim in ("service", "neo4j", "both") for moment in moments} == pairs
    assert [blow.outage for blow in blows(12, "neo4j") if blow.victim == "neo4j"] == [0, 0, 10, 10]
