"""A group of records is there whole or not at all, in one line with all others."""

import re
import threading
from dataclasses import replace

import pytest

from graph_schema.fold import FOLD_VERSION
from graph_schema.kinds import Edge
from lineage_service.errors import StoreConflictError
from lineage_service.ledger.merkle import Frontier
from lineage_service.store.protocol import EMPTY_HEAD, Head, KnownReceipt, Payload, PointQuery, Store
from lineage_service.store.vault import SealedValue
from tests.conformance.kinds import Place
from tests.conformance.log import (
    GaveUpError,
    Log,
    add,
    assertions_of,
    attempt,
    edge,
    event_id,
    fact,
    give_up,
    head_of,
    mention,
    nodes_of,
    point,
    points_of,
    records_of,
    registers_of,
    run,
    setting,
    version,
)

RUN = run("r1")
PAYLOAD = Payload(0, "aa" * 32, b"salt", b"wrapped", b"ciphertext of the body")
SEALED = SealedValue(0, "digest", RUN, b"wrapped", b"ciphertext of a value")


def test_a_new_store_has_an_empty_head(store: Store) -> None:
    assert head_of(store) == EMPTY_HEAD
    assert records_of(store) == []


def test_what_keeps_the_ledger_is_told_with_its_version(store: Store) -> None:
    assert re.match(r"(SQLite|Neo4j) \d+\.\d+", store.engine)


def test_a_committed_group_is_there_whole(store: Store) -> None:
    log = Log(store)
    records = log.write(
        setting(1, RUN, name="x"),
        edge(2, RUN, Edge.USED, version("a")),
        point(3, RUN, "state", "complete"),
        payloads=[PAYLOAD],
        sealed=[SEALED],
    )
    assert [(found.seq, found.leaf, found.body) for found in records_of(store)] == [
        (record.seq, record.leaf, record.body) for record in records
    ]
    assert registers_of(store, RUN) == [{"name": "x"}]
    assert [found.end for found in assertions_of(store, RUN)] == [version("a")]
    assert [found.seq for found in points_of(store, PointQuery(subjects=[RUN]))] == [2]
    assert store.vault().sealed([0]) == [SEALED]
    with store.read() as reader:
        assert reader.payloads([PAYLOAD.digest]) == [PAYLOAD]


def test_changes_of_records_that_are_there_can_be_folded_later(store: Store) -> None:
    facts = [setting(1, RUN, name="x"), edge(2, RUN, Edge.USED, version("a")), point(3, RUN, "state", "complete")]
    with store.begin() as transaction:
        add(transaction, *facts, fold=False)
    assert nodes_of(store, RUN) == {}
    head = head_of(store)
    with store.begin() as transaction:
        transaction.head([])
        transaction.apply(list(enumerate(facts)))
    assert registers_of(store, RUN) == [{"name": "x"}]
    assert [found.end for found in assertions_of(store, RUN)] == [version("a")]
    assert [found.seq for found in points_of(store, PointQuery(subjects=[RUN]))] == [2]
    assert head_of(store) == head


def test_a_block_that_raises_leaves_nothing(store: Store) -> None:
    facts = [
        *(setting(number, run(number), name="x") for number in range(256)),
        edge(2, RUN, Edge.USED, version("a")),
        point(3, RUN, "state", "complete"),
    ]
    with pytest.raises(GaveUpError):
        attempt(store, lambda t: add(t, *facts), lambda t: t.keep([PAYLOAD], [SEALED]), give_up)
    assert head_of(store) == EMPTY_HEAD
    assert records_of(store) == []
    assert nodes_of(store, RUN, run(0), version("a")) == {}
    assert points_of(store, PointQuery(slot="state")) == []
    assert store.vault().sealed([0]) == []
    with store.read() as reader:
        assert reader.payloads([PAYLOAD.digest]) == []
        assert reader.tile(0, 0) is None
        assert reader.hashes(0, 300) == []


def test_the_callers_own_error_passes_unchanged(store: Store) -> None:
    with pytest.raises(GaveUpError) as caught:
        attempt(store, lambda t: t.head([]), give_up)
    assert str(caught.value) == "given up by the test"


def test_numbers_given_up_by_a_rollback_are_used_again(store: Store) -> None:
    log = Log(store)
    log.write(mention(1, RUN))
    with pytest.raises(GaveUpError):
        attempt(store, lambda t: add(t, mention(2, RUN)), give_up)
    assert [record.seq for record in log.write(mention(3, RUN))] == [1]
    assert len(records_of(store)) == 2


def test_nodes_of_a_rolled_back_group_are_not_believed_to_exist(store: Store) -> None:
    with pytest.raises(GaveUpError):
        attempt(store, lambda t: add(t, edge(1, RUN, Edge.USED, version("a"))), give_up)
    log = Log(store)
    log.write(mention(2, version("c"), version("d")))
    log.write(edge(3, RUN, Edge.USED, version("a")))
    assert [(found.start, found.end) for found in assertions_of(store, RUN)] == [(RUN, version("a"))]
    assert nodes_of(store, RUN)[RUN].seq == 1


def test_nothing_is_visible_before_the_block_ends(store: Store) -> None:
    with store.begin() as transaction:
        add(transaction, setting(1, RUN, name="x"))
        assert head_of(store) == EMPTY_HEAD
        assert records_of(store) == []
        assert nodes_of(store, RUN) == {}
    assert head_of(store).size == 1


