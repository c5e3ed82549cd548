"""Transcripts of ledgers in Neo4j, and what stands in the tables of a database, for tests that compare the two."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from lineage_service.evidence.deep import _FOLDED, BOUND_BY_DIGEST, _columns, _Folded, _selection
from lineage_service.evidence.shown import Shown
from lineage_service.evidence.transcript import Transcript, transcribe
from lineage_service.recorder.installation import Places
from lineage_service.store.address import Address
from lineage_service.store.opening import open_contents


def quietly(_part: float) -> None:
    """Tell nobody how much is done."""


def address_of(places: Places) -> Address:
    """Return where on a server a ledger is."""
    assert isinstance(places.database, Address)
    return places.database


def tables(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table, with keys in place of the numbers of nodes."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        found = {}
        for table in sorted(_FOLDED.keys() | BOUND_BY_DIGEST):
            folded = _FOLDED.get(table, _Folded(()))
            columns = [name for name in _columns(connection, table) if name not in folded.left_out or name == "mac"]
            statement = _selection(table, columns, folded).partition(" ORDER BY ")[0]
            found[table] = sorted(connection.execute(statement), key=repr)
    return found


def transcript_of(places: Places, folder: Path) -> tuple[Path, Transcript]:
    """Write a transcript and check that what stands beside the tables can be taken in with it."""
    file = folder / "transcript.db"
    with contextlib.closing(Shown(folder / "shown.db")) as shown, open_contents(address_of(places)) as contents:
        return file, transcribe(contents, file, quietly, shown=shown)
