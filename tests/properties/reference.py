"""The answers of the specification (``graph_schema/README.md``), computed naively from a list of records.

A second implementation to compare the product with: it reads the bodies itself, shares nothing with the fold, the
stores or the queries, keeps to the order of the specification's sentences and cares for no cost. Where a sentence
leaves a choice, the docstring of the function that follows it says which one is taken here.
"""

from functools import cached_property
from typing import Any, NamedTuple

from graph_schema import names
from graph_schema.kinds import FIRST_LINEAGE, LAST_LINEAGE, Edge, How, Role, roles_from_bits
from tests.properties.reference_facts import Cut, Facts, Row, read, registers
from tests.properties.reference_periods import Period, Periods
from tests.properties.reference_runs import Read, Runs, dataset_of
from tests.properties.reference_versions import KINDS, Versions, model_of

NOT_DEPLOYED = ("None", "Archived")
PASSING = "\0"
RECORDED = ("run", "commit", "model_version", "prompt_version", "logged_model")

EdgeRow = tuple[str, str, str, str, tuple[str, ...]]
"""(from, type, to, how, roles): the type in capitals, the others as in answers."""


class Closure(NamedTuple):
    """What stands above or below a node: distance by key, edges, gaps as (kind, subject)."""

    nodes: dict[str, int]
    edges: set[EdgeRow]
    gaps: set[tuple[str, str]]


class Known(NamedTuple):
    """An edge as answers show it: strongest how, all roles."""

    how: How
    roles: int


Edges = dict[tuple[str, Edge, str], Known]


class UnknownNodeError(LookupError):
    """No record up to the cut mentions the node that was asked for."""


