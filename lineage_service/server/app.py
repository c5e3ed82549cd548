"""Assembles the application: parts, routes, errors, headers. Nothing here decides anything or reads the environment."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

import lineage_service
from lineage_service.recorder.installation import Installation
from lineage_service.server import problems
from lineage_service.server.api import access, events, health, ledger, openlineage, questions
from lineage_service.server.authority import Authority
from lineage_service.server.condition import Condition
from lineage_service.server.counters import Counters
from lineage_service.server.denials import Strangers
from lineage_service.server.headers import SafeHeaders
from lineage_service.server.parts import Parts
from lineage_service.server.quarantine import Quarantine
from lineage_service.server.request_log import RequestLog
from lineage_service.settings import Settings

_PROBLEM: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "What is wrong, as RFC 9457 problem details",
        "content": {problems.MEDIA_TYPE: {"schema": {"type": "object", "required": ["type", "title", "status"]}}},
    }
}


def create_app(settings: Settings, installation: Installation, clock: Callable[[], int]) -> FastAPI:
    """Return the application over an open installation; whoever opened it closes it after the application ended."""
    condition = Condition()
    authority = Authority(installation, clock, condition.found)
    counters = Counters(installation, condition, authority, clock)
    parts = Parts(
        settings=settings,
        installation=installation,
        clock=clock,
        authority=authority,
        quarantine=Quarantine(installation, clock, counters),
        strangers=Strangers(installation, clock),
        condition=condition,
        counters=counters,
    )

    @contextlib.asynccontextmanager
    async def living(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(parts.strangers.flush)

    app = FastAPI(
        title="lineage-service",
        version=lineage_service.__version__,
        docs_url=None,  # its pages need scripts from elsewhere, which the content policy forbids
        redoc_url=None,
        lifespan=living,
        responses=_PROBLEM,
    )
    app.state.parts = parts
    for family in (health, events, openlineage, access, ledger, questions):
        app.include_router(family.router)
    problems.install(app)
    app.add_middleware(RequestLog)
    app.add_middleware(SafeHeaders, condition=condition)  # the last one added is the outermost
    return app
