"""Following edges in the production store: what lies ahead comes in one look, the levels are counted here.

A look asks for the edges of everything within reach of some nodes, in one statement, because each look costs a way
to the server and a row costs more than an edge. It may bring too much or too little: the walk goes level by level over
what it has, as the protocol says, and looks again where it has nothing. So depth, limits, equals and cuts are exact,
whatever order the server finds things in. Trap kept in mind: never bind a path, or the server follows every way instead
of reaching every node once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graph_schema.kinds import FIRST_LINEAGE, LAST_LINEAGE, Edge, How, roles_to_bits
from lineage_service.store.protocol import Assertion, Cut, Direction, Walk

Ask = Callable[..., Any]
"""Runs a statement with named parameters and returns its one value."""

_LINEAGE: Final = (int(FIRST_LINEAGE), int(LAST_LINEAGE))
_SAME_AS: Final = int(Edge.SAME_AS)
_TYPE: Final = {edge.name: int(edge) for edge in Edge}
_HOW: Final = {how.name.lower(): int(how) for how in How}
_WITHDRAWN: Final = "WITHDRAWN"
_AHEAD: Final = 2000
"""Nodes that one look brings at most."""
_FEW: Final = 4
"""Starts from which it pays to look far ahead; the ways of many would be found again and again."""

# Everything within reach of the starts, and of each node the edges that lead on, its equals and what was withdrawn.
_FAR_UP: Final = """
    UNWIND $starts AS start
    MATCH (s:Entity {key: start}) WHERE s.seq <= $known
    MATCH (s)-[:PRODUCED_BY|USED|READ|USED_MODEL|BUILT_FROM|RAN_IN|DERIVED_FROM|COLUMN_FROM*0..25]->(n)
    WITH DISTINCT n LIMIT $ahead
    RETURN collect([n.key,
      COLLECT {
        MATCH (n)-[e:PRODUCED_BY|USED|READ|USED_MODEL|BUILT_FROM|RAN_IN|DERIVED_FROM|COLUMN_FROM|SAME_AS]->(o)
        WHERE e.seq <= $known AND (e.at <= $as_of OR type(e) = 'SAME_AS')
        RETURN [type(e), o.key, e.seq, e.source, e.at, e.how, e.roles] },
      COLLECT {
        MATCH (n)<-[e:SAME_AS]-(o) WHERE e.seq <= $known
        RETURN [type(e), o.key, e.seq, e.source, e.at, e.how, e.roles] },
      COLLECT { MATCH (n)-[w:WITHDRAWN]->(o) WHERE w.seq <= $known RETURN [n.key, w.type, o.key, w.source] },
      COLLECT { MATCH (n)<-[w:WITHDRAWN]-(o) WHERE w.seq <= $known RETURN [o.key, w.type, n.key, w.source] }
    ])
"""
_FAR_DOWN: Final = """
    UNWIND $starts AS start
    MATCH (s:Entity {key: start}) WHERE s.seq <= $known
    MATCH (s)<-[:PRODUCED_BY|USED|READ|USED_MODEL|BUILT_FROM|RAN_IN|DERIVED_FROM|COLUMN_FROM*0..25]-(n)
    WITH DISTINCT n LIMIT $ahead
    RETURN collect([n.key,
      COLLECT {
        MATCH (n)-[e:SAME_AS]->(o) WHERE e.seq <= $known
        RETURN [type(e), o.key, e.seq, e.source, e.at, e.how, e.roles] },
      COLLECT {
        MATCH (n)<-[e:PRODUCED_BY|USED|READ|USED_MODEL|BUILT_FROM|RAN_IN|DERIVED_FROM|COLUMN_FROM|SAME_AS]-(o)
        WHERE e.seq <= $known AND (e.at <= $as_of OR type(e) = 'SAME_AS')
        RETURN [type(e), o.key, e.seq, e.source, e.at, e.how, e.roles] },
      COLLECT { MATCH (n)-[w:WITHDRAWN]->(o) WHERE w.seq <= $known RETURN [n.key, w.type, o.key, w.source] },
      COLLECT { MATCH (n)<-[w:WITHDRAWN]-(o) WHERE w.seq <= $known RETURN [o.key, w.type, n.key, w.source] }
    ])
