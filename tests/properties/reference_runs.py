"""Runs and what they wrote and read: outcomes, writes, twins, inferred inputs (sections 3 and 4)."""

from typing import NamedTuple

from graph_schema import names
from graph_schema.kinds import Edge
from tests.properties.reference_bodies import by_run
from tests.properties.reference_facts import Cut, Point
from tests.properties.reference_versions import parse

STRENGTH = ("unknown", "started", "running", "complete", "aborted", "failed")
TERMINAL = ("failed", "aborted", "complete")
BEFORE_THE_FIRST = -1
SEVEN_DAYS = 7 * 24 * 3600 * 1_000_000


class Execution(NamedTuple):
    """One execution of a run: its name, and for unnamed ones the instant at which their segment starts."""

    run: str
    name: str
    segment: int


class Write(NamedTuple):
    """A write of a dataset; ``first`` is the least order of its points."""

    version: str
    execution: Execution | None
    effective: int
    first: tuple[object, ...]
    digests: frozenset[str]


class Read(NamedTuple):
    """An input that a run names without a version: what one execution read as far as can be known (None if it cannot).

    ``execution`` is None where no execution of the run has a state.
    """

    run: str
    dataset: str
    version: str | None
    roles: int
    execution: Execution | None


def dataset_of(version: str) -> str:
    """Return the key of the dataset a version is of."""
    return names.dataset(*parse(version).parts[:2])


