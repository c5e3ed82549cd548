"""What made this, and what does this touch: closures up and down, as answers."""

from collections.abc import Sequence
from typing import Any, Final

from graph_schema import names
from graph_schema.answers import Answer, ClosureEdge, ClosureNode, ClosureValue, Gap
from graph_schema.changes import instant_of
from graph_schema.kinds import Edge, How, Kind, roles_from_bits
from lineage_service.queries.asking import Asking, node_key
from lineage_service.queries.closure import Closure
from lineage_service.queries.coverage import LINEAGE, seen_by
from lineage_service.queries.runs import FAILED
from lineage_service.queries.versions import rows_of
from lineage_service.queries.writes import Writes, dataset_of, identity_of
from lineage_service.store.protocol import Assertion, Direction, PropertyRow

DEPTH: Final = 25
LIMIT: Final = 1000
MAX_LIMIT: Final = 20_000
_NEEDS_A_RECORD: Final = frozenset({"run", "commit", "model_version", "prompt_version", "logged_model"})
_EDGE_WORDS: Final = {int(edge): edge.name for edge in Edge}
_SHORT_DIGEST: Final = 12
_WHOLE_SHA: Final = 40
_DEEPEST: Final = 100
_LONGER: Final = 20
"""Commits looked at that begin like a short hash: a short hash that means one of so many means none."""

_HOW_WORDS: Final = {int(how): how.name.lower() for how in How}


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
    closure.runs.read(runs | {run for _, run in producers})
    attempted = _attempted(closure.writes, producers)
    jobs = _jobs(asking, runs)
    failed, unseen = _failed_below(closure) if names.kind_of(closure.root) == "run" else ({}, [])
    nodes: dict[str, ClosureNode] = {}
    seqs = {fact.seq for fact in closure.edges.values() if fact.seq is not None}
    seqs |= {one.seq for one in jobs.values()} | set(failed.values())
    for one, distance in sorted(closure.distances.items(), key=lambda item: (item[1], item[0])):
        properties, own = _properties(facts.get(one, ()))
        seqs |= own
        kind = names.kind_of(one)
        if kind == "run":
            properties["outcome"] = closure.runs.known[one].outcome_at(asking.cut.as_of)
            properties |= {"job": jobs[one].end} if one in jobs else {}
            properties |= {"failed_below": len(failed)} if one == closure.root and failed else {}
        elif kind == "dataset_version":
            properties["identity"] = identity_of(properties)
            properties = {name: value for name, value in properties.items() if not name.startswith("identity:")}
            if one in attempted:
                properties["attempted"] = True
        nodes[one] = ClosureNode(kind=kind, name=display_name(one), distance=distance, properties=properties)
    gaps = [*_gaps(asking, closure, facts), *unseen]
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


def _attempted(writes: Writes, producers: set[tuple[str, str]]) -> set[str]:
    """Return the versions that only failed executions wrote; looked up only where a run that produced one failed."""
    suspects = {(version, run) for version, run in producers if writes.runs.known[run].any_failed}
    writes.read({dataset_of(version) for version, _ in suspects})
    return {version for version, run in suspects if writes.attempted(version, run)}


def _jobs(asking: Asking, runs: set[str]) -> dict[str, Assertion]:
    """Return of which job each run is: by its own word, else by that of a run below it; the first by name of several.

    A run's id says nothing to a person, and its own name is sealed.
    """
    if not runs:
        return {}
    of_job = int(Edge.OF_JOB)
    walk = asking.reader.walk(dict.fromkeys(runs, 0), "up", (of_job, of_job), 1, 4 * MAX_LIMIT, asking.cut)
    found: dict[str, Assertion] = {}
    for said in sorted(walk.assertions, key=lambda one: (-one.how, one.end, one.seq)):
        if said.type == of_job:
            found.setdefault(said.start, said)
    return found


