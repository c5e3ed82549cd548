"""Records, hashes, tiles, the checkpoint and raw payloads come out byte for byte."""

import pytest

from lineage_service.ledger.merkle import Frontier
from lineage_service.store.protocol import Payload, RecordQuery, Store
from tests.conformance.log import GaveUpError, Log, add, attempt, event_id, fact, give_up, mention, records_of, run


def numbers(store: Store, **query: object) -> list[int]:
    """Return the numbers of the records found."""
    return [record.seq for record in records_of(store, RecordQuery(**query))]  # type: ignore[arg-type]


def many(store: Store, count: int, **how: object) -> Log:
    """Write a group of records about nothing."""
    log = Log(store)
    log.write(*(fact(1) for _ in range(count)), **how)  # type: ignore[arg-type]
    return log


def tile_of(store: Store, level: int, number: int) -> bytes | None:
    """Return a tile."""
    with store.read() as reader:
        return reader.tile(level, number)


def seqs_at(store: Store, *times: int) -> list[int]:
    """Return the last record at each time."""
    with store.read() as reader:
        return [reader.seq_at(time) for time in times]


def note_of(store: Store) -> bytes | None:
    """Return the checkpoint."""
    with store.read() as reader:
        return reader.note()


def test_records_are_the_bytes_that_were_written(store: Store) -> None:
    log = many(store, 3)
    found = records_of(store)
    assert [(record.seq, record.leaf, record.body) for record in found] == [
        (record.seq, record.leaf, record.body) for record in log.written
    ]


def test_a_range_of_records_is_half_open(store: Store) -> None:
    many(store, 6)
    assert numbers(store, first=2, stop=4) == [2, 3]
    assert numbers(store, first=4) == [4, 5]
    assert numbers(store, stop=2) == [0, 1]
    assert numbers(store, first=6) == numbers(store, first=3, stop=3) == []


def test_no_more_records_are_given_than_asked_for(store: Store) -> None:
    many(store, 6)
    assert numbers(store, first=1, limit=2) == [1, 2]
    assert numbers(store, limit=0) == []


def test_records_are_found_by_type(store: Store) -> None:
    for number in range(6):
        many(store, 1, type="tag.set" if number % 2 else "run.observed")
    assert numbers(store, type="tag.set") == [1, 3, 5]
    assert numbers(store, type="tag.set", first=2, stop=5) == [3]
    assert numbers(store, type="tag.set", limit=2) == [1, 3]
    assert numbers(store, type="tag") == []


def test_records_are_found_by_actor(store: Store) -> None:
    for number in range(6):
        many(store, 1, actor=("p_anna", None, "p_ben")[number % 3])
    assert numbers(store, actor="p_anna") == [0, 3]
    assert numbers(store, actor="p_ben", first=3) == [5]
    assert numbers(store, actor="p_nobody") == []


def test_records_are_found_by_type_and_actor(store: Store) -> None:
    for number in range(12):
        many(store, 1, actor=("p_anna", "p_ben")[number % 2], type=("tag.set", "run.observed", "x")[number % 3])
    assert numbers(store, actor="p_anna", type="tag.set") == [0, 6]
    assert numbers(store, actor="p_anna", type="tag.set", first=1, limit=5) == [6]


def test_a_record_is_found_by_number_and_by_id(store: Store) -> None:
    log = Log(store)
    _, second = log.write(fact(1), fact(2), ids=[event_id(10**9), event_id(10**9 + 1)])
    with store.read() as reader:
        by_number, by_id = reader.record(1), reader.record(second.id)
    assert by_number is not None
    assert by_number == by_id
    assert (by_number.seq, by_number.leaf, by_number.body) == (1, second.leaf, second.body)


def test_a_record_that_is_not_there_is_none(store: Store) -> None:
    many(store, 2)
    with store.read() as reader:
        assert reader.record(2) is None
        assert reader.record(-1) is None
        assert reader.record(event_id(10**9)) is None


def test_records_are_read_by_their_numbers_in_order_and_numbers_that_are_none_are_left_out(store: Store) -> None:
    many(store, 4)
    with store.read() as reader:
        stored = list(reader.records(RecordQuery()))
        assert reader.numbered([2, 0, 2, 7, -1]) == [stored[0], stored[2]]
        assert reader.numbered(iter([3])) == [stored[3]]
        assert reader.numbered([]) == []


def test_records_are_cited_without_their_bytes(store: Store) -> None:
    log = Log(store)
    log.write(fact(1), fact(2), time=50)
    log.write(fact(3), time=60)
    leaves = log.leaves()
    with store.read() as reader:
        assert sorted(reader.cited([2, 0])) == [(0, leaves[0], 50), (2, leaves[2], 60)]
        assert reader.cited([]) == []
        assert reader.cited([7]) == []


