"""Ways through a run: where it is stated what an output was made of, that counts and nothing else the run read.

Specification: section 4, "Stated origins". A closure is a walk over nodes; such a run does not let every way in go on
to every way out. Where that matters the run is walked as several places, one for each end from which it was entered;
all are shown as the one run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graph_schema import names
from graph_schema.kinds import Edge, Role
from lineage_service.queries.writes import dataset_of

Key = tuple[str, int, str]

_BETWEEN: Final = "\0"
"""Stands in no key of a node."""
_STATED: Final = int(Role.STATED)
_PRODUCED_BY, _DERIVED_FROM = int(Edge.PRODUCED_BY), int(Edge.DERIVED_FROM)
_INPUTS: Final = frozenset({int(Edge.USED), int(Edge.READ)})


@dataclass(slots=True)
class EdgeFact:
    """An edge as answers show it: strongest how, union of roles, first record (None if inferred)."""

    how: int
    roles: int
    seq: int | None


class Passages:
    """The runs of a closure that are not passed freely, and the ways through them."""

    def __init__(self, edges: Mapping[Key, EdgeFact]) -> None:
        self._edges = edges
        self._stated: dict[str, set[str]] = {}
        for (start, kind, end), fact in edges.items():
            if kind == _PRODUCED_BY and fact.roles & _STATED:
                self._stated.setdefault(end, set()).add(start)
        self._origins = self._read_origins() if self._stated else {}

    def _read_origins(self) -> dict[str, set[str]]:
        """Return the datasets that each output with a stated origin was made of."""
        outputs = {output for some in self._stated.values() for output in some}
        origins: dict[str, set[str]] = {output: set() for output in outputs}
        for start, kind, end in self._edges:
            if kind == _DERIVED_FROM and start in origins:
                origins[start].add(_dataset_behind(end))
        return origins

    def above(self, start: str, kind: int, end: str) -> str:
        """Return the place to which an edge leads from its downstream end."""
        if kind == _PRODUCED_BY and start in self._stated.get(end, ()):
            return f"{end}{_BETWEEN}{start}"
        return end

    def below(self, start: str, kind: int, end: str) -> str:
        """Return the place to which an edge leads from its upstream end."""
        if kind in _INPUTS and start in self._stated:
            return f"{start}{_BETWEEN}{end}"
        return start

    def ways_up(self) -> dict[str, list[str]]:
        """Return where one goes on who came to a run from an output with a stated origin."""
        ways: dict[str, list[str]] = {f"{run}{_BETWEEN}{one}": [] for run, some in self._stated.items() for one in some}
        for start, kind, end in self._edges if ways else ():
            for output in self._stated.get(start, ()):
                if kind not in _INPUTS or _dataset_behind(end) in self._origins[output]:
                    ways[f"{start}{_BETWEEN}{output}"].append(end)
        return ways

    def ways_down(self) -> dict[str, list[str]]:
        """Return where one goes on who came from what a run with a stated output read."""
        outputs: dict[str, list[str]] = {}
        for start, kind, end in self._edges if self._stated else ():
            if kind == _PRODUCED_BY and end in self._stated:
                outputs.setdefault(end, []).append(start)
        ways: dict[str, list[str]] = {}
        for start, kind, end in self._edges if self._stated else ():
            if kind in _INPUTS and start in self._stated:
                dataset, stated = _dataset_behind(end), self._stated[start]
                ways[f"{start}{_BETWEEN}{end}"] = [
                    one for one in outputs[start] if one not in stated or dataset in self._origins[one]
                ]
        return ways


def nearest(places: Mapping[str, int]) -> dict[str, int]:
    """Return the distance of each node: that of the nearest place at which it was met."""
    distances: dict[str, int] = {}
    for place, distance in places.items():
        node = place.partition(_BETWEEN)[0]
        distances[node] = min(distance, distances.get(node, distance))
    return distances


def _dataset_behind(key: str) -> str:
    return key if names.kind_of(key) == "dataset" else dataset_of(key)
