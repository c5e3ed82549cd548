"""A clean log per test: everything out of the database, quickly, with or without what the schema says.

Deleting is done in batches, because one transaction has to fit into the heap of a small server.
"""

from tests.graphdb.address import Address

_DELETE_RELATIONSHIPS = "MATCH ()-[r]->() CALL (r) { DELETE r } IN TRANSACTIONS OF 20000 ROWS"
_DELETE_NODES = "MATCH (n) CALL (n) { DELETE n } IN TRANSACTIONS OF 20000 ROWS"
_CONSTRAINTS = "SHOW CONSTRAINTS YIELD name RETURN collect(name) AS names"
# The two look-up indexes come with every database, an empty one too: without them each MATCH reads the whole store.
_INDEXES = "SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN collect(name) AS names"
_DROP_CONSTRAINT = "DROP CONSTRAINT $name"
_DROP_INDEX = "DROP INDEX $name"


def wipe(server: Address) -> None:
    """Delete every node and relationship; constraints and indexes stay."""
    with server.driver() as driver, driver.session(database=server.database) as session:
        session.run(_DELETE_RELATIONSHIPS).consume()
        session.run(_DELETE_NODES).consume()


def wipe_with_schema(server: Address) -> None:
    """Delete every node and relationship, every constraint and every index: the database is as good as new."""
    wipe(server)
    with server.driver() as driver, driver.session(database=server.database) as session:
        for find, drop in ((_CONSTRAINTS, _DROP_CONSTRAINT), (_INDEXES, _DROP_INDEX)):
            for name in session.run(find).single(strict=True)["names"]:
                session.run(drop, name=name).consume()
