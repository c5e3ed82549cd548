"""The corpus of spellings: what each reader accepts, and where and why it refuses the rest."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from graph_schema.canonical import CanonicalError, WireError, decode, encode, parse_wire, reference_encode

CORPUS: Final = json.loads(Path(__file__).with_name("canonical.json").read_text(encoding="utf-8"))
CASES: Final[list[dict[str, Any]]] = CORPUS["cases"]
READERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "decode": decode,
    "wire": parse_wire,
    "foreign": partial(parse_wire, floats=True, wide=True),
}


def name_of(case: dict[str, Any]) -> str:
    return str(case["id"])


def bytes_of(described: dict[str, Any]) -> bytes:
    if "hex" in described:
        return bytes.fromhex(described["hex"])
    if "text" in described:
        return str(described["text"]).encode()
    return "".join(text * times for text, times in described["repeat"]).encode()


@pytest.mark.parametrize("case", CASES, ids=name_of)
@pytest.mark.parametrize("reader", READERS)
def test_each_reader_accepts_or_refuses_as_the_corpus_says(reader: str, case: dict[str, Any]) -> None:
    data, expected = bytes_of(case["input"]), case[reader]
    if expected == "valid":
        READERS[reader](data)
        return
    with pytest.raises((CanonicalError, WireError)) as refusal:
        READERS[reader](data)
    assert refusal.value.path == expected["path"]
    assert expected["problem"] in refusal.value.problem
    assert isinstance(refusal.value, CanonicalError if reader == "decode" else WireError)


@pytest.mark.parametrize("case", [case for case in CASES if case["decode"] == "valid"], ids=name_of)
def test_a_canonical_document_is_what_both_encoders_write(case: dict[str, Any]) -> None:
    data = bytes_of(case["input"])
    assert encode(decode(data)) == data
    assert reference_encode(json.loads(data)) == data
    assert parse_wire(data) == decode(data)


@pytest.mark.parametrize("case", [case for case in CASES if case["wire"] == "valid"], ids=name_of)
def test_what_the_wire_admits_means_the_same_to_the_standard_library(case: dict[str, Any]) -> None:
    data = bytes_of(case["input"])
    assert parse_wire(data) == parse_wire(data, floats=True, wide=True) == json.loads(data)


def test_the_corpus_names_each_case_once_and_marks_what_is_valid() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)
    assert [case["id"] for case in CASES if ("valid" in case["flags"]) != (case["decode"] == "valid")] == []
    assert [case["id"] for case in CASES if case["decode"] == "valid" != case["wire"]] == []
