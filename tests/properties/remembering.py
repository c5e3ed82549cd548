"""A reader that asks each thing once and remembers what it was told, so that two stores can be compared call by call.

A snapshot gives the same answer to the same call (tests/conformance/test_snapshots.py), and the questions make many
calls again and again: many ways to the server are spared. What may differ between stores that both keep their promises
is put aside by ``normal``: the order that the protocol leaves open, repeats that may be left out, and which of equals a
limit keeps.
"""

import copy
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, cast

from lineage_service.store.protocol import NodeFacts, Point, Reader


class Told(NamedTuple):
    """A call and its answer."""

    name: str
    arguments: Sequence[Any]
    named: Mapping[str, Any]
    answer: Any


class Remembering:
    """Stands for the Reader of one snapshot, whatever methods it has."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.told: dict[Hashable, Told] = {}

    @property
    def reader(self) -> Reader:
        """This, as what it stands for."""
        return cast("Reader", self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask = getattr(self._reader, name)

        def call(*given: Any, **named: Any) -> Any:
            arguments = [list(one) if isinstance(one, Iterator) else one for one in given]
            key = name, tuple(map(_key, arguments)), _key(named)
            if key not in self.told:
                answer = ask(*arguments, **named)
                self.told[key] = Told(name, arguments, named, list(answer) if isinstance(answer, Iterator) else answer)
            answer = self.told[key].answer
            return copy.copy(answer) if isinstance(answer, list | dict) else answer

        return call


def _key(value: Any) -> Hashable:
    """Return what is equal for arguments that ask the same: in which order keys are given says nothing."""
    if is_dataclass(value):
        return tuple(_key(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Mapping):
        return frozenset((name, _key(one)) for name, one in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | tuple):
        return frozenset(value)
    return cast("Hashable", value)


def differences(one: Remembering, other: Remembering) -> Iterator[tuple[Told, Any, Any]]:
    """Give the calls that both made and that were answered differently, each with both answers in normal form."""
    for key, told in one.told.items():
        if key in other.told and (answers := (normal(told), normal(other.told[key])))[0] != answers[1]:
            yield told, *answers


def normal(told: Told) -> Any:
    """Return an answer without what the protocol leaves open."""
    if told.name == "walk":
        return sorted(told.answer.distances.items()), sorted(told.answer.assertions), told.answer.limited
    if told.name == "nodes":
        whole = set(told.named.get("every", ()))
        return {key: (node.seq, _rows(node, every=key in whole)) for key, node in told.answer.items()}
    if told.name == "points":
        return _points(told.answer, told.arguments[0].limit)
    return told.answer


def _rows(node: NodeFacts, *, every: bool) -> list[tuple[bytes, int, str]]:
    """Return the rows as they came; unless every one was asked for, of each wording only the first and the last."""
    rows = [(row.order, row.seq, repr(sorted(row.registers.items()))) for row in node.rows]
    first = {words: order for order, _, words in reversed(rows)}
    last = {words: order for order, _, words in rows}
    return [row for row in rows if every or row[0] in (first[row[2]], last[row[2]])]


def _points(points: Sequence[Point], limit: int | None) -> Any:
    """Return the order keys as they came, and the points themselves, without those equals that a limit chose from."""
    orders = [(point.order, point.n) for point in points]
    chosen = orders[-1] if limit is not None and len(points) == limit and orders else None
    return orders, sorted([point for point in points if (point.order, point.n) != chosen], key=repr)
