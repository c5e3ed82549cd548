"""The verdict of the last `lineage verify`, left where the service and the doctor can show it.

The verification runs beside the service, in a process of its own, so its verdict lies in a small file beside the
database. Rules kept: the file carries no authority. It is shown, with its time, and decides nothing: neither an exit
code that says "proven", nor whether the service is ready; whoever can write the folder can write it, and a reader who
wants to know runs the verification. A file that cannot be read is as good as none, and one that cannot be written
does not change a verdict.
"""

import contextlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, Self

import orjson

from graph_schema import times
from lineage_service.evidence.findings import EXIT_BELOW_LEVEL, EXIT_FINE, EXIT_INCOMPLETE, EXIT_TAMPER, Report

FORM: Final = 1
_MAX_BYTES: Final = 4096
Word = Literal["fine", "tampering", "incomplete", "below_level"]
WORDS: Final[dict[int, Word]] = {
    EXIT_FINE: "fine",
    EXIT_TAMPER: "tampering",
    EXIT_INCOMPLETE: "incomplete",
    EXIT_BELOW_LEVEL: "below_level",
}


@dataclass(frozen=True, slots=True)
class LastVerdict:
    """What the last verification said: when it ended (microseconds), in a word, how far it looked."""

    time: int
    verdict: Word
    level: int
    records: int
    deep: bool

    @classmethod
    def of(cls, report: Report, *, deep: bool, time: int) -> Self:
        """Return the verdict of a report."""
        return cls(time, WORDS[report.exit_code], report.level, report.counts.get("records", 0), deep)


def place_of(database: Path) -> Path:
    """Return where the verdict on a database lies."""
    return database.with_name(f"{database.name}.verified.json")


def leave(database: Path, verdict: LastVerdict) -> None:
    """Put the verdict in the place of the last one, readable by its owner only; OSError if that is refused."""
    place = place_of(database)
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    body = {"form": FORM, **asdict(verdict), "time": times.format_time(verdict.time)}
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(body))
        fresh.replace(place)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def last_verdict(database: Path) -> LastVerdict | None:
    """Return the last verdict on a database; None if there is none that can be read."""
    try:
        with place_of(database).open("rb") as file:
            return _parsed(orjson.loads(file.read(_MAX_BYTES)))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _parsed(value: dict[str, object]) -> LastVerdict:
    time, verdict, level, records = value["time"], value["verdict"], value["level"], value["records"]
    word: Word | None = next((one for one in WORDS.values() if one == verdict), None)
    if value["form"] != FORM or word is None or not isinstance(time, str):
        raise ValueError("another form of verdict")
    if not isinstance(level, int) or not isinstance(records, int):
        raise TypeError("numbers were expected")
    return LastVerdict(times.parse_time(time), word, level, records, value["deep"] is True)
