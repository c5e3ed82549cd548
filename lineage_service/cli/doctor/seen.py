"""One thing the doctor looked at, and how it is shown: its mark, what it is, and the command that mends it."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from graph_schema import times
from lineage_service.cli.screen import plain

How = Literal["good", "note", "wrong", "tampered"]
_MARKS: Final[dict[How, str]] = {"good": "ok", "note": "! ", "wrong": "x ", "tampered": "x "}
_INDENT: Final = "      "
_HOUR: Final = 3600
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Seen:
    """How one thing is, what it is, and the command that mends it (empty when there is nothing to)."""

    how: How
    what: str
    mend: str = ""


Part = tuple[str, list[Seen]]
"""A part of the installation by name, and what was seen of it."""


def shown(parts: Iterable[Part], width: int) -> Iterator[str]:
    """Give the lines a person reads; a command is never broken, because it is there to be copied."""
    counted: dict[How, int] = {}
    for name, seen in parts:
        if seen:
            yield name
        for one in seen:
            counted[one.how] = counted.get(one.how, 0) + 1
            yield textwrap.fill(
                plain(one.what),
                width,
                initial_indent=f"  {_MARKS[one.how]}  ",
                subsequent_indent=_INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
            if one.mend:
                yield f"{_INDENT}-> {plain(one.mend)}"
    yield _summary(counted.get("wrong", 0) + counted.get("tampered", 0), counted.get("note", 0))


def _summary(problems: int, warnings: int) -> str:
    if not problems and not warnings:
        return "Nothing to mend."
    return f"{_counted(problems, 'problem')} (x), {_counted(warnings, 'warning')} (!)."


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def as_data(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Return what was seen for ``--json``."""
    return [
        {"about": name.lower(), "how": one.how, "what": one.what, "mend": one.mend or None}
        for name, seen in parts
        for one in seen
    ]


def span(micros: int) -> str:
    """Return a stretch of time in the one unit that is read easily: ``40 s``, ``5 min``, ``7 h``, ``12 days``."""
    seconds = abs(micros) // times.MICROS_PER_SECOND
    if seconds < 2 * 60:
        return f"{seconds} s"
    if seconds < 2 * _HOUR:
        return f"{seconds // 60} min"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h"
    return f"{seconds // _DAY} days"
