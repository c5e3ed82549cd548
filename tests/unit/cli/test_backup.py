"""`lineage backup` and `restore`: what is in the file, what is refused, and that nothing is half done or set back."""

import base64
import contextlib
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.last_verdict import last_verdict
from lineage_service.ledger.keys import load_key, load_secret
from lineage_service.ledger.signer import SignerLock, read_state
from lineage_service.recorder.installation import Places
from lineage_service.store.protocol import RecordQuery
from lineage_service.store.sqlite import SqliteStore
from tests.ledgers import hostile, make_ledger, record_all, reopen, rows_of, signing_heads, varied_events
from tests.served import serving, story, version
from tests.unit.cli.conftest import Command

LINEAGE = Path(sys.executable).with_name("lineage")
ROOM = 64 * 1024


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Make a ledger whose service is down, and point the commands to it."""
    folder = tmp_path / "data"
    monkeypatch.setenv("LINEAGE_DATA_DIR", str(folder))
    return make_ledger(folder, 40)


@pytest.fixture
def backup(places: Places, alone: Command) -> Path:
    """Make a back-up of it."""
    ended = alone("backup", "made.db")
    assert ended.code == 0, ended.err
    return Path("made.db").absolute()


def lose(places: Places, into: Path) -> None:
    """Move the database away, as if its disk were gone."""
    into.mkdir()
    for path in places.file.parent.glob("lineage.db*"):
        path.rename(into / path.name)


def go_on(places: Places) -> int:
    """Let the service record more and end; return how many records there are now."""
    installation = reopen(places)
    record_all(installation, varied_events(installation, 20))
    size = installation.heads.size
    installation.close()
    return size


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_backup_of_a_running_service_is_one_state_of_it_and_stops_nobody(
    alone: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_DATA_DIR", str(tmp_path / "live"))
    with serving(tmp_path / "live") as served, served.client(served.source) as source:
        source.record_events(story())
        enough = threading.Event()

        def write() -> None:
            moves = story()[3]
            for number in range(2000):
                body = version(str(number), to="Production", ticket=f"CHG-{number}")
                source.record_events([{**moves, "body": body}])
                if enough.is_set():
                    return

        writer = threading.Thread(target=write)
        writer.start()
        ended = [alone("backup", f"made-{number}.db") for number in range(5)]
        enough.set()
        writer.join()
        assert [one.code for one in ended] == [0] * 5, ended[0].err
        final = rows_of(served.places.file)
        nowhere = tmp_path / "no-keys-here"
        sizes = []
        for number in range(5):
            file = Path(f"made-{number}.db")
            report = run_verify(Places(file, nowhere))
            assert not report.findings, report.lines()
            assert len(report.incomplete) == bool(report.counts.get("unsigned")), report.lines()
            kept = rows_of(file)
            assert kept == final[: len(kept)]
            sizes.append(len(kept))
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] <= len(final)
    assert left_in(Path()) == ["live", *(f"made-{number}.db" for number in range(5))]


def test_a_backup_is_for_its_owner_only_and_says_which_keys_are_not_in_it(
    alone: Command, places: Places, backup: Path
) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    told = alone("backup", "again.db").out
    assert "40 records, under a signed head of 40." in " ".join(told.split())
    assert "The keys are NOT in it" in told
    for name in ("log.key", "vault.key", "id.key", "root.key", "signer.state"):
        assert name in told
    content = backup.read_bytes()
    for secret in (load_secret(places.kek), load_secret(places.id_key)):
        assert secret not in content
        assert base64.b64encode(secret) not in content
    assert load_key(places.log_key)._seed not in content


def test_a_backup_never_takes_the_place_of_another_file(alone: Command, places: Places) -> None:
    Path("made.db").write_text("mine")
    ended = alone("backup", "made.db")
    assert (ended.code, ended.out) == (65, "")
    assert "never written over" in ended.err
    assert Path("made.db").read_text() == "mine"
    assert alone("backup", "nowhere/made.db").code == 65
    assert left_in(Path()) == ["data", "made.db"]


def test_without_a_ledger_there_is_nothing_to_back_up(alone: Command) -> None:
    ended = alone("backup", "made.db")
    assert ended.code == 69
    assert "there is no ledger" in ended.err
    assert left_in(Path()) == []


def test_what_was_lost_comes_back_and_goes_on(alone: Command, places: Places, backup: Path, tmp_path: Path) -> None:
    before = rows_of(places.file)
    lose(places, tmp_path / "lost")
    ended = alone("restore", "made.db")
    assert ended.code == 0, ended.err
    assert "is back at" in ended.out
    assert rows_of(places.file) == before
    assert stat.S_IMODE(places.file.stat().st_mode) == 0o600
    assert left_in(places.file.parent) == ["keys", "lineage.db", "lineage.db.verified.json"]
    assert (verdict := last_verdict(places.file)) is not None
    assert (verdict.verdict, verdict.deep) == ("fine", True)
    assert alone("verify", "--deep").code == 0
    assert go_on(places) > len(before)
    assert alone("verify", "--deep").code == 0


def test_records_that_were_sealed_and_not_signed_yet_come_back_and_are_signed_later(
    alone: Command, places: Places, tmp_path: Path
) -> None:
    installation = reopen(places)
    with signing_heads(installation)._signing:  # somebody else signs for a long time
        record_all(installation, varied_events(installation, 12))
        size = installation.heads.size
        told = alone("backup", "made.db").out
        memory = places.signer_state.read_bytes()
    installation.close()
    places.signer_state.write_bytes(memory)  # as if the process had been killed instead
    assert f"{size} records, under a signed head of 40, and {size - 40} that no signature covered" in " ".join(
        told.split()
    )
    lose(places, tmp_path / "lost")
    ended = alone("restore", "made.db")
    assert ended.code == 0, ended.err
    assert f"The last {size - 40} records are under no signature yet" in ended.out
    reopen(places).close()
    assert alone("verify", "--deep").code == 0


def test_a_ledger_is_never_restored_over(alone: Command, places: Places, backup: Path) -> None:
    before = places.file.read_bytes()
    ended = alone("restore", "made.db")
    assert (ended.code, ended.out) == (69, "")
    assert "none is ever written over" in ended.err
    assert places.file.read_bytes() == before


@pytest.mark.parametrize("tables", [False, True])
def test_an_empty_database_may_be_restored_over(alone: Command, places: Places, backup: Path, tables: bool) -> None:
    places.file.unlink()
    if tables:
        SqliteStore.create(places.file)
    else:
        places.file.touch()
    assert alone("restore", "made.db").code == 0
    assert len(rows_of(places.file)) == 40


def test_nothing_is_restored_beside_a_service(alone: Command, places: Places, backup: Path, tmp_path: Path) -> None:
    lose(places, tmp_path / "lost")
    with SignerLock(places.signer_state):
        ended = alone("restore", "made.db")
    assert (ended.code, ended.out) == (69, "")
    assert "another signer is running" in ended.err
    assert not places.file.exists()


def test_what_is_older_than_what_was_signed_is_refused_and_the_memory_is_not_set_back(
    alone: Command, places: Places, backup: Path, tmp_path: Path
) -> None:
    size = go_on(places)
    lose(places, tmp_path / "lost")
    memory = places.signer_state.read_bytes()
    ended = alone("restore", "made.db")
    assert ended.code == 1
    assert f"ends at record 39, and the signer has signed {size} records" in ended.err
    assert f"Records 40 to {size - 1}, acknowledged, would be missing" in ended.err
    assert "lineage init" in ended.err
    assert left_in(places.file.parent) == ["keys"]
    assert places.signer_state.read_bytes() == memory


@pytest.mark.parametrize("part", [0.05, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(
    alone: Command, places: Places, backup: Path, tmp_path: Path, part: float
) -> None:
    lose(places, tmp_path / "lost")
    content = backup.read_bytes()
    backup.write_bytes(content[: int(len(content) * part)])
    ended = alone("restore", "made.db")
    assert ended.code == 1, ended.err
    assert "damaged or cut off" in ended.err
    assert left_in(places.file.parent) == ["keys"]


def _edit(file: Path, *statements: str) -> None:
    with hostile(file) as connection:
        for statement in statements:
            connection.execute(statement)


def _swap_pages(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8192:12288], content[12288:16384] = content[12288:16384], content[8192:12288]
    file.write_bytes(content)


TAMPERING: dict[str, tuple[Callable[[Path], None], str]] = {
    "a record": (
        lambda file: _edit(file, "UPDATE record SET body = CAST(replace(body, 'a', 'b') AS BLOB) WHERE seq = 7"),
        "edit",
    ),
    "the end": (lambda file: _edit(file, "DELETE FROM record WHERE seq = 39"), "truncate"),
    "the graph": (lambda file: _edit(file, "UPDATE point SET seq = 1 WHERE seq > 5"), "graph"),
    "a property": (
        lambda file: _edit(file, "DELETE FROM property WHERE ord = (SELECT max(ord) FROM property)"),
        "graph",
    ),
    "a personal value": (lambda file: _edit(file, "UPDATE sealed SET ciphertext = zeroblob(64)"), "vault"),
    "the seal of the head": (lambda file: _edit(file, "UPDATE head SET mac = zeroblob(32)"), "tree"),
    "the checkpoint": (lambda file: _edit(file, "DELETE FROM note"), "checkpoint"),
    "a trigger": (
        lambda file: _edit(file, "CREATE TABLE hidden(x)", "INSERT INTO hidden VALUES ('x')"),
        "unlisted",
    ),
    "pages": (_swap_pages, "damaged"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_a_file_that_was_tampered_with_is_refused_and_named(
    alone: Command, places: Places, backup: Path, tmp_path: Path, what: str
) -> None:
    lose(places, tmp_path / "lost")
    tamper, word = TAMPERING[what]
    tamper(backup)
    before = backup.read_bytes()
    ended = alone("restore", "made.db")
    assert ended.code == 1, ended.err
    assert word in ended.err
    assert left_in(places.file.parent) == ["keys"]
    assert backup.read_bytes() == before


def test_the_backup_of_another_log_is_refused(alone: Command, places: Places, tmp_path: Path) -> None:
    other = make_ledger(tmp_path / "other", 5)
    lose(places, tmp_path / "lost")
    places.signer_state.unlink()
    places.signer_state.write_bytes(other.signer_state.read_bytes())
    ended = alone("restore", str(other.database))
    assert ended.code == 1, ended.err
    assert "key" in ended.err
    assert not places.file.exists()


@pytest.mark.parametrize("content", [b"", b"not a database, whatever its name"])
def test_a_file_that_is_no_database_is_bad_input(
    alone: Command, places: Places, tmp_path: Path, content: bytes
) -> None:
    lose(places, tmp_path / "lost")
    Path("made.db").write_bytes(content)
    assert alone("restore", "made.db").code == 65
    assert alone("restore", "none.db").code == 65
    assert not places.file.exists()


def test_without_the_keys_the_ones_that_are_needed_are_named(
    alone: Command, places: Places, backup: Path, tmp_path: Path
) -> None:
    lose(places, tmp_path / "lost")
    places.kek.rename(tmp_path / "vault.key")
    ended = alone("restore", "made.db")
    assert ended.code == 69
    assert "vault.key missing from" in ended.err
    assert not places.file.exists()


def test_a_log_that_still_waits_beside_a_lost_database_is_kept(
    alone: Command, places: Places, backup: Path, tmp_path: Path
) -> None:
    lose(places, tmp_path / "lost")
    places.file.with_name("lineage.db-wal").write_bytes(b"the last records")
    ended = alone("restore", "made.db")
    assert ended.code == 69
    assert "may hold its last records" in ended.err
    assert places.file.with_name("lineage.db-wal").read_bytes() == b"the last records"


def test_a_database_in_use_is_no_backup(alone: Command, places: Places, backup: Path, tmp_path: Path) -> None:
    lose(places, tmp_path / "lost")
    Path("made.db-wal").write_bytes(b"x")
    assert alone("restore", "made.db").code == 65


# ---------------------------------------------------------------------------------------------- the memory was lost too


def signed_head(database: Path) -> bytes:
    with contextlib.closing(SqliteStore(database, writing=False)) as store, store.read() as reader:
        note = reader.note()
    assert note is not None
    return note


@pytest.fixture
def ruined(places: Places, backup: Path, tmp_path: Path) -> Path:
    """Lose database and signer's memory; what is left are the keys, a back-up, and a head that somebody held."""
    head = Path("held.note").absolute()
    head.write_bytes(signed_head(places.file))
    lose(places, tmp_path / "lost")
    places.signer_state.rename(tmp_path / "signer.state")
    return head


