"""How a test run is divided between its processes: by file, and everything that needs the Neo4j of the run in one.

The tests of a file share what it sets up, and one Neo4j is enough for a run (tests/graphdb). The process that has those
tests has the longest part, so it gets them first.
"""

from xdist.scheduler import LoadScopeScheduling

_ON_NEO4J = ("tests/conformance/", "tests/unit/graphdb/", "tests/properties/test_stores_agree.py", "neo4j")
"""What stands in the path of a file whose tests ask for the Neo4j of the run."""


class Division(LoadScopeScheduling):  # type: ignore[misc]  # xdist says nothing of its types
    """Hands out files, and the files of Neo4j together."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return "neo4j" if any(part in path for part in _ON_NEO4J) else path
