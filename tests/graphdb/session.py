"""One Neo4j for a whole test run, started when the first test asks for it and ended with the run, however that ends.

An exit, an error and Ctrl-C end it here; when the run is killed, the kernel (leash.py) or the reaper of testcontainers
does. A server that was given is not ended but emptied.
"""

import atexit
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.graphdb.address import Address, NoNeo4jError
from tests.graphdb.finding import QUICK_JVM, QUICK_SETTINGS, find
from tests.graphdb.process import Neo4jProcess

REQUIRE = "LINEAGE_REQUIRE_NEO4J"
"""Name of the flag that turns a missing Neo4j from a skip into a failure."""

# tests/conftest.py lets a run pass that was skipped with this sentence, and names what did not run; no other place may
# say it (tests/architecture/test_skips.py).
SENTENCE = "no genuine Neo4j for the tests"
_HOW = f"""{SENTENCE}. Nothing about the Neo4j store was checked. Why:
{{reasons}}
To have one, do one of these (tests/graphdb/README.md): install Java 17 or 21 and Maven; start a Docker daemon; or set
LINEAGE_TEST_NEO4J_URL, LINEAGE_TEST_NEO4J_USER and LINEAGE_TEST_NEO4J_PASSWORD to an empty database."""


class _Run:
    """What this run found, once it has looked."""

    def __init__(self) -> None:
        self._found: Address | Exception | None = None

    def server(self) -> Address:
        """Look on the first call, and give or raise the same from then on."""
        if self._found is None:
            self._found = self._look()
        if isinstance(self._found, Exception):
            raise self._found.with_traceback(None)
        return self._found

    def _look(self) -> Address | Exception:
        try:
            found = find(os.environ)
        except Exception as error:  # noqa: BLE001  it is raised again by every call, and a second look costs minutes
            return error
        atexit.register(found.end)
        return found.address


_run = _Run()


def running_server() -> Address:
    """Return the Neo4j of this run; without one, skip the test that asks, or fail it if one is required.

    What it holds is what the last test left: see `wiping`. Any error but a missing server is raised as it is.
    """
    try:
        return _run.server()
    except NoNeo4jError as error:
        skip_or_fail(error)


@contextlib.contextmanager
def server_to_break(folder: Path, *, heap: str = "1g", page_cache: str = "256m") -> Iterator[Neo4jProcess]:
    """Give a test a started server of its own, which it may kill and restart; always from Maven, never a given one."""
    server = Neo4jProcess(folder, heap=heap, page_cache=page_cache, settings=QUICK_SETTINGS, jvm=QUICK_JVM)
    try:
        server.start()
        yield server
    except NoNeo4jError as error:
        skip_or_fail(error)
    finally:
        server.kill()


def skip_or_fail(error: NoNeo4jError) -> NoReturn:
    """Fail the test that asks if a Neo4j is required, else skip it; say why there is none and how to get one."""
    said = _HOW.format(reasons=error)
    if os.environ.get(REQUIRE, "") not in ("", "0"):
        pytest.fail(f"{said}\n{REQUIRE} is set: this is a failure.", pytrace=False)
    pytest.skip(said)
