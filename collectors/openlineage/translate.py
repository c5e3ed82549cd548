"""From one OpenLineage event to facts of the language: pure, one value in, wire events out.

Follows https://openlineage.io/spec/2-0-2/OpenLineage.json. Rules kept here:

- The kind is the last part of ``schemaURL`` (RunEvent, DatasetEvent, JobEvent); without a known one, the members tell.
  ``producer`` is not read. Unknown facets are accepted; the raw event is kept elsewhere, so nothing is lost by them.
- An event adds facts and replaces none: inputs, outputs and facets come on any event of a run, and later ones may hold
  less. FAIL followed by COMPLETE gives both states; which one counts is for queries to say.
- No OpenLineage event has an id. ``one_spelling`` gives the bytes by which a receiver knows an event again; a digest of
  them never becomes part of a fact, because whoever knows the rest of an event could guess a personal value from it.
- A list that does not fit one record is split into several facts ("part 2 of 3" in ``source.ref``), never cut. A schema
  cannot be split, because a later description replaces it whole: a larger one is refused.
- There is no fact about a job alone. A JobEvent describes its datasets; its inputs and outputs make no edges.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from collectors.openlineage import facets
from collectors.openlineage.document import LONG, SHORT, OpenLineageError, Part, as_part
from graph_schema import times
from graph_schema.clear_keys import CLEAR_KEYS

T = TypeVar("T")

MAX_DATASETS: Final = 100
"""Inputs and outputs in one fact."""

MAX_SYMLINKS: Final = 50
PORTION_BYTES: Final = 40_000
"""JSON bytes of split lists in one fact; a record holds 65,535 in all."""

EVENT_BYTES: Final = 60_000
"""JSON bytes of a fact that stand in its record, its envelope apart."""

STATES: Final = {
    "START": "started",
    "RUNNING": "running",
    "COMPLETE": "complete",
    "ABORT": "aborted",
    "FAIL": "failed",
    "OTHER": None,
}


def translate(value: Mapping[str, Any], *, received_actor: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the wire events of one OpenLineage event; ``graph_schema.events.parse_event`` accepts each.

    Args:
        value: the parsed JSON of a RunEvent, DatasetEvent or JobEvent; numbers may be floats.
        received_actor: the actor of every fact, as whoever received the event knows the sender.

    Raises:
        OpenLineageError: naming the field at fault.
    """
    event = as_part("", value)
    one_spelling(value)
    facts = _Facts(_time(event), received_actor)
    kind = _kind(event)
    if kind == "RunEvent":
        return [*_run(event, facts), *_described(event, facts)]
    if kind == "DatasetEvent":
        return list(_dataset(event.needed("dataset"), facts))
    _job(event.needed("job"))
    return list(_described(event, facts, all_of_them=True))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What all facts of one event have in common."""

    at: str
    actor: Mapping[str, Any]

    def fact(self, kind: str, body: Mapping[str, Any], path: str, part: str = "") -> dict[str, Any]:
        """Return one wire event without its absent fields; ``path`` is to blame if it is too large to record."""
        source = {"ref": part} if part else {}
        said = {key: value for key, value in body.items() if value is not None and value != []}
        if (size := _recorded_bytes(said)) > EVENT_BYTES:
            raise OpenLineageError(path, f"gives a fact of {size} bytes; a record holds {EVENT_BYTES} and is never cut")
        return {
            "type": kind,
            "ev": 1,
            "occurred_at": self.at,
            "source": source,
            "actor": dict(self.actor),
            "body": said,
        }


def one_spelling(value: object) -> bytes:
    """Return the JSON of an event in the one spelling that all its repeats share; OpenLineageError if it has none."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise OpenLineageError("", "is nested too deeply") from None
    except (TypeError, ValueError):
        raise OpenLineageError("", "is not a JSON value") from None
    return text.encode()


def _time(event: Part) -> str:
    text = event.needed_text("eventTime", SHORT)
    try:
        return times.format_time(times.parse_time(text))
    except times.TimeError:
        raise OpenLineageError(
            event.at("eventTime"), "must be an RFC 3339 time with a zone, from 1970 to 9999, e.g. 2026-11-22T23:57:16Z"
        ) from None


def _kind(event: Part) -> str:
    url = event.value.get("schemaURL")
    named = url.rsplit("/", 1)[-1] if isinstance(url, str) else ""
    if named in ("RunEvent", "DatasetEvent", "JobEvent"):
        return named
    for key, kind in (("run", "RunEvent"), ("dataset", "DatasetEvent"), ("job", "JobEvent")):
        if event.value.get(key) is not None:
            return kind
    raise OpenLineageError("", "has neither run nor dataset nor job, and its schemaURL names none of their events")


# ----------------------------------------------------------------------------------------------------------------- runs


