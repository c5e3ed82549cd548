"""A file of events, one a line, as OpenLineage's file transport writes it: read in portions that one request can hold.

A line that is no JSON (a file cut off while it was written, a disk that was full) is a portion of its own, sent as it
is: the service refuses it and keeps its bytes, and the lines around it are recorded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import orjson

MOST_LINES: Final = 100
MOST_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the lines sent together."""
LONGEST: Final = 8 * 1024 * 1024
"""Bytes of a line that is read whole; of a longer one so many and one more are sent, which the service refuses."""


@dataclass(slots=True)
class Portion:
    """Some lines: their numbers in the file, counted from one, and their bytes without the line's end."""

    numbers: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    sound: bool = True

    def body(self) -> bytes:
        """Return the lines as one JSON array, each event in its own bytes; of an unsound portion the line as it is."""
        return b"[" + b",".join(self.lines) + b"]" if self.sound else self.lines[0]


def portions(file: BinaryIO) -> Iterator[Portion]:
    """Give the lines of a file in their order; empty ones are none."""
    waiting, size = Portion(), 0
    for number, line in _numbered(file):
        if not _is_json(line):
            if waiting.lines:
                yield waiting
                waiting, size = Portion(), 0
            yield Portion([number], [line], sound=False)
            continue
        if waiting.lines and (len(waiting.lines) == MOST_LINES or size + len(line) > MOST_BYTES):
            yield waiting
            waiting, size = Portion(), 0
        waiting.numbers.append(number)
        waiting.lines.append(line)
        size += len(line)
    if waiting.lines:
        yield waiting


def _numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        rest = line
        while len(rest) > LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST + 1)
        if stripped := line.strip():
            yield number, stripped


def _is_json(line: bytes) -> bool:
    if len(line) > LONGEST:
        return False
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
