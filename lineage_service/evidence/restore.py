"""A back-up put where a ledger belongs, once it was shown to be whole, to be this log's, and to be nothing older.

The file is copied beside the place, and the copy is judged: structure of the database, every record, chain, tree,
signed head, graph, vault, all with the keys of this place. Only then it gets its name, in one step; or, where the
ledger is kept on a server, it is carried into the database there (``moving``). Rules kept:

- the signer's lock is held meanwhile: no service runs here, and none can start;
- a ledger is never written over; what a restore into a server that was broken off left there is gone on with;
- the signer's memory is never set back. A back-up that ends before what the signer signed is refused, since records
  that were acknowledged are missing from it, and no signature over another continuation will ever be made;
- a memory that was lost with the machine is made anew only from a signed head that somebody brings from outside.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lineage_service.errors import InputError, IntegrityError, OperatorError, StoreUnavailableError
from lineage_service.evidence.backup import Contents, contents_of
from lineage_service.evidence.findings import EXIT_TAMPER, Report
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.last_verdict import LastVerdict, leave
from lineage_service.evidence.meter import Meter, Progress
from lineage_service.evidence.moving import carry, seal
from lineage_service.ledger.checkpoint import Checkpoint, open_checkpoint
from lineage_service.ledger.errors import KeyFileError
from lineage_service.ledger.keys import load_key, load_secret
from lineage_service.ledger.signer import SignerLock, create_state, read_state
from lineage_service.recorder.installation import Places
from lineage_service.recorder.seal import is_on_its_way
from lineage_service.store.address import Database
from lineage_service.store.opening import create_store, found_at, open_store
from lineage_service.store.sqlite import SqliteStore
from lineage_service.store.sqlite_copy import SIDES, first_fault, put_in_place, remove_database

_MAGIC: Final = b"SQLite format 3\0"
_CHUNK: Final = 1024 * 1024
_CARRYING: Final = 20
"""How much longer it takes to carry a ledger into a server than to copy its file."""

_NEVER_OVER: Final = (
    "there is a ledger at {database}, and none is ever written over: move it away and keep it, or set LINEAGE_DATA_DIR "
    "(or LINEAGE_STORE) to another place"
)
_LOST: Final = (
    "{lost}, acknowledged, would be missing. The signer signs no other continuation, so `serve` "
    "would refuse it as a rollback, and everybody who holds a newer head could prove it."
)
_WHAT_NOW: Final = (
    "Look for the newest database or a newer back-up. If there is none, these records are lost: keep this file as it "
    "is (it can be verified where it lies), and open a new log with `lineage init` in another folder. Setting "
    "signer.state back instead would be the forgery that it is there to prevent."
)


class UnfitBackupError(IntegrityError):
    """The file is damaged, altered, another log's, or older than what was signed; the message has several lines."""


class UncheckedBackupError(OperatorError):
    """The file could not be checked as a whole, so it was not used."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What is in place now, what the signer had signed before, and whether its memory was made anew."""

    held: Contents
    remembered: int
    memory_is_new: bool


def restore(
    file: Path,
    places: Places,
    *,
    head: Path | None,
    progress: Progress,
    clock: Callable[[], int],
) -> Restored:
    """Verify a back-up and put it in place; ``head`` is a signed head from outside, if the memory was lost.

    Raises:
        InputError: if the file is no database, or ``head`` no head of this log.
        StoreUnavailableError: if there is a ledger already, a service runs, keys are missing, or the disk refuses.
        UnfitBackupError: if the file must not be used.
        UncheckedBackupError: if it could not be checked as a whole.
    """
    _require_keys(places)
    _require_database(file)
    with _alone(places, head):
        _require_free(places.database)
        places.beside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = places.beside.with_name(f"{places.beside.name}.restoring")
        meter = Meter(progress, 1 if isinstance(places.database, Path) else 1 + _CARRYING)
        remove_database(staged)
        try:
            _copy(file, staged, meter.part(1))
            restored, seen, report = _judge(staged, places, head)
            _put(staged, places, seen, meter.part(_CARRYING))
        finally:
            remove_database(staged)
    with contextlib.suppress(OSError):  # a verdict is only shown: nothing rests on it
        leave(places.beside, LastVerdict.of(report, deep=True, time=clock()))
    return restored


def _put(staged: Path, places: Places, seen: Checkpoint | None, progress: Progress) -> None:
    """Put the judged copy where the ledger belongs; a new memory is made before anything can be served from there."""
    database = places.database
    if isinstance(database, Path):
        if seen is not None:
            create_state(places.signer_state, seen)
        if database.exists():  # it was found to be empty, and nobody else may write here
            remove_database(database)
        put_in_place(staged, database)
        return
    create_store(database)
    with (
        contextlib.closing(SqliteStore(staged, writing=False)) as source,
        contextlib.closing(open_store(database)) as target,
    ):
        moved = carry(source, target, progress)
        if seen is not None:
            create_state(places.signer_state, seen)
        seal(target, moved)


# ------------------------------------------------------------------------------------------ before anything is done


def _require_keys(places: Places) -> None:
    needed = {places.log_key: load_key, places.kek: load_secret, places.id_key: load_secret}
    missing = [path.name for path in needed if not path.exists()]
    if missing:
        raise StoreUnavailableError(
            f"{', '.join(missing)} missing from {places.keys}: a back-up holds no keys. Bring log.key, vault.key and "
            "id.key of this log back from where keys are kept, then restore"
        )
    for path, load in needed.items():
        load(path)


