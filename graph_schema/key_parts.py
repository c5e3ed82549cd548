"""The inside of a node key: how any text becomes a part that no separator can be mistaken in, and back.

Encoded are, as ``%`` and two upper-case hex digits a byte of UTF-8:

- ``%``, ``@``, control characters (C0, DEL, C1, line and paragraph separator), and ``/`` where the form of the key
  needs it;
- the second colon of each ``::`` (pairs are taken from the left), and a colon at either end of the part;
- a character that is not in Unicode's normal form NFC where it stands. The text is never normalised: two texts that
  differ keep different keys, and a tool that normalises a key on its way changes nothing.

Which characters compose is a matter of the Unicode version of the interpreter; the stability policy of Unicode keeps it
fixed for all characters that were assigned when a key was made.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote_to_bytes

_SHOWN: Final = 120


class NameSyntaxError(ValueError):
    """A text that is not a node key, or parts of which no key can be made."""


_ALWAYS = r"%@\x00-\x1f\x7f-\x9f\u2028\u2029"
_ENCODED = {slash: re.compile(f"[{_ALWAYS}{'/' if slash else ''}]") for slash in (False, True)}
_SUSPECT = {slash: re.compile(f"[{_ALWAYS}{'/' if slash else ''}]|::|\\A:|:\\Z") for slash in (False, True)}
NOT_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})", re.ASCII)
"""A ``%`` that does not begin an encoded byte."""


def encode_part(text: str, *, slash: bool = False) -> str:
    """Return ``text`` as it stands inside a key; ``slash`` encodes ``/`` too.

    Raises:
        NameSyntaxError: if the text holds half of a surrogate pair, which is no character.
    """
    if _SUSPECT[slash].search(text):
        text = _ENCODED[slash].sub(lambda found: _percent(found[0]), text).replace("::", ":%3A")
        if text.startswith(":"):
            text = "%3A" + text[1:]
        if text.endswith(":"):
            text = text[:-1] + "%3A"
    if text.isascii():
        return text
    _refuse_surrogates(text)
    return text if unicodedata.is_normalized("NFC", text) else _encode_what_is_not_nfc(text)


def decode_part(text: str) -> str:
    """Return the text that ``encode_part`` encoded.

    Raises:
        NameSyntaxError: if a ``%`` is not followed by two hex digits, or the bytes are not UTF-8.
    """
    if "%" not in text:
        return text
    if NOT_ESCAPE.search(text):
        raise NameSyntaxError(f"{shown(text)}: a % stands for the start of an encoded byte; a plain one is written %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise NameSyntaxError(f"{shown(text)}: its encoded bytes are not UTF-8") from error


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NameSyntaxError(f"{shown(text)} holds half of a surrogate pair, which is no character") from error


def _encode_what_is_not_nfc(text: str) -> str:
    """Walk a text and encode each character that breaks the form NFC of what was written since the last starter.

    A character can break it by itself, by standing after a mark of a higher class, or by composing with the starter
    where no mark of its own class stands between. The starter is that of the output: an encoded character leaves its
    last hex digit, and ``A`` to ``F`` compose. Linear, so that a thousand marks on one letter are no attack.
    """
    written: list[str] = []
    starter, previous = "", 0
    for character in text:
        mark = unicodedata.combining(character)
        if character.isascii():
            starter, previous = character, 0
        elif _breaks_nfc(starter, previous, character, mark):
            character = _percent(character)  # noqa: PLW2901  what is written is what the next one stands on
            starter, previous = character[-1], 0
        elif mark:
            previous = mark
        else:
            starter, previous = character, 0
        written.append(character)
    return "".join(written)


def _breaks_nfc(starter: str, previous: int, character: str, mark: int) -> bool:
    if mark and previous > mark:
        return True
    blocked = previous and previous >= mark
    return not unicodedata.is_normalized("NFC", character if blocked else starter + character)


def shown(text: str) -> str:
    """Return a text as an error may show it: cut, and in ASCII, since it may hold anything."""
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
