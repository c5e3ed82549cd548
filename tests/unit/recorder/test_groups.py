"""Many callers share one commit, and none of them pays for another's mistake."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lineage_service.errors import OverloadedError, StoreConflictError
from lineage_service.ledger.merkle import verify_inclusion
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Prepared
from lineage_service.recorder.queue import QUEUE_RECORDS
from lineage_service.recorder.recorder import Recorded
from tests.unit.recorder.facts import bodies, move, opened, prepare, record, require_intact_chain, require_proof
from tests.unit.recorder.grouping import WAIT_SECONDS, one_group


def poisoned(prepared: Prepared, by: Prepared) -> Prepared:
    """Return a record under an id of its own that changes the graph at a place another record has taken."""
    return replace(prepared, changes=by.changes)


@pytest.fixture
def facts(installation: Installation) -> list[list[Prepared]]:
    """Give requests of one fact each, prepared before anybody holds the writer."""
    record(installation, move("known"))
    return [prepare(installation, move(number)) for number in range(6)]


def test_requests_that_wait_are_written_as_one_group(installation: Installation, facts: list[list[Prepared]]) -> None:
    with one_group(installation) as ask:
        futures = [ask(request) for request in facts]
    answers = [future.result(WAIT_SECONDS) for future in futures]
    assert [answer.receipts[0].seq for answer in answers] == [3, 4, 5, 6, 7, 8]
    assert len({answer.receipts[0].time for answer in answers}) == 1
    for answer in answers:
        require_proof(installation, answer.receipts[0], answer)
    require_intact_chain(installation)


def test_a_poisoned_request_fails_alone(installation: Installation, facts: list[list[Prepared]]) -> None:
    taken = facts[0][0]
    installation.recorder.record([taken])
    poison = poisoned(facts[1][0], by=taken)
    with one_group(installation) as ask:
        futures = [ask(facts[2]), ask([poison]), ask(facts[3])]
    before, bad, after = futures
    with pytest.raises(StoreConflictError):
        bad.result(WAIT_SECONDS)
    assert [future.result(WAIT_SECONDS).receipts[0].seq for future in (before, after)] == [4, 5]
    require_intact_chain(installation)
    assert poison.id not in {body["id"] for body in bodies(installation)}


def test_two_requests_that_collide_with_each_other_cost_one_of_them(
    installation: Installation, facts: list[list[Prepared]]
) -> None:
    twin = poisoned(facts[1][0], by=facts[0][0])
    with one_group(installation) as ask:
        futures = [ask(facts[0]), ask([twin])]
    assert futures[0].result(WAIT_SECONDS).receipts[0].seq == 3
    with pytest.raises(StoreConflictError):
        futures[1].result(WAIT_SECONDS)
    require_intact_chain(installation)


def test_a_request_is_recorded_whole_or_not_at_all(installation: Installation, facts: list[list[Prepared]]) -> None:
    taken = facts[0][0]
    installation.recorder.record([taken])
    size = len(bodies(installation))
    with pytest.raises(StoreConflictError):
        installation.recorder.record([facts[1][0], poisoned(facts[2][0], by=taken), facts[3][0]])
    assert len(bodies(installation)) == size
    assert record(installation, move(1)).receipts[0].seq == size
    require_intact_chain(installation)


def test_a_full_queue_refuses_and_keeps_what_it_holds(installation: Installation, facts: list[list[Prepared]]) -> None:
    with one_group(installation) as ask:
        future = ask([facts[0][0]] * QUEUE_RECORDS)
        with pytest.raises(OverloadedError, match="nothing was recorded") as caught:
            installation.recorder.record(facts[1])
    assert caught.value.retry_after >= 1
    assert {receipt.seq for receipt in future.result(WAIT_SECONDS).receipts} == {3}
    assert facts[1][0].id not in {body["id"] for body in bodies(installation)}
    assert installation.recorder.record(facts[1]).receipts[0].seq == 4


def test_an_empty_queue_takes_a_request_of_any_size(installation: Installation, facts: list[list[Prepared]]) -> None:
    recorded = installation.recorder.record([facts[0][0]] * (QUEUE_RECORDS + 1))
    assert len(recorded.receipts) == QUEUE_RECORDS + 1
    assert recorded.size == 3


def test_many_threads_write_one_intact_chain(installation: Installation) -> None:
    answers: list[Recorded] = []
    mutex = threading.Lock()

    def write(worker: int) -> None:
        for number in range(12):
            facts = [move(f"{worker}/{number}/{part}") for part in range(1 + number % 3)]
            answer = record(installation, *facts, ack="signed" if number % 4 else "committed")
            with mutex:
                answers.append(answer)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    require_intact_chain(installation)
    seqs = [receipt.seq for answer in answers for receipt in answer.receipts]
    assert sorted(seqs) == list(range(1, 8 * 24 + 1))
    for answer in answers:
        first = answer.receipts[0].seq
        assert [receipt.seq for receipt in answer.receipts] == list(range(first, first + len(answer.receipts)))
        for receipt in answer.receipts:
            if receipt.ack == "signed":
                require_proof(installation, receipt, answer)


def test_a_caller_slow_to_fetch_its_proof_gets_it_from_the_store(installation: Installation) -> None:
    first = record(installation, move("first"), ack="committed").receipts[0]
    for number in range(300):
        record(installation, move(f"later/{number}"))
    signed = installation.heads.cover(None, 1.0)
    assert signed is not None
    assert signed.proof(first.seq) is None
    found = installation.recorder._proof(signed, first.seq)
    assert found is not None
    proof = [bytes.fromhex(digest) for digest in found]
    checkpoint = opened(installation, signed.note)
    verify_inclusion(first.seq, signed.size, bytes.fromhex(first.hash), proof, checkpoint.root)
