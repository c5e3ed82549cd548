"""The facts of a list of records, and those of them that pass a cut (sections 1 and 2 of the specification)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from graph_schema import names, times
from graph_schema.kinds import Edge, How
from tests.properties import reference_bodies as bodies


class Origin(NamedTuple):
    """The record behind a fact: when, in which order, recorded as what, by whom."""

    at: int
    order: tuple[int, bytes, int, str]
    seq: int
    source: str
    actor: str | None
    type: str
    occurred_at: str


class Row(NamedTuple):
    origin: Origin
    key: str
    registers: dict[str, Any]


class Assertion(NamedTuple):
    origin: Origin
    start: str
    type: Edge
    end: str
    how: How
    roles: int


class Withdrawal(NamedTuple):
    origin: Origin
    start: str
    type: Edge
    end: str
    source: str


class Point(NamedTuple):
    origin: Origin
    subject: str
    slot: str
    n: int
    value: dict[str, Any]


@dataclass
class Facts:
    """Everything that a list of records says; ``known`` has the first number at which each node is mentioned."""

    rows: list[Row]
    assertions: list[Assertion]
    withdrawals: list[Withdrawal]
    points: list[Point]
    known: dict[str, int]


def origin_of(record: bodies.Body) -> Origin:
    """Return what all facts of a record share."""
    at = times.parse_time(record["occurred_at"])
    source = names.source(record["source"]["kind"], record["source"]["instance"])
    order = (at, source.encode(), record["source"].get("order", 0), record["id"])
    return Origin(at, order, record["seq"], source, record["actor"].get("id"), record["type"], record["occurred_at"])


def read(records: list[dict[str, Any]]) -> Facts:
    """Return everything that the records say; a type that no history holds is an error of the test."""
    facts = Facts([], [], [], [], {})
    for record in records:
        origin = origin_of(record)
        people = [actor for actor in (record["actor"], record["actor"].get("on_behalf_of")) if actor and "id" in actor]
        mentioned = [origin.source, *map(bodies.person, people)]
        counts: dict[tuple[str, str], int] = {}
        for what, *parts in bodies.READ[record["type"]](record):
            if what == "point":
                subject, slot, value = parts
                n = counts[(subject, slot)] = counts.get((subject, slot), -1) + 1
                facts.points.append(Point(origin, subject, slot, n, value))
                mentioned.append(subject)
            elif what == "row":
                mentioned.append(parts[0])
                if parts[1]:
                    facts.rows.append(Row(origin, *parts))
            elif what == "edge":
                facts.assertions.append(Assertion(origin, *parts))
                mentioned += [parts[0], parts[2]]
            elif what == "withdrawal":
                facts.withdrawals.append(Withdrawal(origin, *parts))
                mentioned += [parts[0], parts[2], parts[3]]
            else:
                mentioned += parts
        for key in mentioned:
            facts.known[key] = min(facts.known.get(key, origin.seq), origin.seq)
    return facts


def registers(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the value of each register, the last by order, without tombstones; rows come in order."""
    held: dict[str, Any] = {}
    for row in rows:
        held.update(row.registers)
    return {name: value for name, value in held.items() if value is not None}


class Cut:
    """The facts that count at ``as_of`` (microseconds, inclusive) according to the records up to ``known_at``.

    ``recorded`` are the points that pass ``known_at`` alone, for the few rules that look at what is known whenever it
    was true.
    """

    def __init__(self, facts: Facts, as_of: int, known_at: int) -> None:
        self.as_of = as_of
        self.known_at = known_at
        self.facts = facts
        self.known = {key for key, first in facts.known.items() if first <= known_at}
        self.recorded = sorted(
            (point for point in facts.points if point.origin.seq <= known_at), key=lambda p: (p.origin.order, p.n)
        )
        self.points = [point for point in self.recorded if point.origin.at <= as_of]

    @cached_property
    def rows(self) -> list[Row]:
        """Rows that pass, in order."""
        rows = [row for row in self.facts.rows if row.origin.seq <= self.known_at and row.origin.at <= self.as_of]
        return sorted(rows, key=lambda row: row.origin.order)

    @cached_property
    def assertions(self) -> list[Assertion]:
        """Assertions that pass and are not withdrawn."""
        withdrawn = {
            (gone.start, gone.type, gone.end, gone.source)
            for gone in self.facts.withdrawals
            if gone.origin.seq <= self.known_at
        }
        return [
            said
            for said in self.facts.assertions
            if said.origin.seq <= self.known_at
            and (said.origin.at <= self.as_of or said.type is Edge.SAME_AS)
            and (said.start, said.type, said.end, said.origin.source) not in withdrawn
        ]

    def registers(self, key: str) -> dict[str, Any]:
        """Return the registers of a node by the rows under its own key."""
        return registers(row for row in self.rows if row.key == key)

    def slot(self, subject: str, slot: str) -> list[Point]:
        """Return the points of one slot that pass, in order."""
        return [point for point in self.points if point.subject == subject and point.slot == slot]
