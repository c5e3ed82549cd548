"""Laws of the canonical bytes: three encoders agree, bytes and values determine each other, no byte is free."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from graph_schema.canonical import (
    MAX_INTEGER,
    CanonicalError,
    WireError,
    decode,
    encode,
    encode_unchecked,
    parse_wire,
    reference_encode,
)

keys = st.text("abcXYZ019_.:/@+-", min_size=1, max_size=12)
scalars = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(max_size=12)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=25,
)
foreign = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=25,
)
records = st.dictionaries(keys, values, min_size=1, max_size=3)


@given(values)
def test_all_encoders_write_the_same_bytes(value: Any) -> None:
    data = encode(value)
    assert data == reference_encode(value)
    assert data == rfc8785.dumps(value)
    assert data == encode_unchecked(value)


@given(values)
def test_what_is_encoded_is_decoded(value: Any) -> None:
    assert decode(encode(value)) == value


@given(values, values)
def test_different_values_have_different_bytes(one: Any, other: Any) -> None:
    # repr tells True from 1; the order of members does not count.
    same = repr(json.loads(json.dumps(one, sort_keys=True))) == repr(json.loads(json.dumps(other, sort_keys=True)))
    assert (encode(one) == encode(other)) == same


@given(records, st.integers(0, 255))
def test_no_byte_of_a_record_can_be_another(record: dict[str, Any], byte: int) -> None:
    data = encode(record)
    for place, original in enumerate(data):
        for other in {byte, original ^ 1, original ^ 0x20, original ^ 0x80} - {original}:
            changed = data[:place] + bytes([other]) + data[place + 1 :]
            try:
                value = decode(changed)
            except CanonicalError:
                continue
            assert encode(value) == changed != data
            assert value != record or repr(value) != repr(record)


@given(values, st.binary(max_size=3), st.data())
def test_nothing_can_be_slipped_in(value: Any, extra: bytes, data: st.DataObject) -> None:
    original = encode(value)
    place = data.draw(st.integers(0, len(original)))
    changed = original[:place] + extra + original[place:]
    try:
        found = decode(changed)
    except CanonicalError:
        return
    assert encode(found) == changed


@given(st.binary(max_size=40) | st.text('{}[]":,\\u0189-.eEd ntrfals\n', max_size=40).map(str.encode))
def test_any_bytes_are_decoded_to_one_value_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except CanonicalError:
        return
    assert encode(value) == data


@given(foreign, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_foreign_json_is_read_whatever_its_spelling(value: Any, indent: int | str | None, ascii_only: bool) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert parse_wire(data) == value


@given(st.binary(max_size=40) | st.text('{}[]":,\\u0189-.eEd ntrfals\n', max_size=40).map(str.encode))
def test_foreign_bytes_are_read_or_refused_and_break_nothing(data: bytes) -> None:
    try:
        value = parse_wire(data)
    except WireError:
        return
    assert parse_wire(json.dumps(value).encode()) == value


@given(foreign, st.text(max_size=4), st.lists(st.integers(0, 2) | st.sampled_from(["a", "b c"]), max_size=5))
def test_a_repeated_key_is_found_at_any_depth(value: Any, key: str, steps: list[int | str]) -> None:
    name, inner = json.dumps(key), json.dumps(value)
    text = f"{{{name}:{inner},{name}:{inner}}}"
    for step in steps:
        text = f"[{'0,' * step}{text}]" if isinstance(step, int) else f"{{{json.dumps(step)}:{text}}}"
    with pytest.raises(WireError, match="twice") as refusal:
        parse_wire(text.encode())
    assert refusal.value.path.count("[") >= sum(isinstance(step, int) for step in steps)
