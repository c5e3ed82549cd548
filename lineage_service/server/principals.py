"""Who is asking, once a token was recognised: a person with roles, or a registered source with bounds.

The texts that name somebody to the recorder (``actor_of``) come from the vault and are held no longer than one
request. A person of ours is ``lineage`` + the name an administrator gave; a source is ``lineage`` + its key.
"""

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from graph_schema import names
from lineage_service.errors import UnauthenticatedError
from lineage_service.recorder.disclosure import Disclosure
from lineage_service.recorder.installation import OWN_KIND, Installation
from lineage_service.server.authority import RANK, Rights, SourceGrant, TokenGrant

TOKEN_FORM: Final = re.compile(r"lin_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NO_DIGEST: Final = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class PersonPrincipal:
    """A person (or one of our own service accounts) by pseudonym, with the roles held now."""

    pseudonym: str
    roles: frozenset[str]
    token: str

    @property
    def key(self) -> str:
        """Who this is, for counting."""
        return self.pseudonym


@dataclass(frozen=True, slots=True)
class SourcePrincipal:
    """A registered source: which families it may write, and the highest assurance it may claim."""

    kind: str
    instance: str
    families: frozenset[str]
    cap: str
    method: str
    token: str

    @property
    def key(self) -> str:
        """The source's node."""
        return names.source(self.kind, self.instance)


Principal = PersonPrincipal | SourcePrincipal


def digest_of(token: str) -> str:
    """Return what is recorded of a token. Its text is 256 random bits, so a plain hash cannot be guessed back."""
    return "sha256:" + sha256(token.encode()).hexdigest()


def recognise(text: str, rights: Rights, now: int) -> Principal:
    """Return whose token this is at ``now``; UnauthenticatedError if it opens nothing. Compares in constant time."""
    form = TOKEN_FORM.fullmatch(text)
    grant = rights.tokens.get(form[1]) if form else None
    known = hmac.compare_digest(digest_of(text), grant.digest if grant else _NO_DIGEST)
    if grant is None or not known:
        raise UnauthenticatedError("the token is not known here")
    if grant.ended(now):
        raise UnauthenticatedError("the token was revoked" if grant.revoked else "the token has expired; get a new one")
    if grant.holder.startswith("source:"):
        return _source(grant, rights.sources.get(grant.holder))
    return PersonPrincipal(grant.holder.partition(":")[2], rights.roles.get(grant.holder, frozenset()), grant.id)


def _source(grant: TokenGrant, source: SourceGrant | None) -> SourcePrincipal:
    if source is None or not source.active:
        raise UnauthenticatedError(f"{grant.holder} is not a registered source, or was retired")
    cap = min(grant.cap or "observed", source.cap, key=RANK.__getitem__)
    families = grant.families & source.families
    return SourcePrincipal(source.kind, source.instance, families, cap, source.method, grant.id)


def identity_of(installation: Installation, pseudonym: str) -> tuple[str, str, str] | None:
    """Return (issuer, subject, kind) behind a pseudonym, or None once it is erased. Read from the vault each time."""
    return Disclosure(installation.secrets, installation.store.vault()).person(pseudonym)


def actor_of(installation: Installation, principal: Principal) -> dict[str, Any]:
    """Return the wire form of a principal as the authenticated actor of a fact of our own."""
    if isinstance(principal, SourcePrincipal):
        return {
            "issuer": OWN_KIND,
            "subject": principal.key,
            "kind": "service_account",
            "assurance": "authenticated",
            "via": f"token of {principal.key}"[:1024],
        }
    identity = identity_of(installation, principal.pseudonym)
    if identity is None:
        raise UnauthenticatedError("the person behind this token was erased; the token opens nothing any more")
    issuer, subject, kind = identity
    return {"issuer": issuer, "subject": subject, "kind": kind, "assurance": "authenticated", "via": "token"}
