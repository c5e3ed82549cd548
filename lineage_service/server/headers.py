"""Headers on every answer, also on errors nobody foresaw, and an id for every request.

Pages come later under their own policy; what is served here is data, so a browser may do nothing with it at all.
"""

import os
import re
from typing import Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lineage_service.server import expiry
from lineage_service.server.condition import Condition
from lineage_service.server.log_lines import REQUEST
from lineage_service.server.problems import unexpected_problem

SAFE: Final[dict[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
REQUEST_ID: Final = "X-Request-Id"
DEGRADED: Final = "Lineage-Condition"
_FORM: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class SafeHeaders:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, condition: Condition) -> None:
        self._app = app
        self._condition = condition

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        given = request.headers.get(REQUEST_ID, "")
        identifier = given if _FORM.fullmatch(given) else os.urandom(8).hex()
        request.state.request_id = identifier
        token = REQUEST.set(identifier)
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._add(MutableHeaders(scope=message), identifier, getattr(request.state, "token_ends", None))
            await send(message)

        try:
            await self._app(scope, receive, send_safely)
        except Exception as error:
            if started:
                raise
            reply = await run_in_threadpool(unexpected_problem, request, error)
            await reply(scope, receive, send_safely)
        finally:
            REQUEST.reset(token)

    def _add(self, headers: MutableHeaders, identifier: str, token_ends: str | None) -> None:
        for name, value in SAFE.items():
            headers.setdefault(name, value)
        headers[REQUEST_ID] = identifier
        if token_ends is not None:
            headers[expiry.HEADER] = token_ends
        if self._condition.degraded:
            headers[DEGRADED] = "degraded"
