"""Long lists cut into parts that a record can hold: a record ends at 65,535 bytes, and what is split is never lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from graph_schema.clear_keys import CLEAR_KEYS
from graph_schema.portions import portioned

PART_ITEMS: Final = 400
PART_BYTES: Final = 24_000
MOST_CARRIED: Final = 1000
"""Versions in one fact of a model that got another name."""

_SEALED_WEIGHT: Final = 10
"""A sealed value lies in the vault and not in the record, so parts may hold more of them."""


def in_parts(items: Iterable[Any], most: int = PART_ITEMS) -> Iterator[list[Any]]:
    """Cut a long list into parts of at most ``most`` items, each far below the size of a record."""
    return portioned(items, _weight, most, PART_BYTES)


def renamings(old: str, new: str, carried: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give what ``model.renamed`` says: once for every thousand versions it carried over, once if none."""
    for start in range(0, max(len(carried), 1), MOST_CARRIED):
        yield {"model": old, "to": new, "carried": list(carried[start : start + MOST_CARRIED])}


def spread(body: Mapping[str, Any], lists: Iterable[tuple[str, Sequence[Any]]]) -> Iterator[dict[str, Any]]:
    """Give a body and the long lists that belong in it as bodies that fit a record; the first has all the rest."""
    held = dict(body)
    for field, items in lists:
        for part in in_parts(items):
            if field in held or not is_small({**held, field: part}):
                yield held
                held = {}
            held[field] = part
    yield held


def is_small(body: Mapping[str, Any]) -> bool:
    """Tell whether a fact's body is small enough to take more."""
    return len(orjson.dumps(body)) <= PART_BYTES


def _weight(item: Any) -> int:
    length = len(orjson.dumps(item))
    sealed = isinstance(item, list) and item[0] not in CLEAR_KEYS
    return length // _SEALED_WEIGHT if sealed else length
