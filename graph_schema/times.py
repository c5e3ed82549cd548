"""Instants: inside, every time is an integer of microseconds since 1970-01-01T00:00:00Z.

Orders, periods and comparisons are then those of integers, and no zone can get lost. Text follows RFC 3339; we write
one form of it, always UTC with six digits (``2026-11-22T23:57:16.123456Z``), whose order as text is the order of time.
The range is 1970 to 9999, so that an instant fits the 48 bits of milliseconds in a record's id.

What is read is wider than what is written: any offset, lower-case ``t`` and ``z``, a space for the ``T``, any number of
digits of a fraction (what is finer than a microsecond is cut off, never rounded into the next second), and a leap
second, which Unix time does not have: it becomes the last microsecond before it, so that it stays on its own day.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MICROS_PER_SECOND: Final = 1_000_000
MAX_MICROS: Final = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z, the last instant there is."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BARE_EPOCH: Final = _EPOCH.replace(tzinfo=None)
_MICROSECOND: Final = timedelta(microseconds=1)
_CANONICAL_LENGTH: Final = len("2026-11-22T23:57:16.123456Z")
_CANONICAL_MARKS: Final = "--T::.Z"
_LAST_MINUTE: Final = 86_340 * MICROS_PER_SECOND
_MINUTE: Final = 60 * MICROS_PER_SECOND
_DAY: Final = 1440 * _MINUTE
_SHOWN: Final = 48
_REMEMBERED: Final = 4096
"""How many instants are kept with their texts: a fact's time is read, and a group's written, several times on end."""

_INSTANT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<minute>(?:[01]\d|2[0-3]):[0-5]\d):(?P<second>\d\d)(?:\.(?P<fraction>\d+))?"
    r"(?P<zone>[Zz]|(?P<sign>[+-])(?P<hours>[01]\d|2[0-3]):(?P<minutes>[0-5]\d))?",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class TimeError(ValueError):
    """A text that is not a time, an instant out of range, or a zone nobody knows."""


@lru_cache(maxsize=_REMEMBERED)
def parse_time(text: str) -> int:
    """Return the instant of an RFC 3339 time, in microseconds.

    Raises:
        TimeError: if the text has another form or no zone, names a day or a second that does not exist, or lies
            outside 1970 to 9999.
    """
    # The usual form has its marks at fixed places. Hour 24, which RFC 3339 does not have, is read by some Pythons.
    if len(text) == _CANONICAL_LENGTH and text[4:20:3] + text[26] == _CANONICAL_MARKS and text[11:13] < "24":
        try:
            micros = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        except ValueError:
            return _parse_freely(text)
        if micros >= 0:
            return micros
    return _parse_freely(text)


@lru_cache(maxsize=_REMEMBERED)
def format_time(micros: int) -> str:
    """Return the one form we write, ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, whose order as text is the order of time.

    Raises:
        TimeError: if the instant lies outside 1970 to 9999.
    """
    if not 0 <= micros <= MAX_MICROS:
        raise TimeError(f"{micros} microseconds lie outside 1970 to 9999 (UTC)")
    return (_BARE_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds") + "Z"


def parse_instant(text: str, zone: str) -> int:
    """Return the instant that a person typed, in microseconds: an RFC 3339 time, or a date in ``zone``.

    A bare date means the first instant of that day in the named IANA zone, also where the clocks skip or repeat
    midnight. The zone does not touch a time, which carries its own.

    Raises:
        TimeError: as ``parse_time`` does, or if nobody knows the zone.
    """
    if not _DATE.fullmatch(text):
        return parse_time(text)
    place = _zone(zone)
    try:
        midnight = datetime.combine(date.fromisoformat(text), time(), tzinfo=place)
    except ValueError as error:
        raise TimeError(f"{text} is not a day of the calendar: {error}") from error
    return _refuse_out_of_range((midnight - _EPOCH) // _MICROSECOND, f"{text} in {zone}")


def _parse_freely(text: str) -> int:
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise TimeError(f"{_shown(text)} is not an RFC 3339 time such as 2026-11-22T23:57:16Z or ….25+01:00")
    if found["zone"] is None:
        raise TimeError(f"{_shown(text)} has no zone; add Z or an offset such as +01:00")
    try:
        minute = datetime.fromisoformat(f"{found['date']}T{found['minute']}+00:00")
    except ValueError as error:
        raise TimeError(f"{_shown(text)} is not a day of the calendar: {error}") from error
    start = (minute - _EPOCH) // _MICROSECOND - _offset(found)
    return _refuse_out_of_range(start + _into_minute(found, start), _shown(text))


def _offset(found: re.Match[str]) -> int:
    if found["sign"] is None:
        return 0
    size = (int(found["hours"]) * 60 + int(found["minutes"])) * _MINUTE
    return -size if found["sign"] == "-" else size


def _into_minute(found: re.Match[str], start: int) -> int:
    """Return the microseconds since ``start``, the (UTC) beginning of the minute."""
    second = int(found["second"])
    if second == 60 and start % _DAY == _LAST_MINUTE:  # noqa: PLR2004  the leap second
        return _MINUTE - 1
    if second > 59:  # noqa: PLR2004  the last ordinary second
        raise TimeError(f"{_shown(found[0])} names a second that does not exist (a leap second ends a day in UTC)")
    return second * MICROS_PER_SECOND + int((found["fraction"] or "")[:6].ljust(6, "0"))


def _refuse_out_of_range(micros: int, shown: str) -> int:
    if not 0 <= micros <= MAX_MICROS:
        raise TimeError(f"{shown} lies outside 1970 to 9999 (UTC)")
    return micros


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeError(f"{_shown(name)} is not an IANA time zone such as Europe/Zurich or UTC") from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
