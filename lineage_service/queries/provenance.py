"""What made this, and what does this touch: closures up and down, as answers."""

from collections.abc import Sequence
from typing import Any, Final

from graph_schema import names
from graph_schema.answers import Answer, ClosureEdge, ClosureNode, ClosureValue, Gap
from graph_schema.changes import instant_of
from graph_schema.kinds import Edge, How, roles_from_bits
from lineage_service.queries.asking import Asking, node_key
from lineage_service.queries.closure import Closure
from lineage_service.queries.coverage import LINEAGE, seen_by
from lineage_service.queries.runs import NO_EXECUTIONS, Executions, executions_by_run
from lineage_service.queries.versions import rows_of
from lineage_service.queries.writes import dataset_of, identity_of, writes_of
from lineage_service.store.protocol import Direction, PropertyRow

DEPTH: Final = 25
LIMIT: Final = 1000
MAX_LIMIT: Final = 20_000
_NEEDS_A_RECORD: Final = frozenset({"run", "commit", "model_version", "prompt_version"})


def provenance(asking: Asking, node: str, depth: int = DEPTH, limit: int = LIMIT) -> Answer[ClosureValue]:
    """Answer what a node rests on: runs, data, code, environments, models, as far as ``depth`` edges."""
    return _closure("provenance", asking, node, "up", depth, limit)


def impact(asking: Asking, node: str, depth: int = DEPTH, limit: int = LIMIT) -> Answer[ClosureValue]:
    """Answer what rests on a node: whatever was made from it, by inferred hops too."""
    return _closure("impact", asking, node, "down", depth, limit)


def _closure(
    question: str, asking: Asking, node: str, direction: Direction, depth: int, limit: int
) -> Answer[ClosureValue]:
    key = node_key(asking, node)
    closure = Closure(asking, key, direction, depth, min(limit, MAX_LIMIT)).build()
    facts = rows_of(asking, closure.distances, closure.version_names)
    producers = closure.producers()
    runs = {one for one in closure.distances if names.kind_of(one) == "run"}
    outcomes = executions_by_run(asking, runs | {run for _, run in producers})
    attempted = _attempted(asking, producers, outcomes)
    nodes: dict[str, ClosureNode] = {}
    seqs = {fact.seq for fact in closure.edges.values() if fact.seq is not None}
    for one, distance in sorted(closure.distances.items(), key=lambda item: (item[1], item[0])):
        properties, own = _properties(facts.get(one, ()))
        seqs |= own
        kind = names.kind_of(one)
        if kind == "run":
            properties["outcome"] = outcomes.get(one, NO_EXECUTIONS).outcome
        elif kind == "dataset_version":
            properties["identity"] = identity_of(properties)
            properties = {name: value for name, value in properties.items() if not name.startswith("identity:")}
            if one in attempted:
                properties["attempted"] = True
        nodes[one] = ClosureNode(kind=kind, name=display_name(one), distance=distance, properties=properties)
    gaps = _gaps(closure, facts)
    began = min((instant_of(row.order) for row in facts.get(key, ())), default=None)
    seen = seen_by(asking, LINEAGE, began, asking.cut.as_of)
    return asking.answer(
        question,
        {"node": node, "depth": depth, "limit": limit},
        ClosureValue(root=closure.root, nodes=nodes, edges=_edges(closure)),
        seqs=seqs,
        gaps=[*gaps, *seen.gaps],
        coverage=seen.coverage,
        complete=seen.complete,
    )


def _any_failed(executions: Executions) -> bool:
    return any(execution.failed for execution in executions.known.values())


def _attempted(asking: Asking, producers: set[tuple[str, str]], outcomes: dict[str, Executions]) -> set[str]:
    """Return the versions that only failed executions wrote; looked up only where a run that produced one failed."""
    suspects = {(version, run) for version, run in producers if _any_failed(outcomes.get(run, NO_EXECUTIONS))}
    writes = writes_of(asking, {dataset_of(version) for version, _ in suspects})
    return {version for version, run in suspects if writes.attempted(version, run)}


def _properties(rows: Sequence[PropertyRow]) -> tuple[dict[str, Any], set[int]]:
    """Return the registers a reader may see, and the records they rest on; a sealed one only says so."""
    shown: dict[str, Any] = {}
    seqs: dict[str, int] = {}
    for row in rows:
        for name, value in row.registers.items():
            shown[name] = {"sealed": True} if isinstance(value, dict) and "sd" in value else value
            seqs[name] = row.seq
    return {name: value for name, value in shown.items() if value is not None}, set(seqs.values())


def display_name(key: str) -> str:
    """Return how a person calls a node: its last parts, without namespace and creation time."""
    parts = names.parse(key).parts
    kind = names.kind_of(key)
    if kind in {"model_version", "prompt_version"}:
        return f"{parts[1]}/{parts[2]}"
    if kind == "dataset_version":
        return f"{parts[1]}@{parts[2]}"
    if kind in {"target", "source"}:
        return "/".join(parts)
    return parts[-1]


def _edges(closure: Closure) -> list[ClosureEdge]:
    return [
        {
            "from": start,
            "type": Edge(kind).name,
            "to": end,
            "how": How(fact.how).name.lower(),
            "roles": roles_from_bits(fact.roles),
            "seq": fact.seq,
        }
        for (start, kind, end), fact in sorted(closure.edges.items())
    ]


def _gaps(closure: Closure, facts: dict[str, list[PropertyRow]]) -> list[Gap]:
    gaps = [
        Gap(kind="unknown_version", subject=run, detail=f"no recorded version of {dataset} fits what it read")
        for run, dataset in sorted(closure.unknown_reads)
    ]
    gaps += [
        Gap(kind="inferred", subject=start, detail=f"{end} is the newest version written before it started")
        for (start, _, end), fact in sorted(closure.edges.items())
        if fact.how == How.INFERRED
    ]
    gaps += [
        Gap(kind="not_recorded", subject=one, detail="only mentioned; nothing is recorded about it itself")
        for one in sorted(closure.distances)
        if names.kind_of(one) in _NEEDS_A_RECORD and not facts.get(one)
    ]
    if closure.limited:
        detail = f"more than {closure.limit} nodes: the nearest are shown; ask again with a larger limit"
        gaps.append(Gap(kind="limit", subject=closure.root, detail=detail))
    return gaps
