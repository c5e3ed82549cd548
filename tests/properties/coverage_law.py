"""Coverage is the union of all that was reported by N, whatever was reported, in whatever order it arrived.

Instants are small numbers of seconds, so that a stretch is a set of seconds and a union that of sets: the naive
reading beside which the product's is laid, on its real store.
"""

from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import strategies as st

from graph_schema import times
from lineage_service.queries.asking import Asking
from lineage_service.queries.coverage import MOVEMENT, seen_by
from lineage_service.store.protocol import Cut
from tests.properties.product import stored
from tests.properties.records import Sent, records_of
from tests.properties.stories import START, fact, micros, text

SOURCES = ("one", "two")


class Told(NamedTuple):
    """A report: by whom, from when to when, and when it was made; in seconds."""

    source: str
    begun: int
    reached: int
    at: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a source covered: from when, to when, and the seconds in between that nobody watched."""

    begun: int
    reached: int
    unseen: frozenset[int]


@st.composite
def odd_reports(draw: st.DrawFn) -> list[Told]:
    """Give reports that begin together and are of any kind else: late, early, one shorter than that before."""
    source, begun = draw(st.sampled_from(SOURCES)), draw(st.sampled_from((0, 3, 10, 11)))
    lengths = draw(st.lists(st.integers(-4, 20), min_size=1, max_size=4))
    ends = [max(begun + length, 0) for length in lengths]
    return [Told(source, begun, end, max(end + draw(st.sampled_from((2, 0, 9, -3))), 0)) for end in ends]


@st.composite
def watches(draw: st.DrawFn) -> list[Told]:
    """Give the reports of a collector as ours report: each up to now, from where the span began."""
    source, now, told = draw(st.sampled_from(SOURCES)), draw(st.integers(0, 10)), []
    for _ in range(draw(st.integers(1, 3))):
        begun = now
        for step in draw(st.lists(st.integers(1, 4), min_size=1, max_size=8)):
            now += step
            told.append(Told(source, begun, now, now + 2))
        now += draw(st.integers(0, 6))
    return told


HISTORIES = st.lists(st.one_of(odd_reports(), watches()), max_size=4).flatmap(
    lambda parts: st.permutations([told for part in parts for told in part])
)


def naive(reports: list[Told], source: str) -> Stretch | None:
    """Return the union of what a source reported: second by second."""
    own = [told for told in reports if told.source == source]
    if not own:
        return None
    begun, reached = min(told.begun for told in own), max(max(told.begun, told.reached) for told in own)
    seen = {second for told in own for second in range(told.begun, told.reached)}
    return Stretch(begun, reached, frozenset(range(begun, reached)) - seen)


def second(moment: str | None) -> int:
    assert moment is not None
    return (times.parse_time(moment) - START) // 1_000_000


def unseen(details: list[str]) -> frozenset[int]:
    """Return the seconds that gaps tell of."""
    found: set[int] = set()
    for detail in details:
        _, _, stretch = detail.partition(" from ")
        begin, _, end = stretch.partition(" to ")
        found.update(range(second(begin), second(end)))
    return frozenset(found)


def registered(instance: str) -> Sent:
    seen = {"method": "in_path", "assurance": "authenticated"}
    return fact(0, "source.registered", kind="mlflow", instance=instance, families=["movement"], **seen)


def wire(told: Told) -> Sent:
    covered = {"covered_from": text(told.begun), "covered_to": text(told.reached)}
    return fact(told.at, "collector.reported", source=told.source, actor_={"assurance": "system"}, **covered)


ASKED = (st.none() | st.integers(0, 30), st.integers(0, 40), st.integers(1, 60), st.integers(0, 50))
"""Beginning and length of the interval asked for, N, and T."""


def coverage_law(reports: list[Told], start: int | None, length: int, known_at: int, as_of: int) -> None:
    """An answer knows of every report that was recorded by N, and of nothing else."""
    records = records_of([*map(registered, SOURCES), *map(wire, reports)])
    recorded = dict.fromkeys(reports)  # a repeat adds no record
    known = list(recorded)[: max(known_at - 1, 0)]
    stop = (start or 0) + length
    with stored(records, [3, 1]) as store, store.read() as reader:
        asking = Asking(reader, Cut(micros(as_of), min(known_at, len(records) - 1)))
        found = seen_by(asking, MOVEMENT, None if start is None else micros(start), micros(stop))
    proven = True
    for source, said in zip(SOURCES, found.coverage, strict=True):
        told = naive(known, source)
        if told is None:
            assert (said["from"], said["to"], proven) == (None, None, proven)
            proven = False
            continue
        assert (second(said["from"]), second(said["to"])) == (told.begun, told.reached)
        gaps = [gap["detail"] for gap in found.gaps if gap["subject"] == f"mlflow/{source}"]
        asked = frozenset(range(start or 0, stop))
        assert unseen(gaps) & asked == told.unseen & asked
        assert unseen(gaps) <= told.unseen
        proven &= (start is None or told.begun <= start) and told.reached >= stop and not gaps
    assert found.complete == proven
