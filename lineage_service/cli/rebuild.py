"""`lineage rebuild`: folds the ledger anew and puts the fresh graph in the place of the old one.

In a file this takes two steps. The records are folded into a database of their own beside the ledger, every one
checked against its hash and its place; if one does not hold, nothing was changed. Then the graph's tables change places
in one transaction, so that a crash leaves the old graph or the new one. Records, tree, checkpoint and personal values
are not touched. The head is sealed anew, because its seal covers the version of the fold; a head that we did not seal
is refused.

On a server, where no transaction holds a whole graph, the records are checked first and the graph is then removed and
folded again in its place, group by group (``evidence.rebuild.rebuild_in_place``). Until the last group is there, the
head says so and no service starts.
"""

import contextlib
import hmac
import sqlite3
from functools import partial
from pathlib import Path
from typing import Final

import typer

from graph_schema.fold import FOLD_VERSION
from lineage_service.cli.installation import only_writer
from lineage_service.cli.screen import busy, moving, show
from lineage_service.errors import IntegrityError
from lineage_service.evidence.meter import Progress
from lineage_service.evidence.rebuild import rebuild as fold_anew
from lineage_service.evidence.rebuild import rebuild_in_place
from lineage_service.ledger import keys
from lineage_service.ledger.sealing import head_mac
from lineage_service.recorder.installation import Places, load_seal
from lineage_service.recorder.seal import require_arrived
from lineage_service.server.opening import places_of, read_settings
from lineage_service.store.address import Address
from lineage_service.store.opening import forget_graph, open_store
from lineage_service.store.protocol import Head
from lineage_service.store.sqlite import SqliteStore, connect
from lineage_service.store.sqlite_copy import remove_database
from lineage_service.store.sqlite_errors import translated

_CACHE_KIB: Final = 65536
_ATTACH: Final = "ATTACH DATABASE ? AS fresh"
_SAME_HEAD: Final = """
SELECT count(*) FROM main.head AS old JOIN fresh.head AS new ON new.size = old.size AND new.last = old.last
"""
_EXCHANGE: Final = (
    "DELETE FROM main.point",
    "DELETE FROM main.withdrawal",
    "DELETE FROM main.edge",
    "DELETE FROM main.property",
    "DELETE FROM main.node",
    "INSERT INTO main.node SELECT * FROM fresh.node ORDER BY id",
    "INSERT INTO main.property SELECT * FROM fresh.property ORDER BY node, registers, ord",
    "INSERT INTO main.edge SELECT * FROM fresh.edge ORDER BY src, type, dst, seq",
    "INSERT INTO main.withdrawal SELECT * FROM fresh.withdrawal ORDER BY src, type, dst, source, seq",
    "INSERT INTO main.point SELECT * FROM fresh.point ORDER BY subject, slot, name, ord, n",
)
_HEAD: Final = "SELECT size, last, time, frontier, fold_version, mac FROM main.head"
_SEAL: Final = "UPDATE main.head SET fold_version = ?, mac = ?"


def rebuild() -> None:
    """Fold the ledger into a fresh graph. It takes the place of the old one; the service must not run.

    On a server the old graph is removed first. A rebuild that was broken off there is begun again by the same command;
    until it is whole, no service starts.
    """
    places = places_of(read_settings())
    with only_writer(places):
        address = places.database
        if isinstance(address, Address):
            head = moving("folding the ledger", lambda progress: _rebuild_there(address, places, progress))
        else:
            head = busy("folding the ledger", lambda: _rebuild(places))
    show(f"The graph was folded anew from {head.size} records. Check it: lineage verify --deep")


def _rebuild_there(address: Address, places: Places, progress: Progress) -> Head:
    with contextlib.closing(open_store(address)) as store:
        return rebuild_in_place(store, partial(forget_graph, address), load_seal(places), progress)


def _rebuild(places: Places) -> Head:
    fresh = places.file.with_name(f"{places.file.name}.rebuilding")
    remove_database(fresh)
    try:
        with contextlib.closing(SqliteStore(places.file)) as store:
            with store.read() as reader:
                require_arrived(reader.head())
            head = fold_anew(store, fresh)
        _exchange(places, fresh)
    finally:
        remove_database(fresh)
    return head


def _exchange(places: Places, fresh: Path) -> None:
    origin = keys.load_key(places.log_key).name
    id_key = keys.load_secret(places.id_key)
    opened = connect(places.file, cache_kib=_CACHE_KIB)
    with translated("exchanging the graph"), contextlib.closing(opened) as connection:
        connection.execute(_ATTACH, (str(fresh),))
        connection.execute("BEGIN IMMEDIATE")
        try:
            _require_same_head(connection)
            for statement in _EXCHANGE:
                connection.execute(statement)
            _seal(connection, origin, id_key)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _seal(connection: sqlite3.Connection, origin: str, id_key: bytes) -> None:
    """Seal the head with the present fold's version, if the old seal is ours."""
    for *parts, folded_by, mac in connection.execute(_HEAD).fetchall():
        size, last, time, frontier = parts
        if not hmac.compare_digest(mac, head_mac(id_key, origin, (size, last, time, frontier, folded_by))):
            raise IntegrityError(
                "the end of the log was not written by this installation: run `lineage verify`; nothing was changed"
            )
        connection.execute(_SEAL, (FOLD_VERSION, head_mac(id_key, origin, (size, last, time, frontier, FOLD_VERSION))))


def _require_same_head(connection: sqlite3.Connection) -> None:
    if connection.execute(_SAME_HEAD).fetchone()[0] != 1:
        raise IntegrityError("the ledger's head is not that of its records: run `lineage verify`; nothing was changed")


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command(epilog="Example: lineage rebuild")(rebuild)
