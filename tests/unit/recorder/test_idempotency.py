"""One fact is one record, however often, by whomever and together with whatever it is sent."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from graph_schema.events import parse_event
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.preparation import Sender
from lineage_service.store.sqlite import SqliteStore
from tests.unit.recorder.facts import MODEL, Clock, bodies, event, move, prepare, record, require_intact_chain


def id_of(installation: Installation, one: object, sender: Sender | None = None) -> str:
    """Return the id an event would be recorded under."""
    return prepare(installation, one, **({"sender": sender} if sender else {}))[0].id


def test_a_fact_repeated_in_one_request_is_one_record(installation: Installation) -> None:
    recorded = record(installation, move(1), move(2), move(1))
    assert [receipt.seq for receipt in recorded.receipts] == [1, 2, 1]
    assert recorded.receipts[0] == recorded.receipts[2]
    assert recorded.size == 3


def test_a_fact_repeated_later_gets_its_first_receipt(installation: Installation, clock: Clock) -> None:
    (first,) = record(installation, move(1)).receipts
    clock.now += 10**9
    again = record(installation, move(1))
    (second,) = again.receipts
    assert (second.id, second.seq, second.hash, second.time) == (first.id, first.seq, first.hash, first.time)
    assert (second.ack, second.proof, again.size) == ("signed", None, 2)
    assert len(bodies(installation)) == 2


def test_a_repeat_among_new_facts_keeps_its_place_in_the_answer(installation: Installation) -> None:
    record(installation, move(1), move(2))
    recorded = record(installation, move(3), move(2), move(4), move(1))
    assert [receipt.seq for receipt in recorded.receipts] == [3, 2, 4, 1]
    assert [receipt.proof is None for receipt in recorded.receipts] == [False, True, False, True]


def test_a_fact_sent_by_many_at_once_is_one_record(installation: Installation) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: record(installation, move(1), ack="committed"), range(32)))
    assert {(answer.receipts[0].seq, answer.receipts[0].hash) for answer in answers} == {
        (1, answers[0].receipts[0].hash)
    }
    assert len(bodies(installation)) == 2
    require_intact_chain(installation)


def test_a_fact_is_known_after_a_restart(installation: Installation, places: Places, clock: Clock) -> None:
    (first,) = record(installation, move(1)).receipts
    installation.close()
    again = Installation(places, SqliteStore(places.file), clock=clock)
    (second,) = record(again, move(1)).receipts
    assert (second.seq, second.hash, second.time) == (first.seq, first.hash, first.time)
    again.close()


def test_a_request_without_facts_records_nothing(installation: Installation) -> None:
    assert record(installation).receipts == []
    assert len(bodies(installation)) == 1


@pytest.mark.parametrize("claim", [{"order": 7}, {"ref": "https://ci.example/1"}, {"order": 0, "ref": "x"}])
def test_the_senders_counter_and_reference_make_no_other_fact(
    installation: Installation, claim: dict[str, object]
) -> None:
    assert id_of(installation, move(1, source=claim)) == id_of(installation, move(1))


def test_the_first_telling_of_a_fact_is_the_one_that_stays(installation: Installation) -> None:
    record(installation, move(1, source={"order": 7, "ref": "first"}))
    record(installation, move(1, source={"order": 8, "ref": "second"}))
    sources = [body["source"] for body in bodies(installation)[1:]]
    assert [(source["order"], source["ref"]) for source in sources] == [(7, "first")]


def test_a_default_written_out_makes_no_other_fact(installation: Installation) -> None:
    written = move(1, ev=1, source={}, body={"archive_others": False, "reason": None})
    assert id_of(installation, written) == id_of(installation, move(1))


def test_an_instant_in_another_zone_makes_no_other_fact(installation: Installation) -> None:
    body = {"model": MODEL, "version": "1", "to": "Staging"}
    fact = {"type": "stage.transitioned", "actor": {"assurance": "observed"}, "body": body}
    one = parse_event({**fact, "occurred_at": "2026-11-22T10:00:00Z"})
    other = parse_event({**fact, "occurred_at": "2026-11-22T12:00:00.000000+02:00"})
    assert id_of(installation, one) == id_of(installation, other)


def test_a_lower_cap_makes_no_other_fact(installation: Installation) -> None:
    capped = Sender("mlflow", "prod", "claimed")
    assert id_of(installation, move(1), capped) == id_of(installation, move(1))


def test_whatever_else_differs_makes_another_fact(installation: Installation) -> None:
    others = [
        move(1),
        move(2),
        move(1, at=1_000_000_000),
        move(1, source={"event_id": "e1"}),
        move(1, source={"event_id": "e2"}),
        move(1, body={"reason": "because"}),
        move(1, body={"reason": "because of something else"}),
        move(1, actor={"assurance": "observed"}),
        event("stage.transitioned", {"model": MODEL, "version": "1", "created_ms": 1, "to": "Staging"}),
    ]
    ids = [id_of(installation, other) for other in others]
    ids.append(id_of(installation, move(1), Sender("mlflow", "test")))
    assert len(set(ids)) == len(ids)


def test_an_id_begins_with_the_milliseconds_of_its_fact(installation: Installation) -> None:
    at = 1_795_392_378_318_999
    assert int(id_of(installation, move(1, at=at))[:12], 16) == 1_795_392_378_318


def test_two_installations_give_one_fact_different_ids(
    installation: Installation, places: Places, clock: Clock
) -> None:
    elsewhere = Places(places.file.with_name("other.db"), places.keys.with_name("other keys"))
    other = create(elsewhere, origin="test.example/log", clock=clock)
    assert id_of(other, move(1)) != id_of(installation, move(1))
    other.close()
