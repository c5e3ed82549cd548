"""Numbered schema files, whatever store they are for: in order, each applied once, none edited afterwards."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from importlib import resources

from lineage_service.errors import StoreUnavailableError

SchemaFile = tuple[int, str, str]
"""Number, name and text."""


def numbered_files(store: str, ending: str) -> list[SchemaFile]:
    """Return the schema files of a store, in order: those of its folder in ``graph_schema`` with this ending."""
    folder = resources.files("graph_schema") / store
    found = [entry for entry in folder.iterdir() if entry.name.endswith(ending)]
    return sorted((int(entry.name.split("_", 1)[0]), entry.name, entry.read_text(encoding="utf-8")) for entry in found)


def digest_of(text: str) -> str:
    """Return by what an applied file is known again."""
    return hashlib.sha256(text.encode()).hexdigest()


def require_unedited(applied: Iterable[Sequence[object]], files: Sequence[SchemaFile]) -> set[int]:
    """Return the numbers that were applied, given as (number, name, digest).

    Raises:
        StoreUnavailableError: if one is not of this version, or was edited since.
    """
    texts = {number: text for number, _, text in files}
    numbers = set()
    for number, name, digest in applied:
        if not isinstance(number, int) or number not in texts:
            raise StoreUnavailableError(f"the database was migrated by a newer version ({name}): install that version")
        if digest_of(texts[number]) != digest:
            raise StoreUnavailableError(f"{name} was edited after it was applied: restore the original file")
        numbers.add(number)
    return numbers


def require_all(applied: Collection[int], files: Sequence[SchemaFile]) -> None:
    """Raise StoreUnavailableError unless all files were applied."""
    missing = [name for number, name, _ in files if number not in applied]
    if missing:
        raise StoreUnavailableError(f"the schema lacks {', '.join(missing)}: run `lineage migrate`; data is safe")
