"""Nodes, registers and assertions come out as they went in, in an order that arrival does not decide."""

from graph_schema import names
from graph_schema.changes import instant_of
from graph_schema.kinds import Edge, How, Role
from lineage_service.store.protocol import Cut, NodeFacts, Store
from tests.conformance.log import (
    EVER,
    MLFLOW,
    NOW,
    OTHER,
    Log,
    assertions_of,
    edge,
    fact,
    mention,
    nodes_of,
    registers_of,
    run,
    setting,
    version,
    withdrawal,
)

RUN, OTHER_RUN, DATA = run("r1"), run("r2"), version("a")


def test_a_node_is_known_from_its_first_mention(store: Store) -> None:
    log = Log(store)
    log.write(fact(1))
    log.write(mention(2, RUN))
    log.write(mention(3, RUN))
    assert nodes_of(store, RUN)[RUN].seq == 1
    assert nodes_of(store, RUN, cut=Cut(EVER, 1))[RUN].seq == 1


def test_a_node_is_unknown_before_its_first_mention(store: Store) -> None:
    Log(store).write(fact(1), mention(2, RUN))
    assert nodes_of(store, RUN, cut=Cut(EVER, 0)) == {}


def test_the_first_mention_within_a_group_counts(store: Store) -> None:
    Log(store).write(fact(9), mention(9, RUN), mention(1, RUN))
    assert nodes_of(store, RUN)[RUN].seq == 1


def test_a_node_is_known_whatever_as_of_is(store: Store) -> None:
    Log(store).write(setting(50, RUN, name="x"))
    assert nodes_of(store, RUN, cut=Cut(10, 0))[RUN].rows == []


def test_a_node_that_is_only_mentioned_has_no_rows(store: Store) -> None:
    Log(store).write(edge(1, RUN, Edge.USED, DATA))
    assert nodes_of(store, RUN)[RUN].rows == []


def test_many_nodes_are_asked_for_at_once(store: Store) -> None:
    keys = [run(f"é {number}") for number in range(40)]
    Log(store).write(*(setting(number, key, n=number) for number, key in enumerate(keys)))
    found = nodes_of(store, *keys, keys[0], run("nobody"))
    assert {key: [dict(row.registers) for row in node.rows] for key, node in found.items()} == {
        key: [{"n": number}] for number, key in enumerate(keys)
    }
    assert {key: node.key for key, node in found.items()} == {key: key for key in keys}


def test_asking_for_no_node_gives_none(store: Store) -> None:
    Log(store).write(mention(1, RUN))
    assert nodes_of(store) == {}


def test_rows_stand_in_the_order_of_instants_not_of_arrival(store: Store) -> None:
    log = Log(store)
    for at in (30, 10, 20):
        log.write(setting(at, RUN, at=at))
    assert registers_of(store, RUN) == [{"at": 10}, {"at": 20}, {"at": 30}]
    rows = nodes_of(store, RUN)[RUN].rows
    assert [(row.seq, instant_of(row.order)) for row in rows] == [(1, 10), (2, 20), (0, 30)]


def test_rows_of_one_instant_stand_in_the_order_of_their_keys(store: Store) -> None:
    facts = [fact(10, source=source, order=order) for source, order in ((OTHER, 0), (MLFLOW, 2), (MLFLOW, 1))]
    for change in facts:
        change.set(RUN, {"order": change.order.hex()})
    Log(store).write(*facts)
    assert registers_of(store, RUN) == [{"order": order} for order in sorted(change.order.hex() for change in facts)]


def test_rows_are_cut_by_as_of(store: Store) -> None:
    Log(store).write(setting(10, RUN, n=1), setting(20, RUN, n=2))
    assert registers_of(store, RUN, Cut(19, 9)) == [{"n": 1}]
    assert registers_of(store, RUN, Cut(20, 9)) == [{"n": 1}, {"n": 2}]


def test_rows_are_cut_by_known_at(store: Store) -> None:
    Log(store).write(setting(20, RUN, n=1), setting(10, RUN, n=2))
    assert registers_of(store, RUN, Cut(EVER, 0)) == [{"n": 1}]
    assert registers_of(store, RUN, Cut(EVER, 1)) == [{"n": 2}, {"n": 1}]


def _said_often(store: Store) -> None:
    """Say 50 times the same of a run, twice something else, the later the earlier recorded."""
    Log(store).write(
        *(setting(at, RUN, os="linux", python="3.11") for at in range(60, 10, -1)),
        setting(30, RUN, os="other"),
        setting(5, RUN, gpu="none"),
        setting(70, OTHER_RUN, os="linux", python="3.11"),
    )


def _last_word(node: NodeFacts) -> dict[str, tuple[object, int]]:
    """Return the value of each register, and the record it is from."""
    return {name: (value, row.seq) for row in node.rows for name, value in row.registers.items()}


