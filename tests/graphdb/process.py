"""A Neo4j of our own: one process from the jars, with a port, a password and a data folder that nobody else has.

For the tests when there is no Docker, and for every test that breaks a server: `kill` is SIGKILL, `restart` comes back
on the same port and data. The password is drawn at random and set over Bolt, as the manual says for a first log-in: it
stands on no command line, in no file and in no log. Settings follow the operations manual of Neo4j 5.26.
"""

import contextlib
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from neo4j.exceptions import ServiceUnavailable, SessionExpired, TransientError

from tests.graphdb.address import Address, Neo4jStartError, Neo4jStopError, NoNeo4jError
from tests.graphdb.jars import jars
from tests.graphdb.leash import leash

START_SECONDS = 180.0
STOP_SECONDS = 30.0
JAVA_VERSIONS = ("17", "21")

# Below the ports that the kernel gives to outgoing connections: while the server is down none of them takes its port.
_PORTS = range(15000, 32000)
_HOST = "127.0.0.1"
_USER = "neo4j"
_FIRST_PASSWORD = "neo4j"
_SET_PASSWORD = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
_ANSWER = "RETURN 1"
_LAST_LINES = 30

_CONF = """\
server.bolt.enabled=true
server.bolt.listen_address={host}:{port}
server.http.enabled=false
server.https.enabled=false
server.memory.pagecache.size={page_cache}
dbms.usage_report.enabled=false
internal.server.bolt.thread_pool_shutdown_wait_time=100ms
"""

_JVM = [
    "-XX:+UseG1GC",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:+DisableExplicitGC",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dlog4j2.disable.jmx=true",
    "-Dfile.encoding=UTF-8",
]


class Neo4jProcess:
    """A Neo4j server in a `folder` of its own; `address` says how to reach it while it runs.

    `heap` and `page_cache` are sizes as Java and Neo4j write them ("1g", "256m"). `settings` are further lines of
    neo4j.conf, `jvm` further options of Java. Making one starts nothing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        heap: str = "1g",
        page_cache: str = "256m",
        settings: Sequence[str] = (),
        jvm: Sequence[str] = (),
    ) -> None:
        self.folder = folder.absolute()
        self._log = self.folder / "console.log"
        self._java = [f"-Xms{heap}", f"-Xmx{heap}", *_JVM, *jvm]
        port = _free_port()
        self._conf = "\n".join([_CONF.format(host=_HOST, port=port, page_cache=page_cache), *settings, ""])
        self._process: subprocess.Popen[bytes] | None = None
        self._has_password = False
        self.address = Address(f"bolt://{_HOST}:{port}", _USER, secrets.token_urlsafe(24))

    def begin_with(self, other: "Neo4jProcess") -> None:
        """Take a copy of another server's data, and so its password, before the first start; that one must not run."""
        shutil.copytree(other.data, self.data)
        self.address = replace(self.address, password=other.address.password)
        self._has_password = True

    @property
    def data(self) -> Path:
        """The folder in which the server keeps its data."""
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """The number of the process that was started last."""
        if self._process is None:
            raise Neo4jStartError("this server was never started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there, healthy or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The last lines of what the server printed."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-_LAST_LINES:])

    def start(self) -> None:
        """Start the server, and wait until it has answered a query.

        Raises:
            NoNeo4jError: Java, or Maven to fetch the server with, is missing.
            SpoiledJarsError: the cache of jars is not what it should be.
            Neo4jStartError: the server ended, or did not answer in time; it runs no more.
        """
        if self.running:
            raise Neo4jStartError("this server is running already: nothing was started")
        command = [_java(), *self._java, "-cp", str(jars() / "*"), "org.neo4j.server.CommunityEntryPoint"]
        command += [f"--home-dir={self.folder}", f"--config-dir={self.folder / 'conf'}", "--console-mode"]
        (self.folder / "conf").mkdir(parents=True, exist_ok=True)
        (self.folder / "conf" / "neo4j.conf").write_text(self._conf, encoding="utf-8")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*leash(), *command], cwd=self.folder, env=_environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the server as an operator would, and wait for it; nothing when it is not running.

        Raises:
            Neo4jStopError: it did not end in time, and was killed.
        """
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Neo4jStopError(f"no clean end within {STOP_SECONDS:.0f} s: killed\n{self.last_words}") from None

    def kill(self) -> None:
        """End the server at once, as a crash would (SIGKILL), and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Stop the server if it runs, and start it again on the same port and the same data."""
        self.stop()
        self.start()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise Neo4jStartError(f"Neo4j ended with {process.returncode}; it said last:\n{self.last_words}")
            try:
                return self._ask()
            except (ServiceUnavailable, SessionExpired, TransientError):
                time.sleep(0.2)
        raise Neo4jStartError(f"Neo4j did not answer within {START_SECONDS:.0f} s; it said last:\n{self.last_words}")

    def _ask(self) -> None:
        if not self._has_password:
            words = {"old": _FIRST_PASSWORD, "new": self.address.password}
            first = Address(self.address.url, _USER, _FIRST_PASSWORD, "system")
            first.answer(_SET_PASSWORD, **words)
            self._has_password = True
        self.address.answer(_ANSWER)


def _free_port() -> int:
    """Return a port that was free a moment ago."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind((_HOST, port))
            return port


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home, "bin")) if home else None)
    if java is None:
        raise NoNeo4jError(f"there is no java in {home or 'the PATH'}: install Java 17 or 21, or set JAVA_HOME")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, errors="replace", check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or version[1] not in JAVA_VERSIONS:
        raise NoNeo4jError(f"Neo4j 5.26 needs Java 17 or 21, and {java} says: {told.strip() or 'nothing'}")
    return java


def _environment() -> dict[str, str]:
    """Return what the server may see: settings of ours, and of another Neo4j on this machine, are not for it."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(("LINEAGE_", "NEO4J_"))}
