"""One value, one sequence of bytes: the profile LJ1, and the reading of JSON from outside.

Records are hashed and signed as bytes, so the same value must have one spelling only, and a verifier written in any
language must be able to find it. LJ1 is RFC 8785 (JSON Canonicalization Scheme) restricted to what has no corner cases:

- UTF-8 without a byte order mark, no white space, members sorted by key;
- keys match ``[A-Za-z0-9_.:/@+-]{1,128}``: ASCII, so the UTF-16 order of RFC 8785 and the order of UTF-8 bytes agree;
- integers of at most 2^53-1 in magnitude, and no other numbers: metrics are decimal strings, exactly as logged;
- no duplicate keys, no lone surrogates, at most 16 levels of arrays and objects, at most 65,535 bytes (the limit of an
  entry in a C2SP tile bundle). Strings are kept as received, never normalised.

``encode`` and ``decode`` keep to the profile; ``parse_wire`` reads what other people send, in any spelling, and refuses
only what has no single meaning or no place in LJ1. Every refusal names the place of the fault, never the value found
there: values may be personal.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final, NoReturn

import orjson

MAX_BYTES: Final = 65_535
MAX_DEPTH: Final = 16
MAX_INTEGER: Final = 2**53 - 1
MAX_KEY: Final = 128

_KEY = re.compile(r"[A-Za-z0-9_.:/@+-]{1,128}", re.ASCII)
_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_SURROGATE: Final = "half of a surrogate pair, which is no character"
_FRACTION: Final = "a number with a fraction or an exponent; write it as a decimal string (metrics are decimal strings)"
_LARGE: Final = f"an integer beyond {MAX_INTEGER} in magnitude; write it as a decimal string"


class _LocatedError(ValueError):
    """What is wrong and where; ``path`` is like ``body.params[3][1]``, and empty for the whole document."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path or 'the document'}: {self.problem}"


class CanonicalError(_LocatedError):
    """A value or bytes outside the profile LJ1."""


class WireError(_LocatedError):
    """Bytes from outside that are not JSON, or not JSON with one meaning."""


def encode(value: object) -> bytes:
    """Return the LJ1 bytes of ``value``: None, bool, int, str, list (or tuple) and dict with str keys, nested.

    Subclasses of these (enumerations among them) are refused, because encoders disagree about them.

    Raises:
        CanonicalError: naming the place of the first fault.
    """
    _refuse_faults(value)
    return encode_unchecked(value)


def encode_unchecked(value: object) -> bytes:
    """Return the bytes of a value which a validated model has already held to the profile; only the size is checked.

    Raises:
        CanonicalError: if the value is too large, or cannot be written at all.
    """
    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise CanonicalError("", f"cannot be written as JSON: {error}") from error
    return _of_fair_size(data)


