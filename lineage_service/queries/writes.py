"""Who wrote which version of a dataset, and which version a run read (specification: section 4)."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from graph_schema import names
from graph_schema.changes import after_instant, instant_of
from graph_schema.kinds import Edge
from lineage_service.queries.asking import Asking
from lineage_service.queries.runs import Executions, Place, Runs
from lineage_service.store.protocol import Point, PointQuery

_STATED: Final = ("content", "by_run", "hint")
_MANY: Final = 1_000_000
_ORDER: Final = attrgetter("order")


class Write(NamedTuple):
    """One version of a dataset written by one execution; ``effective`` in microseconds."""

    version: str
    run: str | None
    place: Place | None
    effective: int
    order: tuple[bytes, int]
    digests: frozenset[str]
    failed: bool


class Read(NamedTuple):
    """A run that named a dataset without a version: who, what, when at the earliest, with which roles.

    ``place`` is the execution that read, where executions of the run are known.
    """

    run: str
    dataset: str
    asserted_at: int
    roles: int
    place: Place | None = None


class _Counting(NamedTuple):
    """Writes of a dataset that did not fail, in order, and the instants at which they took effect."""

    instants: list[int]
    writes: list[Write]

    def newest(self, by: int, reader: str) -> Write | None:
        """Return the newest write that took effect by an instant and is not the reader's own."""
        before = range(bisect_right(self.instants, by) - 1, -1, -1)
        return next((self.writes[at] for at in before if self.writes[at].run != reader), None)


@dataclass(slots=True)
class Writes:
    """What was written of the datasets that one question meets.

    The points of a dataset are few reads; the executions of all runs that wrote it are many. ``by_dataset`` holds the
    writes of the datasets of which all are known.
    """

    asking: Asking
    runs: Runs
    by_dataset: dict[str, list[Write]] = field(default_factory=dict)
    produced: set[tuple[str, str]] = field(default_factory=set)
    _points: dict[str, list[Point]] = field(default_factory=dict)
    _counting: dict[str, _Counting] = field(default_factory=dict)
    _twins: dict[str, str] = field(default_factory=dict)

    def read(self, datasets: Iterable[str]) -> None:
        """Make all writes of some datasets known."""
        missing = set(datasets) - self.by_dataset.keys()
        if not missing:
            return
        self._look(missing)
        self.runs.read(run for one in missing for point in self._points[one] if (run := point.value.get("run")))
        found = {one: _writes(self._points[one], self.runs.known) for one in missing}
        self.by_dataset.update(found)
        self._counting.update((one, _counting(writes)) for one, writes in found.items())
        self.produced |= _produced(self.asking, _doubtful(found.values()))
        self._twins.clear()

    def _look(self, datasets: Iterable[str]) -> None:
        """Read the points of datasets not looked at yet."""
        new = sorted(set(datasets) - self._points.keys())
        if not new:
            return
        self._points.update((dataset, []) for dataset in new)
        for point in self.asking.reader.points(PointQuery(subjects=new, slot="written"), self.asking.cut):
            self._points[point.subject].append(point)

    def newest(self, read: Read) -> Write | None:
        """Return the newest write of a dataset before a read, failed ones and the reader's own aside.

        All writes of the dataset and the reader's executions are to be known.
        """
        return self._counting[read.dataset].newest(self._instant(read), read.run)

    def each_execution(self, read: Read) -> list[Read]:
        """Return a read once for each execution of its run, which is to be known; as it is if there are none."""
        places = self.runs.known[read.run].known
        return [read._replace(place=place) for place in places] or [read]

    def _instant(self, read: Read) -> int:
        return read.asserted_at if read.place is None else self.runs.known[read.run].known[read.place].first

    def wrote(self, version: str, run: str) -> set[Place]:
        """Return the executions of a run that wrote a version; one without states counts as the earliest with some."""
        self._look({dataset_of(version)})
        executions = self.runs.known[run]
        earliest = min(executions.known, key=lambda place: (executions.known[place].first, place))
        places = {
            executions.place(point.value.get("execution", ""), instant_of(point.order))
            for point in self._points[dataset_of(version)]
            if point.value.get("run") == run and self.twin(point.value["version"]) == version
        }
        return {place if place in executions.known else earliest for place in places}

    def that_may_mean(self, versions: Mapping[str, set[str]], reads: Sequence[Read]) -> list[Read]:
        """Return the reads that may mean one of these versions (by dataset), each with the execution that may.

        Of the others it is certain that they do not: what a read means is the newest write before it. All writes of
        these versions are looked at, and of other versions the one that follows each: if the newest of all these is of
        another version, the newest of all is at least as new, so it is none of these versions. One that may have a twin
        is of a dataset that was ``read``.
        """
        self._look(versions)
        writers = {
            run
            for dataset, wanted in versions.items()
            for point in self._points[dataset]
            if point.value["version"] in wanted and (run := point.value.get("run"))
        }
        self.runs.read(writers | {read.run for read in reads})
        reads = [one for read in reads for one in self.each_execution(read)]
        suspected = self._suspected(versions, reads)
        self.runs.read({run for read, write in suspected if (run := self._follower(read, write))})
        return [read for read, _ in self._suspected(versions, [read for read, _ in suspected])]

    def _suspected(self, versions: Mapping[str, set[str]], reads: Sequence[Read]) -> list[tuple[Read, Write]]:
        """Return the reads before which, of all writes looked at so far, the newest is of one of these versions."""
        counting: dict[str, _Counting] = {}
        found: list[tuple[Read, Write]] = []
        for read in reads:
            known = self._counting.get(read.dataset) or counting.get(read.dataset)
            if known is None:
                known = counting[read.dataset] = _counting(_writes(self._points[read.dataset], self.runs.known))
            write = known.newest(self._instant(read), read.run)
            if write and not versions[read.dataset].isdisjoint((write.version, self.twin(write.version))):
                found.append((read, write))
        return found

    def _follower(self, read: Read, write: Write) -> str | None:
        """Return the first run not looked at yet that wrote after a write and before a read."""
        points = self._points[read.dataset]
        after = bisect_right(points, after_instant(write.effective), key=_ORDER)
        by = after_instant(self._instant(read))
        for point in points[after:]:
            if point.order >= by:
                break
            run: str | None = point.value.get("run")
            if run and run not in self.runs.known:
                return run
        return None

    def twin(self, version: str) -> str:
        """Return the named version that stands for a ``run-…`` one of the same execution, else itself."""
        if not self.produced:
            return version
        if version not in self._twins:
            self._twins[version] = self._twin(version)
        return self._twins[version]

    def _twin(self, version: str) -> str:
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


