"""Coverage is the union of all that was reported, however it was reported (coverage_law.py has the law in full)."""

from hypothesis import example, given, settings

from tests.properties.coverage_law import ASKED, HISTORIES, Told, coverage_law


@settings(max_examples=300)
@given(HISTORIES, *ASKED)
@example([Told("one", 0, 9, 11), Told("one", 0, 5, 12)], None, 8, 60, 0)
@example([Told("one", 0, 9, 11), Told("one", 0, 5, 7), Told("one", 0, 2, 20)], None, 9, 60, 30)
@example([Told("one", 0, 9, 11), Told("one", 0, 20, 9), Told("one", 30, 25, 31)], 2, 9, 60, 30)
def test_an_answer_knows_of_every_report_made_by_then_and_of_nothing_else(
    reports: list[Told], start: int | None, length: int, known_at: int, as_of: int
) -> None:
    coverage_law(reports, start, length, known_at, as_of)
