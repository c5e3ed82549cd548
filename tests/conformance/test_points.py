"""Points are found by subject and slot, in the order of what happened, each as it was set."""

import dataclasses

import pytest

from graph_schema import names
from graph_schema.changes import after_instant, order_key
from graph_schema.fold.people import person_key
from lineage_service.store.protocol import Cut, Point, PointQuery, Store
from tests.conformance.log import EVER, MLFLOW, NOW, Log, event_id, fact, mention, point, points_of, run, values_of

MODEL, OTHER_MODEL = names.model("prod", "credit"), names.model("prod", "churn")
ANNA = person_key("p_anna")


def of(*subjects: str, **bounds: object) -> PointQuery:
    """Return the query for the points of subjects."""
    return PointQuery(subjects=subjects, **bounds)  # type: ignore[arg-type]


def test_a_point_is_kept_as_it_was_set(store: Store) -> None:
    change = fact(7, actor=ANNA, order=3, id=event_id(10**9))
    change.point(MODEL, "alias:champion é", {"version": None, "list": [1, "x"], "deep": {"sd": 0}})
    Log(store).write(fact(1), change)
    order = order_key(7, MLFLOW, 3, event_id(10**9))
    value = {"version": None, "list": [1, "x"], "deep": {"sd": 0}}
    assert points_of(store, of(MODEL)) == [Point(MODEL, "alias:champion é", order, 0, 1, ANNA, value)]


def test_a_point_without_actor_names_nobody(store: Store) -> None:
    Log(store).write(point(1, MODEL, "stage", "x"))
    assert [found.actor for found in points_of(store, of(MODEL))] == [None]


def test_points_stand_in_the_order_of_instants_not_of_arrival(store: Store) -> None:
    log = Log(store)
    for at in (30, 10, 20):
        log.write(point(at, MODEL, "stage", at))
    assert values_of(store, of(MODEL)) == [10, 20, 30]


def test_points_of_one_instant_stand_in_the_order_of_their_keys(store: Store) -> None:
    Log(store).write(*(point(5, MODEL, "stage", order, order=order) for order in (3, 1, 2)))
    assert values_of(store, of(MODEL)) == [1, 2, 3]


def test_points_of_many_subjects_are_merged_into_one_order(store: Store) -> None:
    Log(store).write(
        point(3, MODEL, "stage", 3),
        point(1, MODEL, "alias:x", 1),
        point(2, OTHER_MODEL, "stage", 2),
        point(4, run(1), "state:", 4),
    )
    assert values_of(store, of(MODEL, OTHER_MODEL)) == [1, 2, 3]
    assert values_of(store, of(MODEL, MODEL)) == [1, 3]


def test_unknown_subjects_have_no_points(store: Store) -> None:
    Log(store).write(point(1, MODEL, "stage", 1))
    assert points_of(store, of(OTHER_MODEL)) == []
    assert points_of(store, of()) == []


def test_a_node_without_points_has_none(store: Store) -> None:
    Log(store).write(mention(1, MODEL))
    assert points_of(store, of(MODEL)) == []


def test_points_of_a_subject_are_narrowed_to_a_slot(store: Store) -> None:
    Log(store).write(
        point(1, MODEL, "stage", 1),
        point(2, MODEL, "alias:a", 2),
        point(3, MODEL, "alias:b", 3),
        point(4, MODEL, "alias", 4),
    )
    assert values_of(store, of(MODEL, slot="alias")) == [2, 3, 4]
    assert values_of(store, of(MODEL, slot="stage")) == [1]
    assert values_of(store, of(MODEL, slot="ali")) == []


def test_points_of_a_slot_are_narrowed_to_a_name(store: Store) -> None:
    Log(store).write(point(1, MODEL, "alias:a", 1), point(2, MODEL, "alias:b", 2), point(3, OTHER_MODEL, "alias:a", 3))
    assert values_of(store, of(MODEL, slot="alias", name="a")) == [1]
    assert values_of(store, PointQuery(slot="alias", name="a")) == [1, 3]
    assert values_of(store, PointQuery(slot="alias", name="c")) == []


def test_a_name_may_hold_colons(store: Store) -> None:
    slot = f"live:{MODEL}"
    Log(store).write(point(1, names.target("prod", "eu"), slot, 1))
    (found,) = points_of(store, PointQuery(slot="live", name=MODEL))
    assert found.slot == slot


