"""One record's bytes: whether they are the one spelling of a record, and what stands in the fields all records have.

Follows profile LJ1 (``graph_schema.canonical``, which stays the judge) and the record format v1. Rule kept: the quick
reading may only say yes; whatever it cannot vouch for is decided, and explained, by ``read_record``, which asks
``canonical.decode``. A million records are read at 15 microseconds each at most, so the quick reading counts calls.

Why the quick yes is sound, rule by rule of LJ1:

- one spelling (no white space, sorted keys, no repeated key, shortest escapes, no byte order mark, UTF-8, no ``-0``,
  no lone surrogate): what orjson reads is written again and must give the same bytes, and orjson neither reads nor
  writes a lone surrogate;
- integers up to 2^53-1: ``OPT_STRICT_INTEGER`` refuses to write a larger one;
- no fraction or exponent, an integer beyond 64 bits among them: orjson makes floats of these. The fields that all
  records have are held to their types, and the walk through the containers among them meets every other value;
- keys: the outer ones are exactly the known ones; the walk meets every other object, and each key was matched once
  against the rule before it joined the known ones. They are ASCII, so that orjson's order (of UTF-8 bytes) is the one
  RFC 8785 asks for;
- at most 16 levels: the walk goes level by level and counts;
- at most 65,535 bytes: measured.

orjson yields exactly the types str, int, float, bool, None, list and dict, so nothing else can hide from the walk.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import orjson

from graph_schema import canonical, times

_ONE_SPELLING: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_KEY: Final = re.compile(r"[A-Za-z0-9_.:/@+-]{1,128}", re.ASCII)
_KNOWN_LIMIT: Final = 10_000
_KNOWN_KEYS: Final[set[str]] = set()

_TYPED: Final[dict[str, type]] = {
    "v": int,
    "log": str,
    "seq": int,
    "prev": str,
    "time": str,
    "id": str,
    "type": str,
    "ev": int,
    "occurred_at": str,
    "actor": dict,
    "source": dict,
    "body": dict,
}
_FIELDS: Final = itemgetter(*_TYPED)
_KINDS: Final = tuple(_TYPED.values())
_CONTAINERS: Final = slice(9, 12)  # actor, source, body

_QUARANTINED: Final = "payload.quarantined"
_ID_BYTES: Final = 16
_TIME_LENGTH: Final = len("2026-11-22T23:57:16.123456Z")
_MINUTE_MICROS: Final = 60_000_000

Fields = tuple[Any, ...]
"""The values of a record's common fields: v, log, seq, prev, time, id, type, ev, occurred_at, actor, source, body."""


class RecordFormError(ValueError):
    """These bytes are not a record of this version; the message names the fault, never a value."""


class UnknownFormError(RecordFormError):
    """A record of a form this version does not know: it may be sound, but nobody here can tell."""


def quick_fields(body: bytes) -> Fields | None:
    """Return the fields of a record of version 1 in LJ1, or None if only ``read_record`` can tell."""
    try:
        record = orjson.loads(body)
        if orjson.dumps(record, option=_ONE_SPELLING) != body or len(body) > canonical.MAX_BYTES:
            return None
        fields: Fields = _FIELDS(record)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, LookupError, TypeError):
        return None
    if tuple(map(type, fields)) != _KINDS or fields[0] != 1:
        return None
    inside = list(fields[_CONTAINERS])
    if len(record) != len(_KINDS):
        digests = record.get("sd")
        if len(record) != len(_KINDS) + 1 or type(digests) is not list:
            return None
        inside.append(digests)
    return fields if _is_plain(inside) else None


def _is_plain(level: list[Any]) -> bool:
    """Tell whether no float and only keys of the profile stand in these containers, all at level 2, and few levels."""
    for _ in range(canonical.MAX_DEPTH - 1):
        below: list[Any] = []
        for container in level:
            items = container
            if type(container) is dict:
                if not _KNOWN_KEYS.issuperset(container) and not _learn_keys(container):
                    return False
                items = container.values()
            for item in items:
                if type(item) is str:
                    continue
                kind = type(item)
                if kind is dict or kind is list:
                    below.append(item)
                elif kind is float:
                    return False
        if not below:
            return True
        level = below
    return False


