import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors.delivery import Courier, Delivery, Spool, Standing, Step, Token, TokenError
from collectors.delivery.drain import LONGEST_WAIT
from tests.journeys.receiver import Receiver, Scripted, receiving

NOW = 1_764_000_000.0


def fact(number: int) -> dict[str, Any]:
    return {
        "type": "tag.set",
        "ev": 1,
        "occurred_at": "2026-11-22T23:57:16.123456Z",
        "source": {"event_id": f"act-{number}"},
        "actor": {"assurance": "observed"},
        "body": {"node": "model:m::credit", "name": "owner", "hidden": str(number)},
    }


def sent(events: list[dict[str, Any]]) -> list[int]:
    return [int(event["body"]["hidden"]) for event in events]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def delivery(spool: Spool, receiver: Receiver) -> Iterator[Delivery]:
    made = Delivery(receiver.url, Token("lt_1"), spool, clock=lambda: NOW, jitter=lambda: 1.0)
    yield made
    made.close()


def answering(spool: Spool, handler: Callable[[httpx.Request], httpx.Response]) -> Delivery:
    transport = httpx.MockTransport(handler)
    return Delivery("http://service", Token("t"), spool, transport=transport, clock=lambda: NOW, jitter=lambda: 1.0)


def rejected(spool: Spool) -> list[dict[str, Any]]:
    path = spool.path / "rejected.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_facts_are_delivered_in_batches_of_a_hundred_with_the_token(
    spool: Spool, receiver: Receiver, delivery: Delivery
) -> None:
    for n in range(250):
        spool.append([fact(n)])
    assert [delivery.step() for _ in range(4)] == [Step(100, 0.0), Step(100, 0.0), Step(50, 0.0), Step(0, None)]
    assert sent(receiver.accepted) == list(range(250))
    assert {request.headers["authorization"] for request in receiver.requests} == {"Bearer lt_1"}
    assert {request.headers["content-type"] for request in receiver.requests} == {"application/json"}


def test_receipts_and_the_newest_checkpoint_are_kept_and_sent_back(
    spool: Spool, receiver: Receiver, delivery: Delivery
) -> None:
    spool.append([fact(0), fact(1)])
    delivery.step()
    assert delivery.receipts.last is not None
    assert delivery.receipts.last["seq"] == 1
    spool.append([fact(2)])
    again = Delivery(receiver.url, Token("t"), spool)
    again.step()
    again.close()
    assert "if-checkpoint" not in receiver.requests[0].headers
    assert receiver.requests[1].headers["if-checkpoint"] == "2 Uk9PVA=="


