"""The answers of the specification (``graph_schema/README.md``), computed naively from a list of records.

A second implementation to compare the product with: it reads the bodies itself, shares nothing with the fold, the
stores or the queries, keeps to the order of the specification's sentences and cares for no cost. Where a sentence
leaves a choice, the docstring of the function that follows it says which one is taken here.
"""

from functools import cached_property
from typing import Any, NamedTuple

from graph_schema import names
from graph_schema.kinds import FIRST_LINEAGE, LAST_LINEAGE, Edge, How, roles_from_bits
from tests.properties.reference_facts import Cut, Facts, Row, read, registers
from tests.properties.reference_periods import Period, Periods
from tests.properties.reference_runs import Read, Runs
from tests.properties.reference_versions import KINDS, Versions, model_of

NOT_DEPLOYED = ("None", "Archived")
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
        steps += [
            (start, end, 1) if up else (end, start, 1)
            for start, kind, end in self.edges
            if FIRST_LINEAGE <= kind <= LAST_LINEAGE
        ]
        versions = {start: 1 for start, kind, end in self.edges if kind is Edge.VERSION_OF and end in one_with_root}
        nodes = _distances({**versions, root: 0}, steps)
        gaps: set[tuple[str, str]] = set()
        if limit is not None and len(nodes) > limit:
            nodes = dict(sorted(nodes.items(), key=lambda item: (item[1], item[0]))[:limit])
            gaps.add(("limit", root))
        followed = {edge for edge in self.edges if edge[1] <= LAST_LINEAGE or edge[1] is Edge.SAME_AS}
        followed |= {edge for edge in self.edges if edge[1] is Edge.VERSION_OF and edge[2] in one_with_root}
        shown = {edge for edge in followed if edge[0] in nodes and edge[2] in nodes}
        return Closure(nodes, {self._row(edge) for edge in shown}, gaps | self._gaps(nodes, shown))

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
            row, at = period.row(), period.begun.origin.at
            if period.stage in NOT_DEPLOYED and stage != period.stage:
                continue
            if any(value is not None and row[name] != value for name, value in wanted.items()):
                continue
            if (start is None or start <= at) and (stop is None or at < stop):
                rows.append(row)
        return rows

    def live(self) -> list[dict[str, Any]]:
        """Return the deployments that hold at the cut's ``as_of``."""
        return [row for row in self.deployments() if row["until"] is None]

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
