"""How far back reports reach: to where the watch began, and to nothing that another log was told or nobody saw."""

import json
from pathlib import Path

import pytest

from collectors.delivery import Receipts, Spans


def answer(log: str | None, size: int = 1) -> dict[str, object]:
    """Return what a service answers whose log has this name, or one that signs later."""
    note = None if log is None else f"{log}\n{size}\nUk9PVA==\n"
    return {"receipts": [{"id": "0", "seq": size - 1}], "size": size, "checkpoint": note}


def told(spans: Spans, start: int, end: int) -> int:
    """Report the time between two instants; return where the report begins."""
    begun = spans.beginning(start)
    spans.keep(begun, end)
    return begun


def test_reports_that_join_begin_where_the_first_did(tmp_path: Path) -> None:
    spans = Spans(tmp_path)
    assert [told(spans, at, at + 30) for at in (0, 30, 60)] == [0, 0, 0]
    assert spans.reached == 90


def test_they_do_so_from_one_process_to_the_next_and_without_a_folder_in_one(tmp_path: Path) -> None:
    assert [told(Spans(tmp_path), at, at + 30) for at in (0, 30)] == [0, 0]
    memory = Spans()
    assert [told(memory, at, at + 30) for at in (0, 30)] == [0, 0]
    assert told(Spans(), 60, 90) == 60


@pytest.mark.parametrize("start", [29, 31, 0])
def test_a_report_that_does_not_begin_where_the_last_one_ended_is_joined_to_nothing(tmp_path: Path, start: int) -> None:
    spans = Spans(tmp_path)
    told(spans, 5, 30)
    assert told(spans, start, 60) == start
    assert told(spans, 60, 90) == start


def test_what_another_watch_reported_is_not_joined(tmp_path: Path) -> None:
    told(Spans(tmp_path, watch="boot-1"), 0, 30)
    other = Spans(tmp_path, watch="boot-2")
    assert other.reached is None
    assert told(other, 30, 60) == 30


def test_with_the_folder_the_span_is_lost_and_what_was_reported_is_not_forgotten(tmp_path: Path) -> None:
    spans = Spans(tmp_path)
    told(spans, 0, 30)
    (tmp_path / "coverage.json").unlink()
    assert spans.reached == 30
    assert told(spans, 30, 60) == 30


@pytest.mark.parametrize("text", ["", "{", "7", '{"boot": "b", "covered_to": 30}', '{"watch": ""}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "coverage.json").write_text(text)
    assert told(Spans(tmp_path), 30, 60) == 30
    assert json.loads((tmp_path / "coverage.json").read_text())["begun"] == 30


def test_reports_are_joined_as_long_as_one_log_gives_the_receipts(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "receipts.json")
    spans = Spans(tmp_path, receipts)
    assert told(spans, 0, 30) == 0  # nothing was delivered yet: whatever waits goes to the log that comes
    receipts.keep(answer("log.one/1", 5))
    assert [told(spans, 30, 60), told(spans, 60, 90)] == [0, 0]
    receipts.keep(answer("log.one/1", 9))
    receipts.keep(answer(None, 10))
    assert told(Spans(tmp_path, Receipts(tmp_path / "receipts.json")), 90, 120) == 0


def test_a_report_to_another_log_speaks_of_its_own_stretch_only(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "receipts.json")
    receipts.keep(answer("log.one/1", 5))
    told(Spans(tmp_path, receipts), 0, 30)
    (tmp_path / "receipts.json").unlink()  # what an operator does, since the other log refuses who remembers the first
    other = Receipts(tmp_path / "receipts.json")
    assert told(Spans(tmp_path, other), 30, 60) == 30
    other.keep(answer("log.two/2", 7))
    assert told(Spans(tmp_path, other), 60, 90) == 30


def test_a_log_that_never_names_itself_is_told_each_stretch_alone(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path / "receipts.json")
    receipts.keep(answer(None))
    spans = Spans(tmp_path, receipts)
    assert [told(spans, at, at + 30) for at in (0, 30, 60)] == [0, 30, 60]
    receipts.keep(answer("log.one/1", 5))
    assert [told(spans, at, at + 30) for at in (90, 120, 150)] == [90, 90, 90]
