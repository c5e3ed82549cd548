"""The comparison behind `python -m tests.versions`: what it calls alike, and what it never lets pass."""

import pytest

from tests.versions.environments import takes_plugin
from tests.versions.expectation import differences, expected
from tests.versions.lines import lines

RUN, MADE = "a1" * 16, 1795392378318


def moved(version: str, by: str = "ada") -> dict[str, object]:
    body = {"model": "model:prod::credit", "version": version, "created_ms": MADE, "to": "Production"}
    return {"type": "stage.transitioned", "actor": {"subject": by, "assurance": "authenticated"}, "body": body}


def test_what_mlflow_drew_itself_is_replaced_and_the_rest_is_shown() -> None:
    tagged = {"node": f"model_version:prod::credit/1@{MADE}", "name": "run", "value": RUN}
    fact = {"type": "tag.set", "actor": {"assurance": "observed"}, "body": tagged}
    assert lines([fact], {RUN: "RUN"}) == [
        'tag.set {"name": "run", "node": "model_version:prod::credit/1@TIME", "value": "RUN"} (observed)'
    ]


@pytest.mark.parametrize("other", [moved("2"), moved("1", by="bob"), {**moved("1"), "type": "stage.seen"}])
def test_another_version_person_or_type_is_another_line(other: dict[str, object]) -> None:
    assert lines([moved("1")], {}) != lines([other], {})


@pytest.mark.parametrize("what", ["acts", "rights", "workspaces", "import"])
@pytest.mark.parametrize("release", ["3.10.0", "3.13.0", "3.17.2"])
def test_a_fact_that_is_missing_or_that_nobody_expected_is_a_difference(what: str, release: str) -> None:
    written = expected(what, release)
    assert len(written) > 10
    assert differences(what, release, written) == []
    assert differences(what, release, written[1:]) == [f"{what}: - {written[0]}"]
    assert differences(what, release, [*written, "zzz"]) == [f"{what}: + zzz"]
    assert differences(what, release, [*written, written[-1]]) == [f"{what}: + {written[-1]}"]


def test_a_condition_holds_for_a_whole_minor_release_and_those_on_its_side() -> None:
    def roles(release: str) -> bool:
        return any("by roles/assign" in line for line in expected("rights", release))

    def one_by_one(release: str) -> bool:
        return any("gateway-secret" in line for line in expected("rights", release))

    assert [roles(one) for one in ("3.10.0", "3.11.1", "3.12.5", "3.13.0")] == [False, False, True, True]
    assert [one_by_one(one) for one in ("3.10.0", "3.12.5", "3.13.0", "4.0.0")] == [True, True, False, False]


def test_releases_before_the_plugin_are_read_from_outside_only() -> None:
    assert [takes_plugin(one) for one in ("2.9.2", "3.9.0", "3.10.0", "3.17.2")] == [False, False, True, True]
