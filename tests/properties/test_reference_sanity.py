"""The naive reference against answers written by hand: each sentence of the specification once, in small stories.

Instants are seconds after a day's start; facts arrive in the order of the list.
"""

from typing import Any

import pytest

from graph_schema import names
from tests.properties.records import Sent, pseudonym
from tests.properties.reference import UnknownNodeError
from tests.properties.stories import (
    DATA,
    MODEL,
    OTHER,
    RAW,
    SEEN,
    at,
    fact,
    key,
    micros,
    raw,
    registered,
    run,
    spans,
    stage,
    text,
    version,
)

# 1. The cut


def test_a_fact_counts_when_it_was_true_and_recorded_by_then() -> None:
    facts = [stage(20, version("1"), "Production"), stage(10, version("1"), "Staging")]
    assert spans(at(facts).deployments()) == [("Staging", "1", 10, 20), ("Production", "1", 20, None)]
    assert spans(at(facts, known_at=0).deployments()) == [("Production", "1", 20, None)]
    assert spans(at(facts, as_of=20).live()) == [("Production", "1", 20, None)]
    assert spans(at(facts, as_of=19.999999).live()) == [("Staging", "1", 10, None)]
    assert at(facts, as_of=9).live() == []


def test_at_one_instant_the_counter_of_the_source_orders() -> None:
    facts = [stage(5, version("1"), "Staging", order_=2), stage(5, version("1"), "Production", order_=1)]
    assert spans(at(facts).deployments()) == [("Production", "1", 5, 5), ("Staging", "1", 5, None)]


def test_a_node_is_known_once_a_record_mentions_it_and_unknown_before() -> None:
    facts = [run(50, "a"), run(1, "b")]
    assert at(facts, as_of=0, known_at=0).provenance("run:a").gaps == {("not_recorded", "run:a")}
    with pytest.raises(UnknownNodeError):
        at(facts, known_at=0).provenance("run:b")


# 2. Registers and edges


def test_a_register_takes_the_last_row_by_order_and_null_removes_it() -> None:
    facts = [
        fact(3, "tag.removed", node=MODEL, name="semver"),
        fact(2, "tag.set", node=MODEL, name="semver", value="2"),
        fact(1, "tag.set", node=MODEL, name="semver", value="1"),
    ]
    assert at(facts).node_properties(MODEL) == {}
    assert at(facts, as_of=2).node_properties(MODEL) == {"tag:semver": "2"}
    assert at(facts, as_of=1).node_properties(MODEL) == {"tag:semver": "1"}


def test_an_edge_takes_strongest_how_and_all_roles_and_a_withdrawal_disables_one_source_for_ever() -> None:
    used = {**DATA, "version": "v1"}
    facts = [
        run(1, "a", inputs=[{**used, "how": "declared", "roles": ["test"]}]),
        fact(9, "edge.withdrawn", from_="run:a", type="USED", to=raw("v1"), source_=names.source("mlflow", "two")),
        fact(2, "run.observed", source="two", run="a", inputs=[{**used, "roles": ["training"]}]),
    ]
    assert at(facts[:1]).provenance("run:a").edges == {("run:a", "USED", raw("v1"), "declared", ("test",))}
    both = ("run:a", "USED", raw("v1"), "exact", ("training", "test"))
    assert at([facts[0], facts[2]]).provenance("run:a").edges == {both}
    assert at(facts, as_of=2).provenance("run:a").edges == {("run:a", "USED", raw("v1"), "declared", ("test",))}


def test_the_identity_is_the_strongest_stated() -> None:
    named = {**DATA, "version": "v1"}
    facts = [
        fact(1, "dataset_version.observed", **named, identity="content"),
        fact(2, "dataset_version.observed", **named, identity="hint"),
    ]
    assert at(facts).identity(raw("v1")) == "content"
    assert at(facts[1:]).identity(raw("v1")) == "hint"
    assert at([fact(1, "dataset_version.observed", **named)]).identity(raw("v1")) == "declared"


# 3. Runs


def test_the_outcome_is_the_strongest_state_of_the_newest_execution() -> None:
    failed = [run(1, "a", "started"), run(5, "a", "failed"), run(6, "a", "complete")]
    assert at(failed).outcome("run:a") == "failed"
    assert at(failed, as_of=4).outcome("run:a") == "started"
    assert at([*failed, run(7, "a", "started")], as_of=9).outcome("run:a") == "started"
    assert at([*failed, run(7, "a", "started"), run(8, "a", "complete")]).outcome("run:a") == "complete"
    named = [run(9, "a", "running", execution="2"), run(3, "a", "aborted", execution="1")]
    assert at([*failed, *named], as_of=99).outcome("run:a") == "running"
    assert at([run(1, "a")]).outcome("run:a") == "unknown"


