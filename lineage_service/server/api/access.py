"""Rights over HTTP: tokens, roles, sources. Every change is a record by the administrator who asked for it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from graph_schema import names
from graph_schema.events.base import Text, Time
from graph_schema.events.people import Assurance, Family, Role
from lineage_service.errors import InputError
from lineage_service.server.access import Admin, Auditor, Reader
from lineage_service.server.api import API
from lineage_service.server.intake import read_json, validated
from lineage_service.server.limits import Body
from lineage_service.server.parts import Parts, PartsOf
from lineage_service.server.principals import PersonPrincipal, actor_of
from lineage_service.server.replies import json_reply, read_reply, receipts_of
from lineage_service.server.rights import MOST_DAYS, PERSON_DAYS, SOURCE_DAYS, Issued, Registrar, SourceWish

PersonName = Annotated[str, Field(min_length=1, max_length=512)]
Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]
Reason = Annotated[str, Field(min_length=1, max_length=4096)]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TokenWish(_Command):
    """A token for a person (with roles to grant), or another one for a registered source."""

    person: PersonName | None = None
    roles: Annotated[list[Role], Field(max_length=6)] = []
    source: Text | None = None
    days: Days | None = None
    reason: Reason | None = None


class RoleWish(_Command):
    """A role for a person."""

    person: PersonName
    role: Role
    reason: Reason | None = None


class SourceForm(_Command):
    """A source to be registered; what is left out follows from its kind."""

    kind: Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,63}$")]
    instance: Text
    families: Annotated[list[Family], Field(min_length=1, max_length=16)] | None = None
    method: str | None = Field(None, pattern="^(in_path|polled|pushed|declared)$")
    assurance: Assurance | None = None
    since: Time | None = None
    heartbeat_seconds: Annotated[int, Field(ge=1)] | None = None
    days: Days = SOURCE_DAYS


def _takes(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


class Retirement(_Command):
    """Why a source is retired."""

    reason: Reason | None = None


_TOKEN: Final = _takes(TokenWish)
_ROLE: Final = _takes(RoleWish)
_SOURCE: Final = _takes(SourceForm)
_RETIREMENT: Final = {"requestBody": {**_takes(Retirement)["requestBody"], "required": False}}

router = APIRouter(prefix=API, tags=["access"])


def _registrar(parts: Parts) -> Registrar:
    return Registrar(parts.installation, parts.authority)


def _actor(parts: Parts, who: PersonPrincipal) -> dict[str, Any]:
    return actor_of(parts.installation, who)


def _issued(issued: Issued, more: dict[str, Any]) -> Response:
    body = {"token": issued.token, "id": issued.id, "expires_at": issued.expires_at, **more}
    return json_reply({**body, **receipts_of(issued.recorded)}, 201)


@router.get("/tokens")
def list_tokens(who: Auditor, parts: PartsOf, request: Request) -> Response:  # noqa: ARG001  who may call it
    """Return all tokens, their holders, bounds and state; never a secret or its digest."""
    return read_reply(request, {"tokens": _registrar(parts).listed_tokens()})


@router.post("/tokens", status_code=201, openapi_extra=_TOKEN)
def issue_token(who: Admin, parts: PartsOf, body: Body) -> Response:
    """Issue a token. Its text is in this answer and nowhere else."""
    with parts.quarantine.keeping(who, body, "POST /api/v1/tokens"):
        wish = validated(TokenWish, read_json(body))
        if (wish.person is None) == (wish.source is None):
            raise InputError("person: name a person or a source, and one of them", field="person")
        if wish.source is not None and wish.roles:
            raise InputError("roles: a source has families, not roles", field="roles")
    registrar, actor = _registrar(parts), _actor(parts, who)
    if wish.source is not None:
        key = source_key(wish.source)
        return _issued(registrar.issue_to_source(key, wish.days or SOURCE_DAYS, actor), {"source": key})
    person = str(wish.person)
    issued = registrar.issue_to_person(person, wish.roles, wish.days or PERSON_DAYS, actor, wish.reason)
    return _issued(issued, {"person": person})


@router.delete("/tokens/{identifier}")
def revoke_token(who: Admin, parts: PartsOf, identifier: str) -> Response:
    """Revoke a token, at once and for good."""
    return json_reply(receipts_of(_registrar(parts).revoke_token(identifier, _actor(parts, who))))


@router.get("/roles")
def list_roles(who: Auditor, parts: PartsOf, request: Request) -> Response:  # noqa: ARG001  who may call it
    """Return who holds which roles now."""
    return read_reply(request, {"roles": _registrar(parts).listed_roles()})


@router.post("/roles", status_code=201, openapi_extra=_ROLE)
def grant_role(who: Admin, parts: PartsOf, body: Body) -> Response:
    """Grant a role to a person."""
    with parts.quarantine.keeping(who, body, "POST /api/v1/roles"):
        wish = validated(RoleWish, read_json(body))
    recorded = _registrar(parts).grant_role(wish.person, wish.role, _actor(parts, who), wish.reason)
    return json_reply(receipts_of(recorded), 201)


@router.delete("/roles/{role}/{person:path}")
def revoke_role(who: Admin, parts: PartsOf, role: str, person: str) -> Response:
    """Revoke a role of a person."""
    return json_reply(receipts_of(_registrar(parts).revoke_role(person, role, _actor(parts, who))))


@router.get("/sources")
def list_sources(who: Reader, parts: PartsOf, request: Request) -> Response:  # noqa: ARG001  who may call it
    """Return every source ever registered, with its bounds and whether it is active."""
    sources = [
        {
            "source": grant.key,
            "kind": grant.kind,
            "instance": grant.instance,
            "active": grant.active,
            "method": grant.method,
            "families": sorted(grant.families),
            "assurance": grant.cap,
            "seq": grant.seq,
        }
        for grant in sorted(parts.authority.rights().sources.values(), key=lambda grant: grant.key)
    ]
    return read_reply(request, {"sources": sources})


@router.post("/sources", status_code=201, openapi_extra=_SOURCE)
def register_source(who: Admin, parts: PartsOf, body: Body) -> Response:
    """Register a source and issue its token, whose text is in this answer and nowhere else."""
    registrar, actor = _registrar(parts), _actor(parts, who)
    with parts.quarantine.keeping(who, body, "POST /api/v1/sources"):
        form = validated(SourceForm, read_json(body))
        issued = registrar.register_source(SourceWish(**form.model_dump()), actor)
    return _issued(issued, {"source": names.source(form.kind, form.instance)})


@router.delete("/sources/{kind}/{instance:path}", openapi_extra=_RETIREMENT)
def retire_source(who: Admin, parts: PartsOf, kind: str, instance: str, body: Body) -> Response:
    """Retire a source; its tokens open nothing any more."""
    key = names.source(kind, instance)
    with parts.quarantine.keeping(who, body, "DELETE /api/v1/sources"):
        reason = validated(Retirement, read_json(body)).reason if body.data else None
    return json_reply(receipts_of(_registrar(parts).retire_source(key, _actor(parts, who), reason)))


def source_key(text: str) -> str:
    """Return the key of ``KIND/INSTANCE`` or of a source's key."""
    kind, slash, instance = text.removeprefix("source:").partition("/")
    if not slash or not kind or not instance:
        raise InputError("source: write KIND/INSTANCE, such as mlflow/prod", field="source")
    return text if text.startswith("source:") else names.source(kind, instance)
