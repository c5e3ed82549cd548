"""Who made a request: the user whom the wrapped application authenticated, else the one a trusted proxy names.

- The application wins. ``flask.g.mlflow_authenticated_user`` is what MLflow's own authentication sets since 3.14; from
  earlier releases it is heard (``accounts.tell_user``). ``REMOTE_USER`` is what WSGI has for it (no client can set
  it); ``request.state.username`` what ASGI middleware sets.
- A header counts only if the *connection* came from an address in ``LINEAGE_TRUSTED_PROXIES``. A server that
  replaces that address by what ``X-Forwarded-For`` says (uvicorn does, for clients on its own machine) leaves nothing
  to judge by: where the address may come from there, the header is ignored as well.
- The header comes once, as it is spelt: ``X_Remote_User`` is another header, though WSGI writes both alike.
- Whom a machine acts for (``X-Lineage-On-Behalf-Of``) anybody may claim, so it is kept as a claim beside the actor.

Nothing here knows Flask: values in, a user or None out.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collectors.mlflow.act import subject_of
from collectors.mlflow.addresses import without_secrets
from collectors.mlflow.settings import Network

BY_PROXY: Final = "proxy-header"
ON_BEHALF_OF: Final = "x-lineage-on-behalf-of"
MOST_BYTES: Final = 2048
_LONGEST: Final = {"issuer": 256, "subject": 512, "via": 1024, "ref": 4096}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whom we know, and how."""

    name: str
    via: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A header that names a user and is not believed, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of its origin: its headers as they came (lower case), and the address of the connection.

    ``rewritten``: the server may have replaced the address by one that a header named.
    """

    headers: Sequence[tuple[str, str]]
    peer: str | None
    rewritten: bool = False

    def values(self, name: str) -> list[str]:
        """Return each value of a header."""
        return [value for key, value in self.headers if key == name.lower()]


def named_by_proxy(asked: Asked, header: str, proxies: Sequence[Network]) -> User | Ignored | None:
    """Return the user in the header, why there is none to believe, or None if the header is not there."""
    values = asked.values(header)
    if not values:
        return None
    if asked.rewritten:
        return Ignored(
            "the server may have taken the client's address from X-Forwarded-For, so who connected is not known; start "
            "MLflow with FORWARDED_ALLOW_IPS set to nothing"
        )
    if not _is_among(asked.peer, proxies):
        return Ignored(f"it came from {asked.peer}, which is not in LINEAGE_TRUSTED_PROXIES")
    if len(values) > 1:
        return Ignored("it came more than once")
    name = _decoded(values[0]).strip()
    return User(subject_of(name), BY_PROXY) if name else Ignored("it is empty")


def claimed_principal(asked: Asked) -> dict[str, str] | None:
    """Return whom the client says it acts for; None if it says nothing, or nothing that can be kept.

    The header holds JSON of at most 2 KiB: ``{"issuer": …, "subject": …, "via": …, "ref": …}``, the last two optional.
    """
    values = asked.values(ON_BEHALF_OF)
    if len(values) != 1 or len(values[0].encode()) > MOST_BYTES:
        return None
    try:
        told = json.loads(_decoded(values[0]))
    except (ValueError, RecursionError):
        return None
    return _principal(told) if isinstance(told, Mapping) else None


def _principal(told: Mapping[str, Any]) -> dict[str, str] | None:
    kept = {
        key: without_secrets(_characters(value))[:longest]
        for key, longest in _LONGEST.items()
        if isinstance(value := told.get(key), str) and value
    }
    return kept if "issuer" in kept and "subject" in kept else None


def _characters(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _decoded(value: str) -> str:
    """Return a header's text: servers read its bytes as Latin-1, and those who write names mean UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return _characters(value)


def _is_among(peer: str | None, proxies: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in proxies)
