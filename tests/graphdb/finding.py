"""The ways to a genuine Neo4j, in their order: one that is given, one in a container, one of our own from Maven.

The first that applies is taken, and what goes wrong with it from there on is an error, never a reason to try the next:
a given server that does not answer is not replaced by another that does. Only what is not there falls through: no
address, no Docker daemon, no Java, no Maven. The names of the variables are in README.md.
"""

import gc
import secrets
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from docker.errors import DockerException
from testcontainers.community.neo4j import Neo4jContainer

from tests.graphdb.address import Address, FullDatabaseError, NoNeo4jError
from tests.graphdb.process import Neo4jProcess
from tests.graphdb.wiping import wipe_with_schema

URL = "LINEAGE_TEST_NEO4J_URL"
USER = "LINEAGE_TEST_NEO4J_USER"
PASSWORD = "LINEAGE_TEST_NEO4J_PASSWORD"
IMAGE = "neo4j:5.26-community"

QUICK_JVM = ["-XX:TieredStopAtLevel=1"]
"""Options for a server of a test run, which would spend most of its time compiling: so it starts a third sooner."""

QUICK_SETTINGS = ["db.tx_log.preallocate=false", "dbms.cypher.min_replan_interval=10h"]
"""Settings for the same: a database that goes from empty to full with every test would have its statements planned anew
again and again."""

_HOLDS_NODES = "RETURN EXISTS { (n) } AS holds"
_CONSTRAINTS = "SHOW CONSTRAINTS YIELD name RETURN count(name) > 0 AS holds"


@dataclass(frozen=True, slots=True)
class Found:
    """A running server, in one word how it was found, and what ends it when the tests are over."""

    address: Address
    way: str
    end: Callable[[], None]


def find(environment: Mapping[str, str]) -> Found:
    """Return a running server that holds nothing, by the first way that applies.

    Raises:
        NoNeo4jError: no way applies; the message says why for each.
        FullDatabaseError: one was given that holds something.
        Exception: the way that applies failed, in its own words.
    """
    if environment.get(URL):
        return given(environment)
    reasons = []
    for way in (in_a_container, of_our_own):
        try:
            return way()
        except NoNeo4jError as error:
            reasons.append(str(error))
    raise NoNeo4jError("\n".join([f"{URL} is not set", *reasons]))


def given(environment: Mapping[str, str]) -> Found:
    """Return the server that the environment names. It is emptied by the tests, so it must be empty before."""
    address = Address(environment[URL], environment.get(USER) or "neo4j", environment.get(PASSWORD, ""))
    if any(address.answer(question)[0]["holds"] for question in (_HOLDS_NODES, _CONSTRAINTS)):
        raise FullDatabaseError(
            f"the database at {address.url} ({URL}) holds nodes or constraints. Tests delete all "
            "they find, so they take an empty database only; nothing was touched. Give an empty one, or, if an "
            "interrupted test run left this behind, empty it: MATCH (n) DETACH DELETE n, and drop the constraints."
        )
    return Found(address, "given", lambda: wipe_with_schema(address))


def in_a_container() -> Found:
    """Start Neo4j in a container, if a Docker daemon answers. testcontainers sees to it that it never outlives us."""
    container = _container()
    container.start()
    url = container.get_connection_url()
    return Found(Address(url, container.username, container.password), "container", container.stop)


def of_our_own() -> Found:
    """Start Neo4j from the jars that Maven fetched, in a temporary folder."""
    folder = tempfile.TemporaryDirectory(prefix="lineage-neo4j-")
    server = Neo4jProcess(Path(folder.name), settings=QUICK_SETTINGS, jvm=QUICK_JVM)
    try:
        server.start()
    except BaseException:
        folder.cleanup()
        raise

    def end() -> None:
        server.stop()
        folder.cleanup()

    return Found(server.address, "maven", end)


def _container() -> Neo4jContainer:
    with warnings.catch_warnings():
        # Without a daemon the client forgets to close its socket: that is collected here, where it fails no test.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return Neo4jContainer(IMAGE, password=secrets.token_urlsafe(24), username="neo4j")
        except DockerException as error:
            reason = f"no Docker daemon answers ({error})"
        gc.collect()
    raise NoNeo4jError(reason)
