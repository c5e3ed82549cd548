"""Ways through a run that does not lead from every output to every input (specification: section 4).

Two things divide a run: where it is stated what an output was made of, that counts and nothing else the run read
("Stated origins"); and what one of several executions is inferred to have read counts for what that one wrote. A
closure is a walk over nodes; a divided run is walked as several places, one for each end from which it was entered, and
all of them are shown as the one run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from graph_schema import names
from graph_schema.kinds import Edge, How, Role
from lineage_service.queries.runs import Place
from lineage_service.queries.writes import dataset_of

Key = tuple[str, int, str]

_BETWEEN: Final = "\0"
"""Stands in no key of a node."""
_STATED: Final = int(Role.STATED)
_INFERRED: Final = int(How.INFERRED)
_PRODUCED_BY, _DERIVED_FROM = int(Edge.PRODUCED_BY), int(Edge.DERIVED_FROM)
_INPUTS: Final = frozenset({int(Edge.USED), int(Edge.READ)})


@dataclass(slots=True)
class EdgeFact:
    """An edge as answers show it: strongest how, union of roles, first record (None if inferred)."""

    how: int
    roles: int
    seq: int | None


class Executions(NamedTuple):
    """Of runs of which not all executions read the same: who read each version, and who wrote each output."""

    read_by: Mapping[str, Mapping[str, set[Place]]]
    wrote: Mapping[tuple[str, str], set[Place]]


class Passages:
    """The divided runs of a closure, and the ways through them."""

    def __init__(self, edges: Mapping[Key, EdgeFact], executions: Executions) -> None:
        self._edges = edges
        self._executions = executions
        self._stated = {
            (start, end) for (start, kind, end), fact in edges.items() if kind == _PRODUCED_BY and fact.roles & _STATED
        }
        self._entered = self._stated | executions.wrote.keys()
        self._runs = {run for _, run in self._stated} | executions.read_by.keys()
        self._origins = self._read_origins() if self._stated else {}

    def _read_origins(self) -> dict[str, set[str]]:
        """Return the datasets that each output with a stated origin was made of."""
        origins: dict[str, set[str]] = {output: set() for output, _ in self._stated}
        for start, kind, end in self._edges:
            if kind == _DERIVED_FROM and start in origins:
                origins[start].add(_dataset_behind(end))
        return origins

    def above(self, start: str, kind: int, end: str) -> str:
        """Return the place to which an edge leads from its downstream end."""
        return f"{end}{_BETWEEN}{start}" if kind == _PRODUCED_BY and (start, end) in self._entered else end

    def below(self, start: str, kind: int, end: str) -> str:
        """Return the place to which an edge leads from its upstream end."""
        return f"{start}{_BETWEEN}{end}" if kind in _INPUTS and start in self._runs else start

    def ways_up(self) -> dict[str, list[str]]:
        """Return where one goes on who came to a divided run from one of its outputs."""
        outputs: dict[str, list[str]] = {}
        for output, run in self._entered:
            outputs.setdefault(run, []).append(output)
        ways: dict[str, list[str]] = {f"{run}{_BETWEEN}{output}": [] for output, run in self._entered}
        for start, kind, end in self._edges if ways else ():
            for output in outputs.get(start, ()):
                if kind not in _INPUTS or self._counts(output, (start, kind, end)):
                    ways[f"{start}{_BETWEEN}{output}"].append(end)
        return ways

    def ways_down(self) -> dict[str, list[str]]:
        """Return where one goes on who came to a divided run from what it read."""
        outputs: dict[str, list[str]] = {}
        for start, kind, end in self._edges if self._runs else ():
            if kind == _PRODUCED_BY and end in self._runs:
                outputs.setdefault(end, []).append(start)
        ways: dict[str, list[str]] = {}
        for start, kind, end in self._edges if self._runs else ():
            if kind in _INPUTS and start in self._runs:
                counting = [one for one in outputs.get(start, ()) if self._counts(one, (start, kind, end))]
                ways.setdefault(f"{start}{_BETWEEN}{end}", []).extend(counting)
        return ways

    def _counts(self, output: str, read: Key) -> bool:
        """Tell whether what a run read counts for one of its outputs."""
        run, _, end = read
        if (output, run) in self._stated and _dataset_behind(end) not in self._origins[output]:
            return False
        if self._edges[read].how != _INFERRED:
            return True
        readers = self._executions.read_by.get(run, {}).get(end)
        writers = self._executions.wrote.get((output, run))
        return readers is None or writers is None or not readers.isdisjoint(writers)


def nearest(places: Mapping[str, int]) -> dict[str, int]:
    """Return the distance of each node: that of the nearest place at which it was met."""
    distances: dict[str, int] = {}
    for place, distance in places.items():
        node = place.partition(_BETWEEN)[0]
        distances[node] = min(distance, distances.get(node, distance))
    return distances


def _dataset_behind(key: str) -> str:
    return key if names.kind_of(key) == "dataset" else dataset_of(key)
