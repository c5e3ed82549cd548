"""What outputs were made of, where a producer says so: the facet ``lineage`` (LineageFacet 1-0-0, experimental).

On a dataset it tells of that output, on a job of all outputs of the event. Rules kept here:

- an output of which the facet tells was made of what the facet names, and of nothing else the run read;
- a facet on the job tells of all outputs of its event as soon as it has one entry for a dataset: one without an entry
  was made of nothing that is known;
- an entry without inputs and without fields says nothing; an empty list of inputs says that there is no origin;
- an output fed by the job itself was made of what entries say feeds the job; if none says, nothing is stated of it;
- what is named as an origin was read by the run, and what has an entry was written by it.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from collectors.openlineage import facets
from collectors.openlineage.document import SHORT, Part

Named = tuple[str, str]
"""Namespace and name of a dataset."""

_JOB: Final = "JOB"


class Origins(NamedTuple):
    """What is stated: of which outputs, the facet's entry of each, and what feeds the job itself."""

    made_of: dict[Named, list[Named]]
    entries: dict[Named, list[Part]]
    fed: list[Named]


def stated(event: Part, run: str | None) -> Origins:
    """Return what an event states of the origins of its outputs."""
    job = event.child("job")
    facet = job.facet("lineage") if job else None
    of_job = list(facet.children("entries")) if facet else []
    entries: dict[Named, list[Part]] = {}
    for entry in of_job:
        if entry.value.get("type") != _JOB:
            entries.setdefault(facets.dataset_name(entry), []).append(entry)
    feeding = [entry for entry in of_job if entry.value.get("type") == _JOB and _own(entry, job, run)]
    fed = list(dict.fromkeys(_datasets(one for entry in feeding for one in entry.children("inputs"))))
    told = {named: list(some) for named, some in entries.items()}
    for output in event.children("outputs"):
        named = facets.dataset_name(output)
        if own := output.facet("lineage"):
            told.setdefault(named, []).append(own)
        elif entries:
            told.setdefault(named, [])
    made_of: dict[Named, list[Named]] = {}
    for named, some in told.items():
        origin = _origin(some, job, run, fed if feeding else None)
        if origin is not None:
            made_of[named] = origin
    return Origins(made_of, entries, fed)


def _origin(entries: list[Part], job: Part | None, run: str | None, fed: list[Named] | None) -> list[Named] | None:
    """Return what an output was made of; None if that is not said, or only that the job made it."""
    found: list[Named] = []
    said = not entries
    for entry in entries:
        sources = list(_sources(entry))
        said = said or bool(sources) or isinstance(entry.value.get("inputs"), list)
        if any(one.value.get("type") == _JOB and _own(one, job, run) for one in sources):
            if fed is None:
                return None
            found += fed
        found += _datasets(sources)
    return list(dict.fromkeys(found)) if said else None


def _sources(entry: Part) -> Iterator[Part]:
    yield from entry.children("inputs")
    for _, field in entry.members("fields"):
        yield from field.children("inputs")


def _datasets(sources: Iterable[Part]) -> list[Named]:
    return [facets.dataset_name(one) for one in sources if one.value.get("type") != _JOB]


def _own(entry: Part, job: Part | None, run: str | None) -> bool:
    """Tell whether an entry or a source is the event's own job, in this run."""
    which = entry.text("runId", SHORT)
    if which is not None and which.lower() != run:
        return False
    named = entry.text("namespace", SHORT), entry.text("name", SHORT)
    return named == (None, None) or (job is not None and named == (job.value.get("namespace"), job.value.get("name")))