def test_without_the_signers_memory_a_head_from_outside_is_asked_for(
    alone: Command, places: Places, ruined: Path
) -> None:
    ended = alone("restore", "made.db")
    assert ended.code == 69
    assert "--head FILE" in ended.err
    assert left_in(places.file.parent) == ["keys"]


def test_the_memory_begins_anew_from_a_head_that_somebody_held(alone: Command, places: Places, ruined: Path) -> None:
    ended = alone("restore", "made.db", "--head", str(ruined))
    assert ended.code == 0, ended.err
    assert "made anew from a head of 40 records" in " ".join(ended.out.split())
    state = read_state(places.signer_state)
    assert state is not None
    assert state.size == 40
    assert alone("verify", "--deep").code == 0
    assert go_on(places) > 40


def test_a_newer_head_than_the_backup_is_refused(
    alone: Command, places: Places, backup: Path, tmp_path: Path
) -> None:
    size = go_on(places)
    Path("held.note").write_bytes(signed_head(places.file))
    lose(places, tmp_path / "lost")
    places.signer_state.rename(tmp_path / "signer.state")
    ended = alone("restore", "made.db", "--head", "held.note")
    assert ended.code == 1
    assert f"the signer has signed {size} records" in ended.err
    assert left_in(places.keys) == ["id.key", "log.key", "root.key", "vault.key"]
    assert not places.file.exists()


