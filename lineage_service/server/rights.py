"""Commands about rights: tokens, roles, sources. Each change is a record by its administrator, signed before we answer.

A token's text is made here, returned once and kept nowhere: the record holds its digest. Every token ends.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graph_schema import names, times
from graph_schema.events.archive import SourceRegistered, SourceRetired
from graph_schema.events.people import RoleGranted, RoleRevoked, TokenIssued, TokenRevoked
from graph_schema.fold.people import person_key
from lineage_service.errors import InputError, UnknownThingError
from lineage_service.ledger.sealing import token_text
from lineage_service.recorder.installation import OWN_KIND, Installation
from lineage_service.recorder.preparation import Incoming
from lineage_service.recorder.recorder import Recorded
from lineage_service.server.authority import Authority, Rights, SourceGrant, TokenGrant
from lineage_service.server.principals import digest_of, identity_of

PERSON_DAYS: Final = 90
SOURCE_DAYS: Final = 365
MOST_DAYS: Final = 3650
MOST_NAME: Final = 512
_DAY: Final = 86_400 * times.MICROS_PER_SECOND

FAMILIES_OF_KIND: Final[dict[str, tuple[str, ...]]] = {
    "mlflow": ("model", "movement", "run", "data", "attempt.denied", "permission.observed", "collector.reported"),
    "mlflow-poll": ("model", "movement", "run", "data", "collector.reported"),
    "openlineage": ("run", "data", "collector.reported"),
    "git": ("code", "collector.reported"),
    "ci": ("movement", "validation.recorded"),
}
HEARTBEAT_OF_KIND: Final[dict[str, int]] = {"mlflow": 60}
"""Seconds after which a source of a kind is late, where its observer reports by itself (the plugin: every 30)."""
METHOD_OF_KIND: Final[dict[str, str]] = {
    "mlflow": "in_path",
    "mlflow-poll": "polled",
    "openlineage": "pushed",
    "git": "polled",
    "ci": "pushed",
}
CAP_OF_KIND: Final[dict[str, str]] = {"mlflow": "authenticated", "mlflow-poll": "observed"}
"""What a source of a kind may send, how it sees it, and what it may claim, unless its registration says otherwise."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token: its text (this is the only time it exists here), its id, its end, the receipts."""

    token: str
    id: str
    expires_at: str
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class SourceWish:
    """A source to be registered; what is None follows from its kind."""

    kind: str
    instance: str
    families: Sequence[str] | None = None
    method: str | None = None
    assurance: str | None = None
    since: str | None = None
    heartbeat_seconds: int | None = None
    days: int = SOURCE_DAYS


