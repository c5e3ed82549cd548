from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from collectors.delivery import MemorySpool, NotAcknowledgedError, SpoolError, SpoolFullError, Token
from collectors.mlflow.act import Before
from collectors.mlflow.intents import Intent
from collectors.mlflow.recorder import Pending, Recorder
from collectors.mlflow.routes import RECORDED
from collectors.mlflow.service_journal import ServiceJournal
from collectors.mlflow.settings import PluginSettings
from tests.journeys.receiver import Receiver, Scripted, receiving

START = 1_795_393_750_000_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def pending(identifier: str = "r1") -> Pending:
    route = RECORDED["DELETE registered-models/delete"]
    return Pending(identifier, route, {"name": "m"}, START, Before(), "prod", None)


@contextmanager
def recorder(receiver: Receiver, *, block: bool = True) -> Iterator[Recorder]:
    made = Recorder(PluginSettings(receiver.url, Token("t"), "basic-auth", "prod", None, block), "boot")
    try:
        yield made
    finally:
        made.close(5)


def test_an_intent_is_acknowledged_then_come_the_facts_then_its_conclusion(receiver: Receiver) -> None:
    with recorder(receiver) as recording:
        recording.intend(pending(), "alice")
        assert [event["type"] for event in receiver.accepted] == ["attempt.intended"]
        recording.start()
        recording.conclude(pending(), 200, {}, "alice")
        receiver.wait_for(lambda: len(receiver.of_type("attempt.concluded")) == 1)
    kinds = [event["type"] for event in receiver.accepted if event["type"] != "collector.reported"]
    assert kinds == ["attempt.intended", "model.deleted", "attempt.concluded"]
    intended, deleted, concluded = (e for e in receiver.accepted if e["type"] != "collector.reported")
    assert intended["body"]["act"] == concluded["body"]["act"] == deleted["source"]["event_id"] == "r1"
    assert intended["body"]["node"] == concluded["body"]["node"] == "model:prod::m"
    orders = [event["source"]["order"] for event in receiver.accepted]
    assert orders == sorted(orders)


@pytest.mark.parametrize("status", [503, 500, 401, 403, 422, 200])
def test_an_intent_without_a_receipt_refuses_the_change(receiver: Receiver, status: int) -> None:
    receiver.script.append(Scripted(status))
    with recorder(receiver) as recording, pytest.raises(NotAcknowledgedError, match="LINEAGE_ON_OUTAGE=allow"):
        recording.intend(pending(), "alice")


def test_a_service_that_hangs_or_is_gone_is_not_waited_for() -> None:
    def hang(request: httpx.Request) -> httpx.Response:
        assert request.extensions["timeout"]["connect"] <= 1
        assert request.extensions["timeout"]["read"] <= 3
        raise httpx.ReadTimeout("nothing came", request=request)

    journal = ServiceJournal(
        "http://gone", Token("t"), MemorySpool(), lambda: START, transport=httpx.MockTransport(hang)
    )
    with pytest.raises(NotAcknowledgedError, match="ReadTimeout"):
        journal.begin(Intent("one", START, {"action": "x"}))
    journal.close()


def test_allowed_without_an_acknowledgement_becomes_a_hole(receiver: Receiver) -> None:
    receiver.down = True
    with recorder(receiver, block=False) as recording:
        recording.intend(pending(), "alice")
        (problem,) = recording._problems.take()
    assert "allowed without an intent on record" in problem.text
    assert problem.started == START


def test_facts_wait_in_memory_while_the_service_is_away(receiver: Receiver) -> None:
    with recorder(receiver) as recording:
        recording.intend(pending(), "alice")
        receiver.down = True
        recording.conclude(pending(), 200, {}, "alice")
        recording.start()
        receiver.wait_for(lambda: receiver.requests[-1].status == httpx.codes.SERVICE_UNAVAILABLE)
        receiver.down = False
        receiver.wait_for(lambda: len(receiver.of_type("model.deleted")) == 1)


def fact(n: int) -> dict[str, Any]:
    return {"type": "x", "source": {"event_id": str(n)}, "body": {"n": n}}


def test_a_memory_gives_facts_in_order_until_they_are_delivered() -> None:
    clock = iter([100, 100, 90, 500])
    memory = MemorySpool(clock=lambda: next(clock))
    assert memory.append([fact(n) for n in range(4)]) == [100, 101, 102, 500]
    first = memory.batch(3)
    assert first is not None
    assert [entry.event["body"]["n"] for entry in first.entries] == [0, 1, 2]
    assert memory.batch(3) == first
    memory.advance(first.end)
    second = memory.batch(3)
    assert second is not None
    assert [entry.event["body"]["n"] for entry in second.entries] == [3]
    memory.advance(second.end)
    assert (memory.batch(), memory.waiting()) == (None, 0)


def test_a_full_memory_refuses_and_keeps_what_it_has() -> None:
    memory = MemorySpool(max_bytes=300)
    memory.append([fact(1)])
    with pytest.raises(SpoolFullError):
        memory.append([fact(n) for n in range(9)])
    with pytest.raises(SpoolError, match="make the service reachable"):
        memory.require_room(300)
    assert memory.waiting() == 1
