"""Two ordered streams of rows, compared side by side in constant memory."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]


def lenient(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Let a connection read text that is not UTF-8, so that a damaged value is compared and not stumbled over."""
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return connection


def scratch(path: Path) -> sqlite3.Connection:
    """Open a temporary database that need not survive a crash."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    return lenient(connection)


def differences(expected: Iterator[Row], found: Iterator[Row], width: int) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield (expected, found) where they differ; None stands for a row that one side lacks.

    Both sides are sorted by their first ``width`` columns, which are unique.
    """
    for left, right in joined(expected, found, width):
        if left != right:
            yield left, right


def joined(expected: Iterator[Row], found: Iterator[Row], width: int) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield all rows of both sides, those with the same first ``width`` columns together."""
    left, right = next(expected, None), next(found, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[:width] < right[:width]):
            yield left, None
            left = next(expected, None)
        elif left is None or right[:width] < left[:width]:
            yield None, right
            right = next(found, None)
        else:
            yield left, right
            left, right = next(expected, None), next(found, None)


def shown(columns: Sequence[str], row: Row | None) -> str:
    """Return a row in one short line; bytes as hex, long values cut."""
    if row is None:
        return "no such row"
    parts = []
    for name, value in zip(columns, row, strict=True):
        text = value.hex() if isinstance(value, bytes) else str(value)
        parts.append(f"{name}={text if len(text) <= 80 else text[:77] + '…'}")  # noqa: PLR2004  a line's worth
    return ", ".join(parts)
