"""Facts about models and prompts: names, versions, tags, and their ends.

MLflow keeps no history of any of this and destroys the provenance of a deleted version, so each is a
fact of its own. Prompts of MLflow 3 use the same facts with a ``prompt:`` key.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graph_schema.events.base import (
    NAME,
    Artifacts,
    Body,
    Claims,
    ClaimWord,
    Closed,
    Count,
    Digest,
    Event,
    KeyText,
    LoggedModelKey,
    LongText,
    ModelKey,
    ModelVersionRef,
    Pairs,
    Private,
    Text,
    Time,
    key_of,
    require_allowed_value,
)
from graph_schema.events.run import MetricPair


class ModelDeclaredBody(Body):
    """A model's name exists in a registry."""

    model: ModelKey
    description: Private | None = None
    tags: Pairs = []
    not_before: Time | None = None


class ModelDeclared(Event):
    """A model was created, or was seen to exist."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["model.declared"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: ModelDeclaredBody


class ModelVersionRegisteredBody(Body):
    """One version of a model and where it came from. Versions without a run are legal in MLflow.

    ``logged_model`` is MLflow's id of the logged model that was registered, in the registry of the model.
    """

    model: ModelKey
    version: Text
    created_ms: Count
    run: Text | None = None
    location: LongText | None = None
    logged_model: Text | None = None
    digest: Digest | None = None
    derived_from: Annotated[list[ModelVersionRef], Field(max_length=100)] = []
    description: Private | None = None
    tags: Pairs = []
    claims: Claims = []


class ModelVersionRegistered(Event):
    """A version of a model was registered."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["model_version.registered"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: ModelVersionRegisteredBody


class ModelVersionDeletedBody(ModelVersionRef, Body):
    """The version that was deleted."""

    reason: Private | None = None
    not_before: Time | None = None


class ModelVersionDeleted(Event):
    """A version was deleted from its registry; its history stays here."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["model_version.deleted"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: ModelVersionDeletedBody


class CarriedVersion(Closed):
    """A version that kept its number and creation time under a new name."""

    version: Text
    created_ms: Count


class ModelRenamedBody(Body):
    """A rename, with the versions it carried over as the observer saw them."""

    model: ModelKey
    to: ModelKey
    carried: Annotated[list[CarriedVersion], Field(max_length=1000)] = []


class ModelRenamed(Event):
    """A model was renamed; each carried version is the same thing under both names."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["model.renamed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: ModelRenamedBody


class ModelDeletedBody(Body):
    """The model that was deleted, with all its versions."""

    model: ModelKey
    not_before: Time | None = None


class ModelDeleted(Event):
    """A model was deleted. The same name may be created anew and then starts afresh."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["model.deleted"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: ModelDeletedBody


class LoggedModelObservedBody(Body):
    """A model that a run logged, whether or not it was registered. Cumulative: later facts add, none replaces.

    ``metrics``: the last value of each, whichever run measured it, and on which data.
    """

    logged_model: LoggedModelKey
    run: Text | None = None
    name: Private | None = None
    model_type: Text | None = None
    experiment: Text | None = None
    state: Annotated[Literal["pending", "ready", "failed"] | None, NAME] = None
    existence: Annotated[Literal["present", "deleted"] | None, NAME] = None
    params: Pairs = []
    tags: Pairs = []
    metrics: Annotated[list[MetricPair], Field(max_length=1000)] = []
    artifacts: Artifacts = []
    not_before: Time | None = None


class LoggedModelObserved(Event):
    """A logged model was made, finished, or deleted."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["logged_model.observed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: LoggedModelObservedBody


class DescriptionChangedBody(Body):
    """The description of a model or version; without ``description`` there is none any more."""

    node: Annotated[KeyText, key_of("model", "model_version", "prompt", "prompt_version"), NAME]
    description: Private | None = None


class DescriptionChanged(Event):
    """A description was changed."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["description.changed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: DescriptionChangedBody


TaggedKey = Annotated[
    KeyText,
    key_of("model", "model_version", "prompt", "prompt_version", "logged_model", "run", "dataset"),
    NAME,
]


class TagSetBody(Body):
    """One tag of one thing: ``value`` when the tag's name is on the list of clear keys, else ``hidden``.

    ``claims``: what the tag means by a convention of the house; their values are those of the tag.
    """

    node: TaggedKey
    name: Text
    value: Annotated[str | None, Field(max_length=1024), NAME] = None
    hidden: Private | None = None
    claims: Claims = []

    def model_post_init(self, _context: object, /) -> None:
        """A value stands in clear only where the language says so, and exactly one of the two is given."""
        require_allowed_value(self.name, self.value, self.hidden)


class TagSet(Event):
    """A tag was set."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["tag.set"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: TagSetBody


class TagRemovedBody(Body):
    """The tag that was removed; ``meant`` names the claims that end with it."""

    node: TaggedKey
    name: Text
    meant: Annotated[list[ClaimWord], Field(max_length=20), NAME] = []


class TagRemoved(Event):
    """A tag was removed."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["tag.removed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: TagRemovedBody
