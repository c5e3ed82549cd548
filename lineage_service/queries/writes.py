"""Who wrote which version of a dataset, and which version a run read (specification: section 4)."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from graph_schema import names
from graph_schema.changes import instant_of
from graph_schema.kinds import Edge
from lineage_service.queries.asking import Asking
from lineage_service.queries.runs import NO_EXECUTIONS, Executions, executions_by_run
from lineage_service.store.protocol import Point, PointQuery

_STATED: Final = ("content", "by_run", "hint")
_MANY: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Write:
    """One version of a dataset written by one execution; ``effective`` in microseconds."""

    version: str
    run: str | None
    place: tuple[str, int] | None
    effective: int
    order: tuple[bytes, int]
    digests: frozenset[str]
    failed: bool


@dataclass(slots=True)
class Writes:
    """The writes of some datasets and the executions of the runs that wrote them."""

    by_dataset: dict[str, list[Write]]
    executions: dict[str, Executions] = field(default_factory=dict)
    produced: set[tuple[str, str]] = field(default_factory=set)
    _twins: dict[str, str] = field(default_factory=dict)
    _counting: dict[str, tuple[list[int], list[Write]]] = field(default_factory=dict)

    def add(self, more: "Writes") -> None:
        """Take in the writes of further datasets."""
        self.by_dataset.update(more.by_dataset)
        self.executions.update(more.executions)
        self.produced |= more.produced
        self._twins.clear()
        self._counting.clear()

    def newest(self, dataset: str, by: int, reader: str) -> Write | None:
        """Return the newest write of a dataset that took effect by an instant, failed ones and ``reader``'s aside."""
        if dataset not in self._counting:
            counting = [write for write in self.by_dataset[dataset] if not write.failed]
            counting.sort(key=lambda write: (write.effective, write.order))
            self._counting[dataset] = [write.effective for write in counting], counting
        instants, writes = self._counting[dataset]
        before = range(bisect_right(instants, by) - 1, -1, -1)
        return next((writes[at] for at in before if writes[at].run != reader), None)

    def twin(self, version: str) -> str:
        """Return the named version that stands for a ``run-…`` one of the same execution, else itself."""
        if version not in self._twins:
            self._twins[version] = self._twin(version)
        return self._twins[version]

    def _twin(self, version: str) -> str:
        if not self.produced:
            return version
        writes = self.by_dataset.get(dataset_of(version), [])
        places = {
            (write.run, write.place)
            for write in writes
            if write.version == version and is_by_run(version, write.run) and (version, write.run) in self.produced
        }
        named = [
            write
            for write in writes
            if (write.run, write.place) in places
            and not is_by_run(write.version, write.run)
            and (write.version, write.run) in self.produced
        ]
        return max(named, key=lambda write: (write.effective, write.order)).version if named else version

    def attempted(self, version: str, run: str) -> bool:
        """Tell whether every known write of a version, one of them by ``run``, failed or was aborted."""
        writes = [w for w in self.by_dataset.get(dataset_of(version), []) if w.version == version]
        return any(write.run == run for write in writes) and all(write.failed for write in writes)


@lru_cache(maxsize=8192)
def is_by_run(version: str, run: str | None) -> bool:
    """Tell whether a version is named after the run that wrote it."""
    if run is None:
        return False
    text = names.parse(version).parts[2]
    own = names.by_run_version(run, "")
    return text == own or text.startswith(own + "/")


@lru_cache(maxsize=8192)
def dataset_of(version: str) -> str:
    """Return the dataset a version belongs to."""
    namespace, name, _ = names.parse(version).parts
    return names.dataset(namespace, name)


def writes_of(asking: Asking, datasets: Iterable[str]) -> Writes:
    """Return all writes of some datasets, known at the cut."""
    subjects = sorted(set(datasets))
    if not subjects:
        return Writes({})
    points = asking.reader.points(PointQuery(subjects=subjects, slot="written"), asking.cut)
    executions = executions_by_run(asking, (point.value["run"] for point in points if "run" in point.value))
    grouped: dict[tuple[str, str, str, tuple[str, int] | bytes], list[Point]] = {}
    for point in points:
        run = point.value.get("run", "")
        place: tuple[str, int] | bytes = point.order
        if run:
            place = executions[run].place(point.value.get("execution", ""), instant_of(point.order))
        grouped.setdefault((point.subject, point.value["version"], run, place), []).append(point)
    found = Writes({subject: [] for subject in subjects}, executions)
    for (dataset, version, run, place), group in grouped.items():
        found.by_dataset[dataset].append(_write(version, run, place, group, executions))
    found.produced = _produced(asking, _doubtful(found))
    return found