def test_the_head_of_another_log_makes_no_memory(
    alone: Command, places: Places, ruined: Path, tmp_path: Path
) -> None:
    ruined.write_bytes(signed_head(make_ledger(tmp_path / "other", 5).file))
    assert alone("restore", "made.db", "--head", str(ruined)).code == 65
    assert not places.signer_state.exists()
    assert not places.file.exists()


def test_while_the_memory_is_here_no_head_takes_its_place(
    alone: Command, places: Places, backup: Path, tmp_path: Path
) -> None:
    Path("held.note").write_bytes(signed_head(places.file))
    lose(places, tmp_path / "lost")
    assert alone("restore", "made.db", "--head", "held.note").code == 65


# ---------------------------------------------------------------------------------------------------------- a full disk


def _no_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


@pytest.fixture
def full(places: Places, backup: Path) -> Callable[..., tuple[int, str]]:
    """Run a command on a disk on which no file may grow beyond 64 KiB."""

    def run(*arguments: str) -> tuple[int, str]:
        ended = subprocess.run(
            [LINEAGE, *arguments], capture_output=True, text=True, check=False, preexec_fn=_no_room, timeout=60
        )
        return ended.returncode, ended.stderr

    assert backup.stat().st_size > ROOM
    return run


def test_a_backup_that_finds_no_room_leaves_nothing(full: Callable[..., tuple[int, str]]) -> None:
    code, told = full("backup", "second.db")
    assert code == 69, told
    assert left_in(Path()) == ["data", "made.db"]


