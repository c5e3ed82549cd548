"""A back-up: ledger, graph and vault of one instant in a file that is a database of the embedded store.

It is a copy of a ledger's file, or a transcript of a ledger in Neo4j. The service may run meanwhile. The keys are not
in it, on purpose: with the file alone nobody can open a personal value or sign, and with the keys alone nobody has a
history. Whoever needs both keeps them in two places.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lineage_service.errors import InputError, StoreUnavailableError
from lineage_service.evidence.findings import Finding
from lineage_service.evidence.heads_check import claimed_size
from lineage_service.evidence.record_form import RecordFormError, read_record
from lineage_service.evidence.transcript import transcribe
from lineage_service.store.address import Database
from lineage_service.store.opening import open_contents
from lineage_service.store.protocol import Reader
from lineage_service.store.sqlite import SqliteStore
from lineage_service.store.sqlite_copy import Progress, copy_database, put_in_place, remove_database, sync


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds: whose log, its keys as record 0 names them, how many records, how many of them signed."""

    origin: str
    log_key: str
    root_key: str
    records: int
    signed: int


@dataclass(frozen=True, slots=True)
class Made:
    """A back-up: what it holds, and what stands in Neo4j and no such file can hold; there should be none of it."""

    held: Contents
    left_out: Sequence[Finding]


def back_up(database: Database, file: Path, progress: Progress) -> Made:
    """Copy the state a ledger is in now to a new file and return what it holds.

    Raises:
        InputError: if there is something at ``file`` already, or no folder for it.
        StoreUnavailableError: if there is no ledger, or the disk or the server refuses; nothing is left at ``file``.
    """
    if isinstance(database, Path) and not database.is_file():
        raise StoreUnavailableError(f"there is no ledger at {database}: set LINEAGE_DATA_DIR to where it is")
    if os.path.lexists(file):
        raise InputError(f"{file} exists already and is never written over: choose another name", field="FILE")
    if not file.absolute().parent.is_dir():
        raise InputError(f"there is no folder {file.absolute().parent} to write {file.name} to", field="FILE")
    beside = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        left_out = _copy(database, beside, progress)
        held = contents_of(beside)
        put_in_place(beside, file)
    finally:
        remove_database(beside)
    return Made(held, left_out)


def _copy(database: Database, beside: Path, progress: Progress) -> Sequence[Finding]:
    if isinstance(database, Path):
        copy_database(database, beside, progress)
        return ()
    with open_contents(database) as contents:
        transcript = transcribe(contents, beside, progress)
    sync(beside)
    return transcript.faults


def contents_of(database: Path) -> Contents:
    """Return what a closed database holds; StoreUnavailableError if it holds no ledger of ours."""
    with contextlib.closing(SqliteStore(database, writing=False)) as store, store.read() as reader:
        return _read(reader, database)


def _read(reader: Reader, database: Path) -> Contents:
    stored = reader.record(0)
    if stored is None:
        raise StoreUnavailableError(f"{database} holds no record yet: there is nothing in it to back up or restore")
    try:
        genesis = read_record(stored.body)
        body = genesis["body"]
        keys = str(body["log_key"]), str(body["root_key"])
    except (RecordFormError, LookupError, TypeError, ValueError) as error:
        raise StoreUnavailableError(f"record 0 of {database} does not open a log ({error}): lineage verify") from error
    return Contents(str(genesis["log"]), *keys, reader.head().size, claimed_size(reader.note()))
