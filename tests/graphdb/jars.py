"""Neo4j Community as Maven serves it: a folder of jars, every one checked against a digest that stands in this tree.

`mvn` is run as it is on the PATH, with the settings, mirrors and proxies of whoever runs the tests. The folder is made
under another name and renamed when it is whole, under a lock, so that of two runs one fetches and the other waits; and
it is checked again before each use, so that a half download and a changed jar are refused.
`python -m tests.graphdb.jars` fetches without starting anything.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.graphdb.address import NoNeo4jError, SpoiledJarsError

VERSION = "5.26.30"
CACHE = "LINEAGE_TEST_NEO4J_CACHE"
"""Name of the variable that says in which folder the jars are kept."""

_HERE = Path(__file__).parent
_DIGESTS = _HERE / f"neo4j-{VERSION}.sha256"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_MAVEN_SECONDS = 1200
_NO_MAVEN = "there is no `mvn` on the PATH to fetch Neo4j with: install Maven 3.6.3 or later"


def digests() -> dict[str, str]:
    """Return the SHA-256 of every jar by its name, as `sha256sum` wrote them."""
    return {name: digest for digest, name in map(str.split, _DIGESTS.read_text(encoding="ascii").splitlines())}


def cache_folder() -> Path:
    """Return the folder of the jars, which may not be there yet."""
    if named := os.environ.get(CACHE):
        return Path(named).absolute()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "lineage-service" / f"neo4j-{VERSION}"


def jars() -> Path:
    """Return the folder of all jars, fetched if need be and checked.

    Raises:
        NoNeo4jError: they are not here, and Maven is missing or could not fetch them.
        SpoiledJarsError: the folder is not what it should be.
    """
    folder = cache_folder()
    if not folder.exists():
        _fetch(folder)
    require_whole(folder, digests())
    return folder


def require_whole(folder: Path, expected: Mapping[str, str]) -> None:
    """Refuse a folder in which a file is missing, differs, or is one too many; `expected` are digests by name."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise SpoiledJarsError(
            f"{len(wrong)} jars of Neo4j {VERSION} are missing from {folder}, are others than they should be, or do "
            f"not belong there: {wrong[0]} is one. Nothing was started. Delete that folder, and it is fetched again."
        )


def _fetch(folder: Path) -> None:
    if shutil.which("mvn") is None:
        raise NoNeo4jError(_NO_MAVEN)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():  # else another run fetched while this one waited
            _assemble(folder)


def _assemble(folder: Path) -> None:
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _run_maven(part)
        require_whole(part, digests())
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part)
        raise


def _run_maven(part: Path) -> None:
    command = ["mvn", "--batch-mode", "--no-transfer-progress", "--file", str(_HERE / "pom.xml"), _COPY]
    command += [f"-Dneo4j.version={VERSION}", "-DincludeScope=runtime", f"-DoutputDirectory={part}"]
    ran = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=_MAVEN_SECONDS, check=False,
    )  # fmt: skip
    if ran.returncode:
        last = "\n".join(ran.stdout.splitlines()[-12:])
        raise NoNeo4jError(f"Maven could not fetch Neo4j {VERSION} and ended with {ran.returncode}:\n{last}")


if __name__ == "__main__":
    print(jars())