def test_a_restore_that_finds_no_room_leaves_nothing(
    full: Callable[..., tuple[int, str]], places: Places, tmp_path: Path, alone: Command
) -> None:
    lose(places, tmp_path / "lost")
    code, told = full("restore", "made.db")
    assert code == 69, told
    assert left_in(places.file.parent) == ["keys"]
    assert alone("restore", "made.db").code == 0


def test_the_backup_of_a_newer_version_is_refused(
    alone: Command, places: Places, backup: Path, tmp_path: Path
) -> None:
    with contextlib.closing(sqlite3.connect(backup, isolation_level=None)) as connection:
        (last,) = connection.execute("SELECT max(number) FROM migration").fetchone()
        connection.execute("UPDATE migration SET number = 99, name = '0099_later.sql' WHERE number = ?", (last,))
    lose(places, tmp_path / "lost")
    ended = alone("restore", "made.db")
    assert ended.code == 69
    assert "newer version" in ended.err
    assert left_in(places.file.parent) == ["keys"]


def test_what_a_crash_left_of_a_restore_is_in_nobodys_way(
    alone: Command, places: Places, backup: Path, tmp_path: Path
) -> None:
    lose(places, tmp_path / "lost")
    shutil.copy(backup, places.file.with_name("lineage.db.restoring"))
    places.file.with_name("lineage.db.restoring-wal").write_bytes(b"x")
    assert alone("restore", "made.db").code == 0
    with contextlib.closing(SqliteStore(places.file, writing=False)) as store, store.read() as reader:
        assert len(list(reader.records(RecordQuery()))) == 40