def test_hashes_of_a_range_are_half_open(store: Store) -> None:
    leaves = many(store, 5).leaves()
    with store.read() as reader:
        assert reader.hashes(0, 5) == leaves
        assert reader.hashes(1, 3) == leaves[1:3]
        assert reader.hashes(3, 3) == []
        assert reader.hashes(4, 99) == leaves[4:]


def test_before_the_first_record_nothing_was_known(store: Store) -> None:
    assert seqs_at(store, 0, 10**15) == [-1, -1]
    many(store, 1, time=100)
    assert seqs_at(store, 0, 99) == [-1, -1]


def test_a_time_means_the_last_record_by_then(store: Store) -> None:
    log = Log(store)
    for time in (100, 200, 300):
        log.write(fact(1), time=time)
    assert seqs_at(store, 100, 150, 200, 299, 300, 10**15) == [0, 0, 1, 1, 2, 2]


def test_of_records_of_one_time_the_last_is_meant(store: Store) -> None:
    log = Log(store)
    for time, count in ((100, 3), (200, 4), (200, 2), (300, 1)):
        log.write(*(fact(1) for _ in range(count)), time=time)
    assert seqs_at(store, 99, 100, 199, 200, 299, 300) == [-1, 2, 2, 8, 8, 9]


def test_a_tile_is_there_once_it_is_complete(store: Store) -> None:
    log = many(store, 255)
    assert tile_of(store, 0, 0) is None
    log.write(fact(1))
    assert tile_of(store, 0, 0) == b"".join(log.leaves())


def test_a_complete_tile_never_changes(store: Store) -> None:
    log = many(store, 256)
    before = tile_of(store, 0, 0)
    log.write(*(fact(1) for _ in range(3)))
    assert tile_of(store, 0, 0) == before == b"".join(log.leaves()[:256])
    assert tile_of(store, 0, 1) is None
    assert tile_of(store, 1, 0) is None


def test_one_group_may_complete_several_tiles(store: Store) -> None:
    log = many(store, 100)
    log.write(*(fact(1) for _ in range(412)))
    leaves = log.leaves()
    assert len(leaves) == 512
    assert [tile_of(store, 0, 0), tile_of(store, 0, 1)] == [b"".join(leaves[:256]), b"".join(leaves[256:])]
    assert tile_of(store, 0, 2) is None
    with store.read() as reader:
        assert reader.head().frontier == Frontier().extend(leaves)


def test_a_tile_given_up_by_a_rollback_is_not_there(store: Store) -> None:
    log = many(store, 255)
    with pytest.raises(GaveUpError):
        attempt(store, lambda t: add(t, fact(1)), give_up)
    assert tile_of(store, 0, 0) is None
    log.write(fact(1), fact(2))
    assert tile_of(store, 0, 0) == b"".join(log.leaves()[:256])


def test_there_is_no_checkpoint_at_first(store: Store) -> None:
    many(store, 2)
    assert note_of(store) is None


def test_the_newest_checkpoint_is_kept(store: Store) -> None:
    store.set_note(b"one\xe2\x80\x94\n", 1)
    assert note_of(store) == b"one\xe2\x80\x94\n"
    store.set_note(b"three", 3)
    assert note_of(store) == b"three"


def test_an_older_checkpoint_is_ignored(store: Store) -> None:
    store.set_note(b"three", 3)
    store.set_note(b"two", 2)
    assert note_of(store) == b"three"


def test_a_checkpoint_of_the_same_size_replaces_the_stored_one(store: Store) -> None:
    store.set_note(b"three", 3)
    store.set_note(b"three, signed by one more", 3)
    assert note_of(store) == b"three, signed by one more"


def test_payloads_are_found_by_their_digests(store: Store) -> None:
    payloads = [Payload(n, f"{n:064x}", bytes([n]) * 16, b"key \x00\xff", bytes(range(256)) * n) for n in range(3)]
    Log(store).write(*(mention(1, run(n)) for n in range(3)), payloads=payloads)
    with store.read() as reader:
        assert reader.payloads(payload.digest for payload in payloads) == payloads
        assert [reader.payloads([payload.digest]) for payload in payloads] == [[payload] for payload in payloads]
        assert reader.payloads([payloads[1].digest, "ff" * 32, payloads[0].digest, payloads[1].digest]) == payloads[:2]
        assert reader.payloads(["ff" * 32]) == []
        assert reader.payloads([]) == []
