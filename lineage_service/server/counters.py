"""What /metrics shows, in a registry of this application's own: what routes report, and what ``gauges`` reads."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest

from lineage_service.recorder.installation import Installation
from lineage_service.server.authority import Authority
from lineage_service.server.condition import Condition
from lineage_service.server.gauges import LogFigures, SourceFigures, VerificationFigures

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Counters:
    """Counts what routes report, and reads the rest when asked."""

    def __init__(
        self, installation: Installation, condition: Condition, authority: Authority, clock: Callable[[], int]
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._registry.register(LogFigures(installation, condition))
        self._registry.register(SourceFigures(installation, authority, clock))
        self._registry.register(VerificationFigures(installation))
        self._problems = Counter("lineage_problems", "Requests refused or failed.", ["type"], registry=self._registry)
        self._kept = Counter("lineage_quarantine_kept", "Refused bodies kept.", registry=self._registry)
        self._bytes = Counter("lineage_quarantine_bytes", "Bytes of refused bodies kept.", registry=self._registry)
        self._dropped = Counter("lineage_quarantine_dropped", "Refused bodies beyond the cap.", registry=self._registry)

    def problem(self, word: str) -> None:
        """Count a problem by its type."""
        self._problems.labels(word).inc()

    def kept(self, size: int) -> None:
        """Count a body that was quarantined."""
        self._kept.inc()
        self._bytes.inc(size)

    def dropped(self) -> None:
        """Count a body that was refused and not kept."""
        self._dropped.inc()

    def text(self) -> bytes:
        """Return all figures in the text format."""
        return generate_latest(self._registry)
