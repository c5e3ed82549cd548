"""What the names of parameters and tags mean by the conventions of a house: never more than a claim.

``conventions.yaml`` beside this module lists the names that many houses use; a file of one's own replaces it
(``LINEAGE_CONVENTIONS``). It maps each meaning to the names that have it, and is read once, at the start. A fault in it
is an error with its line and column, because a convention that is silently not kept is one somebody relies on.

Pure but for ``load`` and ``shipped``, which read a file. YAML is read by PyYAML, which comes with MLflow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args

from graph_schema.clear_keys import CLEAR_KEYS
from graph_schema.events.base import ClaimWord

CLAIMS: Final[frozenset[str]] = frozenset(get_args(get_args(ClaimWord)[0]))
"""Meanings that become a ``claim`` beside the parameter or tag."""

FIELDS: Final = frozenset({"dataset_version", "dataset", "commit", "branch", "python", "gpu"})
"""Meanings that have a field of their own in the facts about runs."""

MOST_BYTES: Final = 64 * 1024
_MOST_NAMES: Final = 1000
_LONGEST_NAME: Final = 250
_LONGEST_CLEAR: Final = 1024
_MOST_CLAIMS: Final = 100


class ConventionsError(ValueError):
    """A file of conventions cannot be used; the message says where the fault lies and what to write."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """What names mean: each name has one meaning. ``names`` keeps the order of the file."""

    names: Mapping[str, str]

    def meaning(self, name: str) -> str | None:
        """Return what a parameter or tag of this name means; None for most."""
        return self.names.get(name)

    def told(self, meaning: str, pairs: Iterable[Sequence[str]]) -> str | None:
        """Return the value that parameters or tags give to a meaning: that of the name which the file lists first."""
        found = {name: value.strip() for name, value in pairs if self.names.get(name) == meaning}
        return next((found[name] for name in self.names if found.get(name)), None) if found else None

    def claims(self, pairs: Iterable[Sequence[str]]) -> list[dict[str, str]]:
        """Return what parameters or tags claim, as facts state it; a value that may not stand in clear is hidden."""
        found: dict[str, dict[str, str]] = {}
        for name, value in pairs:
            means = self.names.get(name)
            if means in CLAIMS and value and name not in found:
                shown = {"value": value[:_LONGEST_CLEAR]} if name in CLEAR_KEYS else {"hidden": value}
                found[name] = {"means": means, "name": name, **shown}
        return list(found.values())[:_MOST_CLAIMS]

    def meant(self, name: str) -> list[str]:
        """Return the claims that end when the tag of this name is removed."""
        means = self.names.get(name)
        return [means] if means in CLAIMS else []


NONE: Final = Conventions(MappingProxyType({}))
"""A house without conventions."""


@cache
def shipped() -> Conventions:
    """Return the conventions that come with this package."""
    return load(Path(__file__).with_name("conventions.yaml"))


def load(path: Path) -> Conventions:
    """Read a file of conventions.

    Raises:
        ConventionsError: if it cannot be read, is too large, or is not what such a file may hold.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConventionsError(f"the conventions in {path} cannot be read: {error}") from error
    if len(data) > MOST_BYTES:
        raise ConventionsError(f"the conventions in {path} are larger than {MOST_BYTES} bytes; list names only")
    return parse(data, str(path))


def parse(data: bytes, where: str) -> Conventions:
    """Return the conventions that a YAML document holds; ``where`` names it in errors.

    Raises:
        ConventionsError: with line and column of the first fault.
    """
    document = _composed(data, where)
    names: dict[str, str] = {}
    seen: set[str] = set()
    for key, value in _members(document, where):
        meaning = _text(key, where, "a meaning")
        if meaning not in CLAIMS | FIELDS:
            known = ", ".join(sorted(CLAIMS | FIELDS))
            raise _fault(key, where, f"{meaning!r} is no meaning; there are {known}")
        if meaning in seen:
            raise _fault(key, where, f"{meaning!r} stands here twice")
        seen.add(meaning)
        for item in _items(value, where):
            name = _text(item, where, "a name of a parameter or tag")
            if name in names:
                raise _fault(item, where, f"{name!r} has a meaning already: {names[name]}")
            names[name] = meaning
    return Conventions(MappingProxyType(names))


def _composed(data: bytes, where: str) -> Any:
    """Return the document as nodes with their places; nothing in it is ever constructed."""
    try:
        import yaml
    except ImportError as error:
        raise ConventionsError(
            "conventions are written in YAML, and PyYAML is not installed here; install lineage-service[mlflow]"
        ) from error
    try:
        return yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConventionsError(f"{where}{place}: {error.problem or 'no YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConventionsError(f"{where}: no YAML: {str(error)[:200]}") from error


def _members(node: Any, where: str) -> list[tuple[Any, Any]]:
    if node is None:
        return []
    if node.id != "mapping":
        raise _fault(node, where, "a file of conventions maps meanings to lists of names")
    members: list[tuple[Any, Any]] = node.value
    return members


def _items(node: Any, where: str) -> list[Any]:
    if node.id == "scalar" and node.tag == "tag:yaml.org,2002:null":
        return []
    if node.id != "sequence":
        raise _fault(node, where, "write a list of names, such as [approved_by, approver]")
    items: list[Any] = node.value
    if len(items) > _MOST_NAMES:
        raise _fault(node, where, f"at most {_MOST_NAMES} names can mean one thing")
    return items


def _text(node: Any, where: str, what: str) -> str:
    if node.id != "scalar" or not node.value or len(node.value) > _LONGEST_NAME:
        raise _fault(node, where, f"{what} is a text of 1 to {_LONGEST_NAME} characters")
    return str(node.value)


def _fault(node: Any, where: str, problem: str) -> ConventionsError:
    mark = node.start_mark
    return ConventionsError(f"{where}, line {mark.line + 1}, column {mark.column + 1}: {problem}")
