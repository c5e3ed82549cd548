"""Recorded times never go back, a clock that did is on record, and nobody records the future."""

import pytest

from graph_schema import times
from lineage_service.errors import InputError
from lineage_service.recorder.installation import Installation
from tests.unit.recorder.facts import NOON, SECOND, Clock, bodies, move, prepare, record, require_intact_chain

HOUR = 3600 * SECOND


def test_a_clock_that_went_back_is_recorded_before_the_next_fact(installation: Installation, clock: Clock) -> None:
    record(installation, move(1))
    clock.now -= HOUR
    (receipt,) = record(installation, move(2, at=1000)).receipts
    first, anomaly, second = bodies(installation)[1:]
    assert anomaly["type"] == "clock.anomaly"
    assert anomaly["body"]["last"] == first["time"]
    assert times.parse_time(first["time"]) - times.parse_time(anomaly["body"]["now"]) > HOUR - SECOND
    assert anomaly["actor"] == {"assurance": "system"}
    assert second["seq"] == receipt.seq == 3
    assert first["time"] == anomaly["time"] == second["time"]
    require_intact_chain(installation)


def test_times_never_decrease_while_the_clock_lags(installation: Installation, clock: Clock) -> None:
    for number, jump in enumerate((0, -HOUR, SECOND, -2 * HOUR, 4 * HOUR, -1)):
        clock.now += jump
        record(installation, move(number, at=1000 + number))
    found = [body["time"] for body in bodies(installation)]
    assert found == sorted(found)
    assert found[-1] > found[1]
    require_intact_chain(installation)


def test_a_step_back_of_less_than_a_second_is_no_anomaly(installation: Installation, clock: Clock) -> None:
    record(installation, move(1))
    clock.now -= SECOND // 2
    record(installation, move(2))
    first, second = bodies(installation)[1:]
    assert second["type"] == "stage.transitioned"
    assert second["time"] == first["time"]


def test_a_clock_that_jumps_ahead_moves_the_time_on(installation: Installation, clock: Clock) -> None:
    record(installation, move(1))
    clock.now += 10 * HOUR
    record(installation, move(2))
    first, second = bodies(installation)[1:]
    assert times.parse_time(second["time"]) - times.parse_time(first["time"]) >= 10 * HOUR


def test_a_fact_from_the_future_is_refused_by_its_place(installation: Installation, clock: Clock) -> None:
    ahead = clock.now + 5 * 60 * SECOND + SECOND
    with pytest.raises(InputError, match="more than 5 minutes ahead") as caught:
        prepare(installation, move(1), move(2, at=ahead))
    assert (caught.value.index, caught.value.field) == (1, "occurred_at")
    assert len(bodies(installation)) == 1


def test_a_fact_a_little_ahead_is_taken(installation: Installation, clock: Clock) -> None:
    ahead = clock.now + 5 * 60 * SECOND
    (receipt,) = record(installation, move(1, at=ahead)).receipts
    body = bodies(installation)[receipt.seq]
    assert body["occurred_at"] == times.format_time(ahead)
    assert times.parse_time(body["time"]) < ahead


def test_a_fact_may_be_as_old_as_it_likes(installation: Installation) -> None:
    (receipt,) = record(installation, move(1, at=0)).receipts
    assert receipt.id[:12] == "0" * 12
    assert bodies(installation)[1]["occurred_at"] == "1970-01-01T00:00:00.000000Z"
    assert receipt.time > times.format_time(NOON)


def test_a_clock_that_stays_behind_is_told_once(installation: Installation, clock: Clock) -> None:
    record(installation, move("before"))
    clock.now -= HOUR
    for number in range(4):
        record(installation, move(number, at=1000))
    types = [body["type"] for body in bodies(installation)[2:]]
    assert types == ["clock.anomaly", *["stage.transitioned"] * 4]