def _require_database(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(_MAGIC))
    except OSError as error:
        raise InputError(f"the back-up {file} cannot be read: {error.strerror}", field="FILE") from error
    if magic != _MAGIC:
        raise InputError(f"{file} is no back-up: it is not a database at all", field="FILE")
    if any(_has_bytes(file.with_name(f"{file.name}{side}")) for side in SIDES):
        raise InputError(
            f"{file} is a database in use, or a copy of one, and part of it lies in a file beside it: make a back-up "
            "with `lineage backup` and restore that",
            field="FILE",
        )


def _has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@contextlib.contextmanager
def _alone(places: Places, head: Path | None) -> Iterator[None]:
    """Hold the signer's lock, or find that there is no memory to lock and a head to make one from."""
    if places.signer_state.exists():
        if head is not None:
            raise InputError(
                f"the signer's memory {places.signer_state} is here, and no head takes its place: leave out --head",
                field="head",
            )
        try:
            lock = SignerLock(places.signer_state)
        except KeyFileError as error:
            raise StoreUnavailableError(f"nothing was restored: {error}") from error
        with lock:
            yield
        return
    if head is None:
        raise StoreUnavailableError(
            f"the signer's memory {places.signer_state} is missing, so nothing here tells how far this log had come. "
            "Bring the memory of this machine back, or give --head FILE: the newest signed head (checkpoint) of this "
            "log that anybody holds, from a receipt, an auditor, or GET /api/v1/checkpoint kept elsewhere"
        )
    yield


def _require_free(database: Database) -> None:
    if isinstance(database, Path):
        _require_free_file(database)
        return
    found = found_at(database)
    if found == "something else":
        raise StoreUnavailableError(
            f"{database} holds something that is no ledger, and nothing is ever written over: name an empty database"
        )
    if found == "a ledger":
        with contextlib.closing(open_store(database, writing=False)) as store, store.read() as reader:
            head = reader.head()
        if head.size and not is_on_its_way(head):
            raise StoreUnavailableError(_NEVER_OVER.format(database=database))


def _require_free_file(database: Path) -> None:
    left = [side for side in SIDES if _has_bytes(database.with_name(f"{database.name}{side}"))]
    if not database.exists():
        if left:
            raise StoreUnavailableError(
                f"{database} is gone, but {database.name}{left[0]} is still there and may hold its last records: move "
                "it away and keep it, then restore"
            )
        return
    if found_at(database) != "nothing":
        raise StoreUnavailableError(_NEVER_OVER.format(database=database))


def _copy(file: Path, staged: Path, progress: Progress) -> None:
    """Copy the bytes of a file: what is judged is the copy, which nobody else writes."""
    try:
        total, done = max(file.stat().st_size, 1), 0
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as target, file.open("rb") as source:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
                done += len(chunk)
                progress(done / total)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        free = shutil.disk_usage(staged.parent).free
        raise StoreUnavailableError(
            f"the back-up could not be copied to {staged.parent} ({error.strerror}; {free} bytes are free there)"
        ) from error


# ---------------------------------------------------------------------------------------------------- the judgement


def _judge(staged: Path, places: Places, head: Path | None) -> tuple[Restored, Checkpoint | None, Report]:
    """Return what the copy holds, from which head a new memory begins (if there is none), and the verification.

    It raises if the copy is unfit.
    """
    fault = first_fault(staged)
    if fault is not None:
        raise UnfitBackupError(f"the back-up is damaged or cut off: {fault}")
    SqliteStore.create(staged)  # an older back-up is brought to this version, a newer one is refused
    held = contents_of(staged)
    memory = None if head is not None else read_state(places.signer_state)
    remembered = 0 if memory is None else memory.size
    if remembered > held.records:
        raise _older(held, remembered)
    copy = Places(staged, places.keys)
    report = run_verify(copy, deep=True)
    _require_fine(report)
    seen = None if head is None else _seen(head, copy, held)
    SqliteStore(staged).close()  # the last one to close folds the write-ahead log into the one file
    return Restored(held, seen.size if seen is not None else remembered, head is not None), seen, report


def _older(held: Contents, remembered: int) -> UnfitBackupError:
    first, last = held.records, remembered - 1
    lost = f"Record {first}" if first == last else f"Records {first} to {last}"
    return UnfitBackupError(
        f"the back-up is older than this log: it ends at record {first - 1}, and the signer has signed {remembered} "
        f"records\n{_LOST.format(lost=lost)}\n{_WHAT_NOW}"
    )


def _require_fine(report: Report) -> None:
    """Refuse all but a whole ledger. A tail that was sealed and not signed yet is no fault: `serve` signs it."""
    if report.exit_code == EXIT_TAMPER:
        raise UnfitBackupError("\n".join(("the back-up does not verify", *report.lines()[:-2])))
    tail = report.counts.get("unsigned", 0)  # its seal was checked with everything else (``deep``)
    if report.exit_code and len(report.incomplete) > bool(tail):
        why = "; ".join(report.incomplete) or report.lines()[0]
        raise UncheckedBackupError(f"the back-up could not be checked as a whole: {why}")


def _seen(head: Path, copy: Places, held: Contents) -> Checkpoint:
    """Return the newest head that is known: the one brought from outside, or that of the back-up if it goes further."""
    report = run_verify(copy, since=head)
    if any(finding.cls == "rollback" for finding in report.findings):
        raise _older(held, open_checkpoint(head.read_bytes(), held.origin, [load_key(copy.log_key).verifier]).size)
    _require_fine(report)
    key = load_key(copy.log_key).verifier
    with contextlib.closing(SqliteStore(copy.file, writing=False)) as store, store.read() as reader:
        notes = [head.read_bytes(), *([note] if (note := reader.note()) is not None else [])]
    return max((open_checkpoint(note, held.origin, [key]) for note in notes), key=lambda one: one.size)
