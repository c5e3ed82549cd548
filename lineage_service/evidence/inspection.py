"""``run_verify``: what `lineage verify` does, on the database of this installation or on a copy of it elsewhere.

The database is opened read-only and read in one snapshot, so it may be in use; the signer's memory is read before the
snapshot is taken, so that a head signed in between is never mistaken for a rollback. Of a ledger in Neo4j a transcript
is made first, in a temporary folder, and that is judged in the same way.
"""

import contextlib
import dataclasses
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lineage_service.errors import InputError, StoreUnavailableError
from lineage_service.evidence.deep import check_deep
from lineage_service.evidence.findings import IN_NEO4J, SELF_CONSISTENT, Draft, Finding, Report
from lineage_service.evidence.heads_check import Heads, claimed_size, judge
from lineage_service.evidence.shown import Shown
from lineage_service.evidence.since import Anchored, go_on_from
from lineage_service.evidence.structure import check_neo4j_structure, is_of_this_version, neo4j_version
from lineage_service.evidence.transcript import Transcript, transcribe
from lineage_service.evidence.trust import Trust, own_trust, read_trust
from lineage_service.evidence.verify import RecordWalk, Walked
from lineage_service.ledger.errors import KeyFileError
from lineage_service.ledger.signer import SignerState, read_state
from lineage_service.ledger.tiles import TILE_WIDTH
from lineage_service.recorder.installation import Places, load_secrets
from lineage_service.recorder.payloads import Secrets
from lineage_service.store.address import Database
from lineage_service.store.opening import open_contents
from lineage_service.store.sqlite_copy import Progress
from lineage_service.store.sqlite_reader import SqliteReader

if TYPE_CHECKING:  # it needs the driver, which whoever keeps a file need not have
    from lineage_service.store.neo4j_structure import Schema

_CACHE_KIB: Final = 65_536
_MMAP_BYTES: Final = 268_435_456
_WAIT_MS: Final = 5000
_NOT_WRITABLE: Final = ("readonly database", "unable to open")
_MAX_NOTE_BYTES: Final = 1_000_000
_OF_THE_LEDGER: Final = frozenset({"edit", "insert", "tree", "checkpoint"})
_THE_REST: Final = "graph, personal values and payloads"


def run_verify(
    places: Places,
    *,
    deep: bool = False,
    trust: Path | None = None,
    level: int = SELF_CONSISTENT,
    since: Path | None = None,
    progress: Progress = lambda _part: None,
    stopwatch: Callable[[], float] = time.monotonic,
) -> Report:
    """Verify the ledger at ``places`` and report; the keys folder may be missing, as with a copy of the database alone.

    Args:
        places: the database, and the folder with keys and the signer's memory.
        deep: also compare graph, vault and payloads with the records.
        trust: a trust file from outside (see ``trust``); else the installation's own log key, else the genesis.
        level: the level asked for; a lower one gives exit code 3.
        since: a checkpoint of this log held elsewhere; only records after it are read.
        progress: told how much of a ledger in Neo4j is copied, from 0 to 1.
        stopwatch: gives seconds, for the duration in the report.

    Raises:
        InputError: if the trust file or the checkpoint cannot be used.
        StoreUnavailableError: if there is no ledger at ``places``, or it cannot be read now.
    """
    started = stopwatch()
    if deep and since is not None:
        raise InputError("--deep reads every record: leave out --since", field="since")
    given = read_trust(trust) if trust is not None else own_trust(places.log_key)
    held = _read_note(since) if since is not None else None
    draft = Draft(trust=list(given.said))
    memory, memory_unread = _signer_memory(places)
    reached = 0
    try:
        with _opened(places.database, progress, deep=deep) as snapshot:
            verification = _Verification(snapshot, given, draft)
            reached = verification.run(memory, memory_unread, held, deep=deep, places=places)
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise StoreUnavailableError(f"the ledger cannot be read now: {error}; try again") from error
        draft.find("schema", None, "the tables of a ledger", str(error), "the database's structure was altered")
    except sqlite3.DatabaseError as error:
        draft.find("schema", None, "a database that can be read", str(error), "the file is damaged")
    return draft.report(reached, level, stopwatch() - started)


