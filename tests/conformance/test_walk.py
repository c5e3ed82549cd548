"""A walk finds what the arrows reach, each node at its least distance, as of one instant and one record."""

from itertools import pairwise

from graph_schema import names
from graph_schema.kinds import Edge, Role
from lineage_service.store.protocol import Cut, Store
from tests.conformance.log import (
    EVER,
    OTHER,
    Log,
    edge,
    fact,
    mention,
    run,
    version,
    walk_of,
    withdrawal,
)

A, B, C, D, E = (version(letter) for letter in "abcde")
DERIVED, SAME = Edge.DERIVED_FROM, Edge.SAME_AS


def derived(store: Store, *pairs: tuple[str, str], at: int = 1) -> None:
    """Write that the first of each pair was derived from the second."""
    Log(store).write(*(edge(at, start, DERIVED, end) for start, end in pairs))


def same(store: Store, one: str, other: str, at: int = 1) -> None:
    """Write that two versions are one thing."""
    Log(store).write(edge(at, one, SAME, other))


def test_up_follows_arrows(store: Store) -> None:
    derived(store, (A, B), (B, C))
    assert walk_of(store, B, "up").distances == {B: 0, C: 1}


def test_down_goes_against_arrows(store: Store) -> None:
    derived(store, (A, B), (B, C))
    assert walk_of(store, B, "down").distances == {B: 0, A: 1}


def test_a_start_without_edges_is_found_alone(store: Store) -> None:
    Log(store).write(mention(1, A))
    walk = walk_of(store, A)
    assert (walk.distances, list(walk.assertions), walk.limited) == ({A: 0}, [], False)


def test_an_unknown_start_gives_nothing(store: Store) -> None:
    derived(store, (A, B))
    assert walk_of(store, run("nobody")).distances == {}


def test_a_start_not_yet_known_gives_nothing(store: Store) -> None:
    Log(store).write(fact(1), edge(2, A, DERIVED, B))
    assert walk_of(store, A, cut=Cut(EVER, 0)).distances == {}


def test_no_start_gives_nothing(store: Store) -> None:
    derived(store, (A, B))
    assert walk_of(store, {}).distances == {}


def test_of_two_ways_the_shorter_gives_the_distance(store: Store) -> None:
    derived(store, (A, B), (B, C), (C, D), (A, D), (D, E))
    assert walk_of(store, A).distances == {A: 0, B: 1, D: 1, C: 2, E: 2}


def test_starts_keep_their_distances(store: Store) -> None:
    derived(store, (A, B), (C, D))
    assert walk_of(store, {A: 3, C: 0}).distances == {A: 3, B: 4, C: 0, D: 1}


def test_a_start_reached_sooner_from_another_stands_nearer(store: Store) -> None:
    derived(store, (A, B), (B, C))
    assert walk_of(store, {A: 0, B: 5}).distances == {A: 0, B: 1, C: 2}


def test_nodes_at_the_depth_are_not_expanded(store: Store) -> None:
    derived(store, (A, B), (B, C), (C, D))
    assert walk_of(store, A, depth=2).distances == {A: 0, B: 1, C: 2}
    assert walk_of(store, A, depth=0).distances == {A: 0}


def test_depth_counts_from_the_starts_distance(store: Store) -> None:
    derived(store, (A, B), (B, C))
    assert walk_of(store, {A: 2}, depth=3).distances == {A: 2, B: 3}


def test_a_walk_below_its_limit_is_not_limited(store: Store) -> None:
    derived(store, (A, B), (A, C))
    walk = walk_of(store, A, limit=3)
    assert (set(walk.distances), walk.limited) == ({A, B, C}, False)


def test_a_walk_over_its_limit_finishes_the_level_and_says_so(store: Store) -> None:
    wide = [version("wide", number) for number in range(20)]
    derived(store, *((A, end) for end in wide), *((start, B) for start in wide), (B, C), (C, D))
    walk = walk_of(store, A, limit=5)
    assert walk.limited
    near = {key: distance for key, distance in walk.distances.items() if distance < 2}
    assert near == {A: 0, **dict.fromkeys(wide, 1)}
    assert D not in walk.distances


def test_a_limited_walk_gives_least_distances(store: Store) -> None:
    derived(store, (A, B), (A, C))
    walk = walk_of(store, {B: 9, A: 0}, limit=0)
    assert walk.limited
    assert walk.distances[A] == 0
    assert walk.distances.get(B, 1) == 1


def test_a_cycle_ends(store: Store) -> None:
    derived(store, (A, B), (B, C), (C, A))
    assert walk_of(store, A, "up").distances == {A: 0, B: 1, C: 2}
    assert walk_of(store, A, "down").distances == {A: 0, C: 1, B: 2}


def test_an_edge_to_itself_ends(store: Store) -> None:
    derived(store, (A, A))
    walk = walk_of(store, A)
    assert walk.distances == {A: 0}
    assert [(found.start, found.end) for found in walk.assertions] == [(A, A)]


def test_same_as_is_followed_both_ways_at_no_distance(store: Store) -> None:
    same(store, A, B)
    derived(store, (A, C), (B, D))
    assert walk_of(store, A).distances == {A: 0, B: 0, C: 1, D: 1}
    assert walk_of(store, B).distances == {A: 0, B: 0, C: 1, D: 1}
    assert walk_of(store, D, "down").distances == {D: 0, B: 1, A: 1}


def test_same_as_is_followed_through_others(store: Store) -> None:
    same(store, A, B)
    same(store, C, B)
    same(store, C, D)
    assert walk_of(store, A, depth=0).distances == dict.fromkeys((A, B, C, D), 0)


