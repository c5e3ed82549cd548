"""What should arrive, written in `expected/`: one fact a line, as ``lines`` shows it.

A line that begins with ``[since 3.13]`` or ``[until 3.12]`` holds for those releases only; one that begins with ``#``
is a remark.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.versions.environments import numbers

_FOLDER: Final = Path(__file__).with_name("expected")
_CONDITION: Final = re.compile(r"\[(since|until) ([0-9.]+)\] (.+)")


def expected(what: str, release: str) -> list[str]:
    """Return the lines of a file of ``expected/`` that hold for a release, sorted."""
    written = (_FOLDER / f"{what}.txt").read_text().splitlines()
    return sorted(_held([line for line in written if line and not line.startswith("#")], release))


def _held(written: Sequence[str], release: str) -> Iterator[str]:
    minor = numbers(release)[:2]
    for line in written:
        found = _CONDITION.fullmatch(line)
        if found is None:
            yield line
        elif (minor >= numbers(found[2])) if found[1] == "since" else (minor <= numbers(found[2])):
            yield found[3]


def differences(what: str, release: str, arrived: Sequence[str]) -> list[str]:
    """Return the lines that are missing (``-``) and those that nobody expected (``+``)."""
    compared = difflib.ndiff(expected(what, release), sorted(arrived))
    return [f"{what}: {line}" for line in compared if line.startswith(("-", "+"))]
