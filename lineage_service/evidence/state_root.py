"""One hash over the whole graph as known at a record, whatever order the facts arrived in.

The root is that of an RFC 6962 tree over one leaf an entity, sorted by key: ``lineage-state-v1``, 0, key, 0, entity
hash. The entity hash is SHA-256 of ``lineage-entity-v1``, 0, and the canonical JSON (LJ1, but of any size) of the
entity in normal form; 0 is one zero byte::

    {"edges": [[type, end, source, at, how, roles], …],       sorted; see below
     "key": …, "kind": …,
     "points": [[slot, order, n, actor, value], …],           sorted
     "registers": [[name, [[order, value], …]], …]}           sorted by name, then by order

Rules kept: nothing in it depends on the order of arrival (no record numbers), and two stores may keep more or fewer
assertions of an edge as long as they keep those that are not dominated: one source's assertion is dropped if another
of its own is at least as early and as strong and has all its roles, and no end of the edge is an undated version.
Withdrawn assertions are not in it. Order keys are lowercase hex; registers and slots are lists, because their names
come from outside.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final

import orjson

from graph_schema.changes import each_instant_counts
from graph_schema.kinds import Edge, Kind
from lineage_service.ledger.merkle import Frontier, leaf_hash
from lineage_service.store.protocol import END_OF_TIME, Assertion, Cut, NodeFacts, Point, PointQuery, Reader

_ENTITY: Final = b"lineage-entity-v1\0"
_STATE: Final = b"lineage-state-v1\0"
_PAGE: Final = 200
_NO_LIMIT: Final = 2**40
_EDGE_TYPES: Final = (min(Edge).value, max(Edge).value)
_KINDS_IN_KEY_ORDER: Final = sorted(Kind, key=lambda kind: f"{kind.word}:")


def state_root(reader: Reader, known_at: int) -> bytes:
    """Return the root over all entities known at record ``known_at``. Holds one page of entities at a time."""
    cut = Cut(END_OF_TIME - 1, known_at)
    frontier = Frontier()
    known = _known(reader, cut)
    while page := dict(islice(known, _PAGE)):
        frontier = frontier.extend([_leaf(key, digest) for key, digest in _entities(reader, page, cut)])
    return frontier.root()


def _known(reader: Reader, cut: Cut) -> Iterator[tuple[str, Kind]]:
    """Yield every key in order, with its kind: kinds share pages, because a page costs several ways to a server."""
    for kind in _KINDS_IN_KEY_ORDER:
        after = None
        while keys := reader.find(kind.value, "", after, _PAGE, cut):
            yield from ((key, kind) for key in keys)
            if len(keys) < _PAGE:
                break
            after = keys[-1]


def _leaf(key: str, entity: bytes) -> bytes:
    return leaf_hash(_STATE + key.encode() + b"\0" + entity)


def _entities(reader: Reader, page: Mapping[str, Kind], cut: Cut) -> Iterator[tuple[str, bytes]]:
    facts = reader.nodes(page, cut, every=page)
    points: dict[str, list[Point]] = {key: [] for key in page}
    for point in reader.points(PointQuery(subjects=list(page)), cut):
        points[point.subject].append(point)
    edges: dict[str, list[Assertion]] = {key: [] for key in page}
    walk = reader.walk(dict.fromkeys(page, 0), "up", _EDGE_TYPES, 1, _NO_LIMIT, cut)
    for assertion in walk.assertions:
        if assertion.start in edges:
            edges[assertion.start].append(assertion)
    for key, kind in page.items():
        yield key, entity_hash(kind, facts[key], edges[key], points[key])


def entity_hash(kind: Kind, facts: NodeFacts, edges: Sequence[Assertion], points: Sequence[Point]) -> bytes:
    """Return the hash of one entity in normal form, from what a store knows of it in any order."""
    entity = {
        "edges": _edges(edges),
        "key": facts.key,
        "kind": kind.word,
        "points": sorted(
            ([point.slot, point.order.hex(), point.n, point.actor, point.value] for point in points),
            key=lambda row: row[:3],
        ),
        "registers": _registers(facts),
    }
    return sha256(_ENTITY + orjson.dumps(entity, option=orjson.OPT_SORT_KEYS)).digest()


def _registers(facts: NodeFacts) -> list[list[Any]]:
    history: dict[str, list[list[Any]]] = {}
    for row in sorted(facts.rows, key=lambda row: row.order):
        for name, value in row.registers.items():
            history.setdefault(name, []).append([row.order.hex(), value])
    return [[name, history[name]] for name in sorted(history)]


def _edges(assertions: Sequence[Assertion]) -> list[list[Any]]:
    stated: dict[tuple[int, str, str], set[tuple[int, int, int]]] = {}
    for item in assertions:
        stated.setdefault((item.type, item.end, item.source), set()).add((item.at, item.how, item.roles))
    counting = {item.end for item in assertions if each_instant_counts(item.start, item.end)}
    return sorted(
        [*edge, *one]
        for edge, said in stated.items()
        for one in (said if edge[1] in counting else _undominated(said))
    )


def _undominated(said: set[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return what says something that no other one says: (at, how, roles), earlier and stronger being more."""
    return [
        one
        for one in said
        if not any(
            other != one and other[0] <= one[0] and other[1] >= one[1] and other[2] & one[2] == one[2] for other in said
        )
    ]