class Registrar:
    """Carries out commands about rights on one installation."""

    def __init__(
        self, installation: Installation, authority: Authority, *, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._installation = installation
        self._authority = authority
        self._random = random

    def issue_to_person(
        self, person: str, roles: Sequence[str], days: int, actor: dict[str, Any], reason: str | None = None
    ) -> Issued:
        """Issue a token to a person, granting roles that are asked for in the same request."""
        events = [self._role(RoleGranted, person, role, actor, reason) for role in dict.fromkeys(roles)]
        return self._issue({"person": {"issuer": OWN_KIND, "subject": person}}, days, actor, events)

    def issue_to_source(self, key: str, days: int, actor: dict[str, Any]) -> Issued:
        """Issue another token to a registered source, with the families it is registered for."""
        source = self._active(key)
        bounds = {"source": key, "families": sorted(source.families), "assurance": source.cap}
        return self._issue(bounds, days, actor, [])

    def _issue(self, bounds: dict[str, Any], days: int, actor: dict[str, Any], before: list[Incoming]) -> Issued:
        identifier = self._random(6).hex()
        token = f"lin_{identifier}_{token_text(self._random(32))}"
        expires = times.format_time(self._installation.clock() + days * _DAY)
        body = {"token": identifier, "digest": digest_of(token), "expires_at": expires, **bounds}
        recorded = self._record([*before, self._installation.own_event(TokenIssued, body, actor)])
        return Issued(token, identifier, expires, recorded)

    def revoke_token(self, identifier: str, actor: dict[str, Any], reason: str | None = None) -> Recorded:
        """End a token for good; UnknownThingError if there is none."""
        grant = self._authority.refresh().tokens.get(identifier)
        if grant is None:
            raise UnknownThingError(f"there is no token {identifier}; `lineage token list` shows them")
        body = {"token": identifier, **self._holder(grant), **({"reason": reason} if reason else {})}
        return self._record([self._installation.own_event(TokenRevoked, body, actor)])

    def _holder(self, grant: TokenGrant) -> dict[str, Any]:
        """Return the holder of a token as a revocation names it; of an erased person only the log's name is left."""
        if grant.holder.startswith("source:"):
            return {"source": grant.holder}
        identity = identity_of(self._installation, grant.holder.partition(":")[2])
        if identity is None:
            return {"source": self._installation.own.key}
        return {"person": {"issuer": identity[0], "subject": identity[1]}}

    def grant_role(self, person: str, role: str, actor: dict[str, Any], reason: str | None = None) -> Recorded:
        """Grant a role."""
        return self._record([self._role(RoleGranted, person, role, actor, reason)])

    def revoke_role(self, person: str, role: str, actor: dict[str, Any], reason: str | None = None) -> Recorded:
        """Revoke a role; UnknownThingError if the person does not hold it."""
        known = 1 <= len(person) <= MOST_NAME
        if not known or role not in self._authority.refresh().roles.get(self._person(person), frozenset()):
            raise UnknownThingError(f"nobody of this name holds the role {role}; `lineage role list` shows who does")
        return self._record([self._role(RoleRevoked, person, role, actor, reason)])

    def _role(self, cls: type[Any], person: str, role: str, actor: dict[str, Any], reason: str | None) -> Incoming:
        body: dict[str, Any] = {"person": {"issuer": OWN_KIND, "subject": person}, "role": role}
        if reason:
            body["reason"] = reason
        after = self._authority.refresh().newest.get((self._person(person), f"role:{role}"), -1) + 1
        return self._installation.own_event(cls, body, actor, after=after)

    def _person(self, person: str) -> str:
        return person_key(self._installation.preparation.pseudonym((OWN_KIND, person, "person")))

    def register_source(self, wish: SourceWish, actor: dict[str, Any]) -> Issued:
        """Register a source (or register it anew with other bounds) and issue its token."""
        if wish.kind == OWN_KIND:
            raise InputError(f"kind: {OWN_KIND} is this installation itself; name the system that sends", field="kind")
        families = wish.families or FAMILIES_OF_KIND.get(wish.kind)
        if not families:
            known = ", ".join(FAMILIES_OF_KIND)
            raise InputError(f"families: name them; only {known} have a usual set", field="families")
        cap = wish.assurance or CAP_OF_KIND.get(wish.kind, "claimed")
        if cap == "system":
            raise InputError("assurance: system is for the service itself; at most authenticated", field="assurance")
        key = names.source(wish.kind, wish.instance)
        if len(key) > MOST_NAME:
            raise InputError(f"instance: the key {key[:40]}… is longer than {MOST_NAME} characters", field="instance")
        body: dict[str, Any] = {
            "kind": wish.kind,
            "instance": wish.instance,
            "method": wish.method or METHOD_OF_KIND.get(wish.kind, "declared"),
            "families": sorted(set(families)),
            "assurance": cap,
        }
        if wish.since is not None:
            body["since"] = wish.since
        heartbeat = wish.heartbeat_seconds or HEARTBEAT_OF_KIND.get(wish.kind)
        if heartbeat is not None:
            body["heartbeat_seconds"] = heartbeat
        registered = self._installation.own_event(SourceRegistered, body, actor, after=self._after(key))
        bounds = {"source": key, "families": body["families"], "assurance": cap}
        return self._issue(bounds, wish.days, actor, [registered])

    def retire_source(self, key: str, actor: dict[str, Any], reason: str | None = None) -> Recorded:
        """Retire a source; its tokens open nothing from then on."""
        source = self._active(key)
        body = {"kind": source.kind, "instance": source.instance, **({"reason": reason} if reason else {})}
        return self._record([self._installation.own_event(SourceRetired, body, actor, after=self._after(key))])

    def _after(self, key: str) -> int:
        return self._authority.refresh().newest.get((key, "registered"), -1) + 1

    def _active(self, key: str) -> SourceGrant:
        source = self._authority.refresh().sources.get(key)
        if source is None or not source.active:
            raise UnknownThingError(f"{key} is not a registered source; `lineage source list` shows them")
        return source

    def _record(self, events: Sequence[Incoming]) -> Recorded:
        recorded = self._installation.recorder.record(self._installation.preparation.prepare(events), ack="signed")
        self._authority.refresh()
        return recorded

    def listed_tokens(self) -> list[dict[str, Any]]:
        """Return all tokens with their holders by name, newest first; never a digest."""
        rights, now = self._authority.refresh(), self._installation.clock()
        return [
            {
                "id": grant.id,
                "holder": grant.holder,
                "name": self._name(grant.holder),
                "families": sorted(grant.families),
                "assurance": grant.cap,
                "issued_at": times.format_time(grant.issued_at),
                "expires_at": None if grant.expires_at is None else times.format_time(grant.expires_at),
                "state": "revoked" if grant.revoked else "expired" if grant.ended(now) else "valid",
                "seq": grant.seq,
            }
            for grant in sorted(rights.tokens.values(), key=lambda grant: grant.seq, reverse=True)
        ]

    def listed_roles(self) -> list[dict[str, Any]]:
        """Return who holds which roles now."""
        rights: Rights = self._authority.refresh()
        return [
            {"person": person, "name": self._name(person), "roles": sorted(roles)}
            for person, roles in sorted(rights.roles.items())
        ]

    def _name(self, holder: str) -> str | None:
        if holder.startswith("source:"):
            return holder
        identity = identity_of(self._installation, holder.partition(":")[2])
        return None if identity is None else identity[1]


def first_admin(installation: Installation, person: str, roles: Sequence[str] = ("admin", "auditor")) -> Issued:
    """Issue the first token of a new installation, on the word of whoever runs ``lineage init``."""
    authority = Authority(installation, installation.clock, lambda _word: None)
    actor = {"assurance": "system", "via": "lineage init"}
    return Registrar(installation, authority).issue_to_person(person, roles, PERSON_DAYS, actor)
