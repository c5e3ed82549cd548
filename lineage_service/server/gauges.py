"""The figures that are read when somebody asks for them: the log, its sources, its tokens, its last verification.

Rules kept: nothing of a person, not even a pseudonym; the only names are those of registered sources, so there are
never more series than sources; what is not known has no series, rather than a number that means something else.
"""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from graph_schema import times
from lineage_service.evidence.last_verdict import WORDS, last_verdict
from lineage_service.queries.heartbeats import newest_heartbeat
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.latency import Latency
from lineage_service.server.authority import Authority, Rights, SourceGrant
from lineage_service.server.condition import Condition
from lineage_service.server.expiry import ends_soon, newest_ends

_SOURCE: Final = ["source"]
_MOST_SOURCES: Final = 1000
"""Sources shown one by one; beyond, the newest registrations are. ``lineage_sources`` counts all of them."""


class _AtRest(Collector):
    """A collector that is not asked while it is registered: its figures may need a store that is not open yet."""

    def describe(self) -> Iterator[Metric]:
        """Name no figures beforehand."""
        return iter(())


class LogFigures(_AtRest):
    """Records, the queue before them, the signature behind them, and how long both take."""

    def __init__(self, installation: Installation, condition: Condition) -> None:
        self._installation = installation
        self._condition = condition

    def collect(self) -> Iterator[Metric]:
        """Give the figures of now."""
        heads, recorder = self._installation.heads, self._installation.recorder
        yield GaugeMetricFamily("lineage_records", "Records committed.", heads.size)
        yield GaugeMetricFamily("lineage_unsigned_records", "Records no signature covers yet.", heads.unsigned)
        yield GaugeMetricFamily("lineage_queued_records", "Records waiting to be written.", recorder.queued)
        yield _histogram("lineage_commit_seconds", "Time from taking the write lock to the commit.", recorder.commits)
        yield _histogram("lineage_sign_seconds", "Time to remember and sign a head.", heads.signatures)
        yield CounterMetricFamily("lineage_sign_failures", "Heads that could not be signed or stored.", heads.failures)
        yield CounterMetricFamily("lineage_commit_failures", "Groups that could not be committed.", recorder.failures)
        findings = sum(self._condition.findings.values())
        yield GaugeMetricFamily("lineage_integrity_findings", "What the service found wrong with itself.", findings)


class SourceFigures(_AtRest):
    """What each registered source said of itself last, and when its tokens end."""

    def __init__(self, installation: Installation, authority: Authority, clock: Callable[[], int]) -> None:
        self._installation = installation
        self._authority = authority
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Give the figures of now."""
        rights, now = self._authority.rights(), self._clock()
        active = sorted((one for one in rights.sources.values() if one.active), key=lambda one: -one.seq)
        yield GaugeMetricFamily("lineage_sources", "Sources registered and not retired.", len(active))
        yield from self._reported(active[:_MOST_SOURCES], now)
        yield from _tokens(active[:_MOST_SOURCES], rights, now)

    def _reported(self, sources: list[SourceGrant], now: int) -> Iterator[Metric]:
        lag = GaugeMetricFamily("lineage_source_lag_seconds", "Now less the end of what it covered.", labels=_SOURCE)
        spool = GaugeMetricFamily("lineage_source_spooled", "Facts that waited when it reported.", labels=_SOURCE)
        offset = GaugeMetricFamily("lineage_source_clock_offset_seconds", "Its clock less ours.", labels=_SOURCE)
        with self._installation.store.read() as reader:
            for source in sources:
                told = newest_heartbeat(reader, source.key)
                if told is None:
                    continue
                label = [f"{source.kind}/{source.instance}"]
                lag.add_metric(label, _seconds(now - told.covered_to))
                offset.add_metric(label, _seconds(told.clock_offset))
                if told.spooled is not None:
                    spool.add_metric(label, told.spooled)
        yield from (lag, spool, offset)


def _tokens(sources: list[SourceGrant], rights: Rights, now: int) -> Iterator[Metric]:
    ends = newest_ends(rights.tokens.values(), now)
    named = GaugeMetricFamily(
        "lineage_source_token_end_seconds", "When the last valid token of a source ends, Unix time.", labels=_SOURCE
    )
    for source in sources:
        if source.key in ends:
            named.add_metric([f"{source.kind}/{source.instance}"], _seconds(ends[source.key]))
    soon = GaugeMetricFamily("lineage_tokens_ending", "Valid tokens that end within 14 days.", labels=["holder"])
    valid = [one for one in rights.tokens.values() if not one.ended(now) and ends_soon(one.expires_at, now)]
    of_sources = sum(one.holder.startswith("source:") for one in valid)
    soon.add_metric(["source"], of_sources)
    soon.add_metric(["person"], len(valid) - of_sources)
    yield from (named, soon)


class VerificationFigures(_AtRest):
    """When `lineage verify` last ran here and what it said; it is shown and decides nothing."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def collect(self) -> Iterator[Metric]:
        """Give the figures of the last verification; none if none is known."""
        last = last_verdict(self._installation.places.beside)
        if last is None:
            return
        yield GaugeMetricFamily("lineage_verified_at_seconds", "End of the last verification.", _seconds(last.time))
        yield GaugeMetricFamily("lineage_verified_records", "Records the last verification read.", last.records)
        verdict = GaugeMetricFamily("lineage_verdict", "1 for what it said, 0 for the others.", labels=["verdict"])
        for word in WORDS.values():
            verdict.add_metric([word], float(word == last.verdict))
        yield verdict


def _seconds(micros: int) -> float:
    return micros / times.MICROS_PER_SECOND


def _histogram(name: str, meaning: str, latency: Latency) -> Metric:
    buckets, total = latency.read()
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=total)
