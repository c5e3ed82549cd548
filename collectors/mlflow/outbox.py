"""Where a plugin's intents and facts go first: a folder on disk, or (``LINEAGE_SPOOL=service``) the service itself.

==================  ==================================  ==============================================================
part                folder                              service
==================  ==================================  ==============================================================
intent              fsynced before the change           acknowledged by the service before the change, within seconds
facts               fsynced, any process drains         in memory, each process sends its own
a process dies      its intents are found and told      its intents stand at the service without an outcome
==================  ==================================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.delivery import MemorySpool, Receipts, Spool, Waiting
from collectors.mlflow.coverage import Journal, MemoryProblems, Problems, Troubles
from collectors.mlflow.intents import IntentJournal
from collectors.mlflow.service_journal import ServiceJournal
from collectors.mlflow.settings import PluginSettings

ROOM: Final = 1024 * 1024
"""Bytes that must be free before a change, so that its facts have room afterwards."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """The parts that belong together. ``folder``: what the workers of a server share, if they share a disk."""

    spool: Waiting
    journal: Journal
    problems: Troubles
    receipts: Receipts
    folder: Path | None


def outbox_of(settings: PluginSettings, clock: Callable[[], int]) -> Outbox:
    """Return the outbox that the settings ask for; SpoolError if its folder cannot be made."""
    if settings.spool is None:
        memory = MemorySpool(clock=clock)
        journal = ServiceJournal(settings.url, settings.token, memory, clock)
        return Outbox(memory, journal, MemoryProblems(), Receipts(None), None)
    spool, folder = Spool(settings.spool), settings.spool
    return Outbox(spool, IntentJournal(folder), Problems(folder), Receipts(folder / "receipts.json"), folder)
