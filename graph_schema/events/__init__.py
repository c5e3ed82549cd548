"""The facts of the language: a frozen, closed union, discriminated by ``type``.

One class is one kind of fact at one version (``ev``). A new fact is a class in one of these modules,
a fold function in ``graph_schema.fold`` and a vector; nothing else has to know about it. Which source
may send which family is decided by ``FAMILIES`` below; facts about the archive itself and about rights
are written by our own command handlers only.
"""

from graph_schema.events.base import Actor, Event, OnBehalfOf, PersonRef, SourceClaim
from graph_schema.events.registry import (
    ADAPTER,
    EVENT_TYPES,
    FAMILIES,
    OWN_TYPES,
    SOURCE_TYPES,
    family_of,
    json_schema,
    parse_event,
)

__all__ = [
    "ADAPTER",
    "EVENT_TYPES",
    "FAMILIES",
    "OWN_TYPES",
    "SOURCE_TYPES",
    "Actor",
    "Event",
    "OnBehalfOf",
    "PersonRef",
    "SourceClaim",
    "family_of",
    "json_schema",
    "parse_event",
]
