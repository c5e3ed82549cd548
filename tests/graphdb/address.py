"""Where a Neo4j answers, and how a test that cannot have one, or whose own one is ill, is told so.

    RuntimeError
      NoNeo4jError         this machine has no way to one; the message says what is missing and how to get it
      Neo4jStartError      a server was started and did not come to answer; ends with its last words
      Neo4jStopError       a server did not end when it was asked to, and was killed
      SpoiledJarsError     the cache of jars is not what it should be
      FullDatabaseError    a database that was given to the tests holds something, which they would delete
"""

from dataclasses import dataclass, field
from typing import Any

import neo4j


class NoNeo4jError(RuntimeError):
    """This machine has no way to a Neo4j; the message says what is missing and how to get it."""


class Neo4jStartError(RuntimeError):
    """A server did not come to answer; the message ends with what it said last."""


class Neo4jStopError(RuntimeError):
    """A server did not end when it was asked to, and was killed."""


class SpoiledJarsError(RuntimeError):
    """A jar is missing from the cache, is another one than it should be, or should not be there."""


class FullDatabaseError(RuntimeError):
    """A database that was given to the tests is not empty. Nothing in it was touched."""


@dataclass(frozen=True, slots=True)
class Address:
    """A running server: where it is, who may come in, and the database that the tests use. Never shows the password."""

    url: str
    user: str
    password: str = field(repr=False)
    database: str = "neo4j"

    def driver(self) -> neo4j.Driver:
        """Return a driver that gives up soon, since the server is on this machine or near it; the caller closes it."""
        return neo4j.GraphDatabase.driver(self.url, auth=(self.user, self.password), connection_timeout=5)

    def answer(self, statement: str, **parameters: object) -> list[dict[str, Any]]:
        """Run one statement in a transaction of its own, once, and return its rows."""
        with self.driver() as driver, driver.session(database=self.database) as session:
            return session.run(statement, parameters).data()
