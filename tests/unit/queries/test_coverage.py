"""What coverage costs, counted in the steps that SQLite takes: it follows the spans, not the reports of them."""

from collections.abc import Callable

import pytest

from lineage_service.queries.asking import Asking
from lineage_service.queries.coverage import MOVEMENT, seen_by
from lineage_service.queries.heartbeats import newest_heartbeat
from lineage_service.store.protocol import END_OF_TIME, Cut, Reader
from lineage_service.store.sqlite_reader import SqliteReader
from tests.properties.coverage_law import Told, registered, wire
from tests.properties.product import stored
from tests.properties.records import records_of
from tests.properties.stories import micros

FEW, MANY = 20, 1000


def cumulative(count: int) -> list[Told]:
    """Give reports of one span, half a minute apart."""
    return [Told("one", 0, 30 * number, 30 * number + 2) for number in range(1, count + 1)]


def each_its_own(count: int) -> list[Told]:
    """Give reports that each speak of their own half minute."""
    return [Told("one", 30 * (number - 1), 30 * number, 30 * number + 2) for number in range(1, count + 1)]


def asked(reader: Reader) -> tuple[str | None, str | None, int, bool]:
    """Ask about the last second; return what is covered, how many holes there are, and whether that is complete."""
    asking = Asking(reader, Cut(END_OF_TIME - 1, reader.head().size - 1))
    seen = seen_by(asking, MOVEMENT, None, micros(30 * MANY))
    (said,) = seen.coverage
    return said["from"], said["to"], len(seen.gaps), seen.complete


def newest(reader: Reader) -> object:
    """Find the newest report."""
    return newest_heartbeat(reader, "source:mlflow/one")


def steps(reports: list[Told], question: Callable[[Reader], object]) -> int:
    """Return how many steps SQLite takes for a question about a source that made these reports."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    with stored(records_of([registered("one"), *map(wire, reports)])) as store, store.read() as reader:
        assert isinstance(reader, SqliteReader)
        reader._connection.set_progress_handler(count, 1)
        question(reader)
        reader._connection.set_progress_handler(None, 1)
    return counted


@pytest.mark.parametrize("question", [asked, newest])
def test_many_reports_of_one_span_cost_what_a_few_cost(question: Callable[[Reader], object]) -> None:
    assert steps(cumulative(MANY), question) <= steps(cumulative(FEW), question) + 5


def test_reports_that_each_speak_of_their_own_time_cost_each_its_own() -> None:
    assert steps(each_its_own(MANY), asked) > steps(each_its_own(FEW), asked) * MANY / FEW / 4


@pytest.mark.parametrize("missed", [0, 7])
def test_both_ways_to_report_give_the_same_answer(missed: int) -> None:
    said = []
    for way in (cumulative, each_its_own):
        told = way(FEW)
        rest = [one._replace(begun=max(one.begun, 30 * (missed + 1))) for one in told[missed + 1 :]]
        reports = [*told[:missed], *rest] if missed else told
        with stored(records_of([registered("one"), *map(wire, reports)])) as store, store.read() as reader:
            said.append(asked(reader))
    assert said[0] == said[1]
    assert said[0][2] == bool(missed)
