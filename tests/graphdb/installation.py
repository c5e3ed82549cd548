"""A whole installation on the Neo4j of this run: keys in a folder, an empty ledger on the server."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.recorder import wall_clock
from lineage_service.store.address import Address
from tests.graphdb.address import Address as Server
from tests.graphdb.session import running_server

# What was migrated stays: to apply it again would take longer than most tests.
_EMPTY: Final = "MATCH (n) WHERE NOT n:Migration CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS"


def store_address(server: Server) -> Address:
    """Return where a server is, as the product says it."""
    return Address(server.url, server.user, server.password, server.database)


def settings_for(address: Address) -> dict[str, str]:
    """Return what tells a service in a process of its own where the ledger is; nothing of it is on a command line."""
    return {
        "LINEAGE_STORE": address.url,
        "LINEAGE_NEO4J_USER": address.user,
        "LINEAGE_NEO4J_PASSWORD": address.password,
        "LINEAGE_NEO4J_DATABASE": address.database,
    }


def emptied(server: Server) -> Address:
    """Return where a server is, with nothing in it but its schema."""
    server.answer(_EMPTY)
    return store_address(server)


def empty_address() -> Address:
    """Return where the server of this run is, with nothing in it but its schema."""
    return emptied(running_server())


def new_installation(folder: Path, *, clock: Callable[[], int] = wall_clock) -> Installation:
    """Return an open installation with its first record; what the last test left on the server is gone."""
    return create(Places(empty_address(), folder / "keys"), origin="neo4j.example/log", clock=clock)