# 4. Writes and reads


def test_an_execution_that_nobody_saw_end_is_unknown_a_week_after_its_last_sign_of_life() -> None:
    week = 7 * 24 * 3600
    open_run = [run(1, "a", "started"), run(50, "a", "running")]
    assert at(open_run, as_of=week + 50).outcome("run:a") == "running"
    assert at(open_run, as_of=week + 51).outcome("run:a") == "unknown"
    assert at([*open_run, run(60, "a", "failed")], as_of=9 * week).outcome("run:a") == "failed"


def test_a_read_is_of_the_newest_write_that_ended_in_time_and_well_by_another_run() -> None:
    facts = [
        run(1, "old", "complete", outputs=[{**DATA, "version": "v1"}]),
        run(2, "slow", outputs=[{**DATA, "version": "v2"}]),
        run(20, "slow", "complete"),
        run(3, "bad", "failed", outputs=[{**DATA, "version": "v3"}]),
        run(4, "reader", outputs=[{**DATA, "version": "v4"}]),
        run(10, "reader", "started", inputs=[{**DATA, "roles": ["training"]}]),
    ]
    found = at(facts).provenance("run:reader")
    assert ("run:reader", "USED", raw("v1"), "inferred", ("training",)) in found.edges
    assert ("run:reader", "READ", RAW, "exact", ("training",)) in found.edges
    assert found.nodes == {"run:reader": 0, RAW: 1, raw("v1"): 1, "run:old": 2}
    assert found.gaps == {("inferred", "run:reader")}
    assert at(facts, as_of=19).impact(raw("v2")).nodes == {raw("v2"): 0, "run:reader": 1, raw("v4"): 2}
    assert at(facts[3:]).provenance("run:reader").gaps == {("unknown_version", "run:reader")}
    assert at(facts).attempted(raw("v3"))
    assert not at(facts).attempted(raw("v1"))


@pytest.mark.parametrize(("stated", "version_read"), [("sha256:a", "v1"), ("sha256:b", None), ("md5:b", "v1")])
def test_a_digest_of_the_same_algorithm_that_differs_forbids_the_inference(stated: str, version_read: str) -> None:
    facts = [
        run(1, "w", outputs=[{**DATA, "version": "v1", "digest": "sha256:a"}]),
        run(1, "r", "started", inputs=[{**DATA, "digest": stated}]),
    ]
    found = at(facts).provenance("run:r")
    assert (raw("v1") in found.nodes) is (version_read is not None)
    assert (("unknown_version", "run:r") in found.gaps) is (version_read is None)


def test_an_exact_input_hides_the_read_of_its_dataset() -> None:
    facts = [run(1, "w", outputs=[{**DATA, "version": "v1"}]), run(2, "r", inputs=[DATA, {**DATA, "version": "v0"}])]
    assert at(facts).provenance("run:r").nodes == {"run:r": 0, raw("v0"): 1}


def test_what_one_execution_wrote_with_and_without_a_name_is_one_version() -> None:
    facts = [
        run(1, "w", outputs=[DATA]),
        fact(2, "dataset_version.observed", **DATA, version="v1", run="w"),
        run(3, "r", "started", inputs=[DATA]),
        run(0, "user", inputs=[{**DATA, "version": "run-w"}]),
    ]
    answers = at(facts)
    assert answers.provenance("run:r").nodes == {"run:r": 0, RAW: 1, raw("v1"): 1, "run:w": 2}
    assert answers.impact(raw("v1")).nodes == {raw("v1"): 0, "run:r": 1, "run:user": 1}
    assert answers.impact(raw("run-w")) == answers.impact(raw("v1"))
    assert at(facts, as_of=1).impact("run:w").nodes == {"run:w": 0, raw("run-w"): 1, "run:user": 2}
    newer = [*facts, run(2.5, "w", outputs=[{**DATA, "version": "v2"}])]
    assert raw("v2") in at(newer).provenance("run:r").nodes
    assert at(newer).provenance("run:user").nodes == {"run:user": 0, raw("v2"): 1, "run:w": 2}
    assert at(newer).impact("run:w").nodes == {"run:w": 0, raw("v1"): 1, raw("v2"): 1, "run:r": 2, "run:user": 2}