"""
# One step of any types.
_NEAR_UP: Final = """
    UNWIND $starts AS start
    MATCH (n:Entity {key: start}) WHERE n.seq <= $known
    RETURN collect([n.key,
      COLLECT {
        MATCH (n)-[e]->(o)
        WHERE type(e) IN $types AND e.seq <= $known AND (e.at <= $as_of OR type(e) = 'SAME_AS')
        RETURN [type(e), o.key, e.seq, e.source, e.at, e.how, e.roles] },
      COLLECT {
        MATCH (n)<-[e:SAME_AS]-(o) WHERE e.seq <= $known
        RETURN [type(e), o.key, e.seq, e.source, e.at, e.how, e.roles] },
      COLLECT { MATCH (n)-[w:WITHDRAWN]->(o) WHERE w.seq <= $known RETURN [n.key, w.type, o.key, w.source] },
      COLLECT { MATCH (n)<-[w:WITHDRAWN]-(o) WHERE w.seq <= $known RETURN [o.key, w.type, n.key, w.source] }
    ])
"""
_NEAR_DOWN: Final = """
    UNWIND $starts AS start
    MATCH (n:Entity {key: start}) WHERE n.seq <= $known
    RETURN collect([n.key,
      COLLECT {
        MATCH (n)-[e:SAME_AS]->(o) WHERE e.seq <= $known
        RETURN [type(e), o.key, e.seq, e.source, e.at, e.how, e.roles] },
      COLLECT {
        MATCH (n)<-[e]-(o)
        WHERE type(e) IN $types AND e.seq <= $known AND (e.at <= $as_of OR type(e) = 'SAME_AS')
        RETURN [type(e), o.key, e.seq, e.source, e.at, e.how, e.roles] },
      COLLECT { MATCH (n)-[w:WITHDRAWN]->(o) WHERE w.seq <= $known RETURN [n.key, w.type, o.key, w.source] },
      COLLECT { MATCH (n)<-[w:WITHDRAWN]-(o) WHERE w.seq <= $known RETURN [o.key, w.type, n.key, w.source] }
    ])
"""
# Most nodes are declared to be the same as no other: that is told sooner than what leads from them.
_HAVE_EQUALS: Final = """
    UNWIND $starts AS start
    MATCH (n:Entity {key: start}) WHERE n.seq <= $known
    RETURN collect([n.key, EXISTS { (n)-[:SAME_AS]-() }])
