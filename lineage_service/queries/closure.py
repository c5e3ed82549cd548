"""Provenance and impact: everything above or below a node, inferred hops included (specification: section 8).

The store walks recorded edges; what is read between the lines (the version a READ means, the version an
undated name means, twins of one output) is added here, and the walk goes on from what that brought in, until
nothing new appears. Distances and reachability are then computed once, in memory, over the edges as they are
read: so the answer does not depend on how the walk happened.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from graph_schema import names
from graph_schema.kinds import FIRST_LINEAGE, LAST_LINEAGE, Edge, How, Role
from lineage_service.queries.asking import Asking
from lineage_service.queries.passages import EdgeFact, Executions, Key, Passages, nearest
from lineage_service.queries.runs import Place, Runs
from lineage_service.queries.versions import VersionNames, is_undated, undated
from lineage_service.queries.writes import (
    Read,
    Writes,
    dataset_of,
    identity_of,
    is_by_run,
    registers_of,
    versions_read,
)
from lineage_service.store.protocol import Assertion, Direction

_LINEAGE: Final = (int(FIRST_LINEAGE), int(LAST_LINEAGE))
_PRODUCED_BY, _USED, _READ = int(Edge.PRODUCED_BY), int(Edge.USED), int(Edge.READ)
_DERIVED_FROM, _STATED = int(Edge.DERIVED_FROM), int(Role.STATED)
_VERSION_OF, _SAME_AS = int(Edge.VERSION_OF), int(Edge.SAME_AS)
_INFERRED: Final = int(How.INFERRED)
_STORE_SLACK: Final = 4
_NO_LIMIT: Final = 10**9
_OWNS_VERSIONS: Final = {"dataset": "dataset_version", "model": "model_version", "prompt": "prompt_version"}

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
    owners: set[str] = field(default_factory=set)
    limited: bool = False
    runs: Runs = field(init=False)
    writes: Writes = field(init=False)
    version_names: VersionNames = field(init=False)
    _versions: dict[str, set[str]] = field(default_factory=dict)
    _makers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _outputs: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _set_aside: dict[str, dict[str, list[Assertion]]] = field(default_factory=dict)
    _reads_done: dict[Read, str | None] = field(default_factory=dict)
    _stated: set[str] = field(default_factory=set)
    _read_by: dict[str, dict[str, set[Place]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs = Runs(self.asking)
        self.writes = Writes(self.asking, self.runs)
        self.version_names = VersionNames(self.asking)

    def build(self) -> "Closure":
        """Walk until nothing new appears."""
        self._from_root()
        pending = {self.root: 0}
        read: tuple[int, int] | None = None
        while pending:
            self._bring_in(self._walk(pending))
            if (known := (len(self.assertions), len(self.writes.produced))) != read:
                read = known
                self._read_edges()
                self._measure()
            pending = self._not_expanded()
        self._look_across()
        self._cut_to_limit()
        return self

    def _from_root(self) -> None:
        """Of a dataset, model or prompt, its versions stand below it."""
        if names.kind_of(self.root) in _OWNS_VERSIONS:
            bounds = (int(Edge.VERSION_OF), int(Edge.VERSION_OF))
            walk = self.asking.reader.walk({self.root: 0}, "down", bounds, 1, self._store_limit, self.asking.cut)
            self._take(walk.assertions)
            self.owners = {key for key, distance in walk.distances.items() if distance == 0}

    @property
    def _store_limit(self) -> int:
        return self.limit * _STORE_SLACK + 1

    def _walk(self, starts: dict[str, int]) -> list[str]:
        """Walk from some nodes; return those not met before."""
        walk = self.asking.reader.walk(
            starts, self.direction, _LINEAGE, self.depth, self._store_limit, self.asking.cut
        )
        self.limited |= walk.limited
        self._take(walk.assertions)
        met = [node for node in walk.distances if node not in self.expanded]
        for distances in (walk.distances, starts):  # what the store does not know needs no second look
            for node, distance in distances.items():
                self.expanded[node] = min(distance, self.expanded.get(node, distance))
        return met

    def _bring_in(self, met: Collection[str]) -> None:
        """Fetch what joins to nodes not met before: siblings of outputs, readers of datasets."""
        versions = [key for key in met if names.kind_of(key) == "dataset_version"]
        for version in versions:
            self._versions.setdefault(dataset_of(version), set()).add(version)
        self._fetch_siblings(versions)
        if self.direction == "down":
            self._fetch_readers({dataset_of(version) for version in versions})
            self._fetch_named_inputs({key for key in met if names.kind_of(key) == "dataset"})
        stated, self._stated = self._stated, set()
        self._take(self._fetch(self._not_walked("up", stated), "up", _DERIVED_FROM))

    def _fetch_named_inputs(self, datasets: set[str]) -> None:
        """Find which versions the readers of datasets in the answer name, be these versions in the answer or not."""
        if datasets:
            readers = {one.start for one in self.assertions if one.type == _READ and one.end in datasets}
            self._take(self._fetch(readers, "up", _USED))

    def _fetch_siblings(self, versions: Collection[str]) -> None:
        """Find named and unnamed versions of one dataset that one run produced: they may be twins."""
        self._take(self._fetch(self._not_walked("up", versions), "up", _PRODUCED_BY))
        runs = {run for version in versions for run in self._makers.get(version, ())}
        self._take(self._fetch(self._not_walked("down", runs), "down", _PRODUCED_BY))
        wanted = {dataset_of(version) for version in versions}
        by_run: dict[tuple[str, str], set[bool]] = {}
        for run in runs:
            for version in self._outputs[run] if len(self._outputs[run]) > 1 else ():
                if (dataset := dataset_of(version)) in wanted:
                    by_run.setdefault((run, dataset), set()).add(is_by_run(version, run))
        self.writes.read({dataset for (_, dataset), kinds in by_run.items() if len(kinds) > 1})

    def _not_walked(self, direction: Direction, nodes: Collection[str]) -> Collection[str]:
        """Return the nodes of which the walk has not brought in all edges of a direction."""
        if direction != self.direction or self.limited:
            return nodes
        return [node for node in nodes if self.expanded.get(node, self.depth) >= self.depth]

    def _fetch_readers(self, datasets: set[str]) -> None:
        """Find the runs that named one of these datasets only, as far as they may have read a version met.

        The others are set aside until another version of the dataset is met. Where the dataset itself is in the answer
        all are shown, or what each is known to have read instead.
        """
        new = datasets - self._set_aside.keys()
        self._set_aside.update((dataset, {}) for dataset in new)
        for one in self._fetch(new, "down", _READ):
            if one.end in new:
                self._set_aside[one.end].setdefault(one.start, []).append(one)
        shown = self._reads_set_aside(datasets & self.expanded.keys())
        others = self._reads_set_aside(datasets - self.expanded.keys())
        concerned = {read.dataset: self._versions[read.dataset] for read in others}
        readers = shown + self.writes.that_may_mean(concerned, others)
        for read in readers:
            self._take(self._set_aside[read.dataset].pop(read.run, ()))
        self._take(self._fetch({read.run for read in readers}, "up", _USED))

    def _reads_set_aside(self, datasets: Iterable[str]) -> list[Read]:
        return [
            Read(run, dataset, min([one.at for one in said]), 0)
            for dataset in datasets
            for run, said in self._set_aside[dataset].items()
        ]

    def _look_across(self) -> None:
        """Take in the edges to nodes at the depth asked for, from which nobody walked; each node has few above it."""
        if any(distance == self.depth for distance in self.distances.values()):
            starts = {key: 0 for node in self.distances for key in (node, *self._other_names(node))}
            self._take(self.asking.reader.walk(starts, "up", _LINEAGE, 1, _NO_LIMIT, self.asking.cut).assertions)
            self._read_edges()

    def _fetch(self, starts: Iterable[str], direction: Direction, edge: int) -> list[Assertion]:
        starts = dict.fromkeys(starts, 0)
        if not starts:
            return []
        walk = self.asking.reader.walk(starts, direction, (edge, edge), 1, _NO_LIMIT, self.asking.cut)
        return [one for one in walk.assertions if one.type == edge]

    def _take(self, assertions: Iterable[Assertion]) -> None:
        self.assertions.update(assertions)
        for one in assertions:
            if one.type == _PRODUCED_BY and names.kind_of(one.start) == "dataset_version":
                self._makers[one.start].add(one.end)
                self._outputs[one.end].add(one.start)
                if one.roles & _STATED:
                    self._stated.add(one.start)

    def _named(self, key: str, at: int) -> str:
        """Return the key that stands for a node in the answer."""
        if is_undated(key) and names.kind_of(key) in {"model_version", "prompt_version"}:
            return self.version_names.resolve(key, at)
        if self.writes.produced and names.kind_of(key) == "dataset_version":
            return self.writes.twin(key)
        return key

    def _read_edges(self) -> None:
        """Compute the edges as they are to be read from all assertions met."""
        self.version_names.prepare(one for a in self.assertions for one in (a.start, a.end) if one.endswith("@?"))
        self.edges.clear()
        reads: dict[tuple[str, str], Read] = {}
        used: dict[str, list[str]] = {}
        for one in self.assertions:
            start, end = self._named(one.start, one.at), self._named(one.end, one.at)
            if start == end:
                continue
            self._add((start, one.type, end), one.how, one.roles, one.seq)
            if one.type == _USED:
                used.setdefault(start, []).append(one.end)
            elif one.type == _READ:
                known = reads.get((start, end))
                at = one.at if known is None else min(known.asserted_at, one.at)
                roles = one.roles | (known.roles if known else 0)
                reads[start, end] = Read(start, end, at, roles)
        for run, dataset in self._named_exactly(reads, used):
            self.edges.pop((run, _READ, dataset), None)
            del reads[run, dataset]
        self._infer(list(reads.values()))

    def _named_exactly(self, reads: Iterable[tuple[str, str]], used: dict[str, list[str]]) -> list[tuple[str, str]]:
        """Return the (run, dataset) of which a version is named by more than a hint."""
        named = {
            (run, dataset): [version for version in used.get(run, ()) if dataset_of(version) == dataset]
            for run, dataset in reads
        }
        stated = registers_of(self.asking, {version for versions in named.values() for version in versions})
        return [
            place
            for place, versions in named.items()
            if any(identity_of(stated.get(version, {})) != "hint" for version in versions)
        ]

    def _infer(self, reads: list[Read]) -> None:
        self.runs.read({read.run for read in reads})
        each = [one for read in reads for one in self.writes.each_execution(read)]
        new = [read for read in each if read not in self._reads_done]
        self._reads_done.update(versions_read(self.asking, new, self.writes))
        self.unknown_reads = set()
        self._read_by = {}
        for read in each:
            version = self._reads_done[read]
            if version is None:
                self.unknown_reads.add((read.run, read.dataset))
                continue
            named = self.writes.twin(version)
            self._add((read.run, _USED, named), _INFERRED, read.roles, None)
            if read.place is not None:
                self._read_by.setdefault(read.run, {}).setdefault(named, set()).add(read.place)

    def _divided(self) -> Executions:
        """Return what belongs to single executions of runs: inferred inputs, and the outputs of these runs."""
        read_by = {
            run: by_version
            for run, by_version in self._read_by.items()
            if any(len(places) < len(self.runs.known[run].known) for places in by_version.values())
        }
        outputs = [(start, end) for start, kind, end in self.edges if kind == _PRODUCED_BY and end in read_by]
        wrote = {
            (output, run): self.writes.wrote(output, run)
            for output, run in outputs
            if names.kind_of(output) == "dataset_version"
        }
        return Executions(read_by, {pair: places for pair, places in wrote.items() if places})

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
        partial = Passages(self.edges, self._divided())
        for start, kind, end in self.edges:
            if kind == _SAME_AS:
                near.setdefault(start, []).append(end)
                near.setdefault(end, []).append(start)
            elif kind == _VERSION_OF:
                if end in self.owners:
                    far.setdefault(end, []).append(start)
            elif self.direction == "up":
                far.setdefault(start, []).append(partial.above(start, kind, end))
            else:
                far.setdefault(end, []).append(partial.below(start, kind, end))
        far.update(partial.ways_up() if self.direction == "up" else partial.ways_down())
        self.distances = nearest(_distances(self._root_as_read(), near, far, self.depth))

    def _root_as_read(self) -> str:
        """The root itself may be a twin or an undated name."""
        return self._named(self.root, self.asking.cut.as_of)

    def _not_expanded(self) -> dict[str, int]:
        """Return what was reached but not looked at from that near, with the names that mean the same nodes."""
        pending: dict[str, int] = {}
        for node, distance in self.distances.items():
            for key in (node, *self._other_names(node)):
                if distance < self.expanded.get(key, self.depth + 1):
                    pending[key] = distance
        return pending

    def _other_names(self, node: str) -> Iterable[str]:
        kind = names.kind_of(node)
        if kind in {"model_version", "prompt_version"}:
            return (undated(node),)
        if kind != "dataset_version" or not self.writes.produced:
            return ()
        written = self.writes.by_dataset.get(dataset_of(node), [])
        return {w.version for w in written if w.version != node and self.writes.twin(w.version) == node}

    def producers(self) -> set[tuple[str, str]]:
        """Return (version, run) for the dataset versions shown, also where the run itself is not in the answer."""
        return {(version, run) for version in self.distances for run in self._makers.get(version, ())}

    def _cut_to_limit(self) -> None:
        if len(self.distances) > self.limit:
            self.limited = True
            nearest = sorted(self.distances.items(), key=lambda item: (item[1], item[0]))[: self.limit]
            self.distances = dict(nearest)
        kept = self.distances
        self.edges = {key: self.edges[key] for key in sorted(self.edges) if key[0] in kept and key[2] in kept}
        self.unknown_reads = {read for read in self.unknown_reads if (read[0], _READ, read[1]) in self.edges}


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
