"""The profile LJ1 and the reading of JSON from outside: every refusal names the place and never the value."""

import copy
import enum
import inspect
import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from graph_schema.canonical import (
    MAX_BYTES,
    MAX_INTEGER,
    CanonicalError,
    WireError,
    decode,
    encode,
    encode_unchecked,
    parse_wire,
    reference_encode,
)

both_encoders = pytest.mark.parametrize("encoder", [encode, reference_encode])


class Colour(enum.StrEnum):
    RED = "red"


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@both_encoders
def test_members_are_sorted_and_nothing_is_written_between(encoder: Callable[[object], bytes]) -> None:
    value = {"b": [1, True, None, '\u00e9\u2028\x7f\x1f\n"\\/'], "a": {}, "B": -MAX_INTEGER, "A": MAX_INTEGER, "-": ()}
    assert encoder(value).decode() == (
        '{"-":[],"A":9007199254740991,"B":-9007199254740991,"a":{},'
        '"b":[1,true,null,"\u00e9\u2028\x7f\\u001f\\n\\"\\\\/"]}'
    )


@both_encoders
def test_normal_forms_of_text_are_kept_apart(encoder: Callable[[object], bytes]) -> None:
    assert encoder("\u00e9") != encoder("e\u0301")


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ({"body": {"params": [0, 1, 2, ["a", 1.5]]}}, "body.params[3][1]", "decimal string"),
        ({"body": {"params": [0, 1, 2, ["a", "b", math.nan]]}}, "body.params[3][2]", "decimal string"),
        ({"seq": MAX_INTEGER + 1}, "seq", "beyond 9007199254740991"),
        ([-MAX_INTEGER - 1], "[0]", "beyond 9007199254740991"),
        ({"a": {"": 1}}, 'a[""]', "a key must match"),
        ({"a b": 1}, '["a b"]', "a key must match"),
        ({"caf\u00e9": 1}, '["caf\\u00e9"]', "a key must match"),
        ({"a\n": 1}, '["a\\n"]', "a key must match"),
        ({"x" * 129: 1}, '["' + "x" * 128 + '"]', "a key must match"),
        ({1: 1}, '["1"]', "a key must match"),
        ({Colour.RED: 1}, "red", "a key must match"),
        ({"a.b": {"c-d": "\ud800"}}, '["a.b"].c-d', "surrogate"),
        ({"a": Colour.RED}, "a", "type Colour"),
        ({"a": b"x"}, "a", "type bytes"),
        ({"a": {1, 2}}, "a", "type set"),
        (nested(17), "[0]" * 16, "more than 16 levels"),
        (1.0, "", "decimal string"),
    ],
)
@both_encoders
def test_a_value_outside_the_profile_is_refused_at_its_place(
    encoder: Callable[[object], bytes], value: object, path: str, problem: str
) -> None:
    with pytest.raises(CanonicalError) as refusal:
        encoder(value)
    assert refusal.value.path == path
    assert problem in refusal.value.problem
    assert str(refusal.value) == f"{path or 'the document'}: {refusal.value.problem}"


@both_encoders
def test_the_limits_themselves_are_allowed(encoder: Callable[[object], bytes]) -> None:
    assert encoder(nested(16)) == b"[" * 16 + b'"x"' + b"]" * 16
    assert encoder({"x" * 128: 0}) == b'{"' + b"x" * 128 + b'":0}'
    assert len(encoder("x" * (MAX_BYTES - 2))) == MAX_BYTES


@pytest.mark.parametrize("encoder", [encode, reference_encode, encode_unchecked])
def test_one_byte_too_many_is_refused(encoder: Callable[[object], bytes]) -> None:
    with pytest.raises(CanonicalError, match="65536 bytes"):
        encoder("x" * (MAX_BYTES - 1))


def test_an_endless_value_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CanonicalError, match="more than 16 levels"):
        encode(value)