def test_repeats_between_the_first_and_the_last_change_no_register(store: Store) -> None:
    _said_often(store)
    for cut in (NOW, Cut(30, 60), Cut(29, 60), Cut(EVER, 49), Cut(EVER, 20), Cut(EVER, 50), Cut(40, 20), Cut(4, 60)):
        every = nodes_of(store, RUN, OTHER_RUN, cut=cut, every=True)
        few = nodes_of(store, RUN, OTHER_RUN, cut=cut)
        assert few.keys() == every.keys()
        for key, node in every.items():
            assert _last_word(few[key]) == _last_word(node)
            assert [row.order for row in few[key].rows[:1]] == [row.order for row in node.rows[:1]]
            assert [row.order for row in few[key].rows[-1:]] == [row.order for row in node.rows[-1:]]


def test_every_repeat_is_given_when_asked_for(store: Store) -> None:
    _said_often(store)
    rows = nodes_of(store, RUN, every=True)[RUN].rows
    assert [instant_of(row.order) for row in rows] == sorted([*range(11, 61), 30, 5])


def test_a_tombstone_is_kept_and_not_mistaken_for_absence(store: Store) -> None:
    Log(store).write(setting(1, RUN, tag="x", other="y"), setting(2, RUN, tag=None))
    assert registers_of(store, RUN) == [{"tag": "x", "other": "y"}, {"tag": None}]


def test_a_register_gives_back_any_json_value(store: Store) -> None:
    value = {
        "list": [["a", None], [1, -(2**53) + 1], []],
        "text": "käufe \u2028 😀 \x00 \\ \" ' % _",
        "empty": "",
        "yes": True,
        "no": False,
        "sealed": {"sd": 0},
        "metric": "1e-400",
    }
    Log(store).write(setting(1, RUN, **value))
    assert registers_of(store, RUN) == [value]


def test_a_register_may_have_any_name(store: Store) -> None:
    named = {"tag:a.b/c d": "1", "read_digest:dataset:s3://x::y": "2", "~": "3", "": "4", "metric:é`'\"": "5"}
    Log(store).write(setting(1, RUN, **named))
    assert registers_of(store, RUN) == [named]


def test_keys_are_told_apart_byte_by_byte(store: Store) -> None:
    keys = [run("r"), run("R"), run("r "), run(" r"), names.run("é"), names.run("e\u0301"), run("a\u0000")]
    Log(store).write(*(setting(1, key, n=number) for number, key in enumerate(keys)))
    assert [registers_of(store, key) for key in keys] == [[{"n": number}] for number in range(len(keys))]


def test_an_assertion_is_kept_as_it_was_made(store: Store) -> None:
    roles = Role.TRAINING | Role.TEST
    Log(store).write(fact(1), edge(7, RUN, Edge.USED, DATA, source=OTHER, how=How.DECLARED, roles=roles))
    (found,) = assertions_of(store, RUN)
    assert (found.start, found.type, found.end) == (RUN, Edge.USED, DATA)
    assert (found.seq, found.source, found.at, found.how, found.roles) == (1, OTHER, 7, How.DECLARED, roles)


def test_an_assertion_dominated_by_an_earlier_one_is_not_kept(store: Store) -> None:
    both = Role.TRAINING | Role.TEST
    log = Log(store)
    log.write(edge(10, RUN, Edge.USED, DATA, roles=both))
    log.write(edge(10, RUN, Edge.USED, DATA, roles=both))
    log.write(edge(11, RUN, Edge.USED, DATA, how=How.DECLARED, roles=Role.TEST))
    assert [found.seq for found in assertions_of(store, RUN)] == [0]


def test_every_assertion_about_a_version_without_a_creation_time_is_kept(store: Store) -> None:
    # What such a name means depends on the instant of each assertion.
    undated = names.model_version("prod", "credit", "3", None)
    Log(store).write(*(edge(at, RUN, Edge.USED_MODEL, undated) for at in (1, 2, 3)))
    assert [found.at for found in assertions_of(store, RUN)] == [1, 2, 3]


def test_an_assertion_dominated_within_its_group_is_not_kept(store: Store) -> None:
    Log(store).write(*(edge(10 + number, RUN, Edge.USED, DATA) for number in range(3)))
    assert [found.seq for found in assertions_of(store, RUN)] == [0]


def test_an_assertion_that_dominates_an_earlier_one_is_kept_beside_it(store: Store) -> None:
    log = Log(store)
    log.write(edge(10, RUN, Edge.USED, DATA, how=How.DECLARED))
    log.write(edge(5, RUN, Edge.USED, DATA, how=How.EXACT))
    assert [(found.at, found.how) for found in assertions_of(store, RUN)] == [(10, How.DECLARED), (5, How.EXACT)]
    assert [found.at for found in assertions_of(store, RUN, Cut(EVER, 0))] == [10]


