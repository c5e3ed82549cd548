import json
import re
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lineage_service.evidence.state_root import state_root
from lineage_service.ledger.signer import SignerLock
from lineage_service.recorder.installation import Installation, Places
from lineage_service.store.sqlite import SqliteStore
from tests.ledgers import reseal
from tests.served import free_port
from tests.unit.cli.conftest import Command

DATABASE = Path("lineage-data/lineage.db")
KEYS = Path("lineage-data/keys")


@pytest.fixture
def initialised(alone: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run commands beside a fresh installation whose service is down."""
    monkeypatch.setenv("LINEAGE_URL", f"http://127.0.0.1:{free_port()}")
    ended = alone("init")
    assert ended.code == 0, ended.err
    return alone


def root() -> bytes:
    store = SqliteStore(DATABASE, writing=False)
    try:
        with store.read() as reader:
            return state_root(reader, reader.head().size - 1)
    finally:
        store.close()


def alter(*statements: str) -> None:
    with sqlite3.connect(DATABASE) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_init_prints_the_token_alone_and_tells_the_rest_aside(alone: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_ORIGIN", "lineage.example.org/prod")
    ended = alone("init")
    assert ended.code == 0
    assert re.fullmatch(r"lin_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n", ended.out)
    said = " ".join(ended.err.split())
    assert re.search(r"A new log is open: lineage\.example\.org/prod/[0-9a-f]{6} ", said)
    assert f"Now move {KEYS}/root.key to another machine" in said
    assert re.search(r"  lineage\.example\.org/prod/[0-9a-f]{6}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\n", ended.err)
    assert "Next: lineage serve" in said
    assert ended.out.strip() not in ended.err
    assert {stat.S_IMODE(path.stat().st_mode) for path in KEYS.iterdir()} <= {0o600, 0o644}
    assert stat.S_IMODE((KEYS / "log.key").stat().st_mode) == 0o600


def test_init_never_writes_over_a_log(initialised: Command) -> None:
    before = {path: path.read_bytes() for path in KEYS.iterdir()}
    ended = initialised("init")
    assert (ended.code, ended.out) == (64, "")
    assert "holds a log already" in ended.err
    assert {path: path.read_bytes() for path in KEYS.iterdir()} == before


@pytest.mark.parametrize("verb", ["init", "migrate", "rebuild", "serve"])
def test_a_verb_that_writes_refuses_beside_a_running_service(initialised: Command, verb: str) -> None:
    with SignerLock(Places(DATABASE, KEYS).signer_state):
        ended = initialised(verb)
    assert (ended.code, ended.out) == (69, "")
    assert "another signer is running" in ended.err


@pytest.mark.parametrize("verb", ["migrate", "rebuild", "serve", "verify"])
def test_where_there_is_no_ledger_the_verb_says_how_to_make_one(alone: Command, verb: str) -> None:
    ended = alone(verb)
    assert ended.code == 69
    assert "there is no ledger" in ended.err or "signer's memory" in ended.err
    assert not DATABASE.exists()


def test_migrate_twice_does_nothing(initialised: Command) -> None:
    assert "Nothing to do" in initialised("migrate").out


def test_a_graph_of_an_older_language_is_not_served_until_it_is_rebuilt(initialised: Command) -> None:
    alter("UPDATE head SET fold_version = fold_version - 1")
    reseal(Places(DATABASE, KEYS))
    refused = initialised("serve")
    assert refused.code == 69
    assert "lineage rebuild" in refused.err
    assert initialised("rebuild").code == 0
    installation = Installation(Places(DATABASE, KEYS), SqliteStore(DATABASE))
    installation.close()
    assert initialised("verify", "--deep").code == 0


def test_rebuild_does_not_bless_a_head_that_somebody_else_moved(initialised: Command) -> None:
    alter("UPDATE head SET time = time + 1")
    refused = initialised("rebuild")
    assert refused.code == 1
    assert "nothing was changed" in refused.err


def test_rebuild_puts_back_what_the_ledger_says_and_leaves_the_rest_alone(initialised: Command) -> None:
    good = root()
    alter("UPDATE point SET seq = 0", "DELETE FROM property")
    assert root() != good
    assert initialised("verify", "--deep").code == 1
    ended = initialised("rebuild")
    assert ended.code == 0, ended.err
    assert root() == good
    assert initialised("verify", "--deep").code == 0
    assert [path.name for path in DATABASE.parent.iterdir() if "rebuilding" in path.name] == []


def test_a_broken_ledger_is_not_rebuilt(initialised: Command) -> None:
    alter("DROP TRIGGER record_keeps_what_it_holds", "UPDATE record SET body = CAST(body || ' ' AS BLOB) WHERE seq = 1")
    before = root()
    ended = initialised("rebuild")
    assert ended.code == 1
    assert "record 1 is missing or altered" in ended.err
    assert root() == before


def test_verify_tells_by_its_code_what_it_found(initialised: Command, tmp_path: Path) -> None:
    fine = initialised("verify")
    assert (fine.code, fine.err) == (0, "")
    assert "Nothing wrong was found" in fine.out
    assert json.loads(initialised("verify", "--deep", "--json").out)["level_name"] == "SIGNED"
    (KEYS / "log.key").rename(tmp_path / "elsewhere")
    assert initialised("verify", "--level", "2").code == 3
    assert initialised("verify", "--trust", "nothing.vkey").code == 65
    assert initialised("verify", "--level", "none").code == 64
    alter("DROP TRIGGER record_keeps_all", "DELETE FROM record WHERE seq = 2")
    tampered = initialised("verify")
    assert tampered.code == 1
    assert "TAMPERING PROVEN" in tampered.out


def broken(place: str) -> Callable[[], None]:
    breaks: dict[str, Callable[[], None]] = {
        "open key": lambda: (KEYS / "vault.key").chmod(0o644),
        "open folder": lambda: KEYS.chmod(0o755),
        "no key": (KEYS / "id.key").unlink,
        "no ledger": DATABASE.unlink,
        "clock": lambda: alter("UPDATE head SET time = time + 3600000000"),
        "older": lambda: alter("UPDATE head SET size = size - 1"),
    }
    return breaks[place]


@pytest.mark.parametrize(
    ("place", "code", "said", "mend"),
    [
        ("open key", 2, "vault.key is open to other users", "ls -l"),
        ("open folder", 2, "is open to other users", "chmod 700"),
        ("no key", 2, "id.key", "ls -l"),
        ("no ledger", 2, "there is no ledger", "lineage init"),
        ("clock", 2, "behind the last record", "set-ntp"),
        ("older", 1, "an older database was restored", "lineage verify"),
    ],
)
def test_doctor_finds_what_is_wrong_and_the_command_that_mends_it(
    initialised: Command, place: str, code: int, said: str, mend: str
) -> None:
    broken(place)()
    ended = initialised("doctor")
    assert ended.code == code, ended.out
    found = " ".join(line for line in ended.out.split("\n") if line)
    assert said in " ".join(found.split())
    assert mend in found


def test_doctor_finds_nothing_wrong_with_a_fresh_installation(initialised: Command) -> None:
    ended = initialised("doctor", "--json")
    assert ended.code == 0
    notes = [one["what"] for one in json.loads(ended.out) if one["how"] != "good"]
    assert len(notes) == 3
    assert "root.key is still on this machine" in notes[0]
    assert "nothing tells of a verification" in notes[1]
    assert "no service answers" in notes[2]


def test_doctor_names_the_setting_that_was_meant(initialised: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN_FIEL", "x")
    monkeypatch.setenv("LINEAGE_PORT_8765_TCP_ADDR", "10.0.0.1")
    ended = initialised("doctor")
    assert ended.code == 2
    assert "did you mean LINEAGE_TOKEN_FILE?" in ended.out
    assert "TCP_ADDR" not in ended.out


def test_a_setting_that_cannot_be_used_is_named(alone: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_LISTEN", "here")
    ended = alone("init")
    assert (ended.code, ended.out) == (64, "")
    assert "LINEAGE_LISTEN" in ended.err
    assert alone("doctor").code == 2


def test_the_version_is_printed_alone(alone: Command) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", alone("--version").out)


def test_without_a_verb_the_verbs_are_listed(alone: Command) -> None:
    ended = alone()
    assert (ended.code, ended.out) == (64, "")
    files = ("init", "serve", "verify", "doctor", "rebuild", "copy")
    for verb in (*files, "ask", "collect", "record", "token", "source", "role"):
        assert f"\n  {verb} " in ended.err