class Reference:
    """The naive reading of some records; ``at`` gives the answers for one cut."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._facts: Facts = read(records)

    def at(self, as_of: int, known_at: int) -> "Answers":
        """Return the answers at ``as_of`` (microseconds, inclusive) according to records up to ``known_at``."""
        return Answers(Cut(self._facts, as_of, known_at))


class Answers:
    """The questions, at one cut."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self.versions = Versions(cut)
        self.runs = Runs(cut)

    # What a key means

    @property
    def known(self) -> set[str]:
        """Every key that a record up to the cut mentions, those without a creation time too."""
        return self._cut.known

    def shown(self, key: str, at: int | None = None) -> str:
        """Return the node that stands for a key in a fact of instant ``at``, or in a question (at the cut's)."""
        resolved = self.versions.resolve(key, self._cut.as_of if at is None else at)
        return self.runs.stands_for.get(resolved, resolved)

    def _asked(self, key: str) -> str:
        if key not in self.known:
            raise UnknownNodeError(f"no record up to number {self._cut.known_at} mentions {key}")
        return self.shown(key)

    # Nodes

    def _rows(self, key: str) -> list[Row]:
        return [row for row in self._cut.rows if self.versions.resolve(row.key, row.origin.at) == key]

    def node_properties(self, key: str) -> dict[str, Any]:
        """Return the registers of a node; rows under ``@?`` names count for the version they mean.

        Twins keep their registers apart: only their edges are one.
        """
        return registers(self._rows(self.versions.resolve(key, self._cut.as_of)))

    def identity(self, version: str) -> str:
        """Return the strongest identity stated of a dataset version."""
        return self.runs.identity(version)

    def attempted(self, version: str) -> bool:
        """Tell whether every write of a dataset version failed or was aborted."""
        return self.runs.attempted(version)

    def outcome(self, run: str) -> str:
        """Return the outcome of a run."""
        return self.runs.outcome(run)

    # Edges

    @cached_property
    def _reads(self) -> list[Read]:
        return self.runs.reads()

    @cached_property
    def edges(self) -> Edges:
        """Return every edge that exists, the inferred ones too, under the keys that are shown.

        An edge whose two ends are one node, asserted so or by what stands for what, is none.
        """
        found: Edges = {}
        reads = {(one.run, one.dataset) for one in self._reads}
        for said in self._cut.assertions:
            if said.type is not Edge.READ or (said.start, said.end) in reads:
                at = said.origin.at
                _add(found, (self.shown(said.start, at), said.type, self.shown(said.end, at)), said.how, said.roles)
        for one in self._reads:
            if one.version is not None:
                _add(found, (one.run, Edge.USED, one.version), How.INFERRED, one.roles)
        return found

    def job(self, run: str) -> str | None:
        """Return of which job a run is: what is said most strongly, the first by name of several."""
        edges = self.edges.items()
        jobs = [(-edge.how, end) for (start, kind, end), edge in edges if (start, kind) == (run, Edge.OF_JOB)]
        return min(jobs)[1] if jobs else None

    def failed_below(self, run: str) -> int:
        """Return how many of the runs that a run started, and those started, failed or were aborted."""
        below: set[str] = set()
        found = {run}
        while found := {start for start, kind, end in self.edges if kind is Edge.PARENT and end in found} - below:
            below |= found
        return sum(self.outcome(one) in ("failed", "aborted") for one in below - {run})

    def provenance(self, node: str, limit: int | None = None) -> Closure:
        """Return everything that a node was made of."""
        return self._closure(node, True, limit)

    def impact(self, node: str, limit: int | None = None) -> Closure:
        """Return everything that was made of a node."""
        return self._closure(node, False, limit)

    def _closure(self, node: str, up: bool, limit: int | None) -> Closure:
        root = self._asked(node)
        steps = [(start, end, 0) for start, kind, end in self.edges if kind is Edge.SAME_AS]
        steps += [(end, start, 0) for start, end, _ in steps]
        one_with_root = set(_distances({root: 0}, steps))
        steps += self._lineage_steps(up)
        versions = {start: 1 for start, kind, end in self.edges if kind is Edge.VERSION_OF and end in one_with_root}
        nodes: dict[str, int] = {}
        for place, distance in _distances({**versions, root: 0}, steps).items():
            node = place.split(PASSING)[0]
            nodes[node] = min(distance, nodes.get(node, distance))
        gaps: set[tuple[str, str]] = set()
        if limit is not None and len(nodes) > limit:
            nodes = dict(sorted(nodes.items(), key=lambda item: (item[1], item[0]))[:limit])
            gaps.add(("limit", root))
        followed = {edge for edge in self.edges if edge[1] <= LAST_LINEAGE or edge[1] is Edge.SAME_AS}
        followed |= {edge for edge in self.edges if edge[1] is Edge.VERSION_OF and edge[2] in one_with_root}
        shown = {edge for edge in followed if edge[0] in nodes and edge[2] in nodes}
        return Closure(nodes, {self._row(edge) for edge in shown}, gaps | self._gaps(nodes, shown))

    def _lineage_steps(self, up: bool) -> list[tuple[str, str, int]]:
        """Return the steps along lineage edges.

        A run is as many places as there are ways to it that do not lead everywhere: from an output of which it is
        stated what it was made of one goes through ``run PASSING output`` to what counts for that output, and from an
        input through ``run PASSING input`` to the outputs for which that input counts. Who comes any other way, or
        starts there, is at the run itself.
        """
        lineage = [edge for edge in self.edges if FIRST_LINEAGE <= edge[1] <= LAST_LINEAGE]
        outputs = {(end, start) for start, kind, end in lineage if kind is Edge.PRODUCED_BY}
        inputs = {(start, end) for start, kind, end in lineage if kind in (Edge.USED, Edge.READ)}
        steps = []
        for start, kind, end in lineage:
            one, other = (start, end) if up else (end, start)
            steps.append((one, other, 1))
            if kind is Edge.PRODUCED_BY and up and (start, end) in self._partial:
                steps[-1] = (start, f"{end}{PASSING}{start}", 1)
            if (start, end) in inputs and not up:
                steps[-1] = (end, f"{start}{PASSING}{end}", 1)
                made = [output for run, output in outputs if run == start and self._counts(output, start, end)]
                steps += [(f"{start}{PASSING}{end}", output, 1) for output in made]
            if up and names.kind_of(start) == "run":
                of_it = [output for run, output in outputs if run == start and (output, start) in self._partial]
                counting = [one for one in of_it if (start, end) not in inputs or self._counts(one, start, end)]
                steps += [(f"{start}{PASSING}{output}", end, 1) for output in counting]
        return steps

    def _stated(self, output: str, run: str) -> bool:
        return bool(self.edges[output, Edge.PRODUCED_BY, run].roles & Role.STATED)

    def _counts(self, output: str, run: str, read: str) -> bool:
        """Tell whether what a run read counts for one of its outputs."""
        if self._stated(output, run):
            made_of = {end for start, kind, end in self.edges if start == output and kind is Edge.DERIVED_FROM}
            if _dataset_behind(read) not in {_dataset_behind(one) for one in made_of}:
                return False
        used = self.edges.get((run, Edge.USED, read))
        if used is None or used.how is not How.INFERRED or names.kind_of(output) != "dataset_version":
            return True
        readers = {one.execution for one in self._reads if (one.run, one.version) == (run, read)}
        writers = self.runs.wrote(output, run)
        return None in readers or not writers or bool(readers & writers)

    @cached_property
    def _partial(self) -> set[tuple[str, str]]:
        """The (output, run) for which not everything counts that the run read."""
        inputs: dict[str, list[str]] = {}
        for start, kind, end in self.edges:
            if kind in (Edge.USED, Edge.READ):
                inputs.setdefault(start, []).append(end)
        outputs = [(start, end) for start, kind, end in self.edges if kind is Edge.PRODUCED_BY]
        return {
            (output, run)
            for output, run in outputs
            if self._stated(output, run) or not all(self._counts(output, run, one) for one in inputs.get(run, ()))
        }

    def _row(self, edge: tuple[str, Edge, str]) -> EdgeRow:
        known = self.edges[edge]
        return edge[0], edge[1].name, edge[2], known.how.name.lower(), tuple(roles_from_bits(known.roles))

    def _gaps(self, nodes: dict[str, int], shown: set[tuple[str, Edge, str]]) -> set[tuple[str, str]]:
        """Return the gaps of what is shown; both the gap of an inferred edge and of a READ name the run."""
        gaps = {("not_recorded", node) for node in nodes if names.kind_of(node) in RECORDED and not self._rows(node)}
        gaps |= {("inferred", edge[0]) for edge in shown if self.edges[edge].how is How.INFERRED}
        unknown = {(one.run, one.dataset) for one in self._reads if one.version is None}
        return gaps | {("unknown_version", edge[0]) for edge in shown if edge[1] is Edge.READ and edge[::2] in unknown}

    # Movements

    @cached_property
    def periods(self) -> list[Period]:
        """Return the periods of all stages, aliases and targets, oldest first."""
        found = Periods(self._cut, self.versions)
        every = found.stages() + found.aliases() + found.targets()
        return sorted(every, key=lambda one: (one.begun.origin.order, one.begun.n, one.key, one.target or ""))

    def deployments(
        self,
        *,
        model: str | None = None,
        target: str | None = None,
        stage: str | None = None,
        alias: str | None = None,
        actor: str | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the rows that match; ``model`` and ``target`` are keys, ``start`` and ``stop`` microseconds."""
        wanted = {"model": model, "target": target, "stage": stage, "alias": alias, "actor": actor}
        rows = []
        for period in self.periods:
            row, at = period.row() | {"claims": self._claims(period.key)}, period.begun.origin.at
            if period.stage in NOT_DEPLOYED and stage != period.stage:
                continue
            if any(value is not None and row[name] != value for name, value in wanted.items()):
                continue
            if (start is None or start <= at) and (stop is None or at < stop):
                rows.append(row)
        return rows

    def _claims(self, version: str) -> list[tuple[str, ...]]:
        """Return what is claimed of a version under all its names, and of its model: (on, means, name)."""
        found = []
        for thing in (self.versions.thing(version), {model_of(version)}):
            rows = [row for row in self._cut.rows if self.versions.resolve(row.key, row.origin.at) in thing]
            on = names.kind_of(min(thing))
            found += [(on, *name.split(":", 2)[1:]) for name in registers(rows) if name.startswith("claim:")]
        return sorted(found)

    def live(self) -> list[dict[str, Any]]:
        """Return the deployments that hold at the cut's ``as_of``."""
        return [row for row in self.deployments() if row["until"] is None]

    def drift(self, alias: str | None = None) -> list[tuple[str | None, ...]]:
        """Return (model, target, mode, traffic, version served, one the registry names beside it, verdict) of each row.

        The registry's version is its own key where it is another; where several are, the one it named last.
        """
        slots = Periods(self._cut, self.versions)
        served = [one for one in slots.targets() if one.until is None]
        named = [one for one in slots.stages() if one.until is None and one.stage == "Production"]
        models = {id(one): slots.belongs(one) for one in (*served, *named)}
        if alias is not None:
            named = [one for one in slots.aliases() if one.until is None and one.alias == alias]
            models |= {id(one): one.of for one in named if one.of}
        thing = {id(one): self.versions.thing(one.key) for one in (*served, *named)}
        named.sort(key=lambda one: (one.begun.origin.at, one.key))
        rows: list[tuple[str | None, ...]] = []
        for one in served:
            beside = [other for other in named if models[id(other)] == models[id(one)]]
            same = [other for other in beside if thing[id(other)] == thing[id(one)]]
            called = next(iter(same or beside[-1:]), None)
            verdict = "same" if same else "other" if beside else "registry_has_none"
            verdict = "shadow" if one.mode == "shadow" else verdict
            rows.append(_drifted(models[id(one)], one, called, verdict))
        serving = [thing[id(one)] for one in served if one.mode == "serving"]
        rows += [_drifted(models[id(one)], None, one, "not_served") for one in named if thing[id(one)] not in serving]
        return sorted(rows, key=repr)

    # History

    def history(self, node: str) -> list[tuple[str, str]]:
        """Return (occurred_at, type) of the records that set a property or a point of a node, in order.

        Of a version, of all that is one with it, ``@?`` in facts that mean it too; of a model or prompt, also what
        happened to its versions. An intent that was concluded is left out, and so is its conclusion.
        """
        if node not in self.known:
            raise UnknownNodeError(f"no record up to number {self._cut.known_at} mentions {node}")
        asked = self.versions.resolve(node, self._cut.as_of)
        one = set(self.versions.thing(asked)) if names.kind_of(asked) in KINDS else {asked}
        if names.kind_of(asked) in ("model", "prompt"):
            for key in self.known:
                if names.kind_of(key) in KINDS and model_of(key) == asked:
                    one |= self.versions.thing(key)
        cut = self._cut
        ended = {(point.subject, point.slot) for point in cut.points if point.value.get("concluded") is True}
        points = [point for point in cut.points if (point.subject, point.slot) not in ended]
        about = [(row.origin, row.key) for row in cut.rows] + [(point.origin, point.subject) for point in points]
        origins = {origin for origin, key in about if self.versions.resolve(key, origin.at) in one}
        return [(origin.occurred_at, origin.type) for origin in sorted(origins, key=lambda origin: origin.order)]


def _drifted(
    model: str, one: Period | None, called: Period | None, verdict: str
) -> tuple[str | None, ...]:
    served = (None,) * 4 if one is None else (one.target, one.mode, one.traffic, one.key)
    return (names.parse(model).parts[1], *served, None if called is None else called.key, verdict)


def _dataset_behind(key: str) -> str:
    return key if names.kind_of(key) == "dataset" else dataset_of(key)


def _add(found: Edges, edge: tuple[str, Edge, str], how: How, roles: int) -> None:
    if edge[0] != edge[2]:
        known = found.get(edge, Known(how, roles))
        found[edge] = Known(max(how, known.how), roles | known.roles)


def _distances(starts: dict[str, int], steps: list[tuple[str, str, int]]) -> dict[str, int]:
    """Return the least distance of everything that steps (from, to, length) reach."""
    found = dict(starts)
    moved = True
    while moved:
        moved = False
        for start, end, length in steps:
            if start in found and found[start] + length < found.get(end, found[start] + length + 1):
                found[end] = found[start] + length
                moved = True
    return found