def test_the_unchecked_encoder_trusts_the_model_but_not_the_encoder() -> None:
    assert encode_unchecked({"b": 1.5, "a": 2**60}) == b'{"a":1152921504606846976,"b":1.5}'
    for value in ("\ud800", 2**64, object()):
        with pytest.raises(CanonicalError, match="cannot be written as JSON"):
            encode_unchecked(value)


@pytest.mark.parametrize(
    ("data", "path", "problem"),
    [
        (b'{"a":[1,1.0]}', "a[1]", "decimal string"),
        (b'{"a":{"b":1,"b":1}}', "a.b", "twice"),
        (b'{"a":9007199254740992}', "a", "beyond"),
        (b'{"a b":1}', '["a b"]', "a key must match"),
        (b'{"b":1,"a":2}', "", "another spelling"),
        (b'{"a": 1}', "", "another spelling"),
        (b'"\\u00e9"', "", "another spelling"),
        (b'"\\/"', "", "another spelling"),
        (b'"\\u000A"', "", "another spelling"),
        (b"1 ", "", "another spelling"),
        (b"", "", "not JSON"),
        (b"1,", "", "not JSON"),
        (b"[" * 17 + b"]" * 17, "", "more than 16 levels"),
        (b'"' + b"x" * MAX_BYTES + b'"', "", "65537 bytes"),
    ],
)
def test_bytes_that_are_not_the_canonical_spelling_are_refused(data: bytes, path: str, problem: str) -> None:
    with pytest.raises(CanonicalError) as refusal:
        decode(data)
    assert refusal.value.path == path
    assert problem in refusal.value.problem


def test_foreign_json_is_read_in_any_spelling() -> None:
    data = b' {"z" : [1, -2, 0,\t"\\u00e9\\ud83d\\ude00"],\r\n "a b":{"\\u0000":null}, "":true} '
    assert parse_wire(data) == {"z": [1, -2, 0, "\u00e9\U0001f600"], "a b": {"\0": None}, "": True}


@pytest.mark.parametrize(
    ("data", "path", "problem"),
    [
        (b'{"body":{"params":[0,1,2,["a",1.5]]}}', "body.params[3][1]", "metrics are decimal strings"),
        (b'{"m":1e2}', "m", "metrics are decimal strings"),
        (b'{"m":-0.0}', "m", "metrics are decimal strings"),
        (b'{"m":-0}', "m", "-0"),
        (b'{"m":NaN}', "m", "NaN"),
        (b'{"m":[-Infinity]}', "m[0]", "-Infinity"),
        (b'{"m":9007199254740992}', "m", "beyond"),
        (b'{"m":' + b"9" * 10_000 + b"}", "m", "beyond"),
        (b'{"a":1,"a":1}', "a", "twice"),
        (b'{"a":1,"\\u0061":2}', "a", "twice"),
        (b'{"x":[{"a b":1,"a b":1}]}', 'x[0]["a b"]', "twice"),
        (b'{"x":{"y":1.5,"y":2}}', "x.y", "twice"),
        (b'{"x":"\\ud800"}', "x", "surrogate"),
        (b'{"x":["\\udc00\\ud800"]}', "x[0]", "surrogate"),
        (b'{"x":{"\\ud800":1}}', 'x["\\ud800"]', "surrogate"),
        (b'{"x":"\xed\xa0\x80"}', "", "not UTF-8 at byte 6"),
        (b'{"x":"\xc0\x80"}', "", "not UTF-8 at byte 6"),
        (b"\xef\xbb\xbf{}", "", "byte order mark"),
        (b"\xff\xfe{\x00}\x00", "", "not UTF-8 at byte 0"),
        (b'{"a":1,}', "", "not JSON at line 1"),
        (b'{"a":01}', "", "not JSON at line 1"),
        (b'{"a":"\n"}', "", "not JSON at line 1"),
        (b"{'a':1}", "", "not JSON at line 1"),
        (b"\n\n", "", "not JSON at line 3"),
        (b"{} {}", "", "not JSON at line 1"),
        (b'{"a":1.5,', "", "not JSON at line 1"),
    ],
)
def test_foreign_json_without_one_meaning_is_refused_at_its_place(data: bytes, path: str, problem: str) -> None:
    with pytest.raises(WireError) as refusal:
        parse_wire(data)
    assert refusal.value.path == path
    assert problem in refusal.value.problem