def test_a_slot_is_asked_for_across_subjects(store: Store) -> None:
    Log(store).write(point(3, MODEL, "stage", 3), point(1, OTHER_MODEL, "stage", 1), point(2, MODEL, "existence", 2))
    assert [(found.subject, found.value["is"]) for found in points_of(store, PointQuery(slot="stage"))] == [
        (OTHER_MODEL, 1),
        (MODEL, 3),
    ]


def test_a_range_of_orders_is_half_open(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, "stage", at) for at in range(1, 6)))
    for query in (of(MODEL), PointQuery(slot="stage"), of(MODEL, slot="stage")):
        orders = [found.order for found in points_of(store, query)]
        ranged = PointQuery(query.subjects, query.slot, None, orders[1], orders[3])
        assert values_of(store, ranged) == [2, 3]


def test_a_range_may_be_given_by_instants(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, "stage", at) for at in range(1, 6)))
    assert values_of(store, of(MODEL, start=after_instant(1), stop=after_instant(4))) == [2, 3, 4]


def test_points_come_newest_first_when_asked(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, "stage", at) for at in (2, 3, 1)))
    for query in (
        of(MODEL, newest_first=True),
        of(MODEL, slot="stage", newest_first=True),
        PointQuery(slot="stage", newest_first=True),
    ):
        assert values_of(store, query) == [3, 2, 1]


def test_a_limit_keeps_the_first_in_the_order_asked_for(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, "stage", at) for at in (2, 3, 1)))
    for query in (of(MODEL, limit=2), PointQuery(slot="stage", limit=2)):
        assert values_of(store, query) == [1, 2]
    for query in (
        of(MODEL, limit=2, newest_first=True),
        PointQuery(slot="stage", limit=2, newest_first=True),
    ):
        assert values_of(store, query) == [3, 2]


def test_a_limit_counts_only_points_of_the_name_asked_for(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, f"alias:{at % 3}", at) for at in range(1, 10)))
    assert values_of(store, PointQuery(slot="alias", name="0", limit=2)) == [3, 6]
    assert values_of(store, PointQuery(slot="alias", name="0", limit=2, newest_first=True)) == [9, 6]
    assert values_of(store, of(MODEL, slot="alias", name="0", limit=2)) == [3, 6]


def test_two_settings_of_one_slot_by_one_event_are_numbered(store: Store) -> None:
    change = fact(1)
    change.point(MODEL, "alias:a", {"is": "first"})
    change.point(MODEL, "alias:a", {"is": "second"})
    Log(store).write(change)
    assert [(found.n, found.value["is"]) for found in points_of(store, of(MODEL))] == [(0, "first"), (1, "second")]
    newest = points_of(store, PointQuery(slot="alias", newest_first=True))
    assert [found.value["is"] for found in newest] == ["second", "first"]


def test_points_are_cut_by_as_of(store: Store) -> None:
    Log(store).write(point(10, MODEL, "stage", 1), point(20, MODEL, "stage", 2))
    for query in (of(MODEL), of(MODEL, slot="stage"), PointQuery(slot="stage")):
        assert values_of(store, query, Cut(9, 9)) == []
        assert values_of(store, query, Cut(19, 9)) == [1]
        assert values_of(store, query, Cut(20, 9)) == [1, 2]


def test_points_are_cut_by_known_at(store: Store) -> None:
    Log(store).write(point(20, MODEL, "stage", 1), point(10, MODEL, "stage", 2))
    for query in (of(MODEL), of(MODEL, slot="stage"), PointQuery(slot="stage")):
        assert values_of(store, query, Cut(EVER, 0)) == [1]
        assert values_of(store, query, Cut(EVER, 1)) == [2, 1]


def test_a_late_point_lands_where_it_belongs(store: Store) -> None:
    log = Log(store)
    log.write(point(10, MODEL, "stage", "a"), point(30, MODEL, "stage", "c"))
    log.write(point(20, MODEL, "stage", "b"))
    assert values_of(store, PointQuery(slot="stage")) == ["a", "b", "c"]
    assert values_of(store, PointQuery(slot="stage", limit=1, newest_first=True), Cut(25, 9)) == ["b"]


def test_several_slots_of_subjects_come_in_one_order(store: Store) -> None:
    Log(store).write(
        point(4, MODEL, "alias:a", 4),
        point(1, MODEL, "stage", 1),
        point(3, OTHER_MODEL, "alias:b", 3),
        point(2, OTHER_MODEL, "swept:x", 2),
        point(5, run(1), "stage", 5),
    )
    slots = ("alias", "stage", "alias", "nothing")
    assert values_of(store, of(MODEL, OTHER_MODEL, slots=slots)) == [1, 3, 4]
    assert values_of(store, of(MODEL, OTHER_MODEL, slots=slots, limit=2, newest_first=True)) == [4, 3]
    assert values_of(store, of(MODEL, OTHER_MODEL, slots=slots, name="b")) == [3]
    assert values_of(store, of(MODEL, slots=("alias",))) == values_of(store, of(MODEL, slot="alias")) == [4]


