"""Facts about models and prompts: names, versions, tags, and their ends.

MLflow keeps no history of any of this and destroys the provenance of a deleted version, so each is a
fact of its own. Prompts of MLflow 3 use the same facts with a ``prompt:`` key.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graph_schema.clear_keys import CLEAR_KEYS
from graph_schema.events.base import (
    NAME,
    Body,
    Closed,
    Count,
    Digest,
    Event,
    KeyText,
    LongText,
    ModelKey,
    ModelVersionRef,
    Pairs,
    Private,
    Text,
    Time,
    key_of,
)


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
    """One version of a model and where it came from. Versions without a run are legal in MLflow."""

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


TaggedKey = Annotated[KeyText, key_of("model", "model_version", "prompt", "prompt_version", "run", "dataset"), NAME]


class TagSetBody(Body):
    """One tag of one thing: ``value`` when the tag's name is on the list of clear keys, else ``hidden``."""

    node: TaggedKey
    name: Text
    value: Annotated[str | None, Field(max_length=1024), NAME] = None
    hidden: Private | None = None

    def model_post_init(self, _context: object, /) -> None:
        """A value stands in clear only where the language says so, and exactly one of the two is given."""
        if (self.value is None) == (self.hidden is None):
            raise ValueError("give exactly one of 'value' and 'hidden'")
        if self.value is not None and self.name not in CLEAR_KEYS:
            raise ValueError(f"the tag {self.name!r} is not on the list of clear keys; send its value as 'hidden'")


class TagSet(Event):
    """A tag was set."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["tag.set"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: TagSetBody


class TagRemovedBody(Body):
    """The tag that was removed."""

    node: TaggedKey
    name: Text


class TagRemoved(Event):
    """A tag was removed."""

    family: ClassVar[str] = "model"

    type: Annotated[Literal["tag.removed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: TagRemovedBody