def test_a_transaction_that_writes_nothing_changes_nothing(store: Store) -> None:
    log = Log(store)
    log.write(mention(1, RUN))
    before = head_of(store)
    with store.begin() as transaction:
        assert transaction.head([])[0] == before
    with store.begin():
        pass
    assert head_of(store) == before


def test_the_head_is_kept_as_it_was_moved(store: Store) -> None:
    log = Log(store)
    log.write(mention(1, RUN), mention(2, RUN), time=77)
    log.write(mention(3, RUN), time=99)
    frontier = Frontier().extend(log.leaves())
    assert head_of(store) == Head(3, log.leaves()[-1], 99, frontier, FOLD_VERSION)


def test_the_head_comes_with_the_receipts_of_known_ids_only(store: Store) -> None:
    log = Log(store)
    log.write(mention(1, RUN), mention(2, RUN), time=50, ids=[event_id(10**9), event_id(10**9 + 1)])
    log.write(mention(3, RUN), time=60, ids=[event_id(10**9 + 2)])
    asked = [event_id(10**9 + 1), event_id(10**9 + 2), event_id(10**9 + 3)]
    with store.begin() as transaction:
        head, known = transaction.head(asked)
    _, second, third = log.written
    assert head.last == third.leaf
    assert known == {second.id: KnownReceipt(1, second.leaf, 50), third.id: KnownReceipt(2, third.leaf, 60)}


def test_an_id_recorded_before_is_refused_with_its_whole_group(store: Store) -> None:
    log = Log(store)
    log.write(mention(1, RUN), ids=[event_id(10**9)])
    before = head_of(store)
    with pytest.raises(StoreConflictError):
        log.write(mention(2, run("r2")), mention(3, run("r3")), ids=[event_id(10**9 + 1), event_id(10**9)])
    assert head_of(store) == before
    assert nodes_of(store, run("r2")) == {}


def test_one_id_twice_in_a_group_is_refused(store: Store) -> None:
    with pytest.raises(StoreConflictError):
        Log(store).write(mention(1, RUN), mention(2, RUN), ids=[event_id(10**9)] * 2)
    assert head_of(store) == EMPTY_HEAD


def test_a_number_used_before_is_refused(store: Store) -> None:
    log = Log(store)
    (record,) = log.write(mention(1, RUN))
    other = replace(record, id=event_id(10**9))
    with pytest.raises(StoreConflictError):
        attempt(store, lambda t: t.head([]), lambda t: t.append([other]))
    assert [found.body for found in records_of(store)] == [record.body]


def test_the_first_head_is_set_once(store: Store) -> None:
    first = Head(1, bytes(32), 1, Frontier().extend([bytes(32)]), FOLD_VERSION)
    with pytest.raises(StoreConflictError):
        attempt(store, lambda t: t.head([]), lambda t: t.move_head(first), lambda t: t.move_head(first))
    assert head_of(store) == EMPTY_HEAD


def test_the_head_moves_only_from_where_it_was_found(store: Store) -> None:
    log = Log(store)
    log.write(mention(1, RUN))
    found = head_of(store)
    leaf = b"\1" * 32
    moved = Head(2, leaf, 1, found.frontier.extend([leaf]), FOLD_VERSION)
    with pytest.raises(StoreConflictError):
        attempt(store, lambda t: t.head([]), lambda t: t.move_head(moved), lambda t: t.move_head(moved))
    assert head_of(store) == found


def test_moving_the_head_before_it_was_read_is_refused(store: Store) -> None:
    head = Head(1, bytes(32), 1, Frontier().extend([bytes(32)]), FOLD_VERSION)
    with pytest.raises(StoreConflictError):
        attempt(store, lambda t: t.move_head(head))
    assert head_of(store) == EMPTY_HEAD


def test_writing_before_the_head_was_read_is_refused(store: Store) -> None:
    log = Log(store)
    (record,) = log.write(mention(1, RUN))
    late = replace(record, seq=1, id=event_id(10**9), leaf=b"\1" * 32)
    with pytest.raises(StoreConflictError):
        attempt(store, lambda t: t.append([late]))
    with pytest.raises(StoreConflictError):
        attempt(store, lambda t: t.apply([(1, mention(2, run("r2")))]))
    with pytest.raises(StoreConflictError):
        attempt(store, lambda t: t.keep([PAYLOAD], [SEALED]))
    assert len(records_of(store)) == 1
    assert nodes_of(store, run("r2")) == {}
    assert store.vault().sealed([0]) == []


def test_groups_of_many_threads_stand_in_one_line(store: Store) -> None:
    def write(worker: int) -> None:
        for number in range(5):
            Log(store).write(mention(1, run(f"{worker}/{number}")), fact(2))

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = records_of(store)
    head = head_of(store)
    assert [record.seq for record in found] == list(range(60))
    assert head.frontier == Frontier().extend([record.leaf for record in found])
    assert head.last == found[-1].leaf


def test_groups_of_two_openings_stand_in_one_line(place: Place, store: Store) -> None:
    other = place.open()
    try:
        for number in range(3):
            Log(store).write(edge(number, RUN, Edge.USED, version(number)))
            Log(other).write(edge(number, RUN, Edge.USED, version(f"other {number}")))
        assert [record.seq for record in records_of(store)] == list(range(6))
        ends = [assertion.end for assertion in assertions_of(store, RUN)]
        assert ends == [version(name) for n in range(3) for name in (n, f"other {n}")]
        assert len(records_of(other)) == 6
    finally:
        other.close()
