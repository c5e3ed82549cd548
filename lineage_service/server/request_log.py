"""One line for each request that was served: which route, how it ended, how long it took.

The route is the pattern that matched (``/api/v1/records/{which}``), never the address that was asked for: addresses
and queries hold names. Who asked is told by kind (person, source, nobody). Probes of health are told only when they
fail, or they would be most of what there is.
"""

import logging
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lineage_service.server.principals import SourcePrincipal

_log = logging.getLogger("lineage.request")
_PROBES: Final = frozenset({"/healthz", "/readyz"})
_FAILED: Final = 500
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    """ASGI middleware inside of the one that gives each request its id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and tell how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), _FAILED

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            _tell(scope, status, time.perf_counter() - started)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "unknown")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    level = logging.DEBUG if route in _PROBES and status < _FAILED else logging.INFO
    about = {
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "principal": _kind_of(scope["state"].get("principal")),
    }
    _log.log(level, "request served", extra=about)


def _kind_of(principal: object) -> str:
    if principal is None:
        return "nobody"
    return "source" if isinstance(principal, SourcePrincipal) else "person"
