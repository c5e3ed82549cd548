"""Facts about people and rights. Rights are written by our own command handlers only."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graph_schema.events.base import NAME, Body, Digest, Event, LongText, PersonRef, Private, Text, Time

Role = Annotated[Literal["reader", "requester", "approver", "deployer", "auditor", "admin"], NAME]
Assurance = Annotated[Literal["authenticated", "claimed", "observed", "system"], NAME]
Family = Annotated[
    Literal[
        "code",
        "data",
        "run",
        "model",
        "movement",
        "validation.recorded",
        "collector.reported",
        "attempt.denied",
        "person.declared",
        "identity.linked",
        "permission.observed",
    ],
    NAME,
]


class PersonDeclaredBody(Body):
    """A person in a foreign system, with a name and an address for those who may see them."""

    person: PersonRef


class PersonDeclared(Event):
    """A person was named."""

    family: ClassVar[str] = "person.declared"

    type: Annotated[Literal["person.declared"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: PersonDeclaredBody


class IdentityLinkedBody(Body):
    """Two identities of one person; they are linked, never merged."""

    person: PersonRef
    same_as: PersonRef
    reason: Private | None = None


class IdentityLinked(Event):
    """Two identities were declared to be one person."""

    family: ClassVar[str] = "identity.linked"

    type: Annotated[Literal["identity.linked"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: IdentityLinkedBody


class PermissionObservedBody(Body):
    """What somebody may do in a foreign system from now on.

    ``system`` names the system, e.g. ``mlflow:prod``; ``resource`` the thing in its words, e.g.
    ``registered-model/credit``, or ``account`` for the account itself. Without ``permission`` there is none any more.
    ``change`` says what was done, in words: an account's new password changes no permission.
    """

    person: PersonRef
    system: Text
    resource: LongText
    permission: Text | None = None
    change: Text | None = None
    not_before: Time | None = None


class PermissionObserved(Event):
    """A right in a foreign system was given, taken, or seen."""

    family: ClassVar[str] = "permission.observed"

    type: Annotated[Literal["permission.observed"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: PermissionObservedBody


class RoleGrantedBody(Body):
    """Who may do what from now on."""

    person: PersonRef
    role: Role
    reason: Private | None = None


class RoleGranted(Event):
    """A role was granted."""

    family: ClassVar[str] = "rights"

    type: Annotated[Literal["role.granted"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: RoleGrantedBody


class RoleRevokedBody(RoleGrantedBody):
    """Who may no longer do what."""


class RoleRevoked(Event):
    """A role was revoked."""

    family: ClassVar[str] = "rights"

    type: Annotated[Literal["role.revoked"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: RoleRevokedBody


class TokenIssuedBody(Body):
    """A credential: the digest of its secret and its bounds, never the secret.

    It belongs to a person, who acts with the roles held at the time, or to one registered source.
    """

    token: Text
    digest: Digest
    person: PersonRef | None = None
    source: Text | None = None
    families: Annotated[list[Family], Field(max_length=16), NAME] = []
    assurance: Assurance | None = None
    expires_at: Time | None = None


class TokenIssued(Event):
    """A token was issued."""

    family: ClassVar[str] = "rights"

    type: Annotated[Literal["token.issued"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: TokenIssuedBody


class TokenRevokedBody(Body):
    """The token that opens nothing any more."""

    token: Text
    person: PersonRef | None = None
    source: Text | None = None
    reason: Private | None = None


class TokenRevoked(Event):
    """A token was revoked."""

    family: ClassVar[str] = "rights"

    type: Annotated[Literal["token.revoked"], NAME]
    ev: Annotated[Literal[1], NAME] = 1
    body: TokenRevokedBody