"""


@dataclass(slots=True)
class _Seen:
    """What the looks brought: of each node its edges, in either direction of writing, without those withdrawn."""

    ask: Ask
    direction: Direction
    types: tuple[int, int]
    cut: Cut
    edges: dict[str, list[Assertion]] = field(default_factory=dict)
    same: dict[str, list[Assertion]] = field(default_factory=dict)
    withdrawn: set[tuple[str, str, str, str]] = field(default_factory=set)

    def look(self, keys: Iterable[str], hops: int, ahead: int) -> None:
        """Bring the edges of nodes not looked at yet and, if it pays, of what lies within so many hops of them."""
        starts = [key for key in keys if key not in self.edges]
        given: dict[str, Any] = {"known": self.cut.known_at, "as_of": self.cut.as_of}
        if hops > 1 and self.types == _LINEAGE and 0 < len(starts) <= _FEW:
            statement = _FAR_UP if self.direction == "up" else _FAR_DOWN
            for row in self.ask(statement, **given, starts=starts, ahead=ahead):
                self._take(row)
            starts = [key for key in starts if key not in self.edges]  # those that the bound left out
        if starts and self.types == (_SAME_AS, _SAME_AS):
            told = dict(self.ask(_HAVE_EQUALS, starts=starts, known=self.cut.known_at))
            starts = [key for key, has_equals in told.items() if has_equals]
            self.edges |= {key: [] for key in told.keys() - set(starts)}
            self.same |= {key: [] for key in told.keys() - set(starts)}
        if starts:
            first, last = self.types
            types = [name for name, number in _TYPE.items() if first <= number <= last or number == _SAME_AS]
            statement = _NEAR_UP if self.direction == "up" else _NEAR_DOWN
            for row in self.ask(statement, **given, starts=starts, types=types):
                self._take(row)

    def _take(self, row: list[Any]) -> None:
        key, out, into, withdrawn, withdrawn_into = row
        self.withdrawn.update(map(tuple, withdrawn + withdrawn_into))
        found = [self._assertion(key, edge, edge[1]) for edge in out if not self._gone(key, edge[0], edge[1], edge[3])]
        found += [self._assertion(one[1], one, key) for one in into if not self._gone(one[1], one[0], key, one[3])]
        first, last = self.types
        self.edges[key] = [edge for edge in found if first <= edge.type <= last and edge.at <= self.cut.as_of]
        self.same[key] = [edge for edge in found if edge.type == _SAME_AS]

    def _gone(self, start: str, kind: str, end: str, source: str) -> bool:
        return (start, kind, end, source) in self.withdrawn

    @staticmethod
    def _assertion(start: str, edge: list[Any], end: str) -> Assertion:
        kind, _, seq, source, at, how, roles = edge
        return Assertion(start, _TYPE[kind], end, seq, source, at, _HOW[how], roles_to_bits(roles) if roles else 0)


def walk(
    ask: Ask,
    starts: Mapping[str, int],
    direction: Direction,
    types: tuple[int, int],
    depth: int,
    limit: int,
    cut: Cut,
) -> Walk:
    """Follow edges level by level; each node is expanded once, at its least distance."""
    seen = _Seen(ask, direction, types, cut)
    ahead = min(limit + 1, _AHEAD)
    waiting: dict[int, set[str]] = {}
    seen.look(starts, depth - min(starts.values(), default=0), ahead)
    for key, distance in starts.items():
        if key in seen.edges:
            waiting.setdefault(distance, set()).add(key)
    distances: dict[str, int] = {}
    found: list[Assertion] = []
    same: dict[tuple[Any, ...], Assertion] = {}
    while waiting and len(distances) <= limit:
        level = min(waiting)
        frontier = _settle(seen, waiting.pop(level).difference(distances), level, distances, same, (depth, ahead))
        if level >= depth:
            continue
        rows = [edge for key in frontier for edge in seen.edges[key]]
        found += rows
        if reached := {edge.end if direction == "up" else edge.start for edge in rows}.difference(distances):
            waiting.setdefault(level + 1, set()).update(reached)
    limited = len(distances) > limit
    for level, keys in sorted(waiting.items()) if limited else ():
        for key in keys:
            distances.setdefault(key, level)
    return Walk(distances, [edge for edge in found if edge.type != _SAME_AS] + list(same.values()), limited)


def _settle(
    seen: _Seen,
    keys: Collection[str],
    level: int,
    distances: dict[str, int],
    same: dict[tuple[Any, ...], Assertion],
    bounds: tuple[int, int],
) -> list[str]:
    """Settle new nodes at ``level`` together with everything declared to be the same; return them all."""
    depth, ahead = bounds
    settled: list[str] = []
    pending = set(keys)
    while pending:
        distances.update(dict.fromkeys(pending, level))
        settled += pending
        seen.look(pending, depth - level, ahead)
        asked, pending = pending, set()
        for key in asked:
            for edge in seen.same[key]:
                same[edge[:4]] = edge
                pending.update((edge.start, edge.end))
        pending.difference_update(distances)
    return settled
