"""One door to both stores: which one it is, its address says."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lineage_service.store.address import Address, Database, Found
from lineage_service.store.protocol import Observer, Store
from lineage_service.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from lineage_service.store.neo4j_contents import Neo4jContents


def open_store(database: Database, *, writing: bool = True, observer: Observer | None = None) -> Store:
    """Open an initialised store; StoreUnavailableError says what is missing, or what to do about a server."""
    if isinstance(database, Path):
        return SqliteStore(database, writing=writing, observer=observer)
    from lineage_service.store.neo4j import Neo4jStore  # the driver: who keeps a file need not have it

    return Neo4jStore(database, writing=writing, observer=observer)


def create_store(database: Database) -> list[str]:
    """Create an empty ledger or bring one to this version; return the migrations applied. A repeat does nothing."""
    if isinstance(database, Path):
        return SqliteStore.create(database)
    from lineage_service.store.neo4j import Neo4jStore

    return Neo4jStore.create(database)


def found_at(database: Database) -> Found:
    """Tell what is kept there, without changing anything; an empty ledger of ours is nothing.

    Raises:
        StoreUnavailableError: if a server cannot be asked.
    """
    if isinstance(database, Path):
        return SqliteStore.found_at(database)
    from lineage_service.store.neo4j import Neo4jStore

    return Neo4jStore.found_at(database)


def forget_graph(address: Address, progress: Callable[[float], None]) -> None:
    """Remove the graph of a ledger on a server and nothing else, in steps, so that it can be folded anew."""
    from lineage_service.store.neo4j import Neo4jStore

    Neo4jStore.forget_graph(address, progress)


def is_created(database: Database) -> bool:
    """Tell whether there is anything to migrate; a server can only be asked by migrating."""
    return not isinstance(database, Path) or database.exists()


def open_contents(address: Address) -> contextlib.AbstractContextManager["Neo4jContents"]:
    """Open all that a Neo4j database holds, for whoever copies or judges it; see ``neo4j_contents``."""
    from lineage_service.store.neo4j_contents import contents_of

    return contents_of(address)
