"""A loaded ledger to measure on, made once for each set of parameters and kept in the folder for temporary files.

What is kept is keyed by everything that shapes it (seed, size, schema, fold, this generator), so an older one is never
measured by mistake. Each measurement works on a copy of its own.
"""

import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graph_schema.events import parse_event
from graph_schema.fold import FOLD_VERSION
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.preparation import Incoming, Sender
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.authority import Authority
from lineage_service.server.rights import Registrar, SourceWish, first_admin
from lineage_service.store.migrations import sqlite_files
from lineage_service.store.sqlite import SqliteStore, connect
from tests.benchmarks import mix

SENDER: Final = Sender("mlflow", "prod")
_FAMILIES: Final = ("run", "data", "model", "movement", "code", "collector.reported")
_GROUP: Final = 500
_CHECK_EVERY: Final = 10
_ADMIN: Final = {"issuer": "lineage", "subject": "ada", "assurance": "authenticated", "via": "token"}


@dataclass(frozen=True, slots=True)
class Size:
    """How large a graph to load."""

    nodes: int
    edges: int
    unnamed_every: int = 5
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded ledger, closed: where it is, how large it became, and the tokens of a reader and of the source."""

    folder: Path
    records: int
    nodes: int
    edges: int
    admin: str
    source: str

    @property
    def places(self) -> Places:
        return places_in(self.folder)

    def copy(self, name: str) -> Places:
        """Return a copy to write to; an older one of this name is replaced."""
        target = self.folder.with_name(f"{self.folder.name}-{name}-{os.getpid()}")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.folder, target)
        return places_in(target)


def places_in(folder: Path) -> Places:
    """Return where a ledger in a folder keeps what; the server's own defaults."""
    return Places(folder / "lineage.db", folder / "keys")


def discard(places: Places) -> None:
    """Remove a copy."""
    shutil.rmtree(places.file.parent)


def typed(facts: Iterable[dict[str, Any]], sender: Sender = SENDER) -> list[Incoming]:
    """Return facts as their classes, ready for the recorder."""
    return [Incoming(parse_event(fact), sender) for fact in facts]


def batches(events: list[Incoming], size: int) -> Iterator[list[Incoming]]:
    """Cut events into requests."""
    for first in range(0, len(events), size):
        yield events[first : first + size]


def opened(places: Places) -> Installation:
    """Open a ledger for writing."""
    return Installation(places, SqliteStore(places.file))


def load(size: Size) -> Loaded:
    """Return the ledger of these parameters, making it if nobody did before."""
    folder = Path(tempfile.gettempdir()) / f"lineage-bench-{_key(size)}"
    told = folder / "loaded.json"
    if not told.exists():
        shutil.rmtree(folder, ignore_errors=True)
        told.write_text(json.dumps(_make(places_in(folder), size)))
    return Loaded(folder, **json.loads(told.read_text()))


def _key(size: Size) -> str:
    texts = [Path(name).read_text() for name in (mix.__file__, __file__)]
    shaped = (repr(size), *texts, sqlite_files(), FOLD_VERSION)
    return hashlib.sha256(repr(shaped).encode()).hexdigest()[:12]


def _make(places: Places, size: Size) -> dict[str, Any]:
    installation = create(places, origin="bench.example/log")
    admin = first_admin(installation, "ada").token
    registrar = Registrar(installation, Authority(installation, wall_clock, print))
    wish = SourceWish("mlflow", "prod", families=_FAMILIES, since="2024-01-01T00:00:00Z")
    source = registrar.register_source(wish, dict(_ADMIN)).token
    facts = mix.Mix(size.seed, size.unnamed_every).facts()
    for number in itertools.count(1):
        events = typed(itertools.islice(facts, _GROUP))
        installation.recorder.record(installation.preparation.prepare(events), ack="committed")
        if number % _CHECK_EVERY == 0:
            nodes, edges = counted(places)
            if nodes >= size.nodes and edges >= size.edges:
                break
    records = installation.heads.size
    installation.close()
    nodes, edges = counted(places)
    return {"records": records, "nodes": nodes, "edges": edges, "admin": admin, "source": source}


def counted(places: Places) -> tuple[int, int]:
    """Return how many nodes and edge rows a database holds."""
    connection = connect(places.file, cache_kib=8192, read_only=True)
    try:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("node", "edge")]
    finally:
        connection.close()
    return counts[0], counts[1]


def later_facts(seed: int = 2) -> Iterator[dict[str, Any]]:
    """Return facts of the same kind that are not in the loaded ledger: another seed, the same datasets and actors."""
    return mix.Mix(seed).facts()
