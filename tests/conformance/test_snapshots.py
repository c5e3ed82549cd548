"""A reader sees one moment: what was committed when it was opened, however long it stays. And stores end."""

from collections.abc import Callable

import pytest

from graph_schema.kinds import Edge, Kind
from lineage_service.errors import StoreUnavailableError
from lineage_service.store.protocol import Payload, PointQuery, Reader, RecordQuery, Store
from tests.conformance.kinds import Place
from tests.conformance.log import (
    NOW,
    PLENTY,
    Log,
    add,
    edge,
    fact,
    head_of,
    mention,
    point,
    records_of,
    registers_of,
    run,
    setting,
    version,
    walk_in,
)

RUN = run("r1")
READS: dict[str, Callable[[Reader], object]] = {
    "head": lambda reader: reader.head(),
    "note": lambda reader: reader.note(),
    "records": lambda reader: list(reader.records(RecordQuery())),
    "record": lambda reader: reader.record(1),
    "numbered": lambda reader: reader.numbered([0, 1]),
    "cited": lambda reader: reader.cited([0, 1]),
    "seq_at": lambda reader: reader.seq_at(10**15),
    "nodes": lambda reader: reader.nodes([RUN, version("b")], NOW),
    "walk": lambda reader: walk_in(reader, RUN),
    "find": lambda reader: reader.find(int(Kind.DATASET_VERSION), "", None, PLENTY, NOW),
    "points": lambda reader: reader.points(PointQuery(subjects=[RUN]), NOW),
    "subjects": lambda reader: reader.subjects("state", b"", None, NOW),
    "hashes": lambda reader: reader.hashes(0, PLENTY),
    "payloads": lambda reader: reader.payloads(["aa" * 32]),
}


def first_group(store: Store) -> None:
    """Write the state that readers are opened on."""
    Log(store).write(setting(1, RUN, n=1))


def second_group(store: Store) -> None:
    """Change the answer of every read."""
    Log(store).write(
        setting(2, RUN, n=2),
        edge(3, RUN, Edge.USED, version("b")),
        point(4, RUN, "state", "complete"),
        payloads=[Payload(1, "aa" * 32, b"s", b"k", b"c")],
    )
    store.set_note(b"note", 4)


def answers(reader: Reader) -> dict[str, object]:
    """Return what every kind of read says."""
    return {name: read(reader) for name, read in READS.items()}


def test_a_reader_opened_before_a_commit_does_not_see_it(store: Store) -> None:
    first_group(store)
    with store.read() as reader:
        second_group(store)
        late = answers(reader)
        assert reader.head().size == 1
    with store.read() as reader:
        now = answers(reader)
    assert [name for name in READS if late[name] == now[name]] == []


def test_a_reader_gives_the_same_answers_for_as_long_as_it_is_open(store: Store) -> None:
    first_group(store)
    with store.read() as reader:
        before = answers(reader)
        second_group(store)
        assert answers(reader) == before


def test_a_reader_opened_after_a_commit_sees_it(store: Store) -> None:
    first_group(store)
    second_group(store)
    with store.read() as reader:
        assert reader.head().size == 4
        assert len(reader.points(PointQuery(subjects=[RUN]), NOW)) == 1


def test_readers_of_different_moments_live_side_by_side(store: Store) -> None:
    sizes = []
    with store.read() as nothing:
        Log(store).write(fact(1))
        with store.read() as one:
            Log(store).write(fact(2), fact(3))
            with store.read() as three:
                sizes = [reader.head().size for reader in (three, one, nothing)]
    assert sizes == [3, 1, 0]


def test_a_reader_does_not_wait_for_a_writer(store: Store) -> None:
    first_group(store)
    with store.begin() as transaction:
        add(transaction, mention(1, RUN))
        assert head_of(store).size == 1
        assert registers_of(store, RUN) == [{"n": 1}]


def test_an_error_inside_a_snapshot_ends_only_that_snapshot(store: Store) -> None:
    first_group(store)
    for _ in range(6):
        with pytest.raises(KeyError), store.read():
            raise KeyError
    assert head_of(store).size == 1


def test_a_store_opened_again_holds_all_that_was_committed(place: Place) -> None:
    store = place.open()
    first_group(store)
    second_group(store)
    with store.read() as reader:
        before = answers(reader)
    store.close()
    again = place.open()
    with again.read() as reader:
        assert answers(reader) == before
    again.close()


def test_nodes_known_before_a_store_was_closed_are_the_same_afterwards(place: Place) -> None:
    store = place.open()
    Log(store).write(edge(1, RUN, Edge.USED, version("a")))
    store.close()
    again = place.open()
    Log(again).write(mention(1, version("z")), edge(2, version("a"), Edge.DERIVED_FROM, version("b")))
    with again.read() as reader:
        assert walk_in(reader, RUN).distances == {RUN: 0, version("a"): 1, version("b"): 2}
    again.close()


def test_a_closed_store_says_so(place: Place) -> None:
    store = place.open()
    vault = store.vault()
    Log(store).write(fact(1))
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        Log(store).write(fact(2))
    with pytest.raises(StoreUnavailableError, match="closed"):
        records_of(store)
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.set_note(b"note", 1)
    with pytest.raises(StoreUnavailableError, match="closed"):
        vault.subject_keys(["p_anna"])


def test_closing_twice_does_no_harm(place: Place) -> None:
    store = place.open()
    Log(store).write(fact(1))
    store.close()
    store.close()
    again = place.open()
    assert len(records_of(again)) == 1
    again.close()


def test_a_snapshot_open_while_the_store_closes_can_still_be_read(place: Place) -> None:
    store = place.open()
    Log(store).write(fact(1), fact(2))
    with store.read() as reader:
        store.close()
        assert reader.head().size == 2
