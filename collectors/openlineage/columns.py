"""From which fields the columns of a dataset come, as the facets ``columnLineage`` and ``lineage`` say it.

Follows ColumnLineageDatasetFacet 1-2-0 and LineageFacet 1-0-0. What applies to the dataset as a whole (a join, a
filter) applies to each of its columns that the event names. Facets before 1-1-0 hold one word for a column instead of
the transformations of each input. Descriptions are left to the raw event: they are program text with values in it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from collectors.openlineage import facets
from collectors.openlineage.document import SHORT, OpenLineageError, Part
from collectors.openlineage.facts import PORTION_BYTES, distinct, json_bytes

MAX_EDGES: Final = 1000
"""Pairs of a column and a field in one fact."""
MAX_WAYS: Final = 50
_WORDS: Final = ("DIRECT", "INDIRECT")

Group = dict[str, Any]
"""``{"columns": […], "inputs": […]}``: each of these columns comes from each of these fields."""


def derivations(dataset: Part, stated: Iterable[Part] = ()) -> list[Group]:
    """Return the derivations of a dataset's columns: by its own facets, and by ``stated`` entries about it."""
    facet = dataset.facet("columnLineage")
    own = dataset.facet("lineage")
    entries = [*([own] if own else []), *stated]
    inputs: dict[str, list[dict[str, Any]]] = {}
    whole: list[dict[str, Any]] = []
    for name, part in facet.members("fields") if facet else ():
        word = part.text("transformationType", SHORT)
        inputs.setdefault(name, []).extend(_field(one, word) for one in part.children("inputFields"))
    if facet:
        whole += [_field(one, None) for one in facet.children("dataset")]
    for entry in entries:
        whole += [_field(one, None) for one in entry.children("inputs") if _is_field(one)]
        for name, part in entry.members("fields"):
            inputs.setdefault(name, []).extend(_field(one, None) for one in part.children("inputs") if _is_field(one))
    groups = [{"columns": [name], "inputs": _merged(some)} for name, some in inputs.items() if some]
    columns = list(dict.fromkeys([*inputs, *(column["name"] for column in facets.columns(dataset))]))
    if whole and columns:
        groups.append({"columns": columns, "inputs": _merged(whole)})
    return groups


def parts(groups: list[Group]) -> Iterator[list[Group]]:
    """Split derivations into facts: bounded pairs of columns, bounded bytes, and nothing is lost."""
    portion: list[Group] = []
    edges = size = 0
    for group in (piece for whole in groups for piece in _pieces(whole)):
        count, length = len(group["columns"]) * len(group["inputs"]), json_bytes(group)
        if portion and (edges + count > MAX_EDGES or size + length > PORTION_BYTES):
            yield portion
            portion, edges, size = [], 0, 0
        portion.append(group)
        edges, size = edges + count, size + length
    if portion:
        yield portion


def _pieces(group: Group) -> Iterator[Group]:
    """Give a group in pieces that are small enough for a fact each."""
    columns, inputs = group["columns"], group["inputs"]
    small = len(columns) * len(inputs) <= MAX_EDGES and json_bytes(group) <= PORTION_BYTES
    if small or len(columns) == len(inputs) == 1:
        yield group
        return
    side, items = ("inputs", inputs) if len(inputs) >= len(columns) else ("columns", columns)
    middle = len(items) // 2
    for half in (items[:middle], items[middle:]):
        yield from _pieces({**group, side: half})


def _is_field(source: Part) -> bool:
    return source.value.get("type") != "JOB" and source.text("field", SHORT) is not None


def _field(source: Part, word: str | None) -> dict[str, Any]:
    """Return a field that goes into a column, with the ways in which it does."""
    namespace, name = facets.dataset_name(source)
    ways = [_way(one) for one in source.children("transformations")]
    if len(ways) > MAX_WAYS:
        raise OpenLineageError(source.at("transformations"), f"has {len(ways)}; at most {MAX_WAYS} can be recorded")
    found = {"namespace": namespace, "name": name, "field": source.needed_text("field", SHORT)}
    ways = ways or _way_of_old(word)
    return {**found, "transformations": ways} if ways else found


def _way(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {"type": part.needed_text("type", SHORT)}
    if subtype := part.text("subtype", SHORT):
        found["subtype"] = subtype
    if isinstance(masking := part.value.get("masking"), bool):
        found["masking"] = masking
    return found


def _way_of_old(word: str | None) -> list[dict[str, Any]]:
    """Return what the one word of an old facet says: IDENTITY and MASKED are both values that come from there."""
    if word is None:
        return []
    if word.upper() in _WORDS:
        return [{"type": word.upper()}]
    if word.upper() == "MASKED":
        return [{"type": "DIRECT", "subtype": word, "masking": True}]
    return [{"type": "DIRECT" if word.upper() == "IDENTITY" else "unknown", "subtype": word}]


def _merged(fields: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each field once, with all the ways that were named for it."""
    merged: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in fields:
        known = merged.setdefault((one["namespace"], one["name"], one["field"]), one)
        ways = distinct([*known.get("transformations", ()), *one.get("transformations", ())])
        if ways:
            merged[one["namespace"], one["name"], one["field"]] = {**known, "transformations": ways[:MAX_WAYS]}
    return list(merged.values())
