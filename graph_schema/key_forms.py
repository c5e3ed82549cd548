"""The form of each kind of key: which parts it has, what stands between them, and how a key comes apart again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Form:
    """How the parts of a kind stand in its key.

    ``split`` takes an encoded rest apart; ``separators`` says how often each may stand in what a person wrote: with one
    more there are two readings.
    """

    pattern: str
    template: str
    split: Callable[[str], tuple[str, ...]]
    slashes: tuple[bool, ...]
    separators: Mapping[str, int] = field(default_factory=dict)
    dated: bool = False


def _split_pair(rest: str) -> tuple[str, ...]:
    return tuple(rest.split("::"))


def _split_versioned(rest: str) -> tuple[str, ...]:
    head, at, version = rest.rpartition("@")
    return (*head.split("::"), version) if at else ()


def _split_dated(rest: str) -> tuple[str, ...]:
    head, at, created = rest.rpartition("@")
    registry, colons, tail = head.partition("::")
    name, slash, version = tail.rpartition("/")
    return (registry, name, version, created) if at and colons and slash else ()


def _split_place(rest: str) -> tuple[str, ...]:
    return tuple(rest.split("/", 1))


_ONE = Form("ID", "{}", lambda rest: (rest,), (False,))
_PAIR = Form("NAMESPACE::NAME", "{}::{}", _split_pair, (False, False), {"::": 1})
_COLUMN = Form("NAMESPACE::NAME::FIELD", "{}::{}::{}", _split_pair, (False,) * 3, {"::": 2})
_VERSIONED = Form("NAMESPACE::NAME@VERSION", "{}::{}@{}", _split_versioned, (False, False, True), {"::": 1, "@": 1})
_DATED = Form(
    "REGISTRY::NAME/VERSION@CREATED_MS (or @?)",
    "{}::{}/{}@{}",
    _split_dated,
    (False, False, True, False),
    {"::": 1},
    dated=True,
)
_TARGET = Form("ENVIRONMENT/REGION", "{}/{}", _split_place, (True, True), {"/": 1})
_SOURCE = Form("KIND/INSTANCE", "{}/{}", _split_place, (True, False))

FORMS: Final = {
    "repository": _ONE,
    "commit": _ONE,
    "dataset": _PAIR,
    "dataset_version": _VERSIONED,
    "column": _COLUMN,
    "job": _PAIR,
    "run": _ONE,
    "runtime": _ONE,
    "model": _PAIR,
    "model_version": _DATED,
    "prompt": _PAIR,
    "prompt_version": _DATED,
    "logged_model": _PAIR,
    "target": _TARGET,
    "change": _ONE,
    "validation": _ONE,
    "experiment": _ONE,
    "person": _ONE,
    "service_account": _ONE,
    "document": _ONE,
    "incident": _ONE,
    "report": _ONE,
    "source": _SOURCE,
}

KINDS: Final = tuple(FORMS)
"""The kinds of node, as they stand at the front of keys."""
