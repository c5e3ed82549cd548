"""The plugin's outermost layer under uvicorn: what the connection was, for the hooks; and draining before the end.

Flask runs behind a bridge that keeps neither the connection's own port nor headers as they were spelt, so both are
remembered here for the time of a request.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

_SCOPE: Final[contextvars.ContextVar[Message | None]] = contextvars.ContextVar("lineage_scope", default=None)


def current_scope() -> Message | None:
    """Return the ASGI scope of the request that is being served; None under a WSGI server."""
    return _SCOPE.get()


class ClosingApp:
    """An ASGI application that drains before the server ends: uvicorn leaves by a signal, so no exit hook runs."""

    def __init__(self, app: AsgiApp, close: Callable[[], None]) -> None:
        """Wrap ``app``; ``close`` may take some seconds and runs in a thread."""
        self._app = app
        self._close = close

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass everything on, and close when the application has said that it is down."""
        if scope["type"] != "lifespan":
            _SCOPE.set(scope)
            await self._app(scope, receive, send)
            return

        async def closing_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await asyncio.to_thread(self._close)
            await send(message)

        await self._app(scope, receive, closing_send)
