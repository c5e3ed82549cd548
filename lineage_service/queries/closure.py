"""Provenance and impact: everything above or below a node, inferred hops included (specification: section 8).

The store walks recorded edges; what is read between the lines (the version a READ means, the version an
undated name means, twins of one output) is added here, and the walk goes on from what that brought in, until
nothing new appears. Distances and reachability are then computed once, in memory, over the edges as they are
read: so the answer does not depend on how the walk happened.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from graph_schema import names
from graph_schema.kinds import FIRST_LINEAGE, LAST_LINEAGE, Edge, How
from lineage_service.queries.asking import Asking
from lineage_service.queries.versions import VersionNames, is_undated, undated
from lineage_service.queries.writes import (
    Read,
    Writes,
    dataset_of,
    identity_of,
    is_by_run,
    registers_of,
    versions_read,
    writes_of,
)
from lineage_service.store.protocol import Assertion, Direction

_LINEAGE: Final = (int(FIRST_LINEAGE), int(LAST_LINEAGE))
_STORE_SLACK: Final = 4
_OWNS_VERSIONS: Final = {"dataset": "dataset_version", "model": "model_version", "prompt": "prompt_version"}

Key = tuple[str, int, str]


@dataclass(slots=True)
class EdgeFact:
    """An edge as answers show it: earliest instant, strongest how, union of roles, first record; None if inferred."""

    how: int
    roles: int
    seq: int | None


@dataclass(slots=True)
class Closure:
    """A closure being built: what was walked, and the edges as they are to be read."""

    asking: Asking
    root: str
    direction: Direction
    depth: int
    limit: int
    assertions: set[Assertion] = field(default_factory=set)
    expanded: dict[str, int] = field(default_factory=dict)
    edges: dict[Key, EdgeFact] = field(default_factory=dict)
    distances: dict[str, int] = field(default_factory=dict)
    unknown_reads: set[tuple[str, str]] = field(default_factory=set)
    writes: Writes = field(default_factory=lambda: Writes({}))
    owners: set[str] = field(default_factory=set)
    limited: bool = False
    version_names: VersionNames = field(init=False)
    _reads_done: dict[Read, str | None] = field(default_factory=dict)
    _read_from: Writes = field(default_factory=lambda: Writes({}))
    _asked_readers: set[str] = field(default_factory=set)
    _asked_siblings: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.version_names = VersionNames(self.asking)

    def build(self) -> "Closure":
        """Walk until nothing new appears."""
        self._from_root()
        pending = {self.root: 0}
        while pending:
            self._walk(pending)
            self._bring_in()
            self._read_edges()
            self._measure()
            pending = self._not_expanded()
        self._cut_to_limit()
        return self

    def _from_root(self) -> None:
        """Of a dataset, model or prompt, its versions stand below it."""
        if names.kind_of(self.root) in _OWNS_VERSIONS:
            bounds = (int(Edge.VERSION_OF), int(Edge.VERSION_OF))
            walk = self.asking.reader.walk({self.root: 0}, "down", bounds, 1, self._store_limit, self.asking.cut)
            self.assertions.update(walk.assertions)
            self.owners = {key for key, distance in walk.distances.items() if distance == 0}

    @property
    def _store_limit(self) -> int:
        return self.limit * _STORE_SLACK + 1

    def _walk(self, starts: dict[str, int]) -> None:
        walk = self.asking.reader.walk(
            starts, self.direction, _LINEAGE, self.depth, self._store_limit, self.asking.cut
        )
        self.limited |= walk.limited
        self.assertions.update(walk.assertions)
        for node, distance in walk.distances.items():
            self.expanded[node] = min(distance, self.expanded.get(node, distance))
        for node, distance in starts.items():  # what the store does not know needs no second look
            self.expanded[node] = min(distance, self.expanded.get(node, distance))

    def _bring_in(self) -> None:
        """Fetch what joins to the nodes met so far: readers of datasets, siblings of outputs."""
        versions = [key for key in self.expanded if names.kind_of(key) == "dataset_version"]
        if self.direction == "down":
            self._fetch_readers({dataset_of(version) for version in versions})
        self._fetch_siblings(versions)

    def _fetch_readers(self, datasets: set[str]) -> None:
        new = datasets - self._asked_readers
        self._asked_readers |= new
        if not new:
            return
        found = self._fetch(new, "down", Edge.READ)
        self._fetch({assertion.start for assertion in found}, "up", Edge.USED)

    def _fetch_siblings(self, versions: list[str]) -> None:
        """Find named and unnamed versions of one dataset that one run produced: they may be twins."""
        new = set(versions) - self._asked_siblings
        self._asked_siblings |= new
        if not new:
            return
        runs = {assertion.end for assertion in self._fetch(new, "up", Edge.PRODUCED_BY)}
        siblings = self._fetch(runs, "down", Edge.PRODUCED_BY)
        wanted = {dataset_of(version) for version in new}
        doubtful: set[str] = set()
        by_run: dict[tuple[str, str], set[bool]] = {}
        for one in siblings:
            if names.kind_of(one.start) == "dataset_version" and dataset_of(one.start) in wanted:
                place = (one.end, dataset_of(one.start))
                by_run.setdefault(place, set()).add(is_by_run(one.start, one.end))
        doubtful = {dataset for (_, dataset), kinds in by_run.items() if len(kinds) > 1}
        missing = doubtful - self.writes.by_dataset.keys()
        if missing:
            self.writes.add(writes_of(self.asking, missing))

    def _fetch(self, starts: Iterable[str], direction: Direction, edge: Edge) -> list[Assertion]:
        starts = dict.fromkeys(starts, 0)
        if not starts:
            return []
        bounds = (int(edge), int(edge))
        walk = self.asking.reader.walk(starts, direction, bounds, 1, self._store_limit * 4, self.asking.cut)
        self.limited |= walk.limited
        self.assertions.update(walk.assertions)
        return [assertion for assertion in walk.assertions if assertion.type == edge]

    def _named(self, key: str, at: int) -> str:
        """Return the key that stands for a node in the answer."""
        if is_undated(key) and names.kind_of(key) in {"model_version", "prompt_version"}:
            return self.version_names.resolve(key, at)
        if "@" in key and names.kind_of(key) == "dataset_version":
            return self.writes.twin(key)
        return key

    def _read_edges(self) -> None:
        """Compute the edges as they are to be read from all assertions met."""
        self.version_names.prepare(one for a in self.assertions for one in (a.start, a.end) if one.endswith("@?"))
        self.edges.clear()
        reads: dict[tuple[str, str], Read] = {}
        used: dict[tuple[str, str], set[str]] = {}
        for one in self.assertions:
            start, end = self._named(one.start, one.at), self._named(one.end, one.at)
            if start == end:
                continue
            self._add((start, one.type, end), one.how, one.roles, one.seq)
            if one.type == Edge.USED:
                used.setdefault((start, dataset_of(end)), set()).add(one.end)
            elif one.type == Edge.READ:
                known = reads.get((start, end))
                at = one.at if known is None else min(known.asserted_at, one.at)
                roles = one.roles | (known.roles if known else 0)
                reads[start, end] = Read(start, end, at, roles)
        for run, dataset in self._named_exactly({place: used[place] for place in reads.keys() & used.keys()}):
            self.edges.pop((run, int(Edge.READ), dataset), None)
            del reads[run, dataset]
        self._infer(list(reads.values()))

    def _named_exactly(self, used: dict[tuple[str, str], set[str]]) -> list[tuple[str, str]]:
        """Return the (run, dataset) of which a version is named by more than a hint."""
        stated = registers_of(self.asking, {version for versions in used.values() for version in versions})
        return [
            place
            for place, versions in used.items()
            if any(identity_of(stated.get(version, {})) != "hint" for version in versions)
        ]

    def _infer(self, reads: list[Read]) -> None:
        new = [read for read in reads if read not in self._reads_done]
        self._reads_done.update(versions_read(self.asking, new, self._read_from))
        self.unknown_reads = set()
        for read in reads:
            version = self._reads_done[read]
            if version is None:
                self.unknown_reads.add((read.run, read.dataset))
            else:
                self._add((read.run, int(Edge.USED), self.writes.twin(version)), int(How.INFERRED), read.roles, None)

    def _add(self, key: Key, how: int, roles: int, seq: int | None) -> None:
        known = self.edges.get(key)
        if known is None:
            self.edges[key] = EdgeFact(how, roles, seq)
            return
        known.how = max(known.how, how)
        known.roles |= roles
        known.seq = seq if known.seq is None else known.seq if seq is None else min(known.seq, seq)

    def _measure(self) -> None:
        """Compute distances from the root over the edges as read: SAME_AS costs nothing and goes both ways."""
        near: dict[str, list[str]] = {}
        far: dict[str, list[str]] = {}
        for start, kind, end in self.edges:
            if kind == Edge.SAME_AS:
                near.setdefault(start, []).append(end)
                near.setdefault(end, []).append(start)
            elif kind == Edge.VERSION_OF:
                if end in self.owners:
                    far.setdefault(end, []).append(start)
            elif self.direction == "up":
                far.setdefault(start, []).append(end)
            else:
                far.setdefault(end, []).append(start)
        self.distances = _distances(self._root_as_read(), near, far, self.depth)

    def _root_as_read(self) -> str:
        """The root itself may be a twin or an undated name."""
        return self._named(self.root, self.asking.cut.as_of)

    def _not_expanded(self) -> dict[str, int]:
        """Return what was reached but not looked at from that near, with the names that mean the same nodes."""
        pending: dict[str, int] = {}
        for node, distance in self.distances.items():
            for key in self._also_named(node):
                if distance < self.expanded.get(key, self.depth + 1):
                    pending[key] = distance
        return pending

    def _also_named(self, node: str) -> list[str]:
        kind = names.kind_of(node)
        if kind in {"model_version", "prompt_version"}:
            return [node, undated(node)]
        if kind != "dataset_version" or not self.writes.by_dataset:
            return [node]
        written = self.writes.by_dataset.get(dataset_of(node), [])
        return [node, *{w.version for w in written if w.version != node and self.writes.twin(w.version) == node}]

    def producers(self) -> set[tuple[str, str]]:
        """Return (version, run) for the dataset versions shown, also where the run itself is not in the answer."""
        return {
            (one.start, one.end)
            for one in self.assertions
            if one.type == Edge.PRODUCED_BY and one.start in self.distances and "@" in one.start
            and names.kind_of(one.start) == "dataset_version"
        }

    def _cut_to_limit(self) -> None:
        if len(self.distances) > self.limit:
            self.limited = True
            nearest = sorted(self.distances.items(), key=lambda item: (item[1], item[0]))[: self.limit]
            self.distances = dict(nearest)
        kept = self.distances
        self.edges = {key: fact for key, fact in self.edges.items() if key[0] in kept and key[2] in kept}
        self.unknown_reads = {read for read in self.unknown_reads if (read[0], int(Edge.READ), read[1]) in self.edges}


def _distances(root: str, near: dict[str, list[str]], far: dict[str, list[str]], depth: int) -> dict[str, int]:
    distances = {root: 0}
    waiting = deque([root])
    while waiting:
        node = waiting.popleft()
        distance = distances[node]
        for other in near.get(node, ()):
            if distances.get(other, depth + 1) > distance:
                distances[other] = distance
                waiting.appendleft(other)
        if distance >= depth:
            continue
        for other in far.get(node, ()):
            if distances.get(other, depth + 1) > distance + 1:
                distances[other] = distance + 1
                waiting.append(other)
    return distances
