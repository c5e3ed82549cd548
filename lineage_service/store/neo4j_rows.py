"""What a group of records becomes in Neo4j: the rows of its one statement, as lists that the statement takes apart.

Each list holds what cannot be known to be there already; what another process recorded meanwhile is the statement's
business. Order keys travel as hex, which compares like the bytes. Rules kept: an assertion that an earlier one of its
group dominates is left out here, because a statement sees the graph as it was before it; of one node and one wording
only the first row of a group may be the first of all.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from graph_schema import names
from graph_schema.changes import Changes, each_instant_counts
from graph_schema.kinds import KIND_BY_WORD, Edge, How, Role, roles_from_bits
from lineage_service.store.protocol import NewRecord

LABELS: Final = {word: "".join(part.capitalize() for part in word.split("_")) for word in KIND_BY_WORD}
"""The label of each kind of node, e.g. ``ModelVersion``."""
TYPES: Final = {int(edge): edge.name for edge in Edge}
"""The relationship type of each type of edge, e.g. ``PRODUCED_BY``."""
HOWS: Final = {int(how): how.name.lower() for how in How}
_NOT_WEAKER: Final = {int(how): [other.name.lower() for other in How if other >= how] for how in How}
_NO_ROLES: Final = int(Role.NONE)
_KNOWN: Final = 50_000
_OWN: Final = frozenset({"subject", "slot", "name", "ord", "n", "seq", "at", "actor", "value"})

_Place = tuple[str, int, str, str]
_Said = tuple[int, int, int]


@dataclass(slots=True)
class Known:
    """What committed groups left behind, so that the next ones need not ask: nodes, wordings, assertions of edges."""

    nodes: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    edges: dict[_Place, _Said] = field(default_factory=dict)
    """(start, type, end, source) to (at, how, roles) of an assertion that is stored or dominated by a stored one."""

    def take(self, rows: "Rows") -> None:
        """Take in what a group added, once it is committed; begin anew rather than grow for ever."""
        for kept, fresh in ((self.nodes, rows.fresh_nodes), (self.words, rows.fresh_words)):
            if len(kept) + len(fresh) > _KNOWN:
                kept.clear()
            kept.update(fresh)
        if len(self.edges) + len(rows.fresh_edges) > _KNOWN:
            self.edges.clear()
        self.edges.update(rows.fresh_edges)


@dataclass(slots=True)
class Rows:
    """The rows of one group; ``first`` is the number of the first of the ``folded`` records that they come from."""

    known: Known
    first: int = 0
    folded: int = 0
    nodes: list[list[Any]] = field(default_factory=list)
    records: list[list[Any]] = field(default_factory=list)
    said: list[list[Any]] = field(default_factory=list)
    edges: list[list[Any]] = field(default_factory=list)
    withdrawals: list[list[Any]] = field(default_factory=list)
    points: list[list[Any]] = field(default_factory=list)
    fresh_nodes: set[str] = field(default_factory=set)
    fresh_words: set[str] = field(default_factory=set)
    fresh_edges: dict[_Place, _Said] = field(default_factory=dict)
    _within: dict[_Place, list[_Said]] = field(default_factory=dict)

    def append(self, records: Sequence[NewRecord]) -> None:
        """Take in records."""
        self.records += [[r.seq, r.id, r.type, r.actor, r.time, r.leaf, r.body.decode()] for r in records]

    def fold(self, changes: Sequence[tuple[int, Changes]]) -> None:
        """Take in what records do to the graph, in ascending order of their seq."""
        self.first = changes[0][0] if changes else 0
        self.folded += len(changes)
        for seq, change in changes:
            order = change.order.hex()
            for key in change.nodes:
                if key not in self.fresh_nodes and key not in self.known.nodes:
                    self.fresh_nodes.add(key)
                    self.nodes.append(node_row(key, seq))
            for key, registers in change.properties.items():
                self._say(seq, order, key, registers)
            for place, word in change.edges.items():
                self._assert(seq, change, place, word)
            for start, kind, end, of_source in change.withdrawals:
                self.withdrawals.append([start, end, TYPES[kind], of_source, seq])
            for subject, slot, n, value in change.points:
                self.points.append(point_row(seq, order, change, subject, slot, n, value))

    def _say(self, seq: int, order: str, key: str, registers: Mapping[str, Any]) -> None:
        text = text_of(registers)
        words = words_of(key, text)
        again = words in self.fresh_words or words in self.known.words
        self.fresh_words.add(words)
        self.said.append([seq, key, words, order, text.decode(), again])

    def _assert(self, seq: int, change: Changes, place: tuple[str, int, str], word: tuple[int, int]) -> None:
        """Add an assertion unless it is dominated: by one of its group, or by one that is known to be stored."""
        (start, kind, end), (how, roles) = place, word
        every = each_instant_counts(start, end)
        if not every:
            at, said = (start, kind, end, change.source), (change.at, how, roles)
            before = self._within.setdefault(at, [])
            if (one := self.known.edges.get(at)) and _dominates(one, said):
                return
            if any(_dominates(one, said) for one in before):
                return
            before.append(said)
            self.fresh_edges.setdefault(at, said)
        self.edges.append(
            [start, end, TYPES[kind], seq, change.source, change.at, HOWS[how], _roles(roles), every, _NOT_WEAKER[how]]
        )

    def parameters(self) -> dict[str, Any]:
        """Return the lists under the names that the statement gives them."""
        return {
            "nodes": self.nodes,
            "records": self.records,
            "said": self.said,
            "edges": self.edges,
            "withdrawals": self.withdrawals,
            "points": self.points,
        }


def text_of(registers: Mapping[str, Any]) -> bytes:
    """Return registers as they are stored."""
    return orjson.dumps(registers, option=orjson.OPT_SORT_KEYS)


def words_of(key: str, text: bytes) -> str:
    """Return the mark of a node and the registers that a record sets on it: the same words have the same mark."""
    return hashlib.sha256(key.encode() + b"\0" + text).hexdigest()[:32]


def node_row(key: str, seq: int) -> list[Any]:
    """Return key, label, number of the kind, record, and the name that people read; a key that is none raises."""
    kind = names.kind_of(key)
    return [key, LABELS[kind], KIND_BY_WORD[kind].value, seq, key.rpartition("::")[2].removeprefix(f"{kind}:")]


def _roles(bits: int) -> list[str] | None:
    return roles_from_bits(bits) if bits != _NO_ROLES else []


def point_row(
    seq: int, order: str, change: Changes, subject: str, slot: str, n: int, value: Mapping[str, Any]
) -> list[Any]:
    """Return a point: its properties, who is named by it, and the nodes that its value names with the field."""
    family, _, name = slot.partition(":")
    plain = {key: one for key, one in value.items() if isinstance(one, str | int) and key not in _OWN}
    own = {
        "subject": subject,
        "slot": family,
        "name": name,
        "ord": order,
        "n": n,
        "seq": seq,
        "at": change.at,
        "actor": change.actor,
        "value": orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode(),
    }
    named = [[key, one] for key, one in plain.items() if one in change.nodes]
    return [seq, subject, change.actor, {**plain, **own}, named]


def _dominates(one: _Said, other: _Said) -> bool:
    """Tell whether an earlier-recorded (at, how, roles) of the same source leaves nothing to say for another."""
    return one[0] <= other[0] and one[1] >= other[1] and one[2] & other[2] == other[2]
