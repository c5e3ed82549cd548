"""Facts about movement: stages, aliases, and what is served where.

``not_before`` stands in sightings only: a poller saw the value when its read began, and it changed at
some time after ``not_before``. Without it, the change may be as old as the thing itself.
"""

from typing import Annotated, ClassVar, Literal

from graph_schema.events.base import (
    NAME,
    Body,
    Closed,
    DecimalText,
    Digest,
    Event,
    Flag,
    LongText,
    ModelKey,
    ModelVersionRef,
    Private,
    Text,
    Time,
)


class StageTransitionedBody(ModelVersionRef, Body):
    """A version's stage. ``archive_others`` says that the same act archived all others in ``to``."""

    to: Text
    archive_others: Flag = False
    reason: Private | None = None
    ticket: Text | None = None
    not_before: Time | None = None


class StageTransitioned(Event):
    """A version moved to a stage, or was seen in one."""

    family: ClassVar[str] = "movement"

    type: Annotated[Literal["stage.transitioned"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: StageTransitionedBody


class AliasMovedBody(ModelVersionRef, Body):
    """Which version an alias of the model names."""

    alias: Text
    reason: Private | None = None
    ticket: Text | None = None
    not_before: Time | None = None


class AliasMoved(Event):
    """An alias was set, or was seen to name a version."""

    family: ClassVar[str] = "movement"

    type: Annotated[Literal["alias.moved"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: AliasMovedBody


class AliasRemovedBody(Body):
    """The alias that names nothing any more."""

    model: ModelKey
    alias: Text
    reason: Private | None = None
    ticket: Text | None = None
    not_before: Time | None = None


class AliasRemoved(Event):
    """An alias was removed, or was seen to be gone."""

    family: ClassVar[str] = "movement"

    type: Annotated[Literal["alias.removed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: AliasRemovedBody


class Target(Closed):
    """Where something is served: an environment and a region, on a platform."""

    environment: Text
    region: Text
    platform: Text | None = None


class DeploymentChangedBody(ModelVersionRef, Body):
    """What a target serves of one model from now on; ``mode`` ``none`` means: nothing any more."""

    target: Target
    digest: Digest | None = None
    traffic: DecimalText | None = None
    mode: Annotated[Literal["serving", "shadow", "none"], NAME] = "serving"
    reason: Private | None = None
    ticket: Text | None = None
    link: LongText | None = None
    not_before: Time | None = None


class DeploymentChanged(Event):
    """A target began to serve a version of a model, or stopped."""

    family: ClassVar[str] = "movement"

    type: Annotated[Literal["deployment.changed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: DeploymentChangedBody
