"""From one OpenLineage event to facts of the language: pure, one value in, wire events out.

Follows https://openlineage.io/spec/2-0-2/OpenLineage.json. Rules kept here:

- The kind is the last part of ``schemaURL`` (RunEvent, DatasetEvent, JobEvent); without a known one, the members tell.
  ``producer`` is not read. Unknown facets are accepted; the raw event is kept elsewhere, so nothing is lost by them.
- An event adds facts and replaces none: inputs, outputs and facets come on any event of a run, and later ones may hold
  less. FAIL followed by COMPLETE gives both states; which one counts is for queries to say.
- No OpenLineage event has an id. ``one_spelling`` gives the bytes by which a receiver knows an event again; a digest of
  them never becomes part of a fact, because whoever knows the rest of an event could guess a personal value from it.
- A list that does not fit one record is split into several facts ("part 2 of 3" in ``source.ref``), never cut. A schema
  cannot be split, because a later description replaces it whole: of a larger one the number of columns is recorded.
- A JobEvent describes its job, its datasets and their columns; its inputs and outputs make no edges, because no run
  read or wrote them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from collectors.openlineage import facets, origins
from collectors.openlineage.described import dataset_alone, datasets_of
from collectors.openlineage.document import LONG, SHORT, OpenLineageError, Part, as_part
from collectors.openlineage.facts import Facts, beside, distinct, portions
from graph_schema import times

MAX_DATASETS: Final = 100
"""Inputs and outputs in one fact."""

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
    facts = Facts(_time(event), received_actor)
    kind = _kind(event)
    if kind == "RunEvent":
        return list(_run(event, facts))
    if kind == "DatasetEvent":
        dataset = event.needed("dataset")
        return list(dataset_alone(dataset, _reference(dataset), facts))
    stated = origins.stated(event, None).entries
    return [*_described_job(event, facts), *datasets_of(event, facts, stated=stated, mention_all=True)]


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


def _run(event: Part, facts: Facts) -> Iterator[dict[str, Any]]:
    """Give the facts about the run: all of it in the first, what does not fit of its lists in further ones."""
    run, job = event.needed("run"), event.needed("job")
    identifier, execution = facets.run_id(run), facets.execution(run)
    named = {"run": identifier, **({"execution": execution} if execution else {})}
    about = {
        "state": _state(event),
        "job": _job(job),
        **facets.above(run),
        "tags": facets.tags(run),
        "error": facets.error(run),
        "commit": facets.commit(job),
    }
    stated = origins.stated(event, identifier)
    lists = [
        {key: [item for side, item in portion if side == key] for key in ("inputs", "outputs")}
        for portion in portions(_data(event, stated), MAX_DATASETS)
    ]
    said = {key: value for key, value in about.items() if value is not None}
    yield from facts.split("run.observed", [{**named, **body} for body in beside(said, lists)], "")
    yield from _described_job(event, facts)
    yield from datasets_of(event, facts, named=named, stated=stated.entries)


def _data(event: Part, stated: origins.Origins) -> list[tuple[str, dict[str, Any]]]:
    """Return inputs and outputs with what is stated of their origins; what only the statement names comes last."""
    inputs = distinct(_reference(one) for one in event.children("inputs"))
    outputs = distinct(_reference(one) for one in event.children("outputs"))
    read, written = ({(one["namespace"], one["name"]) for one in side} for side in (inputs, outputs))
    origin = dict.fromkeys([*(one for some in stated.made_of.values() for one in some), *stated.fed])
    inputs += [{"namespace": one[0], "name": one[1]} for one in origin if one not in read]
    outputs += [
        {"namespace": one[0], "name": one[1]} for one in stated.entries if one not in written and one not in read
    ]
    told = [part for one in outputs for part in _with_origin(one, stated)]
    return [*(("inputs", one) for one in inputs), *(("outputs", one) for one in told)]


def _with_origin(output: dict[str, Any], stated: origins.Origins) -> list[dict[str, Any]]:
    """Return an output with its stated origin, several times if that is long."""
    origin = stated.made_of.get((output["namespace"], output["name"]))
    if origin is None:
        return [output]
    named = [{"namespace": namespace, "name": name} for namespace, name in origin]
    return [{**output, "made_of": part} for part in list(portions(named, MAX_DATASETS)) or [[]]]


def _described_job(event: Part, facts: Facts) -> Iterator[dict[str, Any]]:
    job = event.needed("job")
    named, described = _job(job), facets.job(job)
    if described:
        yield facts.fact("job.declared", {**named, **described}, job.path)


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
