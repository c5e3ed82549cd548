"""Numbered schema files of the production store, applied once, in order, never edited.

Each file holds constraints and indexes and nothing else: Neo4j never takes those and data in one transaction, so every
statement is one of its own and says ``IF NOT EXISTS``, and a file that was broken off is simply applied again. What was
applied is a node with its number and SHA-256. A file that differs from what was applied is refused: an edited migration
would give two installations of one version different schemas.
"""

from typing import Final

import neo4j

from lineage_service.errors import StoreUnavailableError
from lineage_service.store.schema_files import SchemaFile, digest_of, numbered_files, require_all, require_unedited

_OLDEST: Final = (5, 26)
_VERSION: Final = "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0]"
_APPLIED: Final = "MATCH (m:Migration) RETURN m.number, m.name, m.sha256 ORDER BY m.number"
_RECORD: Final = """
    MERGE (m:Migration {number: $number}) ON CREATE SET m.name = $name, m.sha256 = $sha256
"""
_ONLINE: Final = "CALL db.awaitIndexes(3600)"
_FAILED: Final = "SHOW INDEXES YIELD name, state WHERE state = 'FAILED' RETURN collect(name)"
_OPEN_LOG: Final = "MERGE (h:LedgerHead {log: 'main'}) ON CREATE SET h.size = 0"


def neo4j_files() -> list[SchemaFile]:
    """Return (number, name, text) of every schema file of the production store, in order."""
    return numbered_files("neo4j", ".cypher")


def statements(text: str) -> list[str]:
    """Return the statements of a schema file; its comments are whole lines."""
    lines = (line for line in text.splitlines() if not line.startswith("//"))
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def migrate_neo4j(session: neo4j.Session) -> list[str]:
    """Apply what is missing, wait until every index can be used, and return the names applied."""
    require_version(session)
    applied = _check(session)
    done = []
    for number, name, text in neo4j_files():
        if number in applied:
            continue
        for statement in statements(text):
            session.run(statement).consume()
        session.run(_ONLINE).consume()
        if failed := session.run(_FAILED).single(strict=True)[0]:
            raise StoreUnavailableError(f"{name}: the server could not build {', '.join(failed)}: look at its log")
        session.run(_RECORD, number=number, name=name, sha256=digest_of(text)).consume()
        done.append(name)
    session.run(_OPEN_LOG).consume()
    return done


def require_migrated(session: neo4j.Session) -> None:
    """Raise StoreUnavailableError unless exactly this version's files were applied."""
    applied = _check(session)
    if not applied:
        raise StoreUnavailableError("this database holds no lineage ledger yet: run `lineage init`")
    require_all(applied, neo4j_files())


def require_version(session: neo4j.Session) -> str:
    """Return the version of the server; StoreUnavailableError if it is older than the statements need."""
    version: str = session.run(_VERSION).single(strict=True)[0]
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < _OLDEST:
        raise StoreUnavailableError(
            f"this Neo4j server is version {version}; {'.'.join(map(str, _OLDEST))} or newer is needed: upgrade the "
            "server. Nothing was changed"
        )
    return version


def _check(session: neo4j.Session) -> set[int]:
    return require_unedited((row.values() for row in session.run(_APPLIED)), neo4j_files())
