"""Facts about datasets, their versions and columns."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graph_schema.events.base import (
    NAME,
    Body,
    Closed,
    Count,
    Digest,
    Event,
    IdentityWord,
    NamedDataset,
    Pairs,
    Private,
    Text,
)


class Column(Closed):
    """One field of a dataset's schema."""

    name: Text
    type: Text | None = None


class DatasetName(NamedDataset):
    """Another name of the same dataset, such as a table behind a path."""



class DatasetVersionName(NamedDataset):
    """A version of a dataset by name."""

    version: Text


class DatasetDeclaredBody(NamedDataset, Body):
    """A dataset as its producer describes it; lists are replaced whole by a later description."""

    columns: Annotated[list[Column], Field(max_length=2000)] = []
    kind: Text | None = None
    description: Private | None = None
    tags: Pairs = []
    same_as: Annotated[list[DatasetName], Field(max_length=50)] = []


class DatasetDeclared(Event):
    """A dataset was described: its schema, its other names."""

    family: ClassVar[str] = "data"

    type: Annotated[Literal["dataset.declared"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: DatasetDeclaredBody


class DatasetVersionObservedBody(NamedDataset, Body):
    """One version of a dataset, with what is known of its content."""

    version: Text
    identity: Annotated[IdentityWord, NAME] = "declared"
    digest: Digest | None = None
    rows: Count | None = None
    bytes: Count | None = None
    columns: Annotated[list[Column], Field(max_length=2000)] = []
    run: Text | None = None
    execution: Text | None = None
    derived_from: Annotated[list[DatasetVersionName], Field(max_length=100)] = []


class DatasetVersionObserved(Event):
    """A version of a dataset was seen to exist."""

    family: ClassVar[str] = "data"

    type: Annotated[Literal["dataset_version.observed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: DatasetVersionObservedBody