def _writes(points: Sequence[Point], executions: Mapping[str, Executions]) -> list[Write]:
    """Return the writes that the points of a dataset, in order, tell of; without those by runs not looked at."""
    grouped: dict[tuple[str, str | None, Place | bytes], list[Point]] = {}
    for point in points:
        run = point.value.get("run")
        place: Place | bytes = point.order
        if run:
            if run not in executions:
                continue
            place = executions[run].place(point.value.get("execution", ""), instant_of(point.order))
        grouped.setdefault((point.value["version"], run, place), []).append(point)
    return [_write(version, run, place, group, executions) for (version, run, place), group in grouped.items()]


def _write(
    version: str,
    run: str | None,
    place: Place | bytes,
    points: Sequence[Point],
    executions: Mapping[str, Executions],
) -> Write:
    first = points[0]
    execution = executions[run].known.get(place) if run and isinstance(place, tuple) else None
    terminal = execution.terminal if execution else None
    return Write(
        version=version,
        run=run,
        place=place if isinstance(place, tuple) else None,
        effective=terminal if terminal is not None else instant_of(first.order),
        order=(first.order, first.n),
        digests=frozenset([point.value["digest"] for point in points if "digest" in point.value]),
        failed=execution is not None and execution.failed,
    )


def _counting(writes: Iterable[Write]) -> _Counting:
    counting = [write for write in writes if not write.failed]
    counting.sort(key=attrgetter("effective", "order"))
    return _Counting([write.effective for write in counting], counting)


def _doubtful(found: Iterable[Sequence[Write]]) -> set[str]:
    """Return the versions that one execution wrote beside others, some named after the run and some not."""
    doubtful: set[str] = set()
    for writes in found:
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


def versions_read(asking: Asking, reads: Sequence[Read], writes: Writes) -> dict[Read, str | None]:
    """Return the version each READ means: the newest write that counts, or None for ``unknown_version``."""
    if not reads:
        return {}
    writes.read({read.dataset for read in reads})
    writes.runs.read({read.run for read in reads})
    chosen = {read: writes.newest(read) for read in reads}
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