def _failed_below(closure: Closure) -> tuple[dict[str, int], list[Gap]]:
    """Return the runs below the root that failed or were aborted, each with a record that says whose child it is.

    A Spark application ends as complete though what it ran failed, and a flow that tried again succeeds: of a run above
    others its own outcome is not the whole story.
    """
    parent, cut = int(Edge.PARENT), closure.asking.cut
    walk = closure.asking.reader.walk({closure.root: 0}, "down", (parent, parent), _DEEPEST, MAX_LIMIT, cut)
    below = {one.start: one.seq for one in walk.assertions if one.type == parent and one.start != closure.root}
    closure.runs.read(below)
    failed = {run: seq for run, seq in below.items() if closure.runs.known[run].outcome_at(cut.as_of) in FAILED}
    detail = f"more than {MAX_LIMIT} runs are below it; failures among those that are nearest are counted"
    return failed, [Gap(kind="limit", subject=closure.root, detail=detail)] if walk.limited else []


def _properties(rows: Sequence[PropertyRow]) -> tuple[dict[str, Any], set[int]]:
    """Return the registers a reader may see, and the records they rest on; a sealed one only says so."""
    last: dict[str, Any] = {}
    seqs: dict[str, int] = {}
    for row in rows:
        last.update(row.registers)
        seqs.update(dict.fromkeys(row.registers, row.seq))
    shown = {
        name: {"sealed": True} if isinstance(value, dict) and "sd" in value else value
        for name, value in last.items()
        if value is not None
    }
    return shown, set(seqs.values())


def display_name(key: str) -> str:
    """Return how a person calls a node: its last parts, without namespace and creation time."""
    name = names.parse(key)
    kind, parts = name.kind, name.parts
    if kind in {"model_version", "prompt_version"}:
        return f"{parts[1]}/{parts[2]}"
    if kind == "dataset_version":
        return f"{parts[1]}@{parts[2]}"
    if kind == "column":
        return f"{parts[1]}.{parts[2]}"
    if kind in {"target", "source"}:
        return "/".join(parts)
    if kind in {"runtime", "document"}:
        algorithm, colon, value = parts[0].partition(":")
        return f"{algorithm}{colon}{value[:_SHORT_DIGEST]}"
    return parts[-1]


def _edges(closure: Closure) -> list[ClosureEdge]:
    return [
        {
            "from": start,
            "type": _EDGE_WORDS[kind],
            "to": end,
            "how": _HOW_WORDS[fact.how],
            "roles": roles_from_bits(fact.roles) if fact.roles else [],
            "seq": fact.seq,
        }
        for (start, kind, end), fact in closure.edges.items()
    ]


def _gaps(asking: Asking, closure: Closure, facts: dict[str, list[PropertyRow]]) -> list[Gap]:
    gaps = [
        Gap(kind="unknown_version", subject=run, detail=f"no recorded version of {dataset} fits what it read")
        for run, dataset in sorted(closure.unknown_reads)
    ]
    gaps += [
        Gap(kind="inferred", subject=start, detail=f"{end} is the newest version written before it started")
        for (start, _, end), fact in closure.edges.items()
        if fact.how == How.INFERRED
    ]
    unsaid = [one for one in closure.distances if not facts.get(one) and names.kind_of(one) in _NEEDS_A_RECORD]
    gaps += [
        Gap(kind="not_recorded", subject=one, detail=_unrecorded(asking, one))
        for one in sorted(unsaid)
    ]
    if closure.limited:
        detail = f"more than {closure.limit} nodes: the nearest are shown; ask again with a larger limit"
        gaps.append(Gap(kind="limit", subject=closure.root, detail=detail))
    return gaps


def _unrecorded(asking: Asking, key: str) -> str:
    """Return what is known of a node that is only mentioned: of a short hash, which recorded commit begins so."""
    only = "only mentioned; nothing is recorded about it itself"
    if names.kind_of(key) != "commit" or len(names.parse(key).parts[-1]) >= _WHOLE_SHA:
        return only
    longer = asking.reader.find(Kind.COMMIT.value, key, key, _LONGER, asking.cut)
    recorded = [one for one, facts in asking.reader.nodes(longer, asking.cut).items() if facts.rows]
    if len(recorded) != 1 or len(longer) == _LONGER:
        return f"{only}; several commits begin like this short hash" if recorded else only
    return f"only mentioned by this short hash; the one recorded commit that begins so is {recorded[0]}"
