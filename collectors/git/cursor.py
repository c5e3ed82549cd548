"""How far a repository was read: the text that a later read starts from.

JSON of one line, versioned. It holds the commit of every ref, because what moved, what is gone and what was forced can
only be told by comparison; so it grows with the number of refs, and whoever keeps it keeps it beside the record.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from collectors.git.program import GitError

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """What the last read saw: of which repository, when it began (microseconds since 1970), where each ref stood.

    ``head`` is the commit that was checked out, ``edge`` the commits at which a shallow clone ended.
    """

    repository: str
    read_at: int
    refs: Mapping[str, str]
    head: str | None = None
    edge: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the cursor as JSON; the same cursor gives the same text."""
        value = {
            "v": VERSION,
            "repository": self.repository,
            "read_at": self.read_at,
            "refs": dict(self.refs),
            "head": self.head,
            "edge": sorted(self.edge),
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """Return the cursor of ``to_text``.

        Raises:
            GitError: if the text is no cursor, or one of a later version.
        """
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict) or not _is_sound(value):
            raise GitError(
                "the cursor of the last read cannot be understood",
                "remove it: the repository is then read from its beginning, and what is known already is not repeated",
            )
        return cls(value["repository"], value["read_at"], value["refs"], value["head"], tuple(value["edge"]))


def _is_sound(value: Mapping[str, Any]) -> bool:
    refs, edge, read_at = value.get("refs"), value.get("edge"), value.get("read_at")
    return (
        value.get("v") == VERSION
        and isinstance(value.get("repository"), str)
        and isinstance(read_at, int)
        and not isinstance(read_at, bool)
        and isinstance(refs, dict)
        and all(isinstance(sha, str) for sha in refs.values())
        and isinstance(value.get("head", 0), str | None)
        and isinstance(edge, list)
        and all(isinstance(sha, str) for sha in edge)
    )
