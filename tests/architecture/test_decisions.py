"""Decision records stay short, complete and true: the tests that are said to hold them exist."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

FOLDER = ROOT / "lineage_service" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives", "Held by"]
SCREEN = 60


def names(path: Path) -> str:
    """Give the name under which a record's cases are listed."""
    return path.stem


def test_records_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_the_index_lists_every_record_under_its_title() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \| (.+) \|$", index, re.MULTILINE)
    titled = [(str(int(p.name[:4])), p.name, p.read_text(encoding="utf-8").splitlines()[0]) for p in RECORDS]
    assert [(number, name, f"# {number}. {title}") for number, name, title in listed] == titled


@pytest.mark.parametrize("record", RECORDS, ids=names)
def test_a_record_has_every_section_and_fits_on_a_screen(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert len(text.splitlines()) <= SCREEN


@pytest.mark.parametrize("record", RECORDS, ids=names)
def test_a_record_is_held_by_tests_that_exist(record: Path) -> None:
    held_by = record.read_text(encoding="utf-8").partition("## Held by")[2]
    places = re.findall(r"`(tests/[^`]+)`", held_by)
    assert places
    assert [place for place in places if not holds_tests(ROOT / place)] == []


def holds_tests(place: Path) -> bool:
    """Say whether a file of tests, or a folder with at least one, is there."""
    return any(place.rglob("test_*.py")) if place.is_dir() else place.is_file()
