"""The answers: one envelope around every value, the same from API, command line, pages and client.

Rows are typed dictionaries, because an answer is data on its way to JSON; the envelope is frozen. Times are
UTC RFC 3339 with microseconds. ``as_of`` says what was true at that time, ``known_at`` what was recorded by
then: only its number reproduces an answer. Nothing is cut silently: what is missing is a gap.
"""

from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NotRequired, TypedDict, TypeVar

Value = TypeVar("Value")

GapKind = Literal[
    "unknown_version",
    "not_recorded",
    "limit",
    "restricted",
    "collector_gap",
    "late",
    "import",
    "erased",
    "inferred",
    "unsupported",
]


class Gap(TypedDict):
    """Something the answer does not know, and about what."""

    kind: GapKind
    subject: str
    detail: str


Coverage = TypedDict(
    "Coverage", {"source": str, "method": str, "from": str | None, "to": str | None, "retired": str | None}
)
"""What a registered source says it saw without a hole; ``from`` is None when it never reported."""


class Evidence(TypedDict):
    """A record the answer rests on: its number and leaf hash (lowercase hex)."""

    seq: int
    hash: str


class KnownAt(TypedDict):
    """The last record the answer took into account, and when it was recorded."""

    seq: int
    time: str


class Party(TypedDict, total=False):
    """Somebody in an answer: a pseudonym, how well known, a name for those entitled to it."""

    id: str | None
    name: str | None
    assurance: str
    via: str | None
    on_behalf_of: dict[str, Any] | None


class ClosureNode(TypedDict):
    """A node of a closure; ``distance`` counts edges from the root."""

    kind: str
    name: str
    distance: int
    properties: dict[str, Any]


ClosureEdge = TypedDict(
    "ClosureEdge", {"from": str, "type": str, "to": str, "how": str, "roles": list[str], "seq": int | None}
)
"""An edge, downstream to upstream; ``seq`` is None for an edge inferred at read time."""


class ClosureValue(TypedDict):
    """Everything above or below a node."""

    root: str
    nodes: dict[str, ClosureNode]
    edges: list[ClosureEdge]


class RowClaim(TypedDict):
    """What a tag or parameter claims by a convention of the house: whoever set it says so, and nobody checked it.

    ``means`` and ``name`` as in the facts; ``on``: the kind of node it stands on; ``value`` is None where the asker may
    not see it.
    """

    means: str
    name: str
    value: str | None
    on: str
    claimed_by: Party
    seq: int


DeploymentRow = TypedDict(
    "DeploymentRow",
    {
        "model": str,
        "version": str,
        "key": str,
        "target": str | None,
        "stage": str | None,
        "alias": str | None,
        "mode": str | None,
        "from": str,
        "not_before": str | None,
        "until": str | None,
        "recorded_at": str,
        "deployed_by": Party,
        "requested_by": Party | None,
        "approved_by": list[Party],
        "reason": str | None,
        "ticket": str | None,
        "digest": str | None,
        "change": str | None,
        "claims": NotRequired[list[RowClaim]],
        "seq": int,
    },
)
"""One period in which a version held a stage, an alias or a target. ``key`` is the version's node.

``mode`` is how a target runs it: serving, or as a shadow. ``not_before`` stands where the change was only seen
afterwards: it happened between then and ``from``.
``change`` is None when no change request is recorded: such a deployment is listed, never dropped.
``claims`` is what tags claim of the version or its model; an approval among them is no approval.
"""


class DeploymentsValue(TypedDict):
    """A page of deployments, oldest first; ``after`` continues it, None at the end."""

    rows: list[DeploymentRow]
    after: str | None


class LiveRow(TypedDict):
    """What one slot held at the instant asked for."""

    model: str
    version: str
    key: str
    target: str | None
    stage: str | None
    alias: str | None
    mode: str | None
    traffic: str | None
    since: str
    deployed_by: Party
    seq: int


class LiveValue(TypedDict):
    """All that was live at an instant."""

    rows: list[LiveRow]


DriftVerdict = Literal["same", "other", "registry_has_none", "not_served", "shadow"]


class DriftRow(TypedDict):
    """What a target runs of a model, beside what the registry calls Production; either may be missing.

    ``verdict`` is ``same``; ``other``: it serves another version; ``registry_has_none``: the registry calls no version
    of the model Production; ``not_served``: no target serves the registry's version; ``shadow``: it answers nobody.
    ``registry_others`` are further versions that the registry calls so at the same time.
    """

    model: str
    target: str | None
    mode: str | None
    traffic: str | None
    version: str | None
    key: str | None
    since: str | None
    deployed_by: Party | None
    seq: int | None
    registry_version: str | None
    registry_key: str | None
    registry_since: str | None
    registry_by: Party | None
    registry_seq: int | None
    registry_others: list[str]
    verdict: DriftVerdict


class DriftValue(TypedDict):
    """What is served beside what the registry says, target by target."""

    rows: list[DriftRow]


DRIFTED: Final = frozenset({"other", "registry_has_none"})
"""The verdicts that mean: something serves a version other than the one the registry calls Production."""


class HistoryRow(TypedDict):
    """One thing that happened to a node, with both times and the record that says so."""

    occurred_at: str
    recorded_at: str
    type: str
    what: str
    actor: Party
    reason: str | None
    ticket: str | None
    seq: int


class HistoryValue(TypedDict):
    """A page of a node's history, oldest first; ``after`` continues it, None at the end."""

    node: str
    rows: list[HistoryRow]
    after: str | None


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """A value with all that is needed to judge it: both times, coverage, gaps, evidence, checkpoint."""

    question: str
    parameters: dict[str, Any]
    as_of: str
    known_at: KnownAt
    complete: bool
    coverage: list[Coverage]
    gaps: list[Gap]
    value: Value
    evidence: list[Evidence]
    checkpoint: str | None
