"""Facts about code: commits and branches of repositories."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graph_schema.events.base import NAME, Body, Count, Digest, Event, LongText, PersonRef, Text, Time

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$"), NAME]
FullSha = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$"), NAME]


class CommitObservedBody(Body):
    """One commit as git holds it. People are pseudonyms, the message is a digest.

    ``signature`` is ``none`` only where somebody looked and found none; what nobody looked at is ``unknown``.
    """

    repository: LongText
    sha: FullSha
    tree: Sha | None = None
    parents: Annotated[list[FullSha], Field(max_length=64), NAME] = []
    author: PersonRef | None = None
    committer: PersonRef | None = None
    authored_at: Time | None = None
    message: Digest | None = None
    signature: Annotated[Literal["good", "bad", "unknown", "none"], NAME] = "unknown"
    changed_paths: Count | None = None
    paths: Digest | None = None


class CommitObserved(Event):
    """A repository was seen to hold a commit."""

    family: ClassVar[str] = "code"

    type: Annotated[Literal["commit.observed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: CommitObservedBody


class BranchMovedBody(Body):
    """Where a branch or tag points; no ``sha`` means that it is gone."""

    repository: LongText
    ref: Text
    sha: FullSha | None = None
    forced: Annotated[bool, NAME] = False
    not_before: Time | None = None


class BranchMoved(Event):
    """A branch or tag was seen to point to a commit. A force-push is a fact, not an error."""

    family: ClassVar[str] = "code"

    type: Annotated[Literal["branch.moved"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: BranchMovedBody
