"""The stores that keep the promises: the one list. A store is added here and runs exactly the same tests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lineage_service.store.neo4j import Neo4jStore
from lineage_service.store.protocol import Store
from lineage_service.store.sqlite import SqliteStore
from tests.graphdb.installation import empty_address


@dataclass(frozen=True, slots=True)
class Place:
    """Where one empty ledger lives: ``open`` gives a store on it."""

    open: Callable[[], Store]


def sqlite_place(folder: Path) -> Place:
    """Make an empty ledger in a SQLite file."""
    path = folder / "lineage.db"
    SqliteStore.create(path)
    return Place(lambda: SqliteStore(path))


def neo4j_place(_folder: Path) -> Place:
    """Make an empty ledger in the Neo4j of this run; what the last test left there is removed."""
    address = empty_address()
    Neo4jStore.create(address)
    return Place(lambda: Neo4jStore(address, writing=False))


KINDS: dict[str, Callable[[Path], Place]] = {"sqlite": sqlite_place, "neo4j": neo4j_place}
