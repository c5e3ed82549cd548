"""Where branches and tags stand now, and whether they left the history they had: facts, never errors."""

from collections.abc import Iterator
from typing import Any, Final

from collectors.git.cursor import Cursor
from collectors.git.observe import Repository, is_ancestor, present
from collectors.git.reach import TAGS
from collectors.git.translate import branch_event

MAX_REF: Final = 1024
"""Characters of a name that can be recorded."""


def too_long(opened: Repository, before: Cursor | None) -> list[str]:
    """Return the names of refs that cannot be recorded."""
    return sorted(ref for ref in {*(before.refs if before else ()), *opened.refs} if len(ref) > MAX_REF)


def movements(opened: Repository, before: Cursor | None, now: int) -> Iterator[dict[str, Any]]:
    """Give a sighting for every ref that does not stand where it stood, and for every one that is gone."""
    then = before.refs if before else {}
    held = present(opened.folder, then.values())
    since = before.read_at if before else None
    for ref in sorted({*then, *opened.refs}):
        old, new = then.get(ref), opened.refs.get(ref)
        if old == new or len(ref) > MAX_REF:
            continue
        forced = old is not None and new is not None and _is_forced(opened, ref, old if old in held else None, new)
        yield branch_event(opened.address, ref, new, now, not_before=since, forced=forced)


def _is_forced(opened: Repository, ref: str, old: str | None, new: str) -> bool:
    """Tell whether a ref left its history: a tag that moves always does; a commit that is gone was in nobody's past.

    At the edge of a shallow clone the past is hidden, and nothing can be said.
    """
    if ref.startswith(TAGS):
        return True
    if old is not None and is_ancestor(opened.folder, old, new):
        return False
    return not opened.edge
