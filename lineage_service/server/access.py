"""Who may call a route, visible in its signature: ``who: Reader`` lets readers in and answers everybody else.

=============  =====================================================================================================
alias          who gets in
=============  =====================================================================================================
``Known``      whoever has a valid token, also a source (proofs, tiles, checkpoint: nothing there names anybody)
``Reader``     a person with any role: questions
``Indexer``    a person with any role, or a source that may write code facts: which commits runs name
``Auditor``    auditor, admin: records, tokens, roles
``Admin``      admin: rights and sources
``Sender``     a source, or a person who may state facts; each fact is judged again by its type (``permission``)
``Producer``   a source that may write run or data facts: OpenLineage
=============  =====================================================================================================

Public, because they say nothing of what is recorded: ``/healthz``, ``/readyz``, ``/openapi.json``. A token comes in
``Authorization: Bearer`` and nowhere else, so that it stands in no address and no log.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from graph_schema.events import SOURCE_TYPES, family_of
from graph_schema.times import format_time
from lineage_service.errors import NotAllowedError, UnauthenticatedError
from lineage_service.server.expiry import ends_soon
from lineage_service.server.parts import PartsOf
from lineage_service.server.principals import PersonPrincipal, Principal, SourcePrincipal, recognise

ALL_ROLES: Final = frozenset({"reader", "requester", "approver", "deployer", "auditor", "admin"})
_SCHEME: Final = HTTPBearer(auto_error=False, description="A token of `lineage token create` or `lineage source add`.")

PERSON_TYPES: Final[dict[str, frozenset[str]]] = {
    "deployment.changed": frozenset({"deployer"}),
    "validation.recorded": frozenset({"deployer", "approver"}),
    "edge.withdrawn": frozenset({"admin"}),
}
"""Facts that a person may state through ``POST /events``, and the roles of which it takes one."""


def principal_of(request: Request, parts: PartsOf, _scheme: Annotated[Any, Security(_SCHEME)]) -> Principal:
    """Return who holds the request's token; strangers are counted."""
    parts.strangers.flush_if_due()
    try:
        rights, now = parts.authority.rights(), parts.clock()
        principal = recognise(_bearer(request), rights, now)
    except UnauthenticatedError:
        parts.strangers.refused()
        raise
    request.state.principal = principal
    expires_at = rights.tokens[principal.token].expires_at
    if expires_at is not None and ends_soon(expires_at, now):
        request.state.token_ends = format_time(expires_at)
    return principal


def _bearer(request: Request) -> str:
    given = request.headers.getlist("authorization")
    if len(given) != 1:
        raise UnauthenticatedError("send one token: Authorization: Bearer lin_…")
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError("the only scheme here is Bearer: Authorization: Bearer lin_…")
    return token.strip()


Known = Annotated[Principal, Depends(principal_of)]


def person_with(roles: frozenset[str]) -> Callable[[Principal], PersonPrincipal]:
    """Return a dependency that lets in persons who hold one of the roles."""

    def require(principal: Known) -> PersonPrincipal:
        if not isinstance(principal, PersonPrincipal):
            raise NotAllowedError("a source sends facts and asks nothing; use a person's token", rule="person")
        if not principal.roles & roles:
            raise NotAllowedError(f"this takes the role {_either(roles)}; an admin grants roles", rule="role")
        return principal

    return require


def _either(words: frozenset[str]) -> str:
    return " or ".join(sorted(words))


def sender(principal: Known) -> Principal:
    """Let in who may state facts at all; which ones is for ``permission``."""
    stating = frozenset[str]().union(*PERSON_TYPES.values())
    if isinstance(principal, PersonPrincipal) and not principal.roles & stating:
        raise NotAllowedError(f"facts come from sources; a person needs the role {_either(stating)}", rule="role")
    return principal


def producer(principal: Known) -> SourcePrincipal:
    """Let in sources that may write what OpenLineage events become."""
    if not isinstance(principal, SourcePrincipal):
        raise NotAllowedError("these events come from sources: `lineage source add openlineage/NAME`", rule="source")
    if not principal.families & {"run", "data"}:
        raise NotAllowedError("the token of this source covers neither run nor data facts", rule="families")
    return principal


def indexer(principal: Known) -> Principal:
    """Let in who has to know which commits runs name: readers, and sources that record commits."""
    if isinstance(principal, SourcePrincipal):
        if "code" not in principal.families:
            raise NotAllowedError("the token of this source does not cover code facts", rule="families")
        return principal
    return person_with(ALL_ROLES)(principal)


Reader = Annotated[PersonPrincipal, Depends(person_with(ALL_ROLES))]
Indexer = Annotated[Principal, Depends(indexer)]
Auditor = Annotated[PersonPrincipal, Depends(person_with(frozenset({"auditor", "admin"})))]
Admin = Annotated[PersonPrincipal, Depends(person_with(frozenset({"admin"})))]
Sender = Annotated[Principal, Depends(sender)]
Producer = Annotated[SourcePrincipal, Depends(producer)]


def permission(principal: Principal, event_type: str) -> None:
    """Refuse (NotAllowedError) a fact of a known type that this principal may not state."""
    if isinstance(principal, PersonPrincipal):
        roles = PERSON_TYPES.get(event_type)
        if roles is None:
            raise NotAllowedError(f"a person cannot state {event_type}: a source or a command does", rule="event type")
        if not principal.roles & roles:
            raise NotAllowedError(f"stating {event_type} takes the role {_either(roles)}", rule="role")
    elif event_type not in SOURCE_TYPES:
        raise NotAllowedError(f"{event_type} is written by the service's own commands only", rule="own facts")
    elif family_of(event_type) not in principal.families:
        raise NotAllowedError(
            f"the token of {principal.key} covers {_listed(principal.families)}, not {event_type}", rule="families"
        )


def _listed(families: frozenset[str]) -> str:
    return ", ".join(sorted(families)) or "nothing"
