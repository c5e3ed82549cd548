from typing import Any

import pytest
import typer

from lineage_service.cli.requirements import checks_of, outcome_of


@pytest.mark.parametrize(
    ("value", "requirement", "passed"),
    [
        ("0.87", "auc>=0.85", True),
        ("0.85", "auc >= 0.850", True),
        ("0.85", "auc>0.85", False),
        ("0.1", "auc<=0.1", True),
        ("0.30000000000000004", "auc==0.3", False),
        ("1e-3", "auc<0.01", True),
        ("NaN", "auc<=1", False),
        ("-Infinity", "auc<0", True),
        ("0.5", "auc>=NaN", False),
    ],
)
def test_numbers_are_compared_as_they_are_written(value: str, requirement: str, passed: bool) -> None:
    (check,) = checks_of([f"auc={value}"], [requirement])
    assert (check["metric"], check["value"], check["passed"]) == ("auc", value, passed)


def test_a_measurement_nobody_judges_is_kept_and_one_may_be_judged_twice() -> None:
    checks = checks_of(["auc=0.87", "psi = 0.02", "f=1=2"], ["auc>=0.85", "auc<0.99"])
    assert [(check["metric"], check.get("comparison")) for check in checks] == [
        ("auc", ">="),
        ("auc", "<"),
        ("psi", None),
        ("f=1", None),
    ]


@pytest.mark.parametrize(
    ("metrics", "required", "option"),
    [
        (["auc"], [], "--metric"),
        (["auc=high"], [], "--metric"),
        (["auc=.5"], [], "--metric"),
        (["=1"], [], "--metric"),
        (["auc=1", "auc=2"], [], "--metric"),
        ([f"m{number}=1" for number in range(101)], [], "--metric"),
        (["auc=1"], ["auc=1"], "--require"),
        (["auc=1"], ["auc=>1"], "--require"),
        (["auc=1"], ["auc>="], "--require"),
        (["auc=1"], [">=1"], "--require"),
        (["auc=1"], ["auc>=high"], "--require"),
        (["auc=1"], ["ks>=1"], "--require"),
    ],
)
def test_what_cannot_be_read_names_its_option(metrics: list[str], required: list[str], option: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        checks_of(metrics, required)
    assert refused.value.param_hint == option


MET: dict[str, Any] = {"metric": "auc", "value": "1", "comparison": ">", "threshold": "0", "passed": True}
UNMET = {**MET, "passed": False}


@pytest.mark.parametrize(
    ("given", "checks", "outcome"),
    [
        (None, [MET], "passed"),
        (None, [MET, UNMET], "failed"),
        ("passed", [], "passed"),
        ("passed", [MET], "passed"),
        ("failed", [MET], "failed"),
        ("inconclusive", [UNMET], "inconclusive"),
    ],
)
def test_an_outcome_is_the_one_given_or_follows_from_the_requirements(
    given: str | None, checks: list[dict[str, Any]], outcome: str
) -> None:
    assert outcome_of(given, checks) == outcome


@pytest.mark.parametrize(("given", "checks"), [(None, []), (None, [{"metric": "a"}]), ("passed", [UNMET]), ("ok", [])])
def test_no_outcome_or_one_that_its_requirements_contradict_is_refused(
    given: str | None, checks: list[dict[str, Any]]
) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        outcome_of(given, checks)
    assert refused.value.param_hint == "--outcome"
