"""Long lists cut into parts that a record can hold: a record ends at 65,535 bytes, and what is split is never lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from graph_schema.clear_keys import CLEAR_KEYS

PART_ITEMS: Final = 400
PART_BYTES: Final = 24_000
_SEALED_WEIGHT: Final = 10
"""A sealed value lies in the vault and not in the record, so parts may hold more of them."""


def in_parts(items: Iterable[Any], most: int = PART_ITEMS) -> Iterator[list[Any]]:
    """Cut a long list into parts of at most ``most`` items, each far below the size of a record."""
    part: list[Any] = []
    size = 0
    for item in items:
        length = _weight(item)
        if part and (len(part) >= most or size + length > PART_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part


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