def test_floats_are_read_where_they_are_admitted() -> None:
    assert parse_wire(b"[1.5,1e2,-0.0,-0,7]", floats=True) == [1.5, 100.0, -0.0, 0, 7]
    for text in ("NaN", "Infinity", "1E400", "-1e400"):
        with pytest.raises(WireError) as refusal:
            parse_wire(f'{{"m":[{text}]}}'.encode(), floats=True)
        assert refusal.value.path == "m[0]"


def test_wide_integers_are_read_where_they_are_admitted() -> None:
    assert parse_wire(b"[18446744073709551615,-9223372036854775808]", wide=True) == [2**64 - 1, -(2**63)]
    for text in ("18446744073709551616", "-9223372036854775809", "9" * 10_000):
        with pytest.raises(WireError, match="beyond 64 bits"):
            parse_wire(text.encode(), wide=True)
    with pytest.raises(WireError, match="beyond 9007199254740991"):
        parse_wire(b"18446744073709551615", floats=True)


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"a":[', '["\\\\",', '["\\"]",'])
def test_deep_nesting_is_refused_before_anything_recurses(opening: str) -> None:
    levels = opening.count("[") + opening.count("{")
    with pytest.raises(WireError, match="more than 64 levels"):
        parse_wire(opening.encode() * (64 // levels + 1))
    with pytest.raises(WireError, match="more than 64 levels"):
        parse_wire(opening.encode() * 10_000)


def test_nesting_as_deep_as_allowed_is_read() -> None:
    assert parse_wire(b"[" * 64 + b"]" * 64) == parse_wire(b" [" * 64 + b"]" * 64)
    assert parse_wire(b"[[]]", max_depth=2) == [[]]
    with pytest.raises(WireError, match="more than 2 levels"):
        parse_wire(b"[[[]]]", max_depth=2)


@pytest.mark.parametrize("text", ["[" * 100, '{["]' * 50, "\\[" * 100, '\\\\"[' * 100, '\\"[' * 100])
def test_brackets_inside_strings_are_no_nesting(text: str) -> None:
    data = orjson.dumps([text, {"a": [text]}])
    assert parse_wire(data) == [text, {"a": [text]}]


def test_many_brackets_side_by_side_are_no_nesting() -> None:
    assert parse_wire(b"[" + b"[{}]," * 1000 + b"[]]") == [[{}]] * 1000 + [[]]


def test_broken_brackets_are_no_json() -> None:
    with pytest.raises(WireError, match="not JSON"):
        parse_wire(b"]" * 100 + b"[" * 160 + b"]" * 60)
    with pytest.raises(WireError):
        parse_wire(b'["' + b"[" * 100)


def test_no_error_shows_the_value_it_refuses() -> None:
    for data in (b'{"m":123456.789}', b'{"m":"secret \\ud800"}', b'{"m":99999999999999999999}', b'{"m":secret}'):
        with pytest.raises(WireError) as refusal:
            parse_wire(data)
        assert not [word for word in ("secret", "123456", "99999999999999999999") if word in str(refusal.value)]


def test_errors_can_be_copied_and_sent_on() -> None:
    error = copy.copy(WireError("a.b", "is wrong"))
    assert (type(error), error.path, error.problem) == (WireError, "a.b", "is wrong")


def test_the_limits_of_reading_are_named_arguments() -> None:
    kinds = {name: one.kind for name, one in inspect.signature(parse_wire).parameters.items()}
    assert {name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY} == {
        "floats",
        "wide",
        "max_depth",
    }
