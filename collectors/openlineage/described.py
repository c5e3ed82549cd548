"""What an event says of its datasets, apart from who read and wrote them: schema, names, columns, changes, counts.

Every dataset is described once an event: of one on both sides its other names together, the rest as the output has it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from collectors.openlineage import columns, facets
from collectors.openlineage.document import Part
from collectors.openlineage.facts import PORTION_BYTES, Facts, beside, distinct, json_bytes, portions
from collectors.openlineage.measures import measures
from collectors.openlineage.origins import Named

MAX_COLUMNS: Final = 2000
MAX_SYMLINKS: Final = 50
_SIDES: Final = {"inputs": "read", "outputs": "written"}


def datasets_of(
    event: Part,
    facts: Facts,
    *,
    named: Mapping[str, Any] | None = None,
    stated: Mapping[Named, list[Part]] | None = None,
    mention_all: bool = False,
) -> Iterator[dict[str, Any]]:
    """Give the facts about the datasets among inputs and outputs.

    Args:
        event: a RunEvent or a JobEvent.
        facts: what they share.
        named: run and execution, of a RunEvent.
        stated: entries of the job's facet ``lineage``, by dataset.
        mention_all: also describe datasets of which nothing is said.
    """
    entries = dict(stated or {})
    found: dict[Named, tuple[str, dict[str, Any]]] = {}
    derived: dict[Named, tuple[str, list[columns.Group]]] = {}
    for side in _SIDES:
        for dataset in event.children(side):
            name, described = facets.dataset_name(dataset), _description(dataset)
            _, earlier = found.get(name, ("", {}))
            others = [*earlier.get("same_as", ()), *described.get("same_as", ())]
            merged = {**earlier, **described, **({"same_as": distinct(others)} if others else {})}
            found[name] = (dataset.path, merged)
            groups = columns.derivations(dataset, entries.pop(name, ()) if side == "outputs" else ())
            derived[name] = (dataset.path, distinct([*derived.get(name, ("", []))[1], *groups]))
    for name, some in entries.items():
        derived[name] = (some[0].path, columns.derivations(Part(some[0].path, {}), some))
    for name, (path, described) in found.items():
        if described or mention_all:
            yield from _declared(_as_body(name), described, path, facts)
    for name, (path, groups) in derived.items():
        yield from _columns(name, groups, path, facts)
    for side in _SIDES:
        for dataset in event.children(side):
            yield from _happened(dataset, side, named, facts)


def dataset_alone(dataset: Part, reference: Mapping[str, Any], facts: Facts) -> Iterator[dict[str, Any]]:
    """Give the facts of a DatasetEvent: the description, and the version if it names one."""
    name, described = facets.dataset_name(dataset), _description(dataset)
    yield from _declared(_as_body(name), described, dataset.path, facts)
    if "version" in reference:
        schema = {key: value for key, value in described.items() if key in ("columns", "column_count")}
        yield facts.fact("dataset_version.observed", {**reference, **schema}, dataset.path)
    yield from _columns(name, columns.derivations(dataset), dataset.path, facts)
    yield from _happened(dataset, None, None, facts)


def _as_body(name: Named) -> dict[str, Any]:
    return {"namespace": name[0], "name": name[1]}


def _description(dataset: Part) -> dict[str, Any]:
    """Return what the facets of a dataset say of it, without what they do not say."""
    said = {
        **_schema(facets.columns(dataset)),
        "kind": facets.kind(dataset),
        "description": facets.description(dataset),
        "owners": facets.owners(dataset),
        "tags": facets.tags(dataset),
        "same_as": facets.symlinks(dataset),
    }
    return {key: value for key, value in said.items() if value}


def _schema(found: list[dict[str, str]]) -> dict[str, Any]:
    """Return the columns, or their number where they are too many for a record."""
    if len(found) > MAX_COLUMNS or json_bytes(found) > PORTION_BYTES:
        return {"column_count": len(found)}
    return {"columns": found}


def _declared(
    named: Mapping[str, str], described: Mapping[str, Any], path: str, facts: Facts
) -> Iterator[dict[str, Any]]:
    links = [{"same_as": portion} for portion in portions(described.get("same_as", ()), MAX_SYMLINKS)]
    about = {key: value for key, value in described.items() if key != "same_as"}
    bodies = [{**named, **body} for body in beside(about, links)]
    yield from facts.split("dataset.declared", bodies, path)


def _columns(name: Named, groups: list[columns.Group], path: str, facts: Facts) -> Iterator[dict[str, Any]]:
    bodies = [{**_as_body(name), "derived": part} for part in columns.parts(groups)]
    yield from facts.split("columns.derived", bodies, path)


def _happened(
    dataset: Part, side: str | None, named: Mapping[str, Any] | None, facts: Facts
) -> Iterator[dict[str, Any]]:
    """Give what happened to a dataset as a whole, and what was counted of it."""
    name = _as_body(facets.dataset_name(dataset))
    if change := facets.change(dataset):
        yield facts.fact("dataset.changed", {**name, **change, **(named or {})}, dataset.path)
    about = {**name, "version": facets.version(dataset), **(named or {})}
    if named and side:
        about["side"] = _SIDES[side]
    yield from facts.split("dataset.measured", [about | one for one in measures(dataset, side)], dataset.path)