def test_an_earlier_instant_is_kept(store: Store) -> None:
    log = Log(store)
    log.write(edge(10, RUN, Edge.USED, DATA))
    log.write(edge(9, RUN, Edge.USED, DATA))
    assert [found.at for found in assertions_of(store, RUN)] == [10, 9]
    assert [found.at for found in assertions_of(store, RUN, Cut(9, 9))] == [9]


def test_a_stronger_how_is_kept(store: Store) -> None:
    Log(store).write(edge(1, RUN, Edge.USED, DATA, how=How.DECLARED), edge(2, RUN, Edge.USED, DATA, how=How.EXACT))
    assert [found.how for found in assertions_of(store, RUN)] == [How.DECLARED, How.EXACT]


def test_another_role_is_kept(store: Store) -> None:
    Log(store).write(edge(1, RUN, Edge.USED, DATA, roles=Role.TRAINING), edge(2, RUN, Edge.USED, DATA, roles=Role.TEST))
    assert [found.roles for found in assertions_of(store, RUN)] == [Role.TRAINING, Role.TEST]


def test_the_word_of_another_source_is_kept(store: Store) -> None:
    Log(store).write(edge(1, RUN, Edge.USED, DATA), edge(2, RUN, Edge.USED, DATA, source=OTHER))
    assert [found.source for found in assertions_of(store, RUN)] == [MLFLOW, OTHER]


def test_edges_of_other_types_and_ends_do_not_dominate(store: Store) -> None:
    model = names.model_version("prod", "credit", "1", None)
    Log(store).write(
        edge(1, RUN, Edge.USED, DATA),
        edge(2, RUN, Edge.USED, version("b")),
        edge(3, run("r2"), Edge.USED, DATA),
        edge(4, RUN, Edge.USED_MODEL, model),
    )
    assert [found.seq for found in assertions_of(store, RUN)] == [0, 1, 3]
    assert [found.seq for found in assertions_of(store, run("r2"))] == [2]


def test_a_withdrawal_ends_all_that_its_source_asserted_before(store: Store) -> None:
    log = Log(store)
    log.write(edge(10, RUN, Edge.USED, DATA), edge(5, RUN, Edge.USED, DATA))
    log.write(withdrawal(7, RUN, Edge.USED, DATA))
    assert assertions_of(store, RUN) == []


def test_a_withdrawal_ends_what_its_source_asserts_afterwards(store: Store) -> None:
    log = Log(store)
    log.write(withdrawal(50, RUN, Edge.USED, DATA))
    log.write(edge(10, RUN, Edge.USED, DATA), edge(99, RUN, Edge.USED, DATA))
    assert assertions_of(store, RUN) == []


def test_a_withdrawal_counts_whatever_its_instant(store: Store) -> None:
    log = Log(store)
    log.write(edge(10, RUN, Edge.USED, DATA))
    log.write(withdrawal(90, RUN, Edge.USED, DATA))
    assert assertions_of(store, RUN, Cut(20, 9)) == []


def test_a_withdrawal_counts_from_its_record_on(store: Store) -> None:
    log = Log(store)
    log.write(edge(10, RUN, Edge.USED, DATA))
    log.write(withdrawal(1, RUN, Edge.USED, DATA))
    assert [found.seq for found in assertions_of(store, RUN, Cut(EVER, 0))] == [0]
    assert assertions_of(store, RUN, Cut(EVER, 1)) == []


def test_a_withdrawal_leaves_the_word_of_others(store: Store) -> None:
    log = Log(store)
    log.write(edge(10, RUN, Edge.USED, DATA), edge(11, RUN, Edge.USED, DATA, source=OTHER))
    log.write(withdrawal(12, RUN, Edge.USED, DATA))
    assert [found.source for found in assertions_of(store, RUN)] == [OTHER]


def test_a_withdrawal_leaves_other_edges(store: Store) -> None:
    log = Log(store)
    plain = names.dataset("s3://lake", "a")
    log.write(edge(1, RUN, Edge.USED, DATA), edge(2, RUN, Edge.USED, version("b")), edge(3, RUN, Edge.READ, plain))
    log.write(withdrawal(4, RUN, Edge.USED, DATA))
    assert [found.seq for found in assertions_of(store, RUN)] == [1, 2]


def test_the_same_withdrawal_twice_is_no_conflict(store: Store) -> None:
    log = Log(store)
    log.write(withdrawal(1, RUN, Edge.USED, DATA), withdrawal(1, RUN, Edge.USED, DATA))
    log.write(withdrawal(2, RUN, Edge.USED, DATA), edge(3, RUN, Edge.USED, DATA))
    assert assertions_of(store, RUN) == []
    assert nodes_of(store, DATA, cut=NOW)[DATA].seq == 0