def _learn_keys(members: Mapping[str, object]) -> bool:
    if any(not _KEY.fullmatch(key) for key in members):
        return False
    if len(_KNOWN_KEYS) < _KNOWN_LIMIT:
        _KNOWN_KEYS.update(members)
    return True


def read_record(body: bytes) -> dict[str, Any]:
    """Return a record of version 1 whose common fields have the right types.

    Raises:
        canonical.CanonicalError: if the bytes are outside the profile.
        UnknownFormError: if the record says that it is of another version, or has fields of a later one.
        RecordFormError: if a field is missing or has the wrong type.
    """
    record = canonical.decode(body)
    if type(record) is not dict:
        raise RecordFormError("a record is an object")
    if record.get("v") != 1 or type(record["v"]) is not int:
        raise UnknownFormError("a record of a version this program does not know")
    if missing := _TYPED.keys() - record.keys():
        raise RecordFormError(f"the record lacks {', '.join(sorted(missing))}")
    for name, kind in _TYPED.items():
        if type(record[name]) is not kind:
            raise RecordFormError(f"{name} is not of the type it has in a record")
    if record.keys() - _TYPED.keys() - {"sd"}:
        raise UnknownFormError("a record with fields this program does not know")
    if type(record.get("sd", [])) is not list:
        raise RecordFormError("sd is not of the type it has in a record")
    return record


def record_of(body: bytes) -> dict[str, Any]:
    """Return what ``read_record`` returns, or raise what it raises, sooner where the quick reading can vouch for it."""
    if quick_fields(body) is None:
        return read_record(body)
    record: dict[str, Any] = orjson.loads(body)
    return record


def fields_of(record: Mapping[str, Any]) -> Fields:
    """Return the fields of a record read by ``read_record``."""
    fields: Fields = _FIELDS(record)
    return fields


def payloads_named(record: Mapping[str, Any]) -> list[str]:
    """Return the digests of the raw payloads that a record names."""
    named = [record["source"].get("payload")]
    if record["type"] == _QUARANTINED:
        named.append(record["body"].get("payload"))
    return [digest for digest in named if digest]


def canonical_instant(text: str) -> int:
    """Return the microseconds of a time in the one form that records write; RecordFormError for any other."""
    digits = text[17:19] + text[20:26]
    if len(text) == _TIME_LENGTH and text[19::7] == ".Z" and digits.isascii() and digits.isdigit():
        into = int(digits)
        if into < _MINUTE_MICROS:
            return _minute(text[:17]) + into
    raise RecordFormError("a time in the record is not written in the form of the log")


@lru_cache(maxsize=4096)
def _minute(text: str) -> int:
    """Return the microseconds of the beginning of a minute, such as ``2026-11-22T23:57:``."""
    whole = f"{text}00.000000Z"
    try:
        micros = times.parse_time(whole)
    except times.TimeError as error:
        raise RecordFormError("a time in the record does not exist") from error
    if times.format_time(micros) != whole:
        raise RecordFormError("a time in the record is not written in the form of the log")
    return micros


def read_id(identifier: str, occurred_at: int) -> bytes:
    """Return the 16 bytes of an id: 32 hex digits, the first 12 the milliseconds of ``occurred_at`` (microseconds)."""
    try:
        raw = bytes.fromhex(identifier)
    except ValueError as error:
        raise RecordFormError("the id is not hexadecimal") from error
    if len(raw) != _ID_BYTES or raw.hex() != identifier:
        raise RecordFormError("the id is not 32 lowercase hex digits")
    if int.from_bytes(raw[:6], "big") != occurred_at // 1000:
        raise RecordFormError("the id does not begin with the milliseconds of occurred_at")
    return raw
