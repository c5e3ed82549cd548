"""The quick reading of a record says yes exactly where the slow one does, and nothing but the bytes decides."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graph_schema import canonical, times
from lineage_service.evidence.record_form import (
    RecordFormError,
    UnknownFormError,
    canonical_instant,
    fields_of,
    quick_fields,
    read_id,
    read_record,
)

RECORD: dict[str, Any] = {
    "v": 1,
    "log": "test.example/log",
    "seq": 7,
    "prev": "ab" * 32,
    "time": "2026-11-23T12:00:00.000001Z",
    "id": "019ab0c0d0e0" + "1" * 20,
    "type": "tag.set",
    "ev": 1,
    "occurred_at": "2026-11-23T11:00:00.000001Z",
    "actor": {"assurance": "observed"},
    "source": {"kind": "mlflow", "instance": "prod"},
    "body": {},
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["1.0", "é", "\u2028", '"', "\\", "a\nb", "\U0001f600"])
)
keys = st.text(alphabet="abz09_.:/@+-", min_size=1, max_size=4) | st.text(max_size=3) | st.just("k" * 129)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))


def slow(body: bytes) -> tuple[Any, ...] | None:
    try:
        return fields_of(read_record(body))
    except (canonical.CanonicalError, RecordFormError):
        return None


def loosely(value: object, *, ascii_only: bool = False, sort: bool = True, space: bool = False) -> bytes:
    separators = (", ", ": ") if space else (",", ":")
    return json.dumps(value, ensure_ascii=ascii_only, sort_keys=sort, separators=separators).encode()


def nested(levels: int) -> dict[str, Any]:
    value: Any = "x"
    for at in range(levels):
        value = [value] if at % 2 else {"n": value}
    return {"n": value}


@given(st.dictionaries(keys, values, max_size=4), st.booleans(), st.booleans(), st.booleans())
@example({"a": 2**53 - 1, "b": -(2**53) + 1}, False, True, False)
@example({"a": 2**53}, False, True, False)
@example({"a": 2**64}, False, True, False)
@example({"a": 1.0}, False, True, False)
@example({"a": [[1e300]]}, False, True, False)
@example({"a": -0.0}, False, True, False)
@example(nested(13), False, True, False)
@example(nested(14), False, True, False)
@example(nested(15), False, True, False)
@example({"": 1}, False, True, False)
@example({"ключ": 1}, False, True, False)
def test_the_quick_reading_agrees_with_the_slow_one(
    body: dict[str, Any], ascii_only: bool, sort: bool, space: bool
) -> None:
    data = loosely({**RECORD, "body": body}, ascii_only=ascii_only, sort=sort, space=space)
    assert quick_fields(data) == slow(data)


@given(st.sampled_from([*RECORD, "sd", "extra"]), values)
def test_the_two_readings_agree_on_any_value_in_any_field(name: str, value: object) -> None:
    data = loosely({**RECORD, name: value})
    assert quick_fields(data) == slow(data)


@given(st.data())
def test_the_two_readings_agree_on_damaged_bytes(data: st.DataObject) -> None:
    body = canonical.encode({**RECORD, "sd": ["x"], "body": {"n": 1, "list": [["a", "1.5"], True, None], "t": "ü"}})
    place = data.draw(st.integers(0, len(body) - 1))
    damaged = body[:place] + data.draw(st.binary(max_size=2)) + body[place + data.draw(st.integers(0, 2)) :]
    assert quick_fields(damaged) == slow(damaged)


def test_a_record_longer_than_the_profile_allows_is_refused_by_both() -> None:
    data = loosely({**RECORD, "body": {"a": "x" * 70_000}})
    assert quick_fields(data) is None
    assert slow(data) is None


@pytest.mark.parametrize(
    "spelling", [b"", b"[]", b"7", b"null", b'"x"', b"{", b"\xef\xbb\xbf{}", b"\xff", b'{"a":1e999}']
)
def test_what_is_no_record_is_refused_by_both(spelling: bytes) -> None:
    assert quick_fields(spelling) is None
    assert slow(spelling) is None


@pytest.mark.parametrize("name", RECORD)
def test_a_record_that_lacks_a_field_is_refused(name: str) -> None:
    data = loosely({key: value for key, value in RECORD.items() if key != name})
    assert quick_fields(data) is None
    with pytest.raises(RecordFormError):
        read_record(data)


@pytest.mark.parametrize("changed", [{"v": 2}, {"later": 1}])
def test_a_record_of_a_later_form_is_unknown_and_not_wrong(changed: dict[str, Any]) -> None:
    with pytest.raises(UnknownFormError):
        read_record(loosely({**RECORD, **changed}))


@given(st.integers(0, times.MAX_MICROS))
def test_every_time_the_log_writes_is_read(micros: int) -> None:
    assert canonical_instant(times.format_time(micros)) == micros


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T23:57:16Z",
        "2026-11-22T23:57:16.123456z",
        "2026-11-22 23:57:16.123456Z",
        "2026-11-22T23:57:16.12345٣Z",
        "2026-11-22T23:57:60.000000Z",
        "2026-02-30T23:57:16.123456Z",
        "2026-11-22T24:00:00.000000Z",
        "2026-W47-7T23:57:16.123456Z",
        "2026-11-22T23:57:16.123456+",
        "2026-11-22T23:57:16,123456Z",
        "1969-11-22T23:57:16.123456Z",
        "2026-11-22T23:57:-1.123456Z",
        "2026-11-22T23-57:16.123456Z",
    ],
)
def test_a_time_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(RecordFormError):
        canonical_instant(text)


@pytest.mark.parametrize("identifier", ["", "0" * 31, "0" * 33, "0" * 31 + "G", "0" * 31 + "A", "1" * 32, "0 " * 16])
def test_an_id_of_another_form_or_instant_is_refused(identifier: str) -> None:
    with pytest.raises(RecordFormError):
        read_id(identifier, 0)


def test_an_id_begins_with_the_milliseconds_of_its_event() -> None:
    assert read_id("00000000007b" + "f" * 20, 123_999)[:6] == (123).to_bytes(6, "big")
