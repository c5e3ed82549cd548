"""Facts in the making: what all facts of one event share, and how long lists are split so that each fits its record."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from collectors.openlineage.document import OpenLineageError
from graph_schema.clear_keys import CLEAR_KEYS
from graph_schema.portions import portioned

T = TypeVar("T")

PORTION_BYTES: Final = 20_000
"""JSON bytes of split lists in one fact; a record holds 32,768 in all."""

EVENT_BYTES: Final = 30_000
"""JSON bytes of a fact that stand in its record, its envelope apart."""

_SEALED_TEXTS: Final = ("error", "description")
_SEALED_PAIRS: Final = ("tags", "owners")


@dataclass(frozen=True, slots=True)
class Facts:
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

    def split(self, kind: str, bodies: list[dict[str, Any]], path: str) -> Iterator[dict[str, Any]]:
        """Give one fact a body, numbered where there are several."""
        for number, body in enumerate(bodies, start=1):
            yield self.fact(kind, body, path, f"part {number} of {len(bodies)}" if len(bodies) > 1 else "")


def distinct(items: Iterable[T]) -> list[T]:
    """Return the items in their order, each once."""
    kept: dict[str, T] = {}
    for item in items:
        kept.setdefault(json.dumps(item, sort_keys=True), item)
    return list(kept.values())


def portions(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Cut a list into portions of at most ``most`` items and ``PORTION_BYTES`` bytes."""
    return portioned(items, json_bytes, most, PORTION_BYTES)


def beside(about: Mapping[str, Any], lists: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is said once beside the first of some portions, or by itself where both do not fit a record."""
    if not lists or _recorded_bytes(about) + json_bytes(lists[0]) > EVENT_BYTES:
        return [dict(about), *lists]
    return [{**about, **lists[0]}, *lists[1:]]


def json_bytes(value: object) -> int:
    """Return the length of a value as compact JSON in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _recorded_bytes(body: Mapping[str, Any]) -> int:
    """Return the size of a body in its record, where private texts and most pairs are digests."""
    clear = {key: part for key, part in body.items() if key not in (*_SEALED_TEXTS, *_SEALED_PAIRS)}
    pairs = {name: [pair for pair in body.get(name, ()) if pair[0] in CLEAR_KEYS] for name in _SEALED_PAIRS}
    return json_bytes({**clear, **pairs})
