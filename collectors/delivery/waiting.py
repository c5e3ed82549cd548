"""Where facts wait for delivery: what a delivery and a courier need of it, be it a folder or a process's memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from collectors.delivery.spool import BATCH_EVENTS, Batch, Claim, Position


class Waiting(Protocol):
    """Facts in order, held until they are delivered; :class:`Spool` and :class:`MemorySpool` are such."""

    @property
    def path(self) -> Path:
        """The folder, or a name for what is none: it stands in messages."""

    @property
    def aside(self) -> str:
        """Where facts are that the service will not take, for messages."""

    def append(self, events: Sequence[Mapping[str, Any]]) -> list[int]:
        """Hold facts together and in order; SpoolError if there is no room."""

    def require_room(self, reserve: int) -> None:
        """Raise SpoolFullError if so many bytes more would pass the bound."""

    def set_aside(self, event: object, reason: object) -> None:
        """Take a fact out of the way that the service will not take."""

    def batch(self, limit: int = BATCH_EVENTS) -> Batch | None:
        """Return the oldest facts; None if none waits."""

    def advance(self, end: Position) -> None:
        """Let go of what was delivered."""

    def waiting(self) -> int:
        """Return how many facts wait."""

    def claim(self) -> Claim | None:
        """Return the right to drain, or None while another process has it."""