def reference_encode(value: object) -> bytes:
    """Return the bytes of ``encode`` by the standard library alone: slower, and what a stranger would write.

    Raises:
        CanonicalError: as ``encode`` does.
    """
    _refuse_faults(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _of_fair_size(text.encode())


def decode(data: bytes) -> Any:
    """Return the value of LJ1 bytes, having made sure that no other bytes have this value.

    Raises:
        CanonicalError: if ``encode`` would not give exactly these bytes.
    """
    _of_fair_size(data)
    try:
        value = orjson.loads(data)
        _check(value, 0)
    except (orjson.JSONDecodeError, _Fault) as fault:
        _refuse_spelling(data, fault)
    if orjson.dumps(value, option=orjson.OPT_SORT_KEYS) != data:
        _refuse_spelling(data, None)
    return value


def parse_wire(data: bytes, *, floats: bool = False, wide: bool = False, max_depth: int = 64) -> Any:
    """Return the value of JSON from outside: any white space and order of keys, but one meaning.

    Refused are duplicate keys at any depth, NaN and Infinity, integers beyond 2^53-1, ``-0``, lone surrogates, a byte
    order mark, bytes that are not UTF-8, and more than ``max_depth`` levels.

    Args:
        data: one JSON document; the caller bounds its size.
        floats: admit fractions and exponents (and ``-0``) as Python floats, for foreign documents.
        wide: admit integers of up to 64 bits, which foreign documents use for ids (an Iceberg snapshot, say).
        max_depth: levels of arrays and objects; meant to stay below a few hundred.

    Raises:
        WireError: naming the place of the first fault.
    """
    text = _text(data)
    _refuse_depth(data, max_depth)
    try:
        try:
            value = _scan(text, _decoder(floats=floats, wide=wide, locate=False))
        except _Fault:
            value = _scan(text, _decoder(floats=floats, wide=wide, locate=True))
            _surface(value)
        if _SURROGATE_ESCAPE.search(data):
            _surface(value)
    except _Fault as fault:
        raise WireError(fault.path, fault.problem) from None
    return value


# ------------------------------------------------------------------------------------------------------- the profile


class _Fault(Exception):  # noqa: N818  it never leaves this module
    """A broken rule on its way up: each level adds the step that leads down to it, so sound values cost no paths."""

    def __init__(self, problem: str, *steps: str | int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps = list(steps)

    @property
    def path(self) -> str:
        """The steps from the top, as a person would write them."""
        return _path(self.steps[::-1])


def _refuse_faults(value: object) -> None:
    try:
        _check(value, 0)
    except _Fault as fault:
        raise CanonicalError(fault.path, fault.problem) from None


def _check(value: Any, depth: int) -> None:
    """Refuse a value outside the profile; ``depth`` is the number of arrays and objects around it."""
    kind = type(value)
    if kind is str:
        if not value.isascii() and _has_surrogate(value):
            raise _Fault(_SURROGATE)
    elif kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise _Fault(_LARGE)
    elif kind is dict:
        _check_members(value, depth + 1)
    elif kind is list or kind is tuple:
        _check_items(value, depth + 1)
    elif value is not None and kind is not bool:
        raise _Fault(_FRACTION if kind is float else f"a value of type {kind.__name__}, which JSON does not have")


def _check_members(members: dict[object, object], depth: int) -> None:
    _check_depth(depth)
    for key, item in members.items():
        if type(key) is not str or len(key) > MAX_KEY or not _is_key(key):
            raise _Fault(f"a key must match {_KEY.pattern}", key if isinstance(key, str) else repr(key))
        if type(item) is str and item.isascii():
            continue  # the usual case, without a call
        try:
            _check(item, depth)
        except _Fault as fault:
            fault.steps.append(key)
            raise


def _check_items(items: list[object] | tuple[object, ...], depth: int) -> None:
    _check_depth(depth)
    for index, item in enumerate(items):
        if type(item) is str and item.isascii():
            continue
        try:
            _check(item, depth)
        except _Fault as fault:
            fault.steps.append(index)
            raise


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Fault(f"more than {MAX_DEPTH} levels of arrays and objects")


@lru_cache(maxsize=4096)
def _is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _of_fair_size(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise CanonicalError("", f"{len(data)} bytes, of which {MAX_BYTES} are allowed; keep large bodies as payloads")
    return data


def _refuse_spelling(data: bytes, fault: Exception | None) -> NoReturn:
    """Say as precisely as possible why ``data`` is not LJ1; the slow reader knows more about faults."""
    try:
        parse_wire(data, max_depth=MAX_DEPTH)
    except WireError as error:
        raise CanonicalError(error.path, error.problem) from fault
    if isinstance(fault, _Fault):
        raise CanonicalError(fault.path, fault.problem) from fault
    raise CanonicalError("", "the same value has another spelling in LJ1 (white space, order of keys, or escapes)")


def _path(steps: list[str | int]) -> str:
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_STEP.fullmatch(step) and len(step) <= MAX_KEY:
            path += f".{step}" if path else step
        else:
            # A foreign key may hold anything, line ends and terminal escapes among it.
            path += f"[{json.dumps(step[:MAX_KEY])}]"
    return path


# ------------------------------------------------------------------------------------------------- JSON from outside


def _text(data: bytes) -> str:
    if data.startswith(_BYTE_ORDER_MARK):
        raise WireError("", "starts with a byte order mark; send plain UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WireError("", f"not UTF-8 at byte {error.start}") from error


def _refuse_depth(data: bytes, limit: int) -> None:
    """Refuse deep nesting before anything recurses into it. Exact for JSON; for other bytes the parser has its say.

    Escaped backslashes and then escaped quotes are dropped, so that quotes alternate and every second piece lies
    outside a string. All of it runs at the speed of C, and only if there are brackets enough.
    """
    if data.count(b"[") + data.count(b"{") <= limit:
        return
    outside = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    brackets = outside.translate(None, _NO_BRACKETS)
    if max(accumulate(map(_LEVEL.__getitem__, brackets)), default=0) > limit:
        raise WireError("", f"more than {limit} levels of arrays and objects")


_LEVEL: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS: Final = bytes(code for code in range(256) if code not in _LEVEL)


@lru_cache
def _decoder(*, floats: bool, wide: bool, locate: bool) -> json.JSONDecoder:
    """Return a decoder that keeps the rules while the scanner of the standard library runs.

    The hooks of the scanner know values, not places. So the first reading raises at a fault (and costs nothing more),
    and a second one (``locate``) leaves the fault in its place in the tree, where a walk finds it.
    """
    met = _leave_in_place if locate else _stop
    return json.JSONDecoder(
        object_pairs_hook=_members_hook(met),
        parse_int=_integer_hook(met, floats=floats, wide=wide),
        parse_float=_float_hook(met, floats=floats),
        parse_constant=lambda name: met(_Fault(f"{name}, which is not JSON")),
    )


def _stop(fault: _Fault) -> NoReturn:
    raise fault


def _leave_in_place(fault: _Fault) -> _Fault:
    return fault


def _members_hook(met: Callable[[_Fault], Any]) -> Callable[[list[tuple[str, Any]]], Any]:
    def members(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        return met(_Fault("this key stands twice in its object", repeated))

    return members


def _integer_hook(met: Callable[[_Fault], Any], *, floats: bool, wide: bool) -> Callable[[str], Any]:
    lowest, highest = (-(2**63), 2**64 - 1) if wide else (-MAX_INTEGER, MAX_INTEGER)
    longest = len(str(lowest))
    problem = "an integer beyond 64 bits" if wide else _LARGE

    def integer(text: str) -> Any:
        if text == "-0" and not floats:
            return met(_Fault("-0, which is written 0"))
        # The length comes first: turning thousands of digits into a number is costly, and int() refuses it.
        if len(text) <= longest and lowest <= (number := int(text)) <= highest:
            return number
        return met(_Fault(problem))

    return integer


def _float_hook(met: Callable[[_Fault], Any], *, floats: bool) -> Callable[[str], Any]:
    def fraction(text: str) -> Any:
        if not floats:
            return met(_Fault(_FRACTION))
        number = float(text)
        return number if math.isfinite(number) else met(_Fault("a number beyond the range of a double"))

    return fraction


def _scan(text: str, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        raise WireError("", f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None


def _surface(value: object) -> None:
    """Raise the first fault within a value, with the steps to it: one left in place, or half a surrogate pair."""
    if isinstance(value, _Fault):
        raise value
    if isinstance(value, str) and _has_surrogate(value):
        raise _Fault(_SURROGATE)
    if isinstance(value, dict):
        _surface_items(value.items())
        for key in value:
            if _has_surrogate(key):
                raise _Fault(_SURROGATE, key)
    elif isinstance(value, list):
        _surface_items(enumerate(value))


def _surface_items(items: Iterable[tuple[str | int, object]]) -> None:
    for step, item in items:
        try:
            _surface(item)
        except _Fault as fault:
            fault.steps.append(step)
            raise
