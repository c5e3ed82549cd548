"""Long lists in portions: a record is never cut, so what does not fit one is stated by several."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def portioned(items: Iterable[Item], weigh: Callable[[Item], int], most: int, most_bytes: int) -> Iterator[list[Item]]:
    """Cut a list into portions of at most ``most`` items that weigh ``most_bytes`` together; an item is never cut."""
    portion: list[Item] = []
    size = 0
    for item in items:
        weight = weigh(item)
        if portion and (len(portion) >= most or size + weight > most_bytes):
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += weight
    if portion:
        yield portion