def _run(event: Part, facts: _Facts) -> Iterator[dict[str, Any]]:
    """Give the facts about the run: all of it in the first, what does not fit of its lists in further ones."""
    run, job = event.needed("run"), event.needed("job")
    named = {"run": facets.run_id(run), "execution": facets.execution(run)}
    about = {
        "state": _state(event),
        "job": _job(job),
        "parent": facets.parent(run),
        "tags": facets.tags(run),
        "error": facets.error(run),
        "commit": facets.commit(job),
    }
    datasets = [
        (key, item) for key in ("inputs", "outputs") for item in _distinct(_reference(d) for d in event.children(key))
    ]
    portions = list(_portions(datasets, MAX_DATASETS)) or [[]]
    for number, portion in enumerate(portions, start=1):
        lists = {key: [item for side, item in portion if side == key] for key in ("inputs", "outputs")}
        part = f"part {number} of {len(portions)}" if len(portions) > 1 else ""
        yield facts.fact("run.observed", {**named, **(about if number == 1 else {}), **lists}, "", part)
    for output in event.children("outputs"):
        yield from _written(output, named, facts)


def _state(event: Part) -> str | None:
    word = event.text("eventType", SHORT)
    if word is None:
        return None
    if word not in STATES:
        raise OpenLineageError(event.at("eventType"), f"must be one of {', '.join(STATES)}")
    return STATES[word]


def _job(job: Part) -> dict[str, str]:
    return {"namespace": job.needed_text("namespace", LONG), "name": job.needed_text("name", LONG)}


def _reference(dataset: Part) -> dict[str, str]:
    namespace, name = facets.dataset_name(dataset)
    version = facets.version(dataset)
    stated = {"version": version, "identity": "declared"} if version else {}
    return {"namespace": namespace, "name": name, **stated}


def _written(output: Part, named: Mapping[str, str | None], facts: _Facts) -> Iterator[dict[str, Any]]:
    """Give what was counted of a version that a run wrote; of an output without a version nothing can be said yet."""
    reference, counted = _reference(output), facets.statistics(output)
    if counted and "version" in reference:
        yield facts.fact("dataset_version.observed", {**reference, **counted, **named}, output.path)


# ------------------------------------------------------------------------------------------------------------- datasets


def _described(event: Part, facts: _Facts, *, all_of_them: bool = False) -> Iterator[dict[str, Any]]:
    """Give one description of each dataset among inputs and outputs, or only of those of which anything is said.

    A dataset on both sides is described once: its other names together, the rest as the output has it, the later state.
    """
    found: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    for dataset in (*event.children("inputs"), *event.children("outputs")):
        named, described = facets.dataset_name(dataset), _description(dataset)
        _, earlier = found.get(named, ("", {}))
        others = [*earlier.get("same_as", ()), *described.get("same_as", ())]
        merged = {**earlier, **described, **({"same_as": _distinct(others)} if others else {})}
        found[named] = (dataset.path, merged)
    for (namespace, name), (path, described) in found.items():
        if described or all_of_them:
            yield from _declared({"namespace": namespace, "name": name}, described, path, facts)


def _dataset(dataset: Part, facts: _Facts) -> Iterator[dict[str, Any]]:
    """Give the facts of a DatasetEvent: the description, and the version if it names one."""
    reference, described = _reference(dataset), _description(dataset)
    named = {"namespace": reference["namespace"], "name": reference["name"]}
    yield from _declared(named, described, dataset.path, facts)
    if "version" in reference:
        columns = described.get("columns", [])
        yield facts.fact("dataset_version.observed", {**reference, "columns": columns}, dataset.path)


def _description(dataset: Part) -> dict[str, Any]:
    """Return what the facets of a dataset say of it, without what they do not say."""
    said = {
        "columns": facets.columns(dataset),
        "kind": facets.kind(dataset),
        "description": facets.description(dataset),
        "tags": facets.tags(dataset),
        "same_as": facets.symlinks(dataset),
    }
    return {key: value for key, value in said.items() if value}


def _declared(
    named: Mapping[str, str], described: Mapping[str, Any], path: str, facts: _Facts
) -> Iterator[dict[str, Any]]:
    portions = list(_portions(described.get("same_as", ()), MAX_SYMLINKS)) or [[]]
    for number, portion in enumerate(portions, start=1):
        part = f"part {number} of {len(portions)}" if len(portions) > 1 else ""
        body = {**named, **(described if number == 1 else {}), "same_as": portion}
        yield facts.fact("dataset.declared", body, path, part)


# ----------------------------------------------------------------------------------------------------------------- size


def _distinct(items: Iterable[T]) -> list[T]:
    """Return the items in their order, each once."""
    kept: dict[str, T] = {}
    for item in items:
        kept.setdefault(json.dumps(item, sort_keys=True), item)
    return list(kept.values())


def _portions(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Cut a list into portions of at most ``most`` items and ``PORTION_BYTES`` bytes."""
    portion: list[T] = []
    size = 0
    for item in items:
        length = _json_bytes(item)
        if portion and (len(portion) == most or size + length > PORTION_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += length
    if portion:
        yield portion


def _json_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _recorded_bytes(body: Mapping[str, Any]) -> int:
    """Return the size of a body in its record, where private texts and tags are digests."""
    clear = {key: part for key, part in body.items() if key not in ("error", "description", "tags")}
    return _json_bytes({**clear, "tags": [pair for pair in body.get("tags", ()) if pair[0] in CLEAR_KEYS]})
