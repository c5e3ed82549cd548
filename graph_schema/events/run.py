"""Facts about runs: what executed, on which data and code, and how it ended."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graph_schema.events.base import (
    NAME,
    Artifacts,
    Body,
    Claims,
    Closed,
    DatasetRef,
    DecimalText,
    Digest,
    Event,
    Flag,
    LoggedModelKey,
    LongText,
    ModelVersionRef,
    OutputRef,
    Pairs,
    Private,
    Text,
    Time,
)


class JobRef(Closed):
    """The job a run belongs to, named as OpenLineage names jobs."""

    namespace: LongText
    name: LongText


class CommitRef(Closed):
    """The commit a run was built from; ``dirty`` says that the work tree differed from it."""

    sha: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$"), NAME]
    repository: LongText | None = None
    branch: Text | None = None
    dirty: Flag | None = None


class RuntimeRef(Closed):
    """The environment a run executed in; ``digest`` is the fingerprint that names the node."""

    digest: Digest
    os: Text | None = None
    python: Text | None = None
    gpu: Text | None = None
    packages: Digest | None = None


class MetricPair(Closed):
    """A metric's last value, as the decimal string its producer logged."""

    key: Text
    value: DecimalText


class RunObservedBody(Body):
    """What was seen of one execution of one run. Cumulative: later facts add, none replaces."""

    run: Text
    execution: Text | None = None
    state: Annotated[Literal["started", "running", "complete", "aborted", "failed"] | None, NAME] = None
    existence: Annotated[Literal["present", "deleted", "restored"] | None, NAME] = None
    job: JobRef | None = None
    name: Private | None = None
    experiment: Text | None = None
    claimed_start: Time | None = None
    claimed_end: Time | None = None
    params: Pairs = []
    tags: Pairs = []
    metrics: Annotated[list[MetricPair], Field(max_length=1000)] = []
    inputs: Annotated[list[DatasetRef], Field(max_length=500)] = []
    outputs: Annotated[list[OutputRef], Field(max_length=500)] = []
    model_inputs: Annotated[list[ModelVersionRef], Field(max_length=100)] = []
    logged_model_inputs: Annotated[list[LoggedModelKey], Field(max_length=100), NAME] = []
    logged_models: Annotated[list[LoggedModelKey], Field(max_length=100), NAME] = []
    artifacts: Artifacts = []
    claims: Claims = []
    commit: CommitRef | None = None
    runtime: RuntimeRef | None = None
    parent: Text | None = None
    parent_job: JobRef | None = None
    root: Text | None = None
    root_job: JobRef | None = None
    error: Private | None = None


class RunObserved(Event):
    """A run was seen to start, to read and write data, or to end."""

    family: ClassVar[str] = "run"

    type: Annotated[Literal["run.observed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: RunObservedBody


class CodeLocation(Closed):
    """Where the code of a job lies, without the credentials that an address may hold."""

    repository: LongText | None = None
    path: LongText | None = None
    branch: Text | None = None
    tag: Text | None = None
    version: Text | None = None


class JobDeclaredBody(Body):
    """A job as its producer describes it; ``owners`` are pairs of name and kind of ownership."""

    namespace: LongText
    name: LongText
    description: Private | None = None
    integration: Text | None = None
    kind: Text | None = None
    processing: Text | None = None
    location: CodeLocation | None = None
    owners: Pairs = []
    tags: Pairs = []


class JobDeclared(Event):
    """A job was described: what it is, whose it is, where its code lies."""

    family: ClassVar[str] = "run"

    type: Annotated[Literal["job.declared"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: JobDeclaredBody