def test_points_of_all_subjects_whose_keys_begin_alike_come_in_one_order(store: Store) -> None:
    Log(store).write(
        point(3, names.model("prod", "credit é"), "alias:a", 3),
        point(2, MODEL, "stage", 2),
        point(1, MODEL, "alias:b", 1),
        point(4, MODEL, "state", 4),
        point(5, OTHER_MODEL, "stage", 5),
        point(6, names.model("prod", "credi"), "stage", 6),
    )

    def under(beginning: str, **bounds: object) -> list[object]:
        return values_of(store, PointQuery(beginning=beginning, slots=("stage", "alias"), **bounds))  # type: ignore[arg-type]

    assert under(MODEL) == [1, 2, 3]
    assert under(MODEL, limit=2, newest_first=True) == [3, 2]
    assert under(MODEL, name="b") == [1]
    assert under(MODEL, start=after_instant(1), stop=after_instant(2)) == [2]
    assert under("model:") == [1, 2, 3, 5, 6]
    assert under("model:q") == []


def test_points_after_the_cut_are_not_found_by_how_their_subjects_begin(store: Store) -> None:
    log = Log(store)
    log.write(point(10, MODEL, "stage", 10))
    log.write(point(5, MODEL, "stage", 5), point(20, MODEL, "stage", 20))
    query = PointQuery(beginning=MODEL, slots=("stage",))
    assert values_of(store, query) == [5, 10, 20]
    assert values_of(store, query, Cut(10, 9)) == [5, 10]
    assert values_of(store, query, Cut(EVER, 0)) == [10]


def test_the_beginning_of_subjects_is_given_with_slots_and_instead_of_subjects(store: Store) -> None:
    for bounds in ({}, {"slot": "alias"}, {"slots": ("a",), "subjects": [MODEL]}, {"slots": ("a",), "slot": "b"}):
        with pytest.raises(ValueError, match="slot"):
            points_of(store, PointQuery(beginning=MODEL, **bounds))


def test_whose_points_lie_in_a_slot_is_told_once_each_and_within_the_bounds_and_the_cut(store: Store) -> None:
    log = Log(store)
    log.write(point(30, MODEL, "stage", 1), point(10, OTHER_MODEL, "stage", 2), point(20, MODEL, "stage", 3))
    log.write(point(15, run(1), "stage", 4), point(40, run(2), "alias:stage", 5))

    def whose(start: bytes = b"", stop: bytes | None = None, cut: Cut = NOW) -> list[str]:
        with store.read() as reader:
            return reader.subjects("stage", start, stop, cut)

    assert whose() == [OTHER_MODEL, MODEL, run(1)]
    assert whose(after_instant(14), after_instant(20)) == [MODEL, run(1)]
    assert whose(after_instant(20)) == [MODEL]
    assert whose(cut=Cut(EVER, 2)) == [OTHER_MODEL, MODEL]
    assert whose(cut=Cut(15, 9)) == [OTHER_MODEL, run(1)]
    assert whose(after_instant(30)) == []
    assert whose(stop=b"") == []


def test_several_slots_are_asked_of_subjects_and_instead_of_a_slot(store: Store) -> None:
    for bounds in ({}, {"slot": "alias"}, {"slot": "alias", "subjects": [MODEL]}):
        with pytest.raises(ValueError, match="slot"):
            points_of(store, PointQuery(slots=("stage",), **bounds))


# ------------------------------------------------------------------------------------------------- the newest of each


def newest(*subjects: str, slot: str = "alias", **bounds: object) -> PointQuery:
    """Return the query for the newest point of each name of a slot."""
    return of(*subjects, slot=slot, newest_of_each=True, **bounds)


def test_of_each_name_only_the_newest_point_is_given_when_asked(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, f"alias:{at % 3}", at) for at in (5, 1, 9, 4, 2, 7, 3, 8, 6)))
    assert values_of(store, newest(MODEL)) == [7, 8, 9]
    assert values_of(store, newest(MODEL, name="1")) == [7]
    assert values_of(store, newest(MODEL, name="x")) == []


