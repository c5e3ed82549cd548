"""What every fact has in common, and the class of every field.

Field classes (a test fails on a field without one):

* ``NAME``: stands in the record as it is, for ever.
* ``SEALED``: personal or free text. The record holds a salted digest, the value lies in the vault and
  can be erased. In the record's body such a field reads ``{"sd": i}``.
* ``PAIRS``: parameters or tags. Pairs whose key is on the allow-list stay clear, the others become one
  sealed entry.
* ``PERSON``: somebody in a foreign system; the record holds a random pseudonym.
* ``PAYLOAD_ONLY``: kept with the raw payload, never in the record.

Models here describe the wire form, which holds clear values; the record and the fold see the sealed
form only (``graph_schema.sealing``).
"""

from enum import Enum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from graph_schema import names, times
from graph_schema.clear_keys import CLEAR_KEYS


class FieldClass(Enum):
    """What may become of a field's value; see the module's text."""

    NAME = "Name"
    SEALED = "Sealed"
    PAIRS = "Pairs"
    PERSON = "Person"
    PAYLOAD_ONLY = "PayloadOnly"


NAME = FieldClass.NAME
SEALED = FieldClass.SEALED


class Closed(BaseModel):
    """A frozen model that refuses unknown fields and converts nothing silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _canonical_time(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a time is an RFC 3339 string, e.g. 2026-11-22T23:57:16.123456Z")
    return times.format_time(times.parse_time(value))


Time = Annotated[str, BeforeValidator(_canonical_time), NAME]
"""An instant: RFC 3339 on the wire, UTC microseconds in canonical form afterwards."""

Text = Annotated[str, Field(min_length=1, max_length=1024), NAME]
"""A short name or identifier that stays in the record."""

LongText = Annotated[str, Field(min_length=1, max_length=4096), NAME]
"""A long name, such as a path that names a dataset, or a URL."""

Private = Annotated[str, Field(max_length=16384), SEALED]
"""Free or personal text: only its salted digest enters the record."""

Flag = Annotated[bool, NAME]
Count = Annotated[int, Field(ge=0, le=2**53 - 1), NAME]

DecimalText = Annotated[
    str,
    Field(max_length=64, pattern=r"^(-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN|-?Infinity)$"),
    NAME,
]
"""A number exactly as its producer wrote it; floats never enter a record."""

Digest = Annotated[str, Field(max_length=256, pattern=r"^[a-z0-9][a-z0-9-]*:[0-9A-Za-z+/=_.-]+$"), NAME]
"""``algorithm:value``, e.g. ``sha256:9f86…``."""

RoleWord = Literal["training", "validation", "test", "evaluation", "scoring", "unknown"]
IdentityWord = Literal["content", "declared", "hint"]

Pair = Annotated[list[Annotated[str, Field(max_length=16384)]], Field(min_length=2, max_length=2)]
Pairs = Annotated[list[Pair], Field(max_length=1000), FieldClass.PAIRS]
"""Parameters or tags as ``[key, value]`` pairs, so that foreign keys never become object keys."""


def key_of(*kinds: str) -> AfterValidator:
    """Return a validator that admits canonical node keys of the given kinds."""

    def check(text: str) -> str:
        try:
            found = names.parse(text).kind
        except names.NameSyntaxError as error:
            raise ValueError(str(error)) from None
        if found not in kinds:
            raise ValueError(f"expected a key of kind {' or '.join(kinds)}, got one of kind {found}")
        return text

    return AfterValidator(check)


KeyText = Annotated[str, Field(min_length=3, max_length=8192)]
ModelKey = Annotated[KeyText, key_of("model", "prompt"), NAME]
AnyKey = Annotated[KeyText, key_of(*(kind for kind in names.KINDS)), NAME]


class PersonRef(Closed):
    """Somebody, as a foreign system names them; the record holds a pseudonym only."""

    issuer: Annotated[str, Field(min_length=1, max_length=256), FieldClass.PERSON]
    subject: Annotated[str, Field(min_length=1, max_length=512), FieldClass.PERSON]
    name: Annotated[str | None, Field(max_length=512), SEALED] = None
    email: Annotated[str | None, Field(max_length=512), SEALED] = None


class OnBehalfOf(Closed):
    """The human behind a machine, as the machine claims."""

    issuer: Annotated[str, Field(min_length=1, max_length=256), FieldClass.PERSON]
    subject: Annotated[str, Field(min_length=1, max_length=512), FieldClass.PERSON]
    via: Text | None = None
    ref: LongText | None = None


class Actor(Closed):
    """Who did it. Never invented: an observer that saw only the effect says ``observed`` and names nobody."""

    issuer: Annotated[str | None, Field(min_length=1, max_length=256), FieldClass.PERSON] = None
    subject: Annotated[str | None, Field(min_length=1, max_length=512), FieldClass.PERSON] = None
    kind: Annotated[Literal["person", "service_account"], NAME] = "person"
    assurance: Annotated[Literal["authenticated", "claimed", "observed", "system"], NAME]
    via: Text | None = None
    on_behalf_of: OnBehalfOf | None = None

    def model_post_init(self, _context: object, /) -> None:
        """Refuse half an identity, and an identity where none can be known."""
        if (self.issuer is None) != (self.subject is None):
            raise ValueError("an actor has both issuer and subject, or neither")
        if self.issuer is None and self.assurance in {"authenticated", "claimed"}:
            raise ValueError(f"assurance {self.assurance!r} needs issuer and subject; nobody known is 'observed'")
        if self.issuer is not None and self.assurance == "observed":
            raise ValueError("an observed effect has no known actor; leave issuer and subject out")


IMPORTED: Final = "import"
"""The ``ref`` of a fact that was there before its observer first looked; questions say so (section 8)."""


class SourceClaim(Closed):
    """What the sender says about the origin of a fact; the server adds kind and instance from the token."""

    order: Count | None = None
    event_id: Text | None = None
    ref: LongText | None = None


class NamedDataset(Closed):
    """A dataset by OpenLineage namespace and name; spellings that certainly mean the same become one."""

    namespace: LongText
    name: LongText

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("namespace"), str) and isinstance(value.get("name"), str):
            namespace, name = names.dataset_name(value["namespace"], value["name"])
            return {**value, "namespace": namespace, "name": name}
        return value


class DatasetRef(NamedDataset):
    """One input or output of a run. Without ``version`` the run names the dataset only."""

    version: Text | None = None
    identity: Annotated[IdentityWord, NAME] = "declared"
    digest: Digest | None = None
    how: Annotated[Literal["exact", "declared"], NAME] = "exact"
    roles: Annotated[list[RoleWord], Field(max_length=6), NAME] = []


class DatasetName(NamedDataset):
    """A dataset by name alone: another name of one, such as the table behind a path, or what one was made of."""


class OutputRef(DatasetRef):
    """One output of a run. ``made_of``: the producer says of which datasets; an empty list says of none that is known.

    Absent, the output may rest on everything the run read.
    """

    made_of: Annotated[list[DatasetName] | None, Field(max_length=100)] = None


class ModelVersionRef(Closed):
    """A model or prompt version; without ``created_ms`` the version of that number that existed then."""

    model: ModelKey
    version: Text
    created_ms: Count | None = None


ClaimWord = Annotated[
    Literal[
        "approval",
        "approver",
        "requester",
        "validation",
        "period_start",
        "period_end",
        "experiment_role",
        "tier",
        "owner",
    ],
    NAME,
]
"""What a tag or parameter can claim by convention, beside what has a field of its own (data, code, environment)."""


class Claim(Closed):
    """What somebody wrote into a tag or parameter whose name, by convention, means something: never more than a claim.

    ``means`` says what; ``name`` is that of the tag or parameter. ``value`` stands in clear when the name is on the
    list of clear keys, else ``hidden`` holds it.
    """

    means: ClaimWord
    name: Text
    value: Annotated[str | None, Field(max_length=1024), NAME] = None
    hidden: Private | None = None

    def model_post_init(self, _context: object, /) -> None:
        """Refuse a value in clear that the language does not allow, and none or both of the two."""
        require_allowed_value(self.name, self.value, self.hidden)


def require_allowed_value(name: str, value: str | None, hidden: str | None) -> None:
    """Raise ValueError unless exactly one of the two is given, and the clear one only for a name that may be clear."""
    if (value is None) == (hidden is None):
        raise ValueError("give exactly one of 'value' and 'hidden'")
    if value is not None and name not in CLEAR_KEYS:
        raise ValueError(f"{name!r} is not on the list of clear keys; send its value as 'hidden'")


Claims = Annotated[list[Claim], Field(max_length=100)]


class Artifact(Closed):
    """A file that a run or a logged model holds; without ``digest`` it was listed and not read."""

    path: LongText
    bytes: Count | None = None
    digest: Digest | None = None
    sample: Flag = False
    """Whether the file copies rows of data by convention, such as MLflow's ``input_example.json``."""


Artifacts = Annotated[list[Artifact], Field(max_length=500)]
LoggedModelKey = Annotated[KeyText, key_of("logged_model"), NAME]


class Body(Closed):
    """The part of a fact that is its own."""


class Event(Closed):
    """A fact on the wire. Subclasses fix ``type``, ``ev`` and the shape of ``body``."""

    family: ClassVar[str]

    occurred_at: Time
    source: SourceClaim = SourceClaim()
    actor: Actor
