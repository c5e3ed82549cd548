"""What one record does to the graph: the output of the fold, the input of every store.

A store adds the record's ``seq`` and nothing else. All parts of one record share its instant, its order
key, its source and its actor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graph_schema.kinds import TRIPLES, Edge, How, Role

_POSSIBLE: Final = frozenset((start.word, edge, end.word) for start, edge, end in TRIPLES)


class ImpossibleEdgeError(ValueError):
    """The language has no such edge between such nodes."""


def order_key(at: int, source: str, order: int, event_id: str) -> bytes:
    """Return the key by which facts are ordered: instant, source, the source's own counter, event id.

    ``at`` is in microseconds, ``event_id`` the record's 32 hex digits. Keys compare bytewise, and no two
    records share one. The sequence number plays no part: the order of arrival decides nothing.
    """
    return at.to_bytes(8, "big") + source.encode() + b"\0" + order.to_bytes(8, "big") + bytes.fromhex(event_id)


def after_instant(at: int) -> bytes:
    """Return the smallest order key later than every fact of instant ``at`` (for half-open cuts)."""
    return (at + 1).to_bytes(8, "big")


def instant_of(order: bytes) -> int:
    """Return the instant in an order key, in microseconds."""
    return int.from_bytes(order[:8], "big")


@dataclass(slots=True)
class Changes:
    """The nodes, property rows, edge assertions, withdrawals and points of one record."""

    at: int
    order: bytes
    source: str
    actor: str | None
    nodes: dict[str, None] = field(default_factory=dict)
    properties: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: dict[tuple[str, int, str], tuple[int, int]] = field(default_factory=dict)
    withdrawals: list[tuple[str, int, str, str]] = field(default_factory=list)
    points: list[tuple[str, str, int, Mapping[str, Any]]] = field(default_factory=list)

    def node(self, key: str) -> str:
        """Mention a node; the first mention makes it known."""
        self.nodes[key] = None
        return key

    def set(self, key: str, registers: Mapping[str, Any]) -> None:
        """Set registers of a node; absent ones are left alone."""
        self.node(key)
        if registers:
            self.properties.setdefault(key, {}).update(registers)

    def edge(self, start: str, edge: Edge, end: str, how: How = How.EXACT, roles: int = Role.NONE) -> None:
        """Assert an edge; several assertions by one record are one: the strongest, with all roles."""
        if not possible(start, edge, end):
            raise ImpossibleEdgeError(f"no {edge.name} from {start} to {end} in this language")
        self.nodes[start] = self.nodes[end] = None
        place, strength, bits = (start, int(edge), end), int(how), int(roles)
        known = self.edges.get(place)
        self.edges[place] = (strength, bits) if known is None else (max(strength, known[0]), bits | known[1])

    def withdraw(self, start: str, edge: Edge, end: str, source: str) -> None:
        """Withdraw what ``source`` asserted of an edge, for ever and whatever its time."""
        for key in (start, end, source):
            self.node(key)
        self.withdrawals.append((start, int(edge), end, source))

    def point(self, subject: str, slot: str, value: Mapping[str, Any]) -> None:
        """Add a point: what ``slot`` of ``subject`` holds from this instant on."""
        self.node(subject)
        number = sum(1 for other, name, _, _ in self.points if other == subject and name == slot)
        self.points.append((subject, slot, number, value))


def each_instant_counts(start: str, end: str) -> bool:
    """Tell whether every assertion of an edge must be kept: what ``…@?`` means depends on each one's instant."""
    return start.endswith("@?") or end.endswith("@?")


def possible(start: str, edge: Edge, end: str) -> bool:
    """Tell whether the language allows this edge between nodes of these kinds."""
    return (start.partition(":")[0], edge, end.partition(":")[0]) in _POSSIBLE