def test_an_edge_between_two_names_of_one_thing_is_no_edge() -> None:
    twin = [{**DATA, "version": "run-w"}]
    facts = [
        run(1, "w", outputs=[DATA]),
        fact(2, "dataset_version.observed", **DATA, version="v1", run="w", derived_from=twin),
    ]
    assert at(facts).provenance(raw("v1")).edges == {(raw("v1"), "PRODUCED_BY", "run:w", "exact", ())}


def test_a_rerun_without_names_writes_in_the_segment_of_its_start() -> None:
    facts = [
        run(1, "w", "started"),
        run(2, "w", "failed", outputs=[{**DATA, "version": "v1"}]),
        run(3, "w", "started"),
        run(4, "w", "complete", outputs=[{**DATA, "version": "v2"}]),
        run(5, "r", "started", inputs=[DATA]),
    ]
    assert raw("v2") in at(facts).provenance("run:r").nodes
    assert at(facts).attempted(raw("v1"))
    assert at(facts[:3] + facts[4:]).provenance("run:r").gaps == {("unknown_version", "run:r")}


# 5. Versions named without a creation time


def test_a_version_without_a_creation_time_is_the_one_that_lived_at_the_instant() -> None:
    facts = [
        stage(5, version("1", None), "Staging"),
        registered(version("1", 0), 90),
        registered(version("1", 10), 91),
        fact(8, "model.deleted", model=MODEL),
        run(7.999999, "early", model_inputs=[version("1", None)]),
        run(8, "r", model_inputs=[version("1", None)]),
        run(10, "r", model_inputs=[version("1", None)]),
    ]
    assert at(facts).deployments()[0]["key"] == key("1", 0)
    assert at(facts).deployments()[0]["until"] == text(8)
    assert at(facts, known_at=0).deployments()[0]["key"] == key("1", None)
    assert set(at(facts).provenance("run:r").nodes) == {"run:r", key("1", None), key("1", 10)}
    assert set(at(facts).provenance("run:early").nodes) == {"run:early", key("1", 0)}
    assert set(at(facts, as_of=8).provenance("run:early").nodes) == {"run:early", key("1", None)}


