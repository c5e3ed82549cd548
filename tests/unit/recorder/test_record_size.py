"""The limit on the size of a record, which most events are held to by a bound and only large ones by measuring."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph_schema import canonical
from lineage_service.errors import InputError
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import _ENVELOPE, _FRAME, _GROWTH, _WIDEST, MAX_RECORD_BYTES, Prepared
from tests.unit.recorder.facts import event, prepare

# Characters of JSON that take one byte, two, three and six.
LETTERS = ("a", "\u00e9", "\u20ac", "\x01")
REFS = st.integers(3000, 4096)
NAMES = st.integers(500, 4096)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(LETTERS), st.sampled_from(LETTERS), REFS, NAMES, st.integers(0, 400))
def test_no_record_larger_than_the_limit_is_taken_whatever_makes_it_large(
    installation: Installation, one: str, other: str, ref: int, name: int, metrics: int
) -> None:
    body = {
        "run": "r1",
        "name": "x",
        "inputs": [{"namespace": "s3://lake", "name": other * name}],
        "error": "y",
        "tags": [["team", "z"]],
        "experiment": other * min(name, 1024),
        "metrics": [{"key": f"{one}{number}", "value": "0.123456"} for number in range(metrics)],
    }
    fact = event("run.observed", body, source={"ref": one * ref, "order": 2**53 - 1})
    taken: list[Prepared] = []
    with contextlib.suppress(InputError):
        taken = prepare(installation, fact)
    assert all(len(canonical.encode_unchecked(one.template)) + _FRAME <= MAX_RECORD_BYTES for one in taken)


@pytest.mark.parametrize("others", [1, 50])
def test_the_bound_holds_where_empty_values_are_sealed(installation: Installation, others: int) -> None:
    # Each grows to a reference and a digest: the most that a record can exceed its normal form by.
    same = [{"namespace": "s3://lake", "name": f"t{number}"} for number in range(others)]
    facts = [
        event("dataset.declared", {"namespace": "s3://l", "name": "t", "description": "", "same_as": same}),
        event("run.observed", {"run": "r", "name": "", "error": "", "params": [["p", ""]], "tags": [["t", ""]]}),
    ]
    for fact in facts:
        (prepared,) = prepare(installation, fact)
        grown = len(canonical.encode_unchecked(prepared.template)) + _FRAME
        normal = len(canonical.encode_unchecked(fact.model_dump(by_alias=True, exclude_defaults=True)))
        assert grown <= normal + _GROWTH * len(prepared.sealed) + _ENVELOPE + _WIDEST * len(installation.origin)
