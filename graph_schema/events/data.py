"""Facts about datasets, their versions and columns."""

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from graph_schema.events.base import (
    NAME,
    Body,
    Closed,
    Count,
    DatasetName,
    Digest,
    Event,
    Flag,
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


class DatasetVersionName(NamedDataset):
    """A version of a dataset by name."""

    version: Text


class DatasetDeclaredBody(NamedDataset, Body):
    """A dataset as its producer describes it; lists are replaced whole by a later description.

    ``owners`` are pairs of name and kind of ownership. ``column_count`` stands in the place of ``columns`` where these
    are too many for a record: how many there are; which, the raw event says.
    """

    columns: Annotated[list[Column], Field(max_length=2000)] = []
    column_count: Count | None = None
    kind: Text | None = None
    description: Private | None = None
    owners: Pairs = []
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
    column_count: Count | None = None
    run: Text | None = None
    execution: Text | None = None
    derived_from: Annotated[list[DatasetVersionName], Field(max_length=100)] = []


class DatasetVersionObserved(Event):
    """A version of a dataset was seen to exist."""

    family: ClassVar[str] = "data"

    type: Annotated[Literal["dataset_version.observed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: DatasetVersionObservedBody


class DatasetChangedBody(NamedDataset, Body):
    """What happened to a dataset as a whole; of a rename, ``previous`` is the name before."""

    change: Annotated[Literal["create", "alter", "drop", "rename", "truncate", "overwrite"], NAME]
    previous: DatasetName | None = None
    run: Text | None = None
    execution: Text | None = None


class DatasetChanged(Event):
    """A dataset was created, altered, dropped, renamed, emptied or overwritten."""

    family: ClassVar[str] = "data"

    type: Annotated[Literal["dataset.changed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: DatasetChangedBody


class MeasuredColumn(Closed):
    """What was counted of one column; values of rows (least, greatest, quantiles) have no place here."""

    column: Text
    count: Count | None = None
    nulls: Count | None = None
    distinct: Count | None = None


class Check(Closed):
    """One test of data and whether it held; ``severity`` as the producer words it."""

    check: Text
    column: Text | None = None
    held: Flag
    severity: Text | None = None


class DatasetMeasuredBody(NamedDataset, Body):
    """What was counted of data, or tested of it.

    It is about the first of these that applies: ``version``, that version; ``side`` written, the version that this
    execution of ``run`` wrote; ``side`` read, whatever version ``run`` read, which is for questions to find; else the
    dataset, as it was then.
    """

    version: Text | None = None
    run: Text | None = None
    execution: Text | None = None
    side: Annotated[Literal["written", "read"] | None, NAME] = None
    rows: Count | None = None
    bytes: Count | None = None
    files: Count | None = None
    columns: Annotated[list[MeasuredColumn], Field(max_length=1000)] = []
    checks: Annotated[list[Check], Field(max_length=1000)] = []

    @model_validator(mode="after")
    def _a_side_has_a_run(self) -> Self:
        if (self.side is None) != (self.run is None):
            raise ValueError("run and side come together: what a run wrote or read, or what was counted without one")
        return self


class DatasetMeasured(Event):
    """Rows, bytes and empty values were counted, or tests of the data were made."""

    family: ClassVar[str] = "data"

    type: Annotated[Literal["dataset.measured"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: DatasetMeasuredBody


MAX_DERIVED: Final = 5000
"""Edges between columns in one fact: the product of columns and fields must not grow without a bound."""


class Transformation(Closed):
    """One way in which a field goes into a column, in the producer's words.

    ``masking`` says that the producer calls it so (Spark says it of a hash and of a count alike); it is no claim that
    nobody can be recognised.
    """

    type: Text
    subtype: Text | None = None
    masking: Flag | None = None


class FieldRef(NamedDataset):
    """A field of a dataset that goes into a column; without transformations it is not said how."""

    field: Text
    transformations: Annotated[list[Transformation], Field(max_length=50)] = []


class Derivation(Closed):
    """Each of these columns comes from each of these fields."""

    columns: Annotated[list[Text], Field(min_length=1, max_length=2000)]
    inputs: Annotated[list[FieldRef], Field(min_length=1, max_length=1000)]


class ColumnsDerivedBody(NamedDataset, Body):
    """From which fields the columns of a dataset come."""

    derived: Annotated[list[Derivation], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        edges = sum(len(one.columns) * len(one.inputs) for one in self.derived)
        if edges > MAX_DERIVED:
            raise ValueError(f"{edges} pairs of columns; a fact has at most {MAX_DERIVED}: send several")
        return self


class ColumnsDerived(Event):
    """Columns were computed from other columns."""

    family: ClassVar[str] = "data"

    type: Annotated[Literal["columns.derived"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: ColumnsDerivedBody
