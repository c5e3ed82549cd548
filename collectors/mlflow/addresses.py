"""Addresses of data and artifacts without the means of getting in: a key and a record are for ever.

MLflow keeps addresses as somebody typed them: with a user and a password in front of the host, or with the signature of
a presigned link behind it.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SECRET = re.compile(r"sig|token|key|secret|passw|credential|policy|expires|x-amz-|x-goog-", re.IGNORECASE)
_WITH_CONTAINER: Final = frozenset({"abfs", "abfss", "wasb", "wasbs"})
"""Here the part before the ``@`` is the container, and belongs to the name."""


def without_secrets(address: str) -> str:
    """Return an address without user, password and signed parameters; what is no address stays as it is."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    if not parts.scheme or not parts.netloc:
        return address
    user, at, host = parts.netloc.rpartition("@")
    keep_user = not at or (parts.scheme.lower() in _WITH_CONTAINER and ":" not in user)
    return urlunsplit(parts._replace(netloc=parts.netloc if keep_user else host, query=_public(parts.query)))


def _public(query: str) -> str:
    """Return a query without what signs it; one without secrets keeps its spelling."""
    every = parse_qsl(query, keep_blank_values=True)
    public = [(name, value) for name, value in every if not _SECRET.search(name)]
    return query if len(public) == len(every) else urlencode(public)
