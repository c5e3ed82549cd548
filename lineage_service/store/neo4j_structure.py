"""The constraints and indexes of a Neo4j database, and those that the schema files give.

A database cannot be made to compare with (Community has but one), so the schema files are read: a statement in a form
that is not known here is an error, which a test would meet first.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal, NamedTuple

import neo4j

from lineage_service.store.neo4j_migrations import neo4j_files, statements

File = tuple[int, str, str]
"""A schema file: number, name, text."""


class Rule(NamedTuple):
    """A constraint or an index: on the nodes or relationships of one label or type, and on which of their properties.

    An index that belongs to a constraint has its name. The two that look up labels and types come with a database and
    have names of its own choice, so they go without.
    """

    sort: Literal["constraint", "index"]
    name: str
    type: str
    entity: str
    of: str
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """What there is and what there should be: (number, name, sha256) of schema files, and the rules they give.

    ``given`` are the rules of this version, ``given_by_applied`` those of as many of its files as were applied;
    ``unready`` are indexes that cannot be used, with their state.
    """

    applied: Sequence[tuple[object, ...]]
    files: Sequence[tuple[object, ...]]
    found: frozenset[Rule]
    given: frozenset[Rule]
    given_by_applied: frozenset[Rule]
    unready: Sequence[tuple[str, str]]


_FORMS: Final = (
    re.compile(r"CREATE (CONSTRAINT) (\w+) IF NOT EXISTS FOR \(\w+:(\w+)\) REQUIRE (.+) IS UNIQUE"),
    re.compile(r"CREATE (INDEX) (\w+) IF NOT EXISTS FOR \(\w+:(\w+)\) ON (\(.+\))"),
    re.compile(r"CREATE (INDEX) (\w+) IF NOT EXISTS FOR \(\)-\[\w+:(\w+)\]-\(\) ON (\(.+\))"),
)
_DROP: Final = re.compile(r"DROP (?:INDEX|CONSTRAINT) (\w+) IF EXISTS")
_PROPERTY: Final = re.compile(r"\w+\.(\w+)")
_LOOK_UPS: Final = frozenset(Rule("index", "", "LOOKUP", entity, "", ()) for entity in ("NODE", "RELATIONSHIP"))


def given_by(files: Iterable[File]) -> frozenset[Rule]:
    """Return the rules that schema files give, one applied after the other; ValueError for a form not known here."""
    rules: set[Rule] = set(_LOOK_UPS)
    for _, name, text in files:
        for statement in statements(text):
            if dropped := _DROP.fullmatch(statement):
                rules = {rule for rule in rules if rule.name != dropped[1]}
            else:
                rules |= _rules(statement, name)
    return frozenset(rules)


def _rules(statement: str, file: str) -> set[Rule]:
    matches = [form.fullmatch(" ".join(statement.split())) for form in _FORMS]
    for at, match in enumerate(matches):
        if match is None:
            continue
        sort, name, of, on = match.groups()
        entity = "RELATIONSHIP" if at == len(_FORMS) - 1 else "NODE"
        properties = tuple(_PROPERTY.findall(on))
        rules = {Rule("index", name, "RANGE", entity, of, properties)}
        if sort == "CONSTRAINT":
            rules.add(Rule("constraint", name, "UNIQUENESS", entity, of, properties))
        return rules
    raise ValueError(f"{file} has a statement in a form that is not known here: {statement}")


_APPLIED: Final = "MATCH (m:Migration) RETURN m.number, m.name, m.sha256 ORDER BY m.number"
_CONSTRAINTS: Final = "SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties"
_INDEXES: Final = "SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, state"


def schema_of(session: neo4j.Session) -> Schema:
    """Return the schema of a database beside that of this version."""
    files = neo4j_files()
    found: set[Rule] = set()
    for name, word, entity, of, properties in session.run(_CONSTRAINTS):
        found.add(Rule("constraint", name, word, entity, ":".join(of), tuple(properties)))
    unready = []
    for name, word, entity, of, properties, state in session.run(_INDEXES):
        called = "" if word == "LOOKUP" else name
        found.add(Rule("index", called, word, entity, ":".join(of or ()), tuple(properties or ())))
        if state != "ONLINE":
            unready.append((name, state))
    applied = [tuple(row) for row in session.run(_APPLIED)]
    known = [(number, name, sha256(text.encode()).hexdigest()) for number, name, text in files]
    given_by_applied = given_by(files[: len(applied)])
    return Schema(applied, known, frozenset(found), given_by(files), given_by_applied, unready)
