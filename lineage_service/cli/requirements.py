"""What a validation measured and what was required of it, as people write it on a command line.

``auc=0.87`` is a measurement, ``auc>=0.85`` a requirement on it. Numbers are compared as decimals, exactly as they are
written; one that is not a number (NaN) meets no requirement.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import typer

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN|-?Infinity", re.ASCII)
_REQUIREMENT: Final = re.compile(r"(?P<metric>.*?[^<>=\s])\s*(?P<comparison>>=|<=|==|>|<)\s*(?P<threshold>\S+)")
_MOST_CHECKS: Final = 100

FAILED: Final = "failed"
PASSED: Final = "passed"
OUTCOMES: Final = (PASSED, FAILED, "inconclusive")


def checks_of(metrics: Sequence[str], required: Sequence[str]) -> list[dict[str, Any]]:
    """Return the checks of a validation: each requirement with the value it is about, then values nobody judges.

    Raises:
        typer.BadParameter: names the option, for what cannot be read, a value given twice, or one that is missing.
    """
    values: dict[str, str] = {}
    for text in metrics:
        name, sign, value = text.rpartition("=")
        if not sign or not name.strip() or not _NUMBER.fullmatch(value.strip()):
            raise _wrong("--metric", f"{text!r}: write NAME=NUMBER, such as auc=0.87")
        if name.strip() in values:
            raise _wrong("--metric", f"{name.strip()} is given twice")
        values[name.strip()] = value.strip()
    checks = [_judged(text, values) for text in required]
    judged = {check["metric"] for check in checks}
    checks += [{"metric": name, "value": value} for name, value in values.items() if name not in judged]
    if len(checks) > _MOST_CHECKS:
        raise _wrong("--metric", f"a validation has at most {_MOST_CHECKS} measurements, this one {len(checks)}")
    return checks


def _judged(text: str, values: dict[str, str]) -> dict[str, Any]:
    found = _REQUIREMENT.fullmatch(text.strip())
    if found is None or not _NUMBER.fullmatch(found["threshold"]):
        raise _wrong("--require", f"{text!r}: write NAME>=NUMBER (or >, <=, <, ==), such as auc>=0.85")
    metric, comparison, threshold = found["metric"], found["comparison"], found["threshold"]
    if metric not in values:
        raise _wrong("--require", f"{text!r} is about {metric}, which was not measured: add --metric {metric}=NUMBER")
    passed = _holds(Decimal(values[metric]), comparison, Decimal(threshold))
    return {
        "metric": metric,
        "value": values[metric],
        "comparison": comparison,
        "threshold": threshold,
        "passed": passed,
    }


def _holds(value: Decimal, comparison: str, threshold: Decimal) -> bool:
    if value.is_nan() or threshold.is_nan():
        return False
    return {
        ">=": value >= threshold,
        ">": value > threshold,
        "<=": value <= threshold,
        "<": value < threshold,
        "==": value == threshold,
    }[comparison]


def outcome_of(given: str | None, checks: Sequence[dict[str, Any]]) -> str:
    """Return the outcome of a validation: as it was given, else what its requirements say together.

    Requirements may all be met and the validation have failed, for a reason that no number shows; a validation whose
    requirements are not met has not passed.

    Raises:
        typer.BadParameter: names the option, for no outcome, one that is none, or one that its checks contradict.
    """
    unmet = [check for check in checks if check.get("passed") is False]
    if given is None:
        if not any("passed" in check for check in checks):
            raise _wrong("--outcome", f"say {', '.join(OUTCOMES[:-1])} or {OUTCOMES[-1]}, or what is required")
        return FAILED if unmet else PASSED
    if given not in OUTCOMES:
        raise _wrong("--outcome", f"{given!r}: say {', '.join(OUTCOMES[:-1])} or {OUTCOMES[-1]}")
    if given == PASSED and unmet:
        one = unmet[0]
        raise _wrong(
            "--outcome",
            f"passed contradicts --require {one['metric']}{one['comparison']}{one['threshold']}: it is {one['value']}",
        )
    return given


def _wrong(option: str, what: str) -> typer.BadParameter:
    return typer.BadParameter(what, param_hint=option)