def test_the_newest_of_each_is_the_one_of_each_subject(store: Store) -> None:
    Log(store).write(
        point(1, MODEL, "alias:a", 1),
        point(2, OTHER_MODEL, "alias:a", 2),
        point(4, OTHER_MODEL, "alias:a", 4),
        point(3, MODEL, "alias:a", 3),
        point(5, OTHER_MODEL, "alias:b", 5),
        point(6, MODEL, "stage", 6),
    )
    assert values_of(store, newest(MODEL, OTHER_MODEL)) == [3, 4, 5]
    assert values_of(store, newest(MODEL, MODEL)) == [3]
    assert values_of(store, newest(run(1))) == []
    assert values_of(store, newest()) == []


def test_a_slot_without_a_name_has_a_newest_point_too(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, slot, at) for at, slot in enumerate(("alias", "alias:", "alias: ", "alias:é"))))
    assert values_of(store, newest(MODEL)) == [1, 2, 3]
    assert values_of(store, newest(MODEL, slot="stage")) == []


def test_the_newest_of_each_is_given_as_it_was_set(store: Store) -> None:
    change = fact(7, actor=ANNA, order=3, id=event_id(10**9))
    slot = f"live:{MODEL}"
    change.point(MODEL, slot, {"is": "first"})
    change.point(MODEL, slot, {"is": "second"})
    Log(store).write(fact(1), point(6, MODEL, slot, "older"), change)
    order = order_key(7, MLFLOW, 3, event_id(10**9))
    assert points_of(store, newest(MODEL, slot="live")) == [Point(MODEL, slot, order, 1, 2, ANNA, {"is": "second"})]


def test_the_newest_of_each_is_the_newest_that_passes_the_cut(store: Store) -> None:
    log = Log(store)
    log.write(point(10, MODEL, "alias:a", 10), point(30, MODEL, "alias:a", 30), point(5, MODEL, "alias:b", 5))
    log.write(point(20, MODEL, "alias:a", 20), point(40, MODEL, "alias:b", 40))
    assert values_of(store, newest(MODEL)) == [30, 40]
    assert values_of(store, newest(MODEL), Cut(29, 9)) == [5, 20]
    assert values_of(store, newest(MODEL), Cut(29, 2)) == [5, 10]
    assert values_of(store, newest(MODEL), Cut(EVER, 0)) == [10]
    assert values_of(store, newest(MODEL), Cut(4, 9)) == []


def test_the_newest_of_each_is_the_newest_within_the_range(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, f"alias:{at % 2}", at) for at in range(1, 9)))
    assert values_of(store, newest(MODEL, start=after_instant(1), stop=after_instant(5))) == [4, 5]
    assert values_of(store, newest(MODEL, start=after_instant(7))) == [8]


def test_the_newest_of_each_is_the_one_of_each_of_several_slots(store: Store) -> None:
    said = (("alias:a", 1), ("alias:a", 3), ("tag:a", 2), ("tag:a", 4), ("tag:b", 5), ("stage", 6))
    Log(store).write(*(point(at, MODEL, slot, at) for slot, at in said))
    both = of(MODEL, OTHER_MODEL, slots=("alias", "tag"), newest_of_each=True)
    assert values_of(store, both) == [3, 4, 5]
    assert values_of(store, dataclasses.replace(both, name="a")) == [3, 4]


def test_the_newest_of_each_of_very_many_names_is_complete(store: Store) -> None:
    count = 80
    Log(store).write(
        *(point(at, MODEL, f"alias:{at % count:03}", at) for at in range(2 * count)),
        *(point(at, OTHER_MODEL, f"tag:{at % count:03}", at) for at in range(2 * count, 4 * count)),
    )
    both = of(MODEL, OTHER_MODEL, slots=("alias", "tag"), newest_of_each=True)
    assert values_of(store, both) == [*range(count, 2 * count), *range(3 * count, 4 * count)]


def test_a_limit_counts_the_newest_of_each_in_the_order_asked_for(store: Store) -> None:
    Log(store).write(*(point(at, MODEL, f"alias:{at % 3}", at) for at in range(1, 10)))
    assert values_of(store, newest(MODEL, limit=2)) == [7, 8]
    assert values_of(store, newest(MODEL, limit=2, newest_first=True)) == [9, 8]


def test_the_newest_of_each_is_asked_of_subjects_and_a_slot_together(store: Store) -> None:
    Log(store).write(point(1, MODEL, "alias:a", 1))
    for bounds in ({}, {"slot": "alias"}, {"subjects": [MODEL]}):
        with pytest.raises(ValueError, match="a slot"):
            points_of(store, PointQuery(newest_of_each=True, **bounds))
