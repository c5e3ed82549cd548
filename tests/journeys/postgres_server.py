"""A PostgreSQL of a test's own, from the programs of the machine: a folder, a port of loopback, a password in a file.

What the image `postgres` makes of its three variables is made here: a superuser with a password, which must be given
over TCP, and an empty database. PostgreSQL refuses to run as root, so root runs it as somebody without rights.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.journeys.mlflow_server import free_port

_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 60.0
_MISSING: Final = """\
there is no PostgreSQL on this machine (initdb in /usr/lib/postgresql/*/bin or on the PATH), where MLflow of the stack
keeps its tables: `apt-get install --no-install-recommends postgresql` brings one; it does not have to run."""
# What is lost when the machine stops is nobody's.
_QUICK: Final = ("-c", "fsync=off", "-c", "full_page_writes=off")


def programs() -> Path:
    """Return the folder of initdb and postgres, the newest if there are several; the test fails if there is none."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(packaged[-1]) if packaged else shutil.which("initdb")
    if found is None:
        pytest.fail(_MISSING, pytrace=False)
    return Path(found).resolve().parent


@contextmanager
def postgresql(*, user: str, database: str, password_file: Path) -> Iterator[int]:
    """Run a server with this superuser and this empty database until the block ends; give its port."""
    password = password_file.read_text().strip()
    with tempfile.TemporaryDirectory(prefix="lineage-postgres-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        _make_cluster(folder, user, password)
        process = _start(folder, port)
        try:
            _make_database(folder, port, database, {"PGUSER": user, "PGPASSWORD": password})
            yield port
        finally:
            process.send_signal(signal.SIGINT)  # whoever is still connected is not waited for
            process.wait(30)


def _somebody() -> list[str]:
    """Give the words before a command of PostgreSQL: who runs it, and that it ends with this process."""
    leash = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid():
        return leash
    owner = _without_rights()
    return [*leash, "--reuid", str(owner.pw_uid), "--regid", str(owner.pw_gid), "--clear-groups"]


def _without_rights() -> pwd.struct_passwd:
    names = {account.pw_name for account in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


def _make_cluster(folder: Path, user: str, password: str) -> None:
    file = folder / "password"
    file.touch(mode=0o600)
    file.write_text(password)
    if not os.geteuid():
        owner = _without_rights()
        for path in (folder, file):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    command = [str(programs() / "initdb"), "--pgdata", str(folder / "data"), "--username", user, "--no-sync"]
    command += ["--pwfile", str(file), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"]
    _run(command, folder, {})
    file.unlink()


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [str(programs() / "postgres"), "-D", str(folder / "data"), "-p", str(port), *_QUICK]
    command += ["-c", f"listen_addresses={_HOST}", "-c", "unix_socket_directories="]
    with (folder / "postgres.log").open("wb") as log:
        return subprocess.Popen([*_somebody(), *command], cwd=folder, env=_environment({}), stdout=log, stderr=log)


def _make_database(folder: Path, port: int, database: str, account: Mapping[str, str]) -> None:
    """Make the database as soon as the server takes connections."""
    deadline = time.monotonic() + _START_SECONDS
    where = ["--host", _HOST, "--port", str(port)]
    ready = [str(programs() / "pg_isready"), "--quiet", *where]
    while subprocess.run(ready, env=_environment({}), check=False).returncode:
        assert time.monotonic() < deadline, (folder / "postgres.log").read_text()
        time.sleep(0.1)
    _run([str(programs() / "createdb"), *where, "--no-password", database], folder, account)


def _run(command: list[str], folder: Path, account: Mapping[str, str]) -> None:
    ended = subprocess.run(
        [*_somebody(), *command], cwd=folder, env=_environment(account), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _environment(account: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": f"{programs()}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **account}
