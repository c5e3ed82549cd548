"""A server of our own: what survives a kill, what nobody can read, and what is said when it cannot start."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.graphdb.address import Neo4jStartError, NoNeo4jError
from tests.graphdb.process import Neo4jProcess
from tests.graphdb.session import server_to_break
from tests.unit.graphdb.conftest import Program

LEASH = Path(sys.modules[Neo4jProcess.__module__].__file__ or "").with_name("leash.py")


def test_a_killed_server_comes_back_on_the_same_port_with_every_committed_node(tmp_path: Path) -> None:
    with server_to_break(tmp_path, heap="512m", page_cache="64m") as server:
        before = server.address
        before.answer("CREATE (:Record {seq: 1})")
        server.kill()
        assert not server.running
        server.restart()
        assert server.address == before
        assert server.address.answer("MATCH (r:Record) RETURN r.seq AS seq") == [{"seq": 1}]
        require_unseen(server.address.password, tmp_path)
        server.stop()
        assert "Stopped." in server.last_words


def require_unseen(password: str, folder: Path) -> None:
    """Require that a password stands in no file of the server and on no command line of this machine."""
    shown = subprocess.run(["ps", "axww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert str(folder) in shown
    assert password not in shown
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if password.encode() in path.read_bytes()] == []


@pytest.mark.usefixtures("real_jars")
def test_a_server_that_ends_while_it_starts_is_told_with_its_last_words(tmp_path: Path) -> None:
    server = Neo4jProcess(tmp_path, heap="256m", settings=["server.nonsense=1"])
    with pytest.raises(Neo4jStartError, match=r"ended with 1; it said last:\n(?s:.*)server\.nonsense"):
        server.start()
    assert not server.running


def test_what_was_never_started_can_be_stopped_and_killed(tmp_path: Path) -> None:
    server = Neo4jProcess(tmp_path)
    server.stop()
    server.kill()
    assert not server.running


@pytest.mark.usefixtures("program")
def test_without_java_the_sentence_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(NoNeo4jError, match="install Java 17 or 21"):
        Neo4jProcess(tmp_path).start()


def test_another_java_is_refused_by_its_version(tmp_path: Path, program: Program) -> None:
    program("java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    with pytest.raises(NoNeo4jError, match=r'needs Java 17 or 21.*"11\.0\.2"'):
        Neo4jProcess(tmp_path).start()


def test_an_address_never_shows_its_password(tmp_path: Path) -> None:
    address = Neo4jProcess(tmp_path).address
    assert len(address.password) >= 32
    assert address.password not in repr(address)


if sys.platform == "linux":

    def test_what_hangs_on_the_leash_ends_when_its_starter_is_killed() -> None:
        start = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", start, sys.executable, str(LEASH), "sleep", "600"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
            assert starter.stdout is not None
            held = int(starter.stdout.readline())
            wait_for(held, b"sleep\x00600\x00")
            starter.send_signal(signal.SIGKILL)
        wait_for(held, b"")

    def wait_for(process: int, arguments: bytes) -> None:
        """Wait until a process runs with these arguments; with none, until it has ended."""
        deadline = time.monotonic() + 20
        while _arguments(process) != arguments:
            assert time.monotonic() < deadline, _arguments(process)
            time.sleep(0.01)

    def _arguments(process: int) -> bytes:
        try:
            return Path(f"/proc/{process}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return b""