def test_same_as_counts_whatever_as_of_is(store: Store) -> None:
    same(store, A, B, at=90)
    derived(store, (B, C), at=10)
    assert walk_of(store, A, cut=Cut(20, 9)).distances == {A: 0, B: 0, C: 1}


def test_same_as_counts_from_its_record_on(store: Store) -> None:
    derived(store, (A, C))
    same(store, A, B)
    assert walk_of(store, A, cut=Cut(EVER, 0)).distances == {A: 0, C: 1}
    assert walk_of(store, A, cut=Cut(EVER, 1)).distances == {A: 0, B: 0, C: 1}


def test_same_as_that_was_withdrawn_is_not_followed(store: Store) -> None:
    same(store, A, B)
    Log(store).write(withdrawal(5, A, SAME, B))
    assert walk_of(store, A).distances == {A: 0}
    assert walk_of(store, B).distances == {B: 0}


def test_same_as_at_the_depth_is_still_followed(store: Store) -> None:
    derived(store, (A, B))
    same(store, B, C)
    derived(store, (C, D))
    assert walk_of(store, A, depth=1).distances == {A: 0, B: 1, C: 1}


def test_an_edge_counts_from_its_instant_on(store: Store) -> None:
    derived(store, (A, B), at=10)
    derived(store, (B, C), at=20)
    assert walk_of(store, A, cut=Cut(9, 9)).distances == {A: 0}
    assert walk_of(store, A, cut=Cut(10, 9)).distances == {A: 0, B: 1}
    assert walk_of(store, A, cut=Cut(20, 9)).distances == {A: 0, B: 1, C: 2}


def test_an_edge_counts_from_its_record_on(store: Store) -> None:
    derived(store, (A, B), (B, C), (C, D))
    assert walk_of(store, A, cut=Cut(EVER, 1)).distances == {A: 0, B: 1, C: 2}
    assert walk_of(store, C, "down", cut=Cut(EVER, 1)).distances == {C: 0, B: 1, A: 2}


def test_an_edge_counts_while_one_assertion_of_it_passes_the_cut(store: Store) -> None:
    Log(store).write(edge(50, A, DERIVED, B), edge(10, A, DERIVED, B, source=OTHER))
    Log(store).write(withdrawal(60, A, DERIVED, B))
    walk = walk_of(store, A, cut=Cut(20, 9))
    assert walk.distances == {A: 0, B: 1}
    assert [found.source for found in walk.assertions] == [OTHER]


def test_a_withdrawn_edge_is_not_followed_either_way(store: Store) -> None:
    derived(store, (A, B))
    Log(store).write(withdrawal(60, A, DERIVED, B))
    assert walk_of(store, A, "up").distances == {A: 0}
    assert walk_of(store, B, "down").distances == {B: 0}


def test_only_edges_of_the_types_asked_for_are_followed(store: Store) -> None:
    job, data = names.job("airflow", "nightly"), names.dataset("s3://lake", "a")
    Log(store).write(
        edge(1, run("r1"), Edge.USED, A),
        edge(2, run("r1"), Edge.READ, data),
        edge(3, run("r1"), Edge.OF_JOB, job),
        edge(4, A, Edge.VERSION_OF, data),
    )
    assert walk_of(store, run("r1")).distances == {run("r1"): 0, A: 1, data: 1}
    assert walk_of(store, run("r1"), types=(2, 2)).distances == {run("r1"): 0, A: 1}
    assert walk_of(store, run("r1"), types=(21, 21)).distances == {run("r1"): 0, job: 1}
    assert walk_of(store, data, "down", types=(20, 20)).distances == {data: 0, A: 1}


def test_all_assertions_of_an_edge_are_given(store: Store) -> None:
    Log(store).write(
        edge(9, run("r1"), Edge.USED, A, roles=Role.TRAINING),
        edge(5, run("r1"), Edge.USED, A, roles=Role.TEST),
        edge(7, run("r1"), Edge.USED, A, source=OTHER),
    )
    for start, direction in ((run("r1"), "up"), (A, "down")):
        walk = walk_of(store, start, direction)  # type: ignore[arg-type]
        assert sorted((found.seq, found.at, found.roles) for found in walk.assertions) == [
            (0, 9, Role.TRAINING),
            (1, 5, Role.TEST),
            (2, 7, Role.NONE),
        ]


def test_the_assertions_of_same_as_are_given_once(store: Store) -> None:
    same(store, A, B)
    derived(store, (B, C))
    found = walk_of(store, A).assertions
    assert sorted((assertion.start, assertion.type, assertion.end) for assertion in found) == sorted(
        [(A, int(SAME), B), (B, int(DERIVED), C)]
    )


def test_every_assertion_has_both_ends_in_the_answer(store: Store) -> None:
    wide = [version("wide", number) for number in range(30)]
    derived(store, *((A, end) for end in wide), *((start, B) for start in wide))
    for limit in (1, 10, 31, 100):
        walk = walk_of(store, A, limit=limit)
        assert all(found.start in walk.distances and found.end in walk.distances for found in walk.assertions)


def test_keys_of_any_script_are_walked(store: Store) -> None:
    odd = [version(name) for name in ("käufe 2026", "日本", "100%_é", "a'b\"c", "😀")]
    Log(store).write(*(edge(1, start, DERIVED, end) for start, end in pairwise(odd)))
    assert walk_of(store, odd[0]).distances == {key: distance for distance, key in enumerate(odd)}


def test_a_long_chain_is_walked_to_its_end(store: Store) -> None:
    keys = [version("long", number) for number in range(120)]
    derived(store, *pairwise(keys))
    assert walk_of(store, keys[0], depth=200).distances == {key: distance for distance, key in enumerate(keys)}
