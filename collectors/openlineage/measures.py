"""What was counted of datasets, and which tests they passed: statistics, quality metrics and assertions.

Follows OutputStatisticsOutputDatasetFacet, DataQualityMetricsDatasetFacet (of inputs, too) and
DataQualityAssertionsDatasetFacet. Least and greatest values, sums and quantiles of columns are values of rows, which
may be personal: they are left to the raw event, and so is what a test expected and found, and its own name, which often
lists the values allowed. ``inputStatistics`` counts what a run read, often a part of the data, and is left there too.
"""

from collections.abc import Iterator
from typing import Any, Final

from collectors.openlineage import facets
from collectors.openlineage.document import SHORT, Part
from collectors.openlineage.facts import portions

MAX_COLUMNS: Final = 500
_COUNTS: Final = {"rows": "rowCount", "bytes": "bytes", "files": "fileCount"}
_OF_COLUMNS: Final = {"count": "count", "nulls": "nullCount", "distinct": "distinctCount"}
_GROUPS: Final = {"inputs": "inputFacets", "outputs": "outputFacets"}


def measures(dataset: Part, side: str | None) -> list[dict[str, Any]]:
    """Return what was counted of a dataset, in parts that each fit a fact; ``side`` is inputs, outputs or None."""
    groups = ["facets", *([_GROUPS[side]] if side else [])]
    counts: dict[str, int] = {}
    columns: dict[str, dict[str, Any]] = {}
    checks: dict[tuple[str, str], dict[str, Any]] = {}
    for group in groups:
        if facet := dataset.facet("dataQualityMetrics", group=group):
            counts |= _counted(facet, _COUNTS)
            for name, part in facet.members("columnMetrics"):
                columns.setdefault(name, {"column": name}).update(_counted(part, _OF_COLUMNS))
        if facet := dataset.facet("dataQualityAssertions", group=group):
            for check in _checks(facet):
                _merge(checks, check)
    if side == "outputs" and (facet := dataset.facet("outputStatistics", group="outputFacets")):
        counts |= _counted(facet, {**_COUNTS, "bytes": "size"})
    return list(_bodies(counts, [one for one in columns.values() if len(one) > 1], list(checks.values())))


def _bodies(
    counts: dict[str, int], columns: list[dict[str, Any]], checks: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Give the parts: the numbers with the first columns and tests, as many more as there must be."""
    of_columns, of_checks = list(portions(columns, MAX_COLUMNS)), list(portions(checks, MAX_COLUMNS))
    if counts or len(of_columns) == 1:
        yield {**counts, "columns": of_columns.pop(0) if len(of_columns) == 1 else []}
    yield from ({"columns": some} for some in of_columns)
    yield from ({"checks": some} for some in of_checks)


def _counted(facet: Part, names: dict[str, str]) -> dict[str, int]:
    found = {ours: facet.count(theirs) for ours, theirs in names.items()}
    return {name: number for name, number in found.items() if number is not None}


def _checks(facet: Part) -> Iterator[dict[str, Any]]:
    for part in facet.children("assertions"):
        check: dict[str, Any] = {"check": facets.cut(part.needed_text("assertion", 2**31), SHORT)}
        if column := part.text("column", SHORT):
            check["column"] = column
        if severity := part.text("severity", SHORT):
            check["severity"] = severity
        yield {**check, "held": part.needed_flag("success")}


def _merge(checks: dict[tuple[str, str], dict[str, Any]], check: dict[str, Any]) -> None:
    """Add a test; several of one kind on one column are one that held if all did."""
    place = check.get("column", ""), check["check"]
    known = checks.get(place)
    checks[place] = check if known is None else {**known, **check, "held": known["held"] and check["held"]}
