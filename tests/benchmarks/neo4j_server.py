"""Neo4j as it would be run, to measure on: a server of our own with 2 GB of heap, and a loaded ledger carried into it.

Its settings are Neo4j's own but for sizes and listening: nothing that only makes tests quicker. A second server on a
copy of the same data takes what is written without us, so that both hold the same and know the same.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lineage_service.evidence.moving import carry, seal
from lineage_service.recorder.installation import Installation, Places
from lineage_service.store.address import Address
from lineage_service.store.neo4j import Neo4jStore
from lineage_service.store.sqlite import SqliteStore
from tests.benchmarks.bench_read import started
from tests.graphdb.installation import settings_for, store_address
from tests.graphdb.process import Neo4jProcess

HEAP: Final = "2g"
PAGE_CACHE: Final = "512m"


@dataclass(frozen=True, slots=True)
class Standing:
    """An installation on a running server: the server, and where keys and ledger are."""

    server: Neo4jProcess
    places: Places

    @property
    def address(self) -> Address:
        """Where the ledger is."""
        assert isinstance(self.places.database, Address)
        return self.places.database

    def opened(self, *, signs: bool = True) -> Installation:
        """Open the ledger for writing."""
        return Installation(self.places, Neo4jStore(self.address), signs=signs)

    def settings(self) -> dict[str, str]:
        """Return the settings of a service on this ledger."""
        folders = {"LINEAGE_DATA_DIR": str(self.places.keys.parent), "LINEAGE_KEYS_DIR": str(self.places.keys)}
        return {**settings_for(self.address), **folders}

    @contextlib.contextmanager
    def serving(self) -> Iterator[tuple[str, int]]:
        """Serve the ledger; yields the address and the number of the process."""
        with started(self.settings()) as running:
            yield running


@contextlib.contextmanager
def standing() -> Iterator[Standing]:
    """Start a server with an empty ledger's schema, and make a folder for keys; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lineage-bench-neo4j-") as name:
        server = Neo4jProcess(Path(name) / "server", heap=HEAP, page_cache=PAGE_CACHE)
        with _running(server):
            place = Standing(server, Places(store_address(server.address), Path(name) / "keys"))
            Neo4jStore.create(place.address)
            yield place


@contextlib.contextmanager
def copy_of(original: Standing) -> Iterator[Standing]:
    """Start a second server on a copy of what a first one holds; the first is restarted for it."""
    with tempfile.TemporaryDirectory(prefix="lineage-bench-neo4j-copy-") as name:
        server = Neo4jProcess(Path(name) / "server", heap=HEAP, page_cache=PAGE_CACHE)
        original.server.stop()
        server.begin_with(original.server)
        shutil.copytree(original.places.keys, Path(name) / "keys")
        original.server.start()
        with _running(server):
            yield Standing(server, Places(store_address(server.address), Path(name) / "keys"))


def bring(source: Places, target: Standing) -> float:
    """Carry a ledger from a file into an empty server, as `lineage copy` does; return the seconds it took."""
    shutil.copytree(source.keys, target.places.keys)
    began = time.perf_counter()
    with (
        contextlib.closing(SqliteStore(source.file, writing=False)) as here,
        contextlib.closing(Neo4jStore(target.address)) as there,
    ):
        seal(there, carry(here, there, lambda _part: None))
    return time.perf_counter() - began


@contextlib.contextmanager
def _running(server: Neo4jProcess) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.kill()
