"""The union of all facts, its families, and its JSON Schema."""

from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from graph_schema.events import archive, code, data, model, movement, people, run, validation

AnyEvent = Annotated[
    run.RunObserved
    | run.JobDeclared
    | data.DatasetDeclared
    | data.DatasetVersionObserved
    | data.DatasetChanged
    | data.DatasetMeasured
    | data.ColumnsDerived
    | model.ModelDeclared
    | model.ModelVersionRegistered
    | model.ModelVersionDeleted
    | model.ModelRenamed
    | model.ModelDeleted
    | model.LoggedModelObserved
    | model.DescriptionChanged
    | model.TagSet
    | model.TagRemoved
    | movement.StageTransitioned
    | movement.AliasMoved
    | movement.AliasRemoved
    | movement.DeploymentChanged
    | validation.ValidationRecorded
    | code.CommitObserved
    | code.BranchMoved
    | people.PersonDeclared
    | people.IdentityLinked
    | people.PermissionObserved
    | people.RoleGranted
    | people.RoleRevoked
    | people.TokenIssued
    | people.TokenRevoked
    | archive.LedgerOpened
    | archive.SourceRegistered
    | archive.SourceRetired
    | archive.CollectorReported
    | archive.AttemptDenied
    | archive.AttemptUnresolved
    | archive.AttemptIntended
    | archive.AttemptConcluded
    | archive.AccessDenied
    | archive.PayloadQuarantined
    | archive.ClockAnomaly
    | archive.GraphSealed
    | archive.EdgeWithdrawn,
    Field(discriminator="type"),
]

ADAPTER: Final[TypeAdapter[Any]] = TypeAdapter(AnyEvent)

EVENT_TYPES: Final[dict[str, type[Any]]] = {
    cls.model_fields["type"].annotation.__args__[0]: cls
    for cls in AnyEvent.__origin__.__args__  # type: ignore[attr-defined]
}
"""Event class by type word."""

FAMILIES: Final[tuple[str, ...]] = ("code", "data", "run", "model", "movement")
"""Families a source may be granted whole."""

BY_NAME: Final[tuple[str, ...]] = (
    "validation.recorded",
    "collector.reported",
    "attempt.denied",
    "person.declared",
    "identity.linked",
    "permission.observed",
)
"""Facts a source may be granted by name; ``attempt.denied`` covers attempts of unknown outcome too."""

SOURCE_TYPES: Final[frozenset[str]] = frozenset(
    word for word, cls in EVENT_TYPES.items() if cls.family in FAMILIES or cls.family in BY_NAME
)
OWN_TYPES: Final[frozenset[str]] = frozenset(EVENT_TYPES) - SOURCE_TYPES
"""Facts that only our own command handlers write."""


def family_of(event_type: str) -> str:
    """Return the family of an event type; KeyError for an unknown type."""
    family: str = EVENT_TYPES[event_type].family
    return family


def parse_event(value: object) -> Any:
    """Validate one wire event; pydantic.ValidationError names every field at fault."""
    return ADAPTER.validate_python(value)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the wire form, as published in ``event.schema.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lineage-service event",
        **ADAPTER.json_schema(),
    }
