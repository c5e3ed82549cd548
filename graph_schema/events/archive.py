"""Facts about the archive itself: its opening, its sources, what it refused, what it noticed.

Only the installation writes these, except ``collector.reported`` and the ``attempt.…`` ones, which a
source may be granted by name.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graph_schema import names
from graph_schema.changes import possible
from graph_schema.events.base import (
    NAME,
    AnyKey,
    Body,
    Count,
    Digest,
    Event,
    KeyText,
    LongText,
    Private,
    Text,
    Time,
    key_of,
)
from graph_schema.events.people import Assurance, Family
from graph_schema.kinds import Edge

Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$"), NAME]


class LedgerOpenedBody(Body):
    """The genesis: who this log is, and which keys speak for it."""

    origin: LongText
    log_key: LongText
    log_key_proof: LongText
    root_key: LongText
    root_key_proof: LongText
    profile: Text
    software: Text


class LedgerOpened(Event):
    """The log was opened. Always record 0, and only record 0."""

    family: ClassVar[str] = "archive"

    type: Annotated[Literal["ledger.opened"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: LedgerOpenedBody


Method = Annotated[Literal["in_path", "polled", "pushed", "declared"], NAME]


class SourceRegisteredBody(Body):
    """A system that may send facts: which families, how it sees them, since when, how often it reports."""

    kind: Text
    instance: Text
    method: Method
    families: Annotated[list[Family], Field(min_length=1, max_length=16), NAME]
    assurance: Assurance
    since: Time | None = None
    heartbeat_seconds: Count | None = None


class SourceRegistered(Event):
    """A source was registered."""

    family: ClassVar[str] = "archive"

    type: Annotated[Literal["source.registered"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: SourceRegisteredBody


class SourceRetiredBody(Body):
    """A source that sends nothing any more."""

    kind: Text
    instance: Text
    reason: Private | None = None


class SourceRetired(Event):
    """A source was retired."""

    family: ClassVar[str] = "archive"

    type: Annotated[Literal["source.retired"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: SourceRetiredBody


class CollectorReportedBody(Body):
    """What a collector has seen without a hole, how far it got, and how its clock differs from ours.

    ``covered_from`` to ``covered_to`` is half-open; what no report covers is a gap. Each report of an uninterrupted
    watch may name where that began. The newest then says it for all of them, and if all are made equally long after
    their ``covered_to``, a question reads that one alone.
    """

    covered_from: Time
    covered_to: Time
    cursor: Text | None = None
    clock_offset_us: Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1), NAME] = 0
    spooled: Count | None = None
    problem: Private | None = None


class CollectorReported(Event):
    """A collector reported: a heartbeat with the interval it covered."""

    family: ClassVar[str] = "collector.reported"

    type: Annotated[Literal["collector.reported"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: CollectorReportedBody


class AttemptDeniedBody(Body):
    """What a known principal tried and was not allowed, here or in a foreign system."""

    action: Text
    node: AnyKey | None = None
    status: Count
    rule: Text | None = None
    detail: Private | None = None


class AttemptDenied(Event):
    """An attempt was denied."""

    family: ClassVar[str] = "attempt.denied"

    type: Annotated[Literal["attempt.denied"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: AttemptDeniedBody


class AttemptUnresolvedBody(Body):
    """A change that was about to be made in a foreign system, and of whose outcome nothing was seen."""

    action: Text
    node: AnyKey | None = None
    outcome: Annotated[Literal["unknown"], NAME] = "unknown"
    reason: Text
    detail: Private | None = None


class AttemptUnresolved(Event):
    """A change was intended and its outcome is not known: it may have happened."""

    family: ClassVar[str] = "attempt.denied"

    type: Annotated[Literal["attempt.unresolved"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: AttemptUnresolvedBody


class AttemptIntendedBody(Body):
    """A change that is about to be made in a foreign system; what concludes it has the same ``act``."""

    action: Text
    act: Text
    node: AnyKey | None = None
    detail: Private | None = None


class AttemptIntended(Event):
    """A change is about to be made: said before it by an observer that keeps nothing itself."""

    family: ClassVar[str] = "attempt.denied"

    type: Annotated[Literal["attempt.intended"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: AttemptIntendedBody


class AttemptConcludedBody(Body):
    """The intent of which everything is told that there is: its change is a fact of its own, or it was not made."""

    action: Text
    act: Text
    node: AnyKey | None = None


class AttemptConcluded(Event):
    """What came of an intent is told. An intent that nothing concludes is a change of unknown outcome."""

    family: ClassVar[str] = "attempt.denied"

    type: Annotated[Literal["attempt.concluded"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: AttemptConcludedBody


class AccessDeniedBody(Body):
    """How often somebody without a valid credential was turned away in one minute."""

    count: Annotated[int, Field(ge=1), NAME]
    since: Time
    until: Time


class AccessDenied(Event):
    """Requests without a valid credential were refused."""

    family: ClassVar[str] = "archive"

    type: Annotated[Literal["access.denied"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: AccessDeniedBody


class PayloadQuarantinedBody(Body):
    """Bytes that could not become a fact: why, how long, their salted digest; the bytes are kept apart."""

    reason: Text
    field: LongText | None = None
    length: Count
    kept: Count
    payload: Hex64 | None = None
    route: Text


class PayloadQuarantined(Event):
    """What a producer sent and could not be accepted was kept."""

    family: ClassVar[str] = "archive"

    type: Annotated[Literal["payload.quarantined"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: PayloadQuarantinedBody


class ClockAnomalyBody(Body):
    """Our own clock went back by more than a second."""

    last: Time
    now: Time


class ClockAnomaly(Event):
    """The recorder's clock went back."""

    family: ClassVar[str] = "archive"

    type: Annotated[Literal["clock.anomaly"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: ClockAnomalyBody


class GraphSealedBody(Body):
    """The state root of the graph, folded from all records below ``size``."""

    size: Count
    root: Hex64
    entities: Count
    digest: Digest | None = None


class GraphSealed(Event):
    """The graph's state root was computed and recorded."""

    family: ClassVar[str] = "archive"

    type: Annotated[Literal["graph.sealed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: GraphSealedBody


class EdgeWithdrawnBody(Body):
    """An edge that a source should not have asserted. A correction of belief, whatever its time."""

    start: Annotated[AnyKey, Field(alias="from")]
    type: Text
    end: Annotated[AnyKey, Field(alias="to")]
    source: Annotated[KeyText, key_of("source"), NAME]
    reason: Private | None = None

    def model_post_init(self, _context: object, /) -> None:
        """Refuse an edge the language does not have: withdrawing it would withdraw nothing."""
        known = Edge.__members__.get(self.type)
        if known is None or not possible(self.start, known, self.end):
            kinds = names.kind_of(self.start), names.kind_of(self.end)
            raise ValueError(f"the language has no edge {self.type} from a {kinds[0]} to a {kinds[1]}")


class EdgeWithdrawn(Event):
    """A source's assertions of one edge count no more."""

    family: ClassVar[str] = "corrections"

    type: Annotated[Literal["edge.withdrawn"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: EdgeWithdrawnBody