def test_a_log_that_shrank_is_said_and_the_larger_checkpoint_is_remembered(
    spool: Spool, delivery: Delivery, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    spool.append([fact(0), fact(1)])
    delivery.step()
    spool.append([fact(2)])
    shrunk = {"receipts": [{"seq": 0, "hash": "ab"}], "checkpoint": "log.test\n1\nQQ==\n"}
    receiver.script = [Scripted(201, {}, shrunk)]
    delivery.step()
    assert "shrank from 2 to 1" in caplog.text
    assert delivery.receipts.header() == {"If-Checkpoint": "2 Uk9PVA=="}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_busy_service_is_asked_later_and_nothing_is_lost(
    spool: Spool, receiver: Receiver, delivery: Delivery, status: int
) -> None:
    spool.append([fact(0)])
    receiver.script = [Scripted(status)] * 10
    waits = [delivery.step().wait for _ in range(10)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert delivery.step() == Step(1, 0.0)
    assert sent(receiver.accepted) == [0]
    receiver.script = [Scripted(status)]
    spool.append([fact(1)])
    assert delivery.step().wait == 0.5


def test_waits_are_spread_by_jitter(spool: Spool, receiver: Receiver) -> None:
    spool.append([fact(0)])
    receiver.down = True
    receiver.script = [Scripted(503)] * 2
    early = Delivery(receiver.url, Token("t"), spool, jitter=lambda: 0.0)
    late = Delivery(receiver.url, Token("t"), spool, jitter=lambda: 1.0)
    assert (early.step().wait, late.step().wait) == (0.25, 0.5)
    early.close()
    late.close()


@pytest.mark.parametrize(
    ("header", "wait"),
    [("7", 7.0), ("0", 0.5), ("Mon, 24 Nov 2025 16:00:30 GMT", 30.0), ("soon", 0.5), ("999999999", 3600.0)],
)
def test_retry_after_is_honoured(
    spool: Spool, delivery: Delivery, receiver: Receiver, header: str, wait: float
) -> None:
    spool.append([fact(0)])
    receiver.script = [Scripted(503, {"Retry-After": header})]
    assert delivery.step().wait == wait


def test_a_service_that_is_not_there_is_asked_later(spool: Spool) -> None:
    with receiving() as gone:
        url = gone.url
    delivery = Delivery(url, Token("t"), spool, jitter=lambda: 1.0)
    spool.append([fact(0)])
    standings = [delivery.standing]
    assert delivery.step() == Step(0, 0.5)
    standings.append(delivery.standing)
    with receiving(int(url.rpartition(":")[2])) as back:
        assert delivery.step() == Step(1, 0.0)
        assert sent(back.accepted) == [0]
    standings.append(delivery.standing)
    delivery.close()
    assert standings == [Standing.DELIVERING, Standing.UNREACHABLE, Standing.DELIVERING]


def test_a_poisoned_fact_is_set_aside_with_the_reason_and_the_rest_goes_on(
    spool: Spool, receiver: Receiver, delivery: Delivery
) -> None:
    receiver.poison = lambda event: event["body"]["hidden"] in ("2", "5")
    spool.append([fact(n) for n in range(7)])
    assert delivery.step() == Step(5, 0.0)
    assert sent(receiver.accepted) == [0, 1, 3, 4, 6]
    aside = rejected(spool)
    assert sent([item["event"] for item in aside]) == [2, 5]
    assert aside[0]["reason"]["detail"] == "poison"
    assert delivery.step() == Step(0, None)


def test_a_poisoned_fact_that_nobody_names_is_found(spool: Spool, receiver: Receiver, delivery: Delivery) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        events = json.loads(request.content)["events"]
        if 4 in sent(events):
            return httpx.Response(422, text="no JSON here")
        receiver.accepted += events
        return httpx.Response(201, json={"receipts": [{} for _ in events]})

    spool.append([fact(n) for n in range(9)])
    assert answering(spool, handler).step() == Step(8, 0.0)
    assert sent(receiver.accepted) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert sent([item["event"] for item in rejected(spool)]) == [4]


@pytest.mark.parametrize("count", [1, 5])
def test_a_refusal_of_everything_that_names_nothing_sets_nothing_aside(
    spool: Spool, receiver: Receiver, delivery: Delivery, count: int
) -> None:
    spool.append([fact(n) for n in range(count)])
    receiver.script = [Scripted(422, {}, {"title": "If-Checkpoint", "field": "If-Checkpoint"})] * (2 * count - 1)
    assert delivery.step() == Step(0, LONGEST_WAIT)
    assert receiver.script == []
    assert rejected(spool) == []
    assert delivery.step() == Step(count, 0.0)
    assert sent(receiver.accepted) == list(range(count))


def test_a_batch_that_is_too_large_goes_in_smaller_ones(spool: Spool) -> None:
    taken: list[int] = []

    def handler(request: httpx.Request) -> httpx.Response:
        events = json.loads(request.content)["events"]
        if len(events) > 3:
            return httpx.Response(413)
        taken.extend(sent(events))
        return httpx.Response(201, json={"receipts": [{} for _ in events]})

    spool.append([fact(n) for n in range(10)])
    assert answering(spool, handler).step() == Step(10, 0.0)
    assert taken == list(range(10))
    assert rejected(spool) == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_keeps_everything_and_is_said_once(
    spool: Spool, receiver: Receiver, delivery: Delivery, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    spool.append([fact(0)])
    receiver.script = [Scripted(status, {}, {"detail": "unknown token"})] * 3
    with caplog.at_level(logging.INFO, "lineage.delivery"):
        assert [delivery.step().wait for _ in range(3)] == [LONGEST_WAIT] * 3
        assert delivery.step() == Step(1, 0.0)
    assert caplog.text.count("does not accept the token") == 1
    assert caplog.text.count("delivered again") == 1
    assert "lt_1" not in caplog.text
    assert sent(receiver.accepted) == [0]


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {}), (201, {}), (201, {"receipts": []}), (302, {}), (400, {}), (404, {}), (412, {}), (202, {})],
)
def test_an_answer_without_receipts_lets_no_fact_go(
    spool: Spool, receiver: Receiver, delivery: Delivery, status: int, body: dict[str, Any]
) -> None:
    spool.append([fact(0)])
    receiver.script = [Scripted(status, {}, body)]
    assert delivery.step() == Step(0, LONGEST_WAIT)
    assert delivery.standing is Standing.UNEXPECTED
    assert delivery.step() == Step(1, 0.0)


