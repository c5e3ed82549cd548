"""All figures of the production store: a ledger carried in, answering, appending, folding anew, memory."""

import contextlib
import time
from collections.abc import Iterator

from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.meter import Progress
from lineage_service.evidence.rebuild import rebuild_in_place
from lineage_service.recorder.installation import load_seal
from lineage_service.store.neo4j import Neo4jStore
from tests.benchmarks import bench_neo4j_append, bench_neo4j_read
from tests.benchmarks.bench_memory import anonymous_mib
from tests.benchmarks.figures import Figure, load_now
from tests.benchmarks.load import Loaded, discard
from tests.benchmarks.neo4j_server import HEAP, PAGE_CACHE, Standing, bring, copy_of, standing
from tests.graphdb.jars import VERSION


def measure(loaded: Loaded, scale: float = 1.0) -> Iterator[Figure]:
    """Take all figures, each given when it is there: it takes a quarter of an hour. ``scale`` shortens them."""
    print(f"  server: genuine Neo4j Community {VERSION}, heap {HEAP}, page cache {PAGE_CACHE}", flush=True)
    places = loaded.copy("beside-neo4j")
    records = bench_neo4j_read.add_facts(places, scale)
    with standing() as place:
        rate = records / bring(places, place)
        yield Figure("copy from SQLite, compared in the end", rate, "records/s", load=load_now())
        yield from bench_neo4j_read.measure(loaded, places, place, scale)
        discard(places)
        with copy_of(place) as second:
            yield from bench_neo4j_append.measure(loaded, place, second, scale)
        yield from _rebuilt(place)
        yield _verified(place)
        yield Figure("server, RssAnon", anonymous_mib(place.server.pid), "MiB")


def _rebuilt(place: Standing) -> list[Figure]:
    """Fold the graph of everything anew; only the folding has a figure to reach, the rest is told beside it."""
    marks = []
    with contextlib.closing(Neo4jStore(place.address)) as store:
        began = time.perf_counter()

        def forget(progress: Progress) -> None:
            marks.append(time.perf_counter())
            Neo4jStore.forget_graph(place.address, progress)
            marks.append(time.perf_counter())

        head = rebuild_in_place(store, forget, load_seal(place.places), lambda _part: None)
        ended = time.perf_counter()
    checked, forgot = marks
    detail = f"{head.size:,} records: checked in {checked - began:.0f} s, forgotten in {forgot - checked:.0f} s"
    return [
        Figure("rebuild: folding", head.size / (ended - forgot), "records/s", 3_000, load=load_now(), detail=detail),
        Figure("  rebuild as a whole", head.size / (ended - began), "records/s", load=load_now()),
    ]


def _verified(place: Standing) -> Figure:
    """Verify all of it, the graph included; it writes a transcript of the whole database first."""
    began = time.perf_counter()
    report = run_verify(place.places, deep=True)
    taken = time.perf_counter() - began
    if report.findings:
        raise SystemExit("\n".join(report.lines()))
    records = report.counts["records"]
    return Figure(
        "verify --deep", records / taken, "records/s", load=load_now(), detail=f"{records:,} in {taken:.0f} s"
    )
