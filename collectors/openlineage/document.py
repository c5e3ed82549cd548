"""An OpenLineage event as it is read: every value with the path where it stands, every refusal naming that path.

The checks are those of the specification (https://openlineage.io/spec/2-0-2/OpenLineage.json and its facets), written
by hand for the fields that become facts, because a schema engine with format checks refuses real producers: Feast sends
``"producer": "feast"``, which is no URI. Rules kept here:

- what is null is absent, and so is an empty text where a text is not required;
- a text is refused when it is longer than the field it goes to, or holds half of a surrogate pair; it is never cut;
- a refusal names the place and the rule, never the value found: values may be personal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

LONG: Final = 4096
"""Characters of a name, an address or a namespace (``LongText`` of the language)."""

SHORT: Final = 1024
"""Characters of an identifier (``Text`` of the language)."""

PRIVATE: Final = 16_384
"""Characters of a value that is sealed (``Private`` of the language)."""

MAX_COUNT: Final = 2**53 - 1


class OpenLineageError(ValueError):
    """An event of which no facts can be made: ``path`` is the field at fault, ``problem`` says what to change."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path or 'the event'}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Part:
    """One JSON object of an event and the path that leads to it (empty for the event itself)."""

    path: str
    value: Mapping[str, Any]

    def at(self, key: str) -> str:
        """Return the path of a member."""
        return f"{self.path}.{key}" if self.path else key

    def child(self, key: str) -> Part | None:
        """Return the object under ``key``, None if there is none; anything else under it is an error."""
        found = self.value.get(key)
        return None if found is None else as_part(self.at(key), found)

    def needed(self, key: str) -> Part:
        """Return the object under ``key``, which the specification requires."""
        found = self.child(key)
        if found is None:
            raise OpenLineageError(self.at(key), "is required")
        return found

    def children(self, key: str) -> Iterator[Part]:
        """Give the objects of the array under ``key``; none if there is no array."""
        found = self.value.get(key)
        if found is None:
            return
        if not isinstance(found, list | tuple):
            raise OpenLineageError(self.at(key), "must be an array")
        for number, item in enumerate(found):
            yield as_part(f"{self.at(key)}[{number}]", item)

    def members(self, key: str) -> Iterator[tuple[str, Part]]:
        """Give the named objects of the object under ``key``; none if there is no object."""
        group = self.child(key)
        for name, item in group.value.items() if group else ():
            if not name:
                raise OpenLineageError(self.at(key), "has a member without a name")
            yield sound_text(self.at(key), name, SHORT), as_part(f"{self.at(key)}.{name}", item)

    def facet(self, name: str, *, group: str = "facets") -> Part | None:
        """Return a facet that is present; one that says ``_deleted`` describes nothing."""
        facets = self.child(group)
        found = facets.child(name) if facets else None
        return None if found is None or found.value.get("_deleted") is True else found

    def text(self, key: str, limit: int) -> str | None:
        """Return the text under ``key``, None if there is none or it is empty."""
        found = self.value.get(key)
        if found is None or found == "":
            return None
        return sound_text(self.at(key), found, limit)

    def needed_text(self, key: str, limit: int) -> str:
        """Return the text under ``key``, which the specification requires and which may not be empty."""
        found = self.text(key, limit)
        if found is None:
            raise OpenLineageError(self.at(key), "is required and may not be empty")
        return found

    def needed_flag(self, key: str) -> bool:
        """Return the truth value under ``key``, which the specification requires."""
        found = self.value.get(key)
        if not isinstance(found, bool):
            raise OpenLineageError(self.at(key), "must be true or false")
        return found

    def count(self, key: str) -> int | None:
        """Return the number of things under ``key``, None if there is none."""
        found = self.value.get(key)
        if found is None:
            return None
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= MAX_COUNT:
            raise OpenLineageError(self.at(key), f"must be an integer from 0 to {MAX_COUNT}")
        return found


def as_part(path: str, value: object) -> Part:
    """Return a JSON object with its path; anything else is refused."""
    if not isinstance(value, Mapping):
        raise OpenLineageError(path, "must be an object")
    return Part(path, value)


def sound_text(path: str, value: object, limit: int) -> str:
    """Return a text of at most ``limit`` characters that can be written as UTF-8; anything else is refused."""
    if not isinstance(value, str):
        raise OpenLineageError(path, "must be a string")
    if len(value) > limit:
        raise OpenLineageError(path, f"has {len(value)} characters; at most {limit} can be recorded")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise OpenLineageError(path, "holds half of a surrogate pair, which is no character")
    return value