def _read_note(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_NOTE_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read the checkpoint {path}: {error.strerror}", field="since") from error


def _signer_memory(places: Places) -> tuple[SignerState | None, str | None]:
    """Return the signer's memory, or why it is not known here."""
    try:
        if not places.signer_state.exists():
            return None, f"there is no {places.signer_state}"
        return read_state(places.signer_state), None
    except (KeyFileError, OSError) as error:
        return None, str(error)


@dataclasses.dataclass(frozen=True, slots=True)
class _Snapshot:
    """One state of a ledger, in the tables of the embedded store.

    Of one in Neo4j also what did not go into the tables: faults, what stands beside them, the database's own structure.
    """

    connection: sqlite3.Connection
    transcript: Transcript | None = None
    shown: Shown | None = None
    schema: "Schema | None" = None


@contextlib.contextmanager
def _opened(database: Database, progress: Progress, *, deep: bool) -> Iterator[_Snapshot]:
    """Hold one state of a ledger, from its file, or from a server in a transcript of it."""
    if isinstance(database, Path):
        with _snapshot(database) as connection:
            yield _Snapshot(connection)
        return
    with tempfile.TemporaryDirectory(prefix="lineage-transcript-") as name, contextlib.ExitStack() as open_until:
        file = Path(name) / "lineage.db"
        shown = open_until.enter_context(contextlib.closing(Shown(Path(name) / "shown.db"))) if deep else None
        with open_contents(database) as contents:
            transcript = transcribe(contents, file, progress, everything=deep, shown=shown)
            schema = contents.schema() if deep else None
        connection = open_until.enter_context(_snapshot(file))
        yield _Snapshot(connection, transcript, shown, schema)


@contextlib.contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database read-only and hold one state of it."""
    if not path.is_file():
        raise StoreUnavailableError(f"there is no ledger at {path}: give the place of its database")
    with contextlib.closing(_open(path)) as connection:
        connection.execute("BEGIN")
        yield connection


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _connection(path, "mode=ro")
    except sqlite3.OperationalError as error:
        wal = path.with_name(f"{path.name}-wal")
        if not any(said in str(error) for said in _NOT_WRITABLE) or (wal.exists() and wal.stat().st_size):
            raise
    # Where nothing may be written, a write-ahead log cannot be opened even for reading; there is none, and no writer.
    return _connection(path, "mode=ro&immutable=1")


def _connection(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout={_WAIT_MS:d}")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB:d}")
        connection.execute(f"PRAGMA mmap_size={_MMAP_BYTES:d}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


class _Verification:
    """One verification of one snapshot."""

    def __init__(self, snapshot: _Snapshot, trust: Trust, draft: Draft) -> None:
        self._snapshot = snapshot
        self._connection = snapshot.connection
        self._reader = SqliteReader(snapshot.connection)
        self._trust = trust
        self._draft = draft

    _ROWS: Final = "SELECT seq, leaf, body FROM record WHERE seq >= ? ORDER BY seq"
    _END: Final = "SELECT coalesce(max(seq), -1) + 1 FROM record"
    _ROW: Final = "SELECT size, last, time, frontier FROM head"
    _BODY: Final = "SELECT body FROM record WHERE seq = ?"

    def run(
        self, memory: SignerState | None, memory_unread: str | None, held: bytes | None, *, deep: bool, places: Places
    ) -> int:
        """Verify, write the draft, return the level reached."""
        try:
            return self._run(memory, memory_unread, held, deep=deep, places=places)
        finally:
            if self._snapshot.transcript is not None:
                _take_faults(self._snapshot.transcript, self._draft)

    def _run(
        self, memory: SignerState | None, memory_unread: str | None, held: bytes | None, *, deep: bool, places: Places
    ) -> int:
        heads = Heads(self._reader.note(), memory, memory_unread, self._connection.execute(self._ROW).fetchone())
        anchored = None
        if held is not None:
            size = self._connection.execute(self._END).fetchone()[0]
            anchored = go_on_from(held, self._reader, size, self._trust, self._draft)
            if anchored is None:
                return 0
        walked = self._walk(heads, anchored)
        reached = judge(walked, heads, self._trust, self._draft)
        if any(finding.seq is None and finding.cls == "edit" for finding in self._draft.findings):
            self._locate()
        if self._snapshot.schema is not None:
            check_neo4j_structure(self._snapshot.schema, self._draft)
        if not deep:
            self._draft.not_verified.append(f"{_THE_REST}: `lineage verify --deep` compares them")
        elif any(finding.seq is not None for finding in self._draft.findings):
            self._draft.not_verified.append(f"{_THE_REST}: the records they rest on are broken")
        else:
            self._deep(walked, places)
        return reached

    def _walk(self, heads: Heads, anchored: Anchored | None) -> Walked:
        sizes = [claimed_size(heads.note), heads.memory.size if heads.memory else 0]
        if anchored is None:
            walk = RecordWalk(None, sizes)  # the log names itself; its genesis is then held against what is trusted
            first = 0
        else:
            walk = RecordWalk(anchored.genesis["log"], sizes, anchored.position)
            first = anchored.position.frontier.size
            self._draft.not_verified.append(f"the bytes of records 0 to {first - 1}, and ids that repeat one of theirs")
        walk.feed_all(self._connection.execute(self._ROWS, (first,)))
        walked = walk.finish(self._body)
        if anchored is not None:
            walked = dataclasses.replace(walked, genesis=anchored.genesis, genesis_leaf=anchored.genesis_leaf)
        self._report_walk(walked)
        return walked

    def _report_walk(self, walked: Walked) -> None:
        draft = self._draft
        draft.counts["records"] = walked.size - walked.first
        draft.findings.extend(walked.findings)
        if not walked.size:
            draft.incomplete.append("there is no record to verify")
        elif not walked.findings:
            draft.verified.append(
                f"records {walked.first} to {walked.size - 1}: numbers without a hole, one spelling, leaf hash, chain, "
                "times, ids"
            )
        for kind, count in sorted(walked.unsupported.items()):
            draft.incomplete.append(f"UNSUPPORTED: {count} records of a kind this version does not know ({kind})")

    def _body(self, seq: int) -> bytes | None:
        row = self._connection.execute(self._BODY, (seq,)).fetchone()
        return None if row is None else row[0]

    def _locate(self) -> None:
        """Say which record was altered, if a stored tile of the tree still remembers it."""
        number = 0
        while tile := self._reader.tile(0, number):
            leaves = self._reader.hashes(number * TILE_WIDTH, (number + 1) * TILE_WIDTH)
            for at, leaf in enumerate(leaves):
                kept = tile[at * len(leaf) : (at + 1) * len(leaf)]
                if kept != leaf:
                    self._name(number * TILE_WIDTH + at, kept, leaf)
                    return
            number += 1

    def _name(self, seq: int, kept: bytes, leaf: bytes) -> None:
        detail = "the stored tree still holds the leaf this record had; it and all after it were written anew"
        named = Finding("edit", seq, f"leaf {kept.hex()}", f"leaf {leaf.hex()}", detail)
        found = self._draft.findings
        self._draft.findings = [named if item.seq is None and item.cls == "edit" else item for item in found]

    def _deep(self, walked: Walked, places: Places) -> None:
        schema, shown = self._snapshot.schema, self._snapshot.shown
        if schema is not None and not is_of_this_version(neo4j_version(schema), self._draft):
            return
        secrets, missing = _secrets(places, walked.origin)
        with tempfile.TemporaryDirectory(prefix="lineage-verify-") as folder:
            check_deep(self._connection, Path(folder), secrets, missing, self._draft, shown)


def _take_faults(transcript: Transcript, draft: Draft) -> None:
    """Add what was found while a transcript was made; of the ledger first, because it tells why a table lacks a row."""
    for finding in reversed(transcript.faults):
        draft.findings.insert(0 if finding.cls in _OF_THE_LEDGER else len(draft.findings), finding)
    draft.not_verified += transcript.not_ours
    draft.counts |= {f"{table}_faults": count for table, count in transcript.counts.items()}
    wrong = tuple(f"{IN_NEO4J.of(table)}:" for table in transcript.counts)
    draft.verified = [text for text in draft.verified if not text.startswith(wrong)]


def _secrets(places: Places, origin: str | None) -> tuple[Secrets | None, str | None]:
    if origin is None:
        return None, "the log has no name"
    try:
        return load_secrets(places, origin), None
    except KeyFileError as error:
        return None, str(error)
