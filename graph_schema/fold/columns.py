"""What the columns of datasets come from: edges from column to column, and how in registers of the column."""

from collections.abc import Mapping
from typing import Any, Final

from graph_schema import names
from graph_schema.changes import Changes
from graph_schema.kinds import Edge, Role

_WAY: Final = {"DIRECT": Role.DIRECT, "INDIRECT": Role.INDIRECT}


def fold_columns(record: Mapping[str, Any], changes: Changes) -> None:
    """Fold from which fields the columns of a dataset come."""
    body = record["body"]
    for group in body["derived"]:
        columns = [_column(body, name, changes) for name in group["columns"]]
        for item in group["inputs"]:
            source = _column(item, item["field"], changes)
            transformations = item.get("transformations", ())
            ways = [_WAY.get(one["type"].upper(), Role.UNKNOWN) for one in transformations] or [Role.UNKNOWN]
            roles = sum(set(ways))
            registers = _ways_in(source, transformations)
            for column in columns:
                changes.edge(column, Edge.COLUMN_FROM, source, roles=roles)
                changes.set(column, registers)


def _column(dataset: Mapping[str, Any], field: str, changes: Changes) -> str:
    """Return the key of a column that is part of its dataset."""
    key = names.column(dataset["namespace"], dataset["name"], field)
    changes.edge(key, Edge.PART_OF, names.dataset(dataset["namespace"], dataset["name"]))
    return key


def _ways_in(source: str, transformations: Any) -> dict[str, Any]:
    """Return how a field goes into a column: one register for each field and for direct, indirect and other ways."""
    registers: dict[str, Any] = {}
    for one in transformations:
        way = one["type"].lower() if one["type"].upper() in _WAY else "unknown"
        registers.setdefault(f"{way}:{source}", []).append(dict(one))
    return registers
