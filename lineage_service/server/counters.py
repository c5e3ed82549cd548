"""What /metrics shows, in a registry of this application's own: figures only, no names of anything recorded."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lineage_service.recorder.installation import Installation
from lineage_service.server.condition import Condition

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Counters:
    """Counts what routes report, and reads the rest when asked."""

    def __init__(self, installation: Installation, condition: Condition) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._registry.register(_State(installation, condition))
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


class _State(Collector):
    def __init__(self, installation: Installation, condition: Condition) -> None:
        self._installation = installation
        self._condition = condition

    def collect(self) -> Iterator[Metric]:
        heads, recorder = self._installation.heads, self._installation.recorder
        yield GaugeMetricFamily("lineage_records", "Records committed.", heads.size)
        yield GaugeMetricFamily("lineage_unsigned_records", "Records no signature covers yet.", heads.unsigned)
        yield GaugeMetricFamily("lineage_queued_records", "Records waiting to be written.", recorder.queued)
        yield CounterMetricFamily("lineage_sign_failures", "Heads that could not be signed or stored.", heads.failures)
        yield CounterMetricFamily("lineage_commit_failures", "Groups that could not be committed.", recorder.failures)
        findings = sum(self._condition.findings.values())
        yield GaugeMetricFamily("lineage_integrity_findings", "What the service found wrong with itself.", findings)
