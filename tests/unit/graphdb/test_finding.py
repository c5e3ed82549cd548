"""The order of the ways to a Neo4j, and what each of them refuses."""

from pathlib import Path

import pytest
from neo4j.exceptions import ServiceUnavailable

from tests.graphdb.address import Address, FullDatabaseError, NoNeo4jError
from tests.graphdb.finding import PASSWORD, URL, USER, find, in_a_container
from tests.graphdb.wiping import wipe_with_schema

NOTHING_LEFT = "RETURN COUNT { (n) } AS many"


@pytest.fixture
def without_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure that no Docker daemon answers, whether this machine has one or not."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")


@pytest.fixture
def named(graph_server: Address) -> dict[str, str]:
    """Give the variables that name an empty database."""
    wipe_with_schema(graph_server)
    return {URL: graph_server.url, USER: graph_server.user, PASSWORD: graph_server.password}


def test_a_given_server_is_taken_before_all_others_and_is_empty_at_the_end(named: dict[str, str]) -> None:
    found = find(named)
    assert found.way == "given"
    assert (found.address.url, found.address.user) == (named[URL], named[USER])
    found.address.answer("CREATE CONSTRAINT one FOR (n:Record) REQUIRE n.seq IS UNIQUE")
    found.address.answer("CREATE (:Record {seq: 1})")
    found.end()
    assert found.address.answer(NOTHING_LEFT) == [{"many": 0}]
    assert find(named).way == "given"


@pytest.mark.parametrize(
    "left",
    ["CREATE (:Payroll)", "CREATE CONSTRAINT one FOR (n:Payroll) REQUIRE n.id IS UNIQUE"],
    ids=["a node", "a constraint"],
)
def test_a_given_database_that_holds_something_is_refused_and_left_alone(
    graph_server: Address, named: dict[str, str], left: str
) -> None:
    graph_server.answer(left)
    with pytest.raises(FullDatabaseError, match="nothing was touched"):
        find(named)
    with pytest.raises(FullDatabaseError):
        find(named)
    wipe_with_schema(graph_server)


def test_a_given_server_that_does_not_answer_is_an_error_and_no_reason_to_take_another() -> None:
    with pytest.raises(ServiceUnavailable):
        find({URL: "bolt://127.0.0.1:1"})


@pytest.mark.usefixtures("without_docker")
def test_without_a_daemon_there_is_no_container() -> None:
    with pytest.raises(NoNeo4jError, match="no Docker daemon answers"):
        in_a_container()


@pytest.mark.usefixtures("without_docker", "real_jars")
def test_without_a_daemon_one_of_our_own_is_started_and_gone_at_the_end() -> None:
    found = find({})
    assert found.way == "maven"
    assert found.address.answer(NOTHING_LEFT) == [{"many": 0}]
    found.end()
    with pytest.raises(ServiceUnavailable):
        found.address.answer(NOTHING_LEFT)


@pytest.mark.usefixtures("without_docker", "program")
def test_where_no_way_applies_each_says_why() -> None:
    with pytest.raises(NoNeo4jError, match=r"(?s)LINEAGE_TEST_NEO4J_URL is not set.*Docker.*install Java 17 or 21"):
        find({})
