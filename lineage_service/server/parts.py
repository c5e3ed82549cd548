"""What every route may need, assembled once in ``app`` and handed to it by its signature."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from lineage_service.recorder.installation import Installation
from lineage_service.server.authority import Authority
from lineage_service.server.condition import Condition
from lineage_service.server.counters import Counters
from lineage_service.server.denials import Strangers
from lineage_service.server.quarantine import Quarantine
from lineage_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """The open installation and what surrounds it."""

    settings: Settings
    installation: Installation
    clock: Callable[[], int]
    authority: Authority
    quarantine: Quarantine
    strangers: Strangers
    condition: Condition
    counters: Counters


async def parts_of(request: Request) -> Parts:
    """Return the parts of the application that serves this request."""
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(parts_of)]