class Runs:
    """What is known of runs, their writes and reads, at a cut."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._states = [point for point in cut.points if point.slot.startswith("state:")]
        self._written: dict[str, list[Point]] = {}
        for point in cut.points:
            if point.slot == "written":
                self._written.setdefault(point.subject, []).append(point)
        self._writes = {dataset: self._writes_of(points) for dataset, points in self._written.items()}
        self.stands_for = self._twins()

    # Executions

    def execution(self, run: str, name: str, at: int) -> Execution:
        """Return the execution that a point of a run, named or not, belongs to."""
        if name:
            return Execution(run, name, BEFORE_THE_FIRST)
        starts = {
            point.origin.at
            for point in self._states
            if point.subject == run and point.slot == "state:" and point.value["state"] == "started"
        }
        return Execution(run, "", max((start for start in starts if start <= at), default=BEFORE_THE_FIRST))

    def _states_of(self, execution: Execution) -> list[Point]:
        return [
            point
            for point in self._states
            if point.subject == execution.run
            and self.execution(execution.run, point.slot.removeprefix("state:"), point.origin.at) == execution
        ]

    def outcome_of(self, execution: Execution) -> str:
        """Return the strongest state of one execution; of one that fell silent long ago nothing is known."""
        points = self._states_of(execution)
        word = max((point.value["state"] for point in points), key=STRENGTH.index, default="unknown")
        silent = all(point.origin.at < self._cut.as_of - SEVEN_DAYS for point in points)
        return "unknown" if silent and word not in TERMINAL else word

    def _terminal_time(self, execution: Execution) -> int | None:
        ends = [point.origin.at for point in self._states_of(execution) if point.value["state"] in TERMINAL]
        return min(ends, default=None)

    def outcome(self, run: str) -> str:
        """Return the outcome of a run: that of the execution whose first state is the newest."""
        earliest = self._earliest(run)
        if not earliest:
            return "unknown"
        return self.outcome_of(max(earliest, key=lambda one: (earliest[one], one.name, one.segment)))

    def _earliest(self, run: str) -> dict[Execution, int]:
        """Return the earliest instant of each execution of a run that has a state."""
        found: dict[Execution, int] = {}
        for point in self._states:
            if point.subject == run:
                execution = self.execution(run, point.slot.removeprefix("state:"), point.origin.at)
                found[execution] = min(point.origin.at, found.get(execution, point.origin.at))
        return found

    def wrote(self, version: str, run: str) -> set[Execution]:
        """Return the executions of a run that wrote a version; one without a state is taken for the earliest."""
        earliest = self._earliest(run)
        found = {
            write.execution
            for write in self._writes.get(dataset_of(version), [])
            if self.stands_for.get(write.version, write.version) == version
            and write.execution is not None
            and write.execution.run == run
        }
        first = min(earliest, key=lambda one: (earliest[one], one.name, one.segment), default=None)
        return {one if one in earliest or first is None else first for one in found}

    # Writes

    def _writes_of(self, points: list[Point]) -> list[Write]:
        groups: dict[object, list[Point]] = {}
        for point in points:
            run = point.value.get("run")
            by = self.execution(run, point.value["execution"], point.origin.at) if run else None
            one_by_itself = None if by else (point.origin.order, point.n)
            groups.setdefault((point.value["version"], by, one_by_itself), []).append(point)
        return [self._write(group) for group in groups.values()]

    def _write(self, points: list[Point]) -> Write:
        value = points[0].value
        by = self.execution(value["run"], value["execution"], points[0].origin.at) if "run" in value else None
        ended = self._terminal_time(by) if by else None
        return Write(
            version=value["version"],
            execution=by,
            effective=min(point.origin.at for point in points) if ended is None else ended,
            first=min((point.origin.order, point.n) for point in points),
            digests=frozenset(point.value["digest"] for point in points if "digest" in point.value),
        )

    def _vain(self, write: Write) -> bool:
        return write.execution is not None and self.outcome_of(write.execution) in ("failed", "aborted")

    def attempted(self, version: str) -> bool:
        """Tell whether all writes of a version failed or were aborted, one by a run that is said to have made it."""
        writes = [write for write in self._writes.get(dataset_of(version), []) if write.version == version]
        made = {(said.start, said.end) for said in self._cut.assertions if said.type is Edge.PRODUCED_BY}
        by_maker = [one for one in writes if one.execution and (version, one.execution.run) in made]
        return bool(by_maker) and all(self._vain(write) for write in writes)

    def identity(self, version: str) -> str:
        """Return the strongest identity ever stated of a dataset version; declared is the usual one, never stated."""
        stated = self._cut.registers(version)
        order = ("content", "by_run", "hint")
        return next((word for word in order if stated.get(f"identity:{word}")), "declared")

    def _twins(self) -> dict[str, str]:
        """Return, for each version that only a run names and that has a name too, the named one."""
        named: dict[str, list[Write]] = {}
        made = {(said.start, said.end) for said in self._cut.assertions if said.type is Edge.PRODUCED_BY}
        for dataset, writes in self._writes.items():
            for other in writes:
                if other.execution is None:
                    continue
                text = by_run(other.execution.run, other.execution.name)
                anonymous = names.dataset_version(parse(dataset).parts[0], parse(dataset).parts[1], text)
                if other.version != anonymous or not self._cut.registers(anonymous).get("identity:by_run"):
                    continue
                if (anonymous, other.execution.run) not in made:
                    continue
                named.setdefault(anonymous, []).extend(
                    write
                    for write in writes
                    if write.execution == other.execution
                    and write.version != anonymous
                    and (write.version, other.execution.run) in made
                )
        return {key: max(found, key=lambda w: (w.effective, w.first)).version for key, found in named.items() if found}

    # Reads

    def reads(self) -> list[Read]:
        """Return every READ that is shown, with the version inferred for each execution."""
        asserted = [said for said in self._cut.assertions if said.type is Edge.READ]
        exact = {
            (said.start, dataset_of(said.end))
            for said in self._cut.assertions
            if said.type is Edge.USED and self.identity(said.end) != "hint"
        }
        found = []
        for run, dataset in {(said.start, said.end) for said in asserted} - exact:
            mine = [said for said in asserted if (said.start, said.end) == (run, dataset)]
            roles = 0
            for said in mine:
                roles |= said.roles
            starts: list[tuple[Execution | None, int]] = list(self._earliest(run).items())
            starts = starts or [(None, min(said.origin.at for said in mine))]
            found += [
                Read(run, dataset, self._version_read(run, dataset, start), roles, execution)
                for execution, start in starts
            ]
        return found

    def _version_read(self, run: str, dataset: str, start: int) -> str | None:
        writes = [
            write
            for write in self._writes.get(dataset, [])
            if write.effective <= start
            and not self._vain(write)
            and (write.execution is None or write.execution.run != run)
        ]
        if not writes:
            return None
        newest = max(writes, key=lambda write: (write.effective, write.first))
        said = self._cut.registers(run).get(f"read_digest:{dataset}")
        if said and any(_differ(said, other) for other in newest.digests | self._digests(newest.version)):
            return None
        return self.stands_for.get(newest.version, newest.version)

    def _digests(self, version: str) -> set[str]:
        """Return what is stated of a version's content under its own key."""
        return {
            f"{name.removeprefix('digest:')}:{value}"
            for name, value in self._cut.registers(version).items()
            if name.startswith("digest:")
        }


def _differ(one: str, other: str) -> bool:
    """Tell whether two digests are of one algorithm and not equal."""
    return one.split(":", 1)[0] == other.split(":", 1)[0] and one != other