def test_its_own_deletion_ends_a_version_and_a_name_it_was_renamed_to_counts() -> None:
    facts = [
        registered(version("1", 0)),
        fact(2, "model.renamed", model=MODEL, to=OTHER, carried=[{"version": "1", "created_ms": micros(0) // 1000}]),
        fact(4, "model_version.deleted", **version("1", 0, OTHER)),
        fact(3, "alias.moved", **version("1", None, MODEL), alias="old"),
        fact(5, "alias.moved", **version("1", None, OTHER), alias="late"),
        fact(6, "alias.moved", **version("1", None, MODEL), alias="later"),
    ]
    named = [row["key"] for row in at(facts).deployments()]
    assert named == [key("1", 0, MODEL), key("1", None, OTHER), key("1", None, MODEL)]
    assert at(facts[:1] + facts[2:]).deployments()[1]["key"] == key("1", None, OTHER)


# 6. Acts and sightings


@pytest.mark.parametrize(
    ("act", "after", "offset", "rows"),
    [
        (10, 9, 0, [("Production", "1", 10, 11), ("Staging", "1", 11, None)]),
        (10, 10, 0, [("Production", "1", 10, 11), ("Staging", "1", 11, 12), ("Production", "1", 12, None)]),
        (10, 10, -1, [("Production", "1", 10, 11), ("Staging", "1", 11, None)]),
        (13, 9, 1, [("Staging", "1", 11, 13), ("Production", "1", 13, None)]),
        (13.000001, 9, 1, [("Staging", "1", 11, 12), ("Production", "1", 12, None)]),
    ],
)
def test_a_sighting_of_an_act_in_its_window_is_no_movement(
    act: float, after: float, offset: int, rows: list[Any]
) -> None:
    covered = {"covered_from": text(0), "covered_to": text(1), "clock_offset_us": offset * 10**6}
    facts = [
        stage(11, version("1"), "Staging"),
        stage(act, version("1"), "Production"),
        stage(12, version("1"), "Production", source="poller", actor_=SEEN, not_before=text(after)),
        fact(99, "collector.reported", source="poller", **covered),
    ]
    assert spans(at(facts).deployments()) == rows


def test_a_sighting_that_is_no_act_is_a_movement_by_somebody_unknown() -> None:
    facts = [
        stage(1, version("1"), "Staging"),
        stage(5, version("1"), "Production", actor_=SEEN, not_before=text(4)),
        stage(6, version("1"), "Production", actor_=SEEN, not_before=text(5)),
    ]
    first, second = at(facts).deployments()
    assert (first["actor"], first["not_before"], first["until"]) == (pseudonym("m", "anna"), None, text(5))
    assert (second["actor"], second["not_before"], second["from"]) == (None, text(4), text(5))


# 7. Periods


def test_a_sweep_archives_what_is_in_the_stage_then_and_the_own_fact_of_it_moves_nothing() -> None:
    facts = [
        stage(1, version("1"), "Production"),
        stage(1, version("2"), "Staging"),
        stage(1, version("1", model=OTHER), "Production"),
        stage(5, version("3"), "Production", archive_others=True),
        stage(5, version("1"), "Archived", order_=7),
        stage(2, version("4"), "Production"),
    ]
    assert spans(at(facts).deployments(model=MODEL, stage="Production")) == [
        ("Production", "1", 1, 5),
        ("Production", "4", 2, 5),
        ("Production", "3", 5, None),
    ]
    assert sorted(spans(at(facts).deployments(stage="Archived"))) == [
        ("Archived", "1", 5, None),
        ("Archived", "4", 5, None),
    ]
    assert {row["model"] for row in at(facts).live() if row["version"] == "1"} == {OTHER}


def test_none_and_archived_are_listed_by_name_only_and_the_window_is_half_open() -> None:
    facts = [stage(1, version("1"), "None"), stage(2, version("1"), "Staging"), stage(3, version("1"), "Archived")]
    assert spans(at(facts).deployments()) == [("Staging", "1", 2, 3)]
    assert spans(at(facts).deployments(stage="None")) == [("None", "1", 1, 2)]
    assert at(facts).deployments(start=micros(1), stop=micros(2)) == []
    assert len(at(facts).deployments(start=micros(2), stop=micros(3))) == 1
    assert at(facts).live() == []


@pytest.mark.parametrize(
    ("end", "stage_ends", "alias_ends"),
    [
        (fact(5, "alias.removed", model=MODEL, alias="a"), False, True),
        (fact(5, "model_version.deleted", **version("1")), True, True),
        (fact(5, "model_version.deleted", **version("2")), False, False),
        (fact(5, "model.deleted", model=MODEL), True, True),
        (fact(5, "model.deleted", model=OTHER), False, False),
        (fact(5, "model.renamed", model=MODEL, to=OTHER), False, True),
    ],
)
def test_what_ends_a_stage_an_alias_and_a_target(end: Sent, stage_ends: bool, alias_ends: bool) -> None:
    where = {"environment": "prod", "region": "eu"}
    facts = [
        end,
        stage(1, version("1"), "Production"),
        fact(1, "alias.moved", **version("1"), alias="a"),
        fact(1, "deployment.changed", **version("1"), target=where),
    ]
    rows = {slot: until for slot, _, _, until in spans(at(facts).deployments())}
    expected = {"Production": 5 if stage_ends else None, "a": 5 if alias_ends else None, "target:prod/eu": None}
    assert rows == expected
    stopped = [*facts, fact(7, "deployment.changed", **version("1"), target=where, mode="none")]
    assert spans(at(stopped).deployments(target="target:prod/eu")) == [("target:prod/eu", "1", 1, 7)]


def test_a_renamed_version_is_one_and_facts_about_the_model_count_by_the_name_it_bears() -> None:
    carried = [{"version": "1", "created_ms": micros(0) // 1000}]
    facts = [
        registered(version("1")),
        stage(1, version("1"), "Production"),
        fact(3, "model.renamed", model=MODEL, to=OTHER, carried=carried),
        stage(4, version("1", model=OTHER), "Production"),
        stage(5, version("2", 5), "Production", archive_others=True),
        fact(6, "model.deleted", model=MODEL),
    ]
    assert spans(at(facts).deployments()) == [("Production", "1", 1, None), ("Production", "2", 5, 6)]
    swept = [*facts, stage(8, version("3", 8, OTHER), "Production", archive_others=True)]
    assert spans(at(swept).deployments(model=MODEL, stage="Production"))[0] == ("Production", "1", 1, 8)


@pytest.mark.parametrize(
    ("then", "left"),
    [
        ({"version": "2"}, ["2"]),
        ({"version": "2", "traffic": "0.1"}, ["1", "2 0.1"]),
        ({"version": "2", "traffic": "1.0"}, ["2 1.0"]),
        ({"version": "2", "traffic": "NaN"}, ["2 NaN"]),
        ({"version": "2", "traffic": "0"}, ["1"]),
        ({"version": "1", "traffic": "0"}, []),
        ({"version": "1", "traffic": "0.9"}, ["1 0.9"]),
        ({"version": "2", "mode": "shadow"}, ["1", "2 shadow"]),
        ({"version": "1", "mode": "shadow"}, ["1 shadow"]),
        ({"version": "2", "mode": "none"}, []),
    ],
)
def test_what_a_target_serves_after_another_statement(then: dict[str, str], left: list[str]) -> None:
    where = {"environment": "prod", "region": "eu"}
    facts = [fact(word, "deployment.changed", **version(number), target=where, **more) for word, number, more in (
        (1, "1", {}),
        (5, then["version"], {name: value for name, value in then.items() if name != "version"}),
    )]  # fmt: skip
    shown = [
        " ".join(filter(None, (row["version"], row["traffic"], row["mode"].replace("serving", ""))))
        for row in at(facts).live()
    ]
    assert sorted(shown) == left


# 8. The questions


def test_drift_compares_by_the_name_a_version_bears_then() -> None:
    where = {"environment": "prod", "region": "eu"}
    carried = [{"version": "1", "created_ms": micros(0) // 1000}]
    facts = [
        registered(version("1")),
        stage(1, version("1"), "Production"),
        fact(2, "deployment.changed", **version("1"), target=where),
        fact(3, "model.renamed", model=MODEL, to=OTHER, carried=carried),
        stage(4, version("2", 4, OTHER), "Production", archive_others=True),
    ]
    served = ("target:prod/eu", "serving", None, key("1"))
    assert at(facts, as_of=1).drift() == [("credit", None, None, None, None, key("1"), "not_served")]
    assert at(facts, as_of=2).drift() == [("credit", *served, key("1"), "same")]
    assert at(facts, as_of=3).drift() == [("other", *served, key("1"), "same")]
    new = key("2", 4, OTHER)
    assert at(facts).drift() == [
        ("other", *served, new, "other"),
        ("other", None, None, None, None, new, "not_served"),
    ]


def test_closures_follow_same_as_for_nothing_and_a_container_to_its_versions() -> None:
    facts = [
        fact(99, "dataset.declared", **DATA, same_as=[{"namespace": "hive", "name": "raw"}]),
        run(1, "r", "started", inputs=[{"namespace": "hive", "name": "raw"}]),
        registered(version("1"), 2, run="r"),
        run(3, "w", outputs=[{**DATA, "version": "v1"}]),
    ]
    hive = names.dataset("hive", "raw")
    found = at(facts, as_of=5)
    assert found.provenance(key("1")).nodes == {key("1"): 0, "run:r": 1, hive: 2, RAW: 2}
    assert found.impact(RAW).nodes == {RAW: 0, hive: 0, "run:r": 1, key("1"): 2, raw("v1"): 1}
    assert found.provenance(RAW).edges == {
        (RAW, "SAME_AS", hive, "declared", ()),
        (raw("v1"), "VERSION_OF", RAW, "exact", ()),
        (raw("v1"), "PRODUCED_BY", "run:w", "exact", ()),
    }
    assert found.provenance(MODEL).nodes == {MODEL: 0, key("1"): 1, "run:r": 2, hive: 3, RAW: 3}


def test_what_nobody_recorded_and_what_is_over_the_limit_are_gaps() -> None:
    facts = [registered(version("2"), run="gone", derived_from=[version("1")])]
    found = at(facts).provenance(key("2"))
    assert found.gaps == {("not_recorded", "run:gone"), ("not_recorded", key("1"))}
    cut = at(facts).provenance(key("2"), limit=2)
    assert set(cut.nodes) == {key("2"), key("1")}
    assert cut.gaps == {("limit", key("2")), ("not_recorded", key("1"))}
    assert {edge[1] for edge in cut.edges} == {"DERIVED_FROM"}


def test_the_history_of_a_node_is_what_said_something_of_it_in_order() -> None:
    gone = {"from_": key("1"), "type": "PRODUCED_BY", "to": "run:r", "source_": names.source("mlflow", "one")}
    facts = [
        fact(4, "edge.withdrawn", **gone),
        stage(3, version("1", None), "Staging"),
        registered(version("1"), 1, run="r"),
        fact(2, "alias.moved", **version("2"), alias="a"),
    ]
    words = ["model_version.registered", "stage.transitioned"]
    assert at(facts).history(key("1")) == list(zip([text(1), text(3)], words, strict=True))
    assert at(facts, as_of=2).history(key("1")) == at(facts).history(key("1"))[:1]
    assert at(facts).history("run:r") == []
    assert at(facts).history(MODEL) == [(text(1), words[0]), (text(2), "alias.moved"), (text(3), words[1])]