def test_a_crash_between_receipt_and_cursor_sends_the_same_facts_again(
    spool: Spool, receiver: Receiver, delivery: Delivery
) -> None:
    spool.append([fact(0)])
    delivery.step()
    (spool.path / "cursor.json").unlink()
    again = Delivery(receiver.url, Token("t"), Spool(spool.path))
    again.step()
    again.close()
    first, second = receiver.requests
    assert first.events == second.events


def test_a_damaged_line_is_set_aside_and_the_rest_is_delivered(
    spool: Spool, receiver: Receiver, delivery: Delivery
) -> None:
    spool.append([fact(0)])
    (segment,) = spool.path.glob("events-*")
    segment.write_bytes(b"not json\xff\n" + segment.read_bytes())
    assert delivery.step() == Step(1, 0.0)
    assert rejected(spool) == [{"reason": "a damaged line of the spool", "event": "not json\\xff\n"}]
    assert delivery.step() == Step(0, None)


def test_a_token_file_is_read_again_when_it_changes(spool: Spool, receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "token"
    delivery = Delivery(receiver.url, Token(file=file), spool)
    spool.append([fact(0)])
    assert delivery.step() == Step(0, LONGEST_WAIT)
    assert delivery.standing is Standing.NOT_ALLOWED
    for text in ("lt_old\n", "lt_newer\n"):
        file.write_text(text)
        spool.append([fact(1)])
        delivery.step()
    delivery.close()
    assert [request.headers["authorization"] for request in receiver.requests] == ["Bearer lt_old", "Bearer lt_newer"]


@pytest.mark.parametrize("arguments", [{}, {"text": "a", "file": Path("b")}])
def test_a_token_is_a_text_or_a_file(arguments: dict[str, Any]) -> None:
    with pytest.raises(TokenError, match="LINEAGE_TOKEN_FILE"):
        Token(**arguments)


# ---------------------------------------------------------------------------------------------------------- the courier


def test_a_courier_delivers_what_is_appended(spool: Spool, receiver: Receiver, delivery: Delivery) -> None:
    courier = Courier(spool, delivery)
    courier.start()
    spool.append([fact(0)])
    courier.wake()
    receiver.wait_for(lambda: sent(receiver.accepted) == [0])
    courier.close(1)


def test_closing_delivers_what_waits_and_releases_the_claim(
    spool: Spool, receiver: Receiver, delivery: Delivery
) -> None:
    courier = Courier(spool, delivery)
    courier.start()
    spool.append([fact(n) for n in range(300)])
    courier.close(10)
    assert sent(receiver.accepted) == list(range(300))
    claim = spool.claim()
    assert claim is not None
    claim.release()


def test_closing_ends_in_time_when_nobody_answers(spool: Spool, receiver: Receiver, delivery: Delivery) -> None:
    receiver.down = True
    spool.append([fact(0)])
    now = [0.0]
    courier = Courier(spool, delivery, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    courier.start()
    courier.close(5)
    assert now[0] <= 5
    assert spool.waiting() == 1


def test_one_courier_drains_and_another_takes_over_when_it_ends(spool: Spool, receiver: Receiver) -> None:
    held = spool.claim()
    assert held is not None
    delivery = Delivery(receiver.url, Token("t"), spool)
    courier = Courier(spool, delivery)
    spool.append([fact(0)])
    assert courier._turn() is None
    assert receiver.requests == []
    held.release()
    assert courier._turn() == Step(1, 0.0)
    courier.close(1)


def test_a_collectors_failing_task_does_not_stop_delivery(
    spool: Spool, receiver: Receiver, delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise KeyError("heartbeat")

    spool.append([fact(0)])
    assert Courier(spool, delivery, before_step=fail)._turn() == Step(1, 0.0)
    assert "facts are delivered all the same" in caplog.text
    assert sent(receiver.accepted) == [0]