def _doubtful(found: Writes) -> set[str]:
    """Return the versions that one execution wrote beside others, some named after the run and some not."""
    doubtful: set[str] = set()
    for writes in found.by_dataset.values():
        together: dict[tuple[str | None, Any], set[str]] = {}
        for write in writes:
            if write.run:
                together.setdefault((write.run, write.place), set()).add(write.version)
        for (run, _), versions in together.items():
            if len(versions) > 1 and len({is_by_run(version, run) for version in versions}) > 1:
                doubtful |= versions
    return doubtful


def _produced(asking: Asking, versions: set[str]) -> set[tuple[str, str]]:
    """Return which run the edges say produced each of some versions."""
    if not versions:
        return set()
    bounds = (int(Edge.PRODUCED_BY), int(Edge.PRODUCED_BY))
    walk = asking.reader.walk(dict.fromkeys(versions, 0), "up", bounds, 1, _MANY, asking.cut)
    return {(one.start, one.end) for one in walk.assertions if one.type == Edge.PRODUCED_BY}


def _write(
    version: str,
    run: str,
    place: tuple[str, int] | bytes,
    points: Sequence[Point],
    executions: Mapping[str, Executions],
) -> Write:
    first = min((point.order, point.n) for point in points)
    execution = None if isinstance(place, bytes) else executions[run].known.get(place)
    terminal = execution.terminal if execution else None
    return Write(
        version=version,
        run=run or None,
        place=None if isinstance(place, bytes) else place,
        effective=terminal if terminal is not None else instant_of(first[0]),
        order=first,
        digests=frozenset(point.value["digest"] for point in points if "digest" in point.value),
        failed=execution is not None and execution.failed,
    )


@dataclass(frozen=True, slots=True)
class Read:
    """A run that named a dataset without a version: who, what, when at the earliest, with which roles."""

    run: str
    dataset: str
    asserted_at: int
    roles: int


def versions_read(asking: Asking, reads: Sequence[Read], writes: Writes) -> dict[Read, str | None]:
    """Return the version each READ means: the newest write that counts, or None for ``unknown_version``.

    ``writes`` holds the datasets looked up so far and takes in those that are missing.
    """
    if not reads:
        return {}
    missing = {read.dataset for read in reads} - writes.by_dataset.keys()
    if missing:
        writes.add(writes_of(asking, missing))
    writes.executions.update(executions_by_run(asking, {read.run for read in reads} - writes.executions.keys()))
    chosen: dict[Read, Write | None] = {}
    for read in reads:
        earliest = writes.executions.get(read.run, NO_EXECUTIONS).earliest
        chosen[read] = writes.newest(read.dataset, read.asserted_at if earliest is None else earliest, read.run)
    disagreeing = _disagreeing(asking, chosen)
    return {
        read: None if write is None or read in disagreeing else writes.twin(write.version)
        for read, write in chosen.items()
    }


def _disagreeing(asking: Asking, chosen: Mapping[Read, Write | None]) -> set[Read]:
    """Return the reads whose stated digest differs from one of the same algorithm on the version's side."""
    keys = {read.run for read, write in chosen.items() if write} | {w.version for w in chosen.values() if w}
    registers = registers_of(asking, keys)
    found = set()
    for read, write in chosen.items():
        stated = registers.get(read.run, {}).get(f"read_digest:{read.dataset}") if write else None
        if write is None or stated is None:
            continue
        algorithm, _, value = stated.partition(":")
        others = {d.partition(":")[2] for d in write.digests if d.partition(":")[0] == algorithm}
        own = registers.get(write.version, {}).get(f"digest:{algorithm}")
        if own is not None:
            others.add(own)
        if others - {value}:
            found.add(read)
    return found


def registers_of(asking: Asking, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the registers of nodes at the cut: the last writer's value of each; tombstones are absent."""
    found: dict[str, dict[str, Any]] = {}
    for key, facts in asking.reader.nodes(keys, asking.cut).items():
        merged: dict[str, Any] = {}
        for row in facts.rows:
            merged.update(row.registers)
        found[key] = {name: value for name, value in merged.items() if value is not None}
    return found


def identity_of(registers: Mapping[str, Any]) -> str:
    """Return the strongest identity that registers of a dataset version state; declared is the usual one."""
    return next((word for word in _STATED if registers.get(f"identity:{word}")), "declared")
