"""Credentials out of free text: tags, parameters and descriptions are sealed later, but wait on a disk before that.

Three shapes are known: a user or password in front of a host, a word such as ``password=`` with a value, and the tokens
of well-known makers. Only the credential is replaced, so that the text still says what it was about. What has no such
shape cannot be told from any other word: it is sealed like all text, and not removed.
"""

from __future__ import annotations

import re
from typing import Final

REMOVED: Final = "***"
_WORDS: Final = (
    r"pass(?:word|wd|phrase)?|pwd|secret(?:[_-]?key)?|token|credentials?|api[_-]?key|access[_-]?key(?:[_-]?id)?|"
    r"account[_-]?key|shared[_-]?access[_-]?key|private[_-]?key|client[_-]?secret|auth(?:orization)?"
)
_NAMED: Final = re.compile(rf"(?:^|[._\-\s])(?:{_WORDS})\Z", re.IGNORECASE)
_IN_FRONT: Final = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<who>[^\s/@'\"]+)@", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    rf"(?P<name>(?<![A-Za-z0-9])(?:{_WORDS})[\"']?\s*[=:]\s*[\"']?)(?:(?:Bearer|Basic)\s+)?[^\s\"'&;,}}]{{4,}}",
    re.IGNORECASE,
)
_SIGNED: Final = re.compile(r"(?P<name>[?&](?:sig|signature|x-amz-[a-z-]+|x-goog-[a-z-]+)=)[^\s&\"']+", re.IGNORECASE)
_TOKENS: Final = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}\b"
    r"|\bgithub_pat_\w{20,}\b"
    r"|\bglpat-[\w-]{20,}"
    r"|\bxox[abeprs]-[\w-]{10,}"
    r"|\bhf_[A-Za-z0-9]{20,}\b"
    r"|\bsk-[\w-]{20,}"
    r"|\bdapi[0-9a-f]{32}\b"
    r"|\blin_[\w-]{20,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_SHORTEST_TOKEN: Final = 15
"""Characters of the shortest that ``_TOKENS`` can match: ``xoxb-`` and ten more."""

_SHOWN: Final = rf"\g<name>{REMOVED}"
_CONTAINERS: Final = ("abfs://", "abfss://", "wasb://", "wasbs://")
"""Here the part before the ``@`` is the container, and belongs to the name."""


def without_credentials(text: str) -> str:
    """Return a text with each credential of a known shape replaced by ``***``.

    Most texts are short words: what every match of a pattern holds is looked for first, which is ten times as fast.
    """
    if "@" in text:
        text = _IN_FRONT.sub(_host_only, text)
    if len(text) >= _SHORTEST_TOKEN:
        text = _TOKENS.sub(REMOVED, text)
    if "=" in text:
        text = _SIGNED.sub(_SHOWN, text)
    if "=" in text or ":" in text:
        text = _ASSIGNED.sub(_SHOWN, text)
    return text


def hidden_value(key: str, value: str) -> str:
    """Return a tag's or parameter's value; ``***`` where the key itself says that it is a credential."""
    return REMOVED if _NAMED.search(key) and value else value


def _host_only(found: re.Match[str]) -> str:
    named = found["scheme"].lower() in _CONTAINERS and ":" not in found["who"]
    return found[0] if named else found["scheme"]
