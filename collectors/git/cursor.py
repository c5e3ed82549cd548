"""How far a repository was read: the text that a later read starts from.

JSON of one line, versioned. It holds the commit of every ref, because what moved, what is gone and what was forced can
only be told by comparison; and ``roots``, the newest commits that were recorded: everything below them was. So it grows
with the refs and with the lines of development, never with the history.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from collectors.git.program import GitError

VERSION: Final = 2
MAX_MISSING: Final = 10_000
"""Commits that runs name and that were not found here, remembered by name; with more, all names are asked for again."""

_FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """What the last read saw: of which repository, when it began (microseconds since 1970), where each ref stood.

    ``read_at`` is None while the first read has not ended. ``roots`` are recorded commits of which no other recorded
    one descends, ``edge`` the commits at which a shallow clone ended. ``asked`` is where the service's list of commits
    that runs name ended; ``missing`` are those of them that the repository did not hold.
    """

    repository: str
    read_at: int | None
    refs: Mapping[str, str]
    roots: tuple[str, ...] = ()
    edge: tuple[str, ...] = ()
    asked: int = 0
    missing: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the cursor as JSON; the same cursor gives the same text."""
        forget = len(self.missing) > MAX_MISSING
        value = {
            "v": VERSION,
            "repository": self.repository,
            "read_at": self.read_at,
            "refs": dict(self.refs),
            "roots": sorted(self.roots),
            "edge": sorted(self.edge),
            "asked": 0 if forget else self.asked,
            "missing": [] if forget else sorted(self.missing),
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """Return the cursor of ``to_text``, of this version or of the first, which had read all that refs reach.

        Raises:
            GitError: if the text is no cursor, or one of a later version.
        """
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, dict) and value.get("v") == _FIRST:
            value = _raised(value)
        if not isinstance(value, dict) or not _is_sound(value):
            raise GitError(
                "the cursor of the last read cannot be understood",
                "remove it: the repository is then read from its beginning, and what is known already is not repeated",
            )
        return cls(
            value["repository"], value["read_at"], value["refs"], tuple(value["roots"]), tuple(value["edge"]),
            value["asked"], tuple(value["missing"]),
        )  # fmt: skip


def _raised(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cursor of the first version in the form of this one."""
    refs, head = value.get("refs"), value.get("head")
    tips = {*(refs.values() if isinstance(refs, dict) else ()), *([head] if head else [])}
    return {**value, "v": VERSION, "roots": list(tips), "asked": 0, "missing": []}


def _is_sound(value: Mapping[str, Any]) -> bool:
    refs = value.get("refs")
    return (
        value.get("v") == VERSION
        and isinstance(value.get("repository"), str)
        and (value.get("read_at", 0) is None or _is_number(value.get("read_at")))
        and _is_number(value.get("asked"))
        and isinstance(refs, dict)
        and all(isinstance(sha, str) for sha in refs.values())
        and all(_are_texts(value.get(name)) for name in ("roots", "edge", "missing"))
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
