"""Whoever has a password of the Neo4j server can change anything there: all of it is caught, named and classed."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from graph_schema.kinds import Edge
from lineage_service.evidence.findings import IN_NEO4J, Draft, Finding, Report
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.structure import check_neo4j_structure, neo4j_version
from lineage_service.evidence.transcript_rows import MOST, SHAPES
from lineage_service.recorder.installation import Places
from lineage_service.store.neo4j_structure import Rule, Schema, given_by
from tests.graphdb.ledgers import Tampered, Thing, apply_schema, replayed, tampering
from tests.graphdb.session import running_server
from tests.ledgers import make_ledger

SIZE = 30
LEDGER = {"edit", "delete", "insert", "reorder", "truncate", "rollback"}
CLASSES = {
    "record": LEDGER,
    "head": {"tree"},
    "note": {"checkpoint"},
    "migration": {"schema"},
    "payload": {"payload"},
    "person": {"vault"},
    "subject_key": {"vault"},
    "sealed": {"vault"},
}
GRAPH = {"graph"}
KINDS = {
    "record": "Record",
    "head": "LedgerHead",
    "note": "Checkpoint",
    "migration": "Migration",
    "node": "Entity",
    "point": "Point",
    "property": "ABOUT",
    "edge": "USED",
    "withdrawal": "WITHDRAWN",
    "person": "Pseudonym",
    "subject_key": "SubjectKey",
    "sealed": "SealedValue",
    "payload": "Payload",
}
NODES = [table for table, kind in KINDS.items() if kind[1].islower()]
FREE = {("head", "lock")}
"""What nothing relies on."""
LIKE_K0 = {("subject_key", f"k{at}") for at in range(1, 11)}
UNIQUE = {
    "record": {"seq", "id"},
    "head": {"log"},
    "note": {"log"},
    "migration": {"number"},
    "node": {"key"},
    "point": {"n"},
    "property": set(),
    "edge": set(),
    "withdrawal": {"seq"},
    "person": {"mac", "pseudonym"},
    "subject_key": {"subject"},
    "sealed": {"digest"},
    "payload": {"digest"},
}
"""Properties of which a forged second one needs other values, or the constraints of the database would refuse it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return replayed(make_ledger(tmp_path_factory.mktemp("whole"), SIZE), (9, 1, 14))


@pytest.fixture(scope="module")
def hand(whole: Places) -> Iterator[Tampered]:
    with tampering(running_server()) as tampered:
        yield tampered
        assert run_verify(whole, deep=True).exit_code == 0, "a test left something behind"


def things(hand: Tampered, table: str) -> list[Thing]:
    """Return what there is of a kind, in the order of the records."""
    kind = KINDS.get(table, table)
    found = [one for one in (*hand.nodes.values(), *hand.links.values()) if kind in one.kinds]
    return sorted(found, key=lambda one: (one.properties.get("seq", 0), sorted(map(repr, one.properties.items()))))


def one_of(hand: Tampered, table: str, name: str | None = None) -> Thing:
    """Return one from the middle, with a value of this name."""
    found = [one for one in things(hand, table) if name is None or name in one.properties]
    assert found, f"the ledger has no {table} with {name} to tamper with"
    return found[len(found) // 2]


def other(value: object) -> object:
    """Return another value of the same type."""
    if isinstance(value, int):
        return value + 1_000_003
    if isinstance(value, str):
        return value[:-1] + ("a" if value[-1:] != "a" else "b")
    if isinstance(value, list):
        return [*value, "scoring"] if "scoring" not in value else []
    assert isinstance(value, bytes)
    return value[:-1] + bytes([value[-1] ^ 1])


def expect(report: Report, classes: set[str], seqs: set[int | None] | None = None) -> Finding:
    """Return the first finding of these classes about one of these records, which there must be."""
    assert report.exit_code == 1, report.lines()
    found = [one for one in report.findings if one.cls in classes and (seqs is None or one.seq in seqs)]
    assert found, report.lines()
    assert report.first_bad is not None
    assert report.first_bad.cls in classes, report.lines()
    return found[0]


def numbers(thing: Thing, table: str) -> set[int | None] | None:
    """Return the record that a finding about something must name; None if it need not name one."""
    seq = thing.properties.get("seq")
    return None if seq is None or table == "migration" else {seq}


def named(report: Report, table: str, thing: Thing) -> bool:
    """Tell whether a finding of the right class says that something is wrong with this thing."""
    seqs = numbers(thing, table)
    kinds = ("person", "subject_key") if table in ("person", "subject_key") else (table,)  # one says it of the other
    words = tuple(text for kind in kinds for text in (f"{IN_NEO4J.of(kind)}: ", f"Neo4j: {SHAPES[kind].what}"))
    words += {"point": ("Neo4j: the point",), "property": ("Neo4j: what is said of",)}.get(table, ())
    return any(
        one.cls in CLASSES.get(table, GRAPH)
        and (seqs is None or one.seq in seqs)
        and (one.cls not in ("graph", "vault") or one.detail.startswith(words))
        for one in report.findings
    )


SET = """
    UNWIND $edits AS edit
    OPTIONAL MATCH (n) WHERE elementId(n) = edit.id
    OPTIONAL MATCH ()-[e]->() WHERE elementId(e) = edit.id
    FOREACH (one IN CASE WHEN n IS NULL THEN [] ELSE [n] END | SET one[edit.name] = edit.value)
    FOREACH (one IN CASE WHEN e IS NULL THEN [] ELSE [e] END | SET one[edit.name] = edit.value)
"""
DELETE = """
    OPTIONAL MATCH (n) WHERE elementId(n) IN $ids
    OPTIONAL MATCH ()-[e]->() WHERE elementId(e) IN $ids
    DELETE e DETACH DELETE n
"""
FORGE = """
    UNWIND $forged AS r
    OPTIONAL MATCH (a) WHERE elementId(a) = r.start
    OPTIONAL MATCH (b) WHERE elementId(b) = r.end
    CALL (a, b, r) { WITH a, b, r WHERE a IS NOT NULL CREATE (a)-[e:$(r.kinds[0])]->(b) SET e = r.properties }
    CALL (a, r) { WITH a, r WHERE a IS NULL CREATE (n) SET n:$(r.kinds), n = r.properties }
"""


def forged(hand: Tampered, table: str, **more: object) -> dict[str, Any]:
    """Return what a forged second one of a kind is made of: as like the first one as the constraints allow."""
    thing = one_of(hand, table)
    properties = {name: other(value) if name in UNIQUE[table] else value for name, value in thing.properties.items()}
    start, end = thing.ends or (None, None)
    return {"start": start, "end": end, "kinds": list(thing.kinds), "properties": {**properties, **more}}


def test_an_untouched_ledger_has_nothing_wrong_whichever_way_it_is_verified(whole: Places) -> None:
    for deep in (False, True):
        report = run_verify(whole, deep=deep, level=2)
        assert (report.exit_code, report.level, report.incomplete) == (0, 2, ()), report.lines()


# ------------------------------------------------------------------------------------------- every kind, every property

ALONE = ["record", "node"]
"""Kinds on which others rest, so that a change spreads."""
NAMES = {table: [name for name in SHAPES[table].names if (table, name) not in FREE | LIKE_K0] for table in KINDS}
ROUNDS = [
    {table: names[at] for table, names in NAMES.items() if table not in ALONE and at < len(names)} for at in range(9)
]


@pytest.mark.parametrize(("table", "name"), [(table, name) for table in ALONE for name in NAMES[table]])
def test_a_changed_property_of_a_record_or_an_entity_is_caught(
    whole: Places, hand: Tampered, table: str, name: str
) -> None:
    thing = one_of(hand, table, name)
    with hand.by(SET, edits=[{"id": thing.id, "name": name, "value": other(thing.properties[name])}]):
        report = run_verify(whole, deep=True)
    expect(report, CLASSES.get(table, GRAPH), numbers(thing, table))


@pytest.mark.parametrize("edits", ROUNDS, ids=lambda edits: "-".join(edits.values()))
def test_a_changed_property_of_any_other_kind_is_caught(whole: Places, hand: Tampered, edits: dict[str, str]) -> None:
    chosen = {table: one_of(hand, table, name) for table, name in edits.items()}
    changed = [
        {"id": one.id, "name": edits[table], "value": other(one.properties[edits[table]])}
        for table, one in chosen.items()
    ]
    with hand.by(SET, edits=changed):
        report = run_verify(whole, deep=True)
    assert [table for table, one in chosen.items() if not named(report, table, one)] == [], report.lines()


def test_the_edits_cover_every_property_that_the_store_writes() -> None:
    tried = {(table, name) for table in ALONE for name in NAMES[table]} | {
        pair for edits in ROUNDS for pair in edits.items()
    }
    written = {(table, name) for table, shape in SHAPES.items() for name in shape.names if table != "tile"}
    assert tried == written - FREE - LIKE_K0


@pytest.mark.parametrize("tables", [["record"], ["node"], [table for table in KINDS if table not in ALONE]])
def test_a_deleted_thing_of_any_kind_is_caught(whole: Places, hand: Tampered, tables: list[str]) -> None:
    chosen = {table: one_of(hand, table) for table in tables}
    with hand.by(DELETE, ids=[one.id for one in chosen.values()]):
        report = run_verify(whole, deep=True)
    assert [table for table, one in chosen.items() if not named(report, table, one)] == [], report.lines()


@pytest.mark.parametrize("tables", [["record"], [table for table in KINDS if table != "record"]])
def test_a_forged_thing_of_any_kind_is_caught(whole: Places, hand: Tampered, tables: list[str]) -> None:
    added = {table: forged(hand, table) for table in tables}
    with hand.by(FORGE, forged=list(added.values())):
        report = run_verify(whole, deep=True)
    things_added = {table: Thing("", tuple(row["kinds"]), row["properties"]) for table, row in added.items()}
    assert [table for table, one in things_added.items() if not named(report, table, one)] == [], report.lines()


def test_a_deleted_relationship_of_any_type_is_caught(whole: Places, hand: Tampered) -> None:
    kinds = sorted({one.kinds[0] for one in hand.links.values()} & {edge.name for edge in Edge})
    assert len(kinds) >= 8
    for at in range(0, len(kinds), MOST):
        some = [one_of(hand, kind) for kind in kinds[at : at + MOST]]
        with hand.by("MATCH ()-[e]->() WHERE elementId(e) IN $ids DELETE e", ids=[one.id for one in some]):
            report = run_verify(whole, deep=True)
        told = {(one.seq, one.expected.partition("type=")[2].partition(",")[0]) for one in report.findings}
        assert told == {(one.properties["seq"], str(Edge[one.kinds[0]].value)) for one in some}, report.lines()


# ------------------------------------------------------------------------------------------------- what fits no table


def test_a_property_that_the_store_never_writes_is_caught_on_any_kind(whole: Places, hand: Tampered) -> None:
    ids = [one_of(hand, table).id for table in KINDS]
    with hand.by(
        """
        OPTIONAL MATCH (n) WHERE elementId(n) IN $ids SET n.comment = 'approved'
        WITH count(*) AS done
        OPTIONAL MATCH ()-[e]->() WHERE elementId(e) IN $ids SET e.comment = 'approved'
        """,
        ids=ids,
    ):
        report = run_verify(whole, deep=True)
    counts = {table: report.counts.get(f"{table}_faults") for table in KINDS if table != "point"}
    assert counts == dict.fromkeys(counts, 1)
    assert report.counts["shown_differences"] == 1
    assert report.counts["record_differences"] == report.counts["edge_differences"] == 0
    assert sum("comment" in one.found for one in report.findings) == len(KINDS)
    assert {one.cls for one in report.findings} == {"edit", "tree", "checkpoint", "schema", "graph", "vault", "payload"}
    verified = [line for line in report.verified if line.startswith("Neo4j, ") and "Tile" not in line]
    assert len(verified) == 1, "of a kind with a fault nothing is said to be whole"
    assert verified[0].startswith("Neo4j, nodes :Point")


def test_a_label_that_the_store_never_writes_is_caught_on_any_kind(whole: Places, hand: Tampered) -> None:
    ids = [one_of(hand, table).id for table in NODES]
    with hand.by("MATCH (n) WHERE elementId(n) IN $ids SET n:Approved", ids=ids):
        report = run_verify(whole, deep=True)
    assert {table: report.counts.get(f"{table}_faults") for table in NODES} == dict.fromkeys(NODES, 1)


def test_a_node_under_the_label_of_another_kind_is_caught(whole: Places, hand: Tampered) -> None:
    run = one_of(hand, "Run")
    with hand.by("MATCH (n) WHERE elementId(n) = $id REMOVE n:Run SET n:Dataset", id=run.id):
        finding = expect(run_verify(whole, deep=True), GRAPH, numbers(run, "node"))
    assert (finding.expected, finding.found) == ("labels Entity, Run", "labels Dataset, Entity")


def test_a_value_of_another_type_is_caught_where_sqlite_would_take_it_for_the_same(
    whole: Places, hand: Tampered
) -> None:
    edge, node, point, value = (one_of(hand, table) for table in ("edge", "node", "point", "sealed"))
    with hand.by(
        """
        MATCH ()-[e]->() WHERE elementId(e) = $edge SET e.at = toFloat(e.at)
        WITH e MATCH (n) WHERE elementId(n) = $node SET n.kind = toString(n.kind)
        WITH n MATCH (p) WHERE elementId(p) = $point SET p.n = (p.n = 1)
        WITH p MATCH (s) WHERE elementId(s) = $value SET s.seq = toFloat(s.seq)
        """,
        edge=edge.id,
        node=node.id,
        point=point.id,
        value=value.id,
    ):
        report = run_verify(whole, deep=True)
    for thing, found in ((edge, "at: float"), (node, "kind: str"), (point, "n: bool")):
        assert any(one.seq == thing.properties["seq"] and found in one.found for one in report.findings)
    assert any(one.cls == "vault" and "seq: float" in one.found for one in report.findings)


BEHIND = ("record", "node", "point", "property", "edge", "withdrawal", "sealed", "payload")


def test_what_lies_behind_the_end_of_the_log_is_caught_although_no_reader_sees_it(
    whole: Places, hand: Tampered
) -> None:
    rows = [forged(hand, table, seq=SIZE + 70) for table in BEHIND]
    tile = {"level": 0, "number": 0, "hashes": bytes(8192)}
    with hand.by(FORGE, forged=[*rows, {"start": None, "end": None, "kinds": ["Tile"], "properties": tile}]):
        report, quick = run_verify(whole, deep=True), run_verify(whole)
    assert {table: report.counts.get(f"{table}_behind_faults") for table in BEHIND} == dict.fromkeys(BEHIND, 1)
    assert report.counts["tile_behind_faults"] == 1
    expect(report, {"insert"}, {SIZE + 70})
    assert {one.cls for one in report.findings} == {"insert", "graph", "vault", "payload", "tree"}
    assert {one.seq for one in report.findings} == {SIZE + 70, None}
    assert {(one.cls, one.seq) for one in quick.findings} == {("tree", None), ("insert", SIZE + 70)}


@pytest.mark.parametrize(
    ("statement", "cls"),
    [
        ("MATCH (a:Run) MATCH (b:Person) WITH a, b LIMIT 1 CREATE (a)-[:APPROVED_BY]->(b)", "graph"),
        ("MATCH (a:Run) MATCH (b:Person) WITH a, b LIMIT 1 CREATE (a)-[:OF]->(b)", "graph"),
        ("MATCH (a:Payload) MATCH (b:SealedValue) WITH a, b LIMIT 1 CREATE (a)-[:USED]->(b)", "graph"),
        ("MATCH (a:Run) WITH a LIMIT 1 CREATE (:Approval {by: 'me'})-[:OF]->(a)", "unlisted"),
        ("CREATE (:Approval {by: 'me'})", "unlisted"),
        ("CREATE ({by: 'me'})", "unlisted"),
        ("CREATE (:Record)", "edit"),
    ],
)
def test_what_nothing_of_ours_accounts_for_is_caught(whole: Places, hand: Tampered, statement: str, cls: str) -> None:
    with hand.by(statement):
        report = run_verify(whole, deep=True)
    assert report.exit_code == 1
    assert cls in {one.cls for one in report.findings}, report.lines()


def test_what_neo4j_bloom_keeps_in_the_database_is_named_and_no_finding(whole: Places, hand: Tampered) -> None:
    with hand.by("CREATE (:_Bloom_Scene_ {name: 'a'})-[:_Bloom_HAS_SCENE_]->(:_Bloom_Perspective_ {name: 'b'})"):
        report = run_verify(whole, deep=True)
    assert report.exit_code == 0
    assert sum("Bloom" in line for line in report.not_verified) == 2
    with hand.by("MATCH (a:Run) WITH a LIMIT 1 CREATE (a)-[:APPROVED_IN]->(:_Bloom_Scene_ {name: 'a'})"):
        expect(run_verify(whole, deep=True), GRAPH)


# ------------------------------------------------------------------------------------------ what the tables do not hold


def place_of(hand: Tampered, kind: str) -> dict[str, Any]:
    """Return the ids of a relationship of a point, of the point, and of its other end, and the point's record."""
    link = one_of(hand, kind)
    assert link.ends is not None
    point = next(one for one in link.ends if "Point" in hand.nodes[one].kinds)
    end = next(one for one in link.ends if one != point)
    return {"id": link.id, "point": point, "end": end, "seq": hand.nodes[point].properties["seq"]}


@pytest.mark.parametrize("kind", ["SETS", "OF", "BY", "NAMES"])
def test_a_relationship_of_a_point_that_is_gone_or_leads_elsewhere_is_caught(
    whole: Places, hand: Tampered, kind: str
) -> None:
    place = place_of(hand, kind)
    with hand.by("MATCH ()-[e]->() WHERE elementId(e) = $id DELETE e", id=place["id"]):
        gone = expect(run_verify(whole, deep=True), GRAPH, {place["seq"]})
    assert (gone.expected.partition(" ")[0], gone.found) == (kind, "nothing of the kind")
    place = place_of(hand, kind)
    moved = """
        MATCH (a)-[e]->(b) WHERE elementId(e) = $id
        MATCH (x) WHERE elementId(x) <> $end AND any(label IN ['Record', 'Entity']
          WHERE label IN labels(x) AND label IN labels(CASE WHEN $into THEN a ELSE b END))
        WITH a, b, e, x LIMIT 1
        CALL (a, b, e, x) { WITH a, b, e, x WHERE $into CREATE (x)-[f:$(type(e))]->(b) SET f = properties(e) }
        CALL (a, b, e, x) { WITH a, b, e, x WHERE NOT $into CREATE (a)-[f:$(type(e))]->(x) SET f = properties(e) }
        DELETE e
    """
    with hand.by(moved, id=place["id"], end=place["end"], into=kind == "SETS"):
        elsewhere = expect(run_verify(whole, deep=True), GRAPH, {place["seq"]})
    assert elsewhere.expected.partition(" ")[0] == elsewhere.found.partition(" ")[0] == kind


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("MATCH (p) WHERE elementId(p) = $point SET p.version = 'model_version:r::m/9@1'", "version="),
        ("MATCH (p) WHERE elementId(p) = $point SET p.version = NULL", "nothing"),
        ("MATCH (p) WHERE elementId(p) = $point SET p.at = p.at + 1", "at="),
        ("MATCH (p) WHERE elementId(p) = $point SET p.approved = true", "approved=True"),
        ("MATCH (p) WHERE elementId(p) = $point MATCH (n:Model) WITH p, n LIMIT 1 CREATE (p)-[:MEANS]->(n)", "MEANS"),
        ("MATCH (a)-[e]->(b) WHERE elementId(e) = $id CREATE (a)-[f:NAMES]->(b) SET f = e", "NAMES"),
        ("MATCH (a)-[e]->(b) WHERE elementId(e) = $id SET e.field = 'approved'", "NAMES"),
    ],
)
def test_a_point_that_shows_something_else_than_it_says_is_caught(
    whole: Places, hand: Tampered, statement: str, shown: str
) -> None:
    place = place_of(hand, "NAMES")
    assert "version" in hand.nodes[place["point"]].properties
    with hand.by(statement, id=place["id"], point=place["point"]):
        finding = expect(run_verify(whole, deep=True), GRAPH, {place["seq"]})
    assert shown in finding.found


@pytest.mark.parametrize(("kind", "other_kind"), [("ABOUT", "ABOUT_AGAIN"), ("ABOUT_AGAIN", "ABOUT")])
def test_which_record_said_something_first_cannot_be_changed(
    whole: Places, hand: Tampered, kind: str, other_kind: str
) -> None:
    said = one_of(hand, kind)
    statement = """
        MATCH (a)-[e]->(b) WHERE elementId(e) = $id CREATE (a)-[f:$($kind)]->(b) SET f = properties(e) DELETE e
    """
    with hand.by(statement, id=said.id, kind=other_kind):
        finding = expect(run_verify(whole, deep=True), GRAPH, {said.properties["seq"]})
    assert "first" in finding.detail


@pytest.mark.parametrize("forged", [None, "{}", "longer", "other leaf", "unsealed"])
def test_a_forged_head_before_the_newest_group_is_caught(whole: Places, hand: Tampered, forged: str | None) -> None:
    parts = json.loads(one_of(hand, "head").properties["before"])
    if forged == "longer":
        parts[0] = SIZE + 1
    elif forged == "other leaf":
        parts[1] = "00" * 32
    elif forged == "unsealed":
        parts[5] = "11" * 32
    before = forged if forged in (None, "{}") else json.dumps(parts, separators=(",", ":"))
    with hand.by("MATCH (h:LedgerHead) SET h.before = $before", before=before):
        expect(run_verify(whole, deep=True), {"tree"}, {None})


# ----------------------------------------------------------------------------------------- constraints, doubles, schema


@contextlib.contextmanager
def without_constraints(hand: Tampered) -> Iterator[None]:
    """Drop every constraint and one index of every sort, add some; afterwards the schema is as it was."""
    for row in hand.answer("SHOW CONSTRAINTS YIELD name"):
        hand.answer("DROP CONSTRAINT $name", name=row["name"])
    look_up = hand.answer("SHOW INDEXES YIELD name, type, entityType WHERE type = 'LOOKUP' AND entityType = 'NODE'")
    for name in ("said_again", "point_by_slot", look_up[0]["name"]):
        hand.answer("DROP INDEX $name", name=name)
    hand.answer("CREATE INDEX sly FOR (n:Entity) ON (n.name)")
    hand.answer("CREATE CONSTRAINT harmful FOR (n:Approval) REQUIRE n.by IS UNIQUE")
    hand.answer("CREATE INDEX point_by_slot FOR (p:Point) ON (p.slot)")
    try:
        yield
    finally:
        for statement in ("INDEX sly", "CONSTRAINT harmful", "INDEX point_by_slot"):
            hand.answer(f"DROP {statement} IF EXISTS")
        hand.answer("CREATE LOOKUP INDEX $name IF NOT EXISTS FOR (n) ON EACH labels(n)", name=look_up[0]["name"])
        apply_schema(hand)


def test_dropped_constraints_and_two_where_one_is_allowed_are_caught(whole: Places, hand: Tampered) -> None:
    doubled = [table for table in NODES if table != "migration"]
    rows = [one_of(hand, table) for table in doubled]
    with without_constraints(hand):
        only_schema = run_verify(whole, deep=True)
        with hand.by(
            "UNWIND $rows AS r CREATE (n) SET n:$(r.kinds), n = r.properties",
            rows=[{"kinds": list(one.kinds), "properties": one.properties} for one in rows],
        ):
            report = run_verify(whole, deep=True)
    changed = {one.found.partition("name=")[2].partition(",")[0] or one.expected for one in only_schema.findings}
    assert {one.cls for one in only_schema.findings} == {"schema"}
    assert {"sly", "harmful", "point_by_slot"} <= changed
    assert len(only_schema.findings) == 2 * 12 + 2 + 1 + 2 + 1, only_schema.lines()
    twice = {one.detail for one in report.findings if "beside another one" in one.detail}
    assert twice == {f"Neo4j: {SHAPES[table].what} beside another one that says it is the same" for table in doubled}
    assert {(one.cls, one.seq) for one in report.findings if ":Record" in one.detail} == {
        ("edit", one_of(hand, "record").properties["seq"])
    }


def test_a_migration_that_this_version_does_not_know_is_a_finding_or_another_version() -> None:
    one, two = (1, "0001_a.cypher", "aa"), (2, "0002_b.cypher", "bb")
    rule = Rule("index", "a", "RANGE", "NODE", "A", ("a",))
    more = Rule("index", "b", "RANGE", "NODE", "B", ("b",))

    def schema(applied: list[Any], found: set[Rule]) -> Schema:
        given = frozenset({rule})
        return Schema(applied, [one], frozenset(found), given, given if applied else frozenset(), [])

    assert neo4j_version(schema([one], {rule})) == "same"
    assert neo4j_version(schema([one, two], {rule, more})) == "newer"
    assert neo4j_version(schema([one, two], {rule})) == "same", "a note alone makes no other version"
    older = Schema([one], [one, two], frozenset({rule}), frozenset({rule, more}), frozenset({rule}), [])
    assert neo4j_version(older) == "older"
    tampered = Schema([one], [one, two], frozenset(), frozenset({rule, more}), frozenset({rule}), [])
    assert neo4j_version(tampered) == "same"
    draft = Draft()
    check_neo4j_structure(schema([one, two], {rule, more}), draft)
    assert [finding.cls for finding in draft.findings] == ["schema", "schema"]


def test_a_schema_file_in_a_form_that_is_not_known_is_refused() -> None:
    assert given_by([(1, "a", "CREATE INDEX a IF NOT EXISTS FOR (n:A) ON (n.b, n.c);\nDROP INDEX a IF EXISTS;")]) == (
        given_by([])
    )
    with pytest.raises(ValueError, match="a form that is not known here"):
        given_by([(1, "a", "CREATE FULLTEXT INDEX a FOR (n:A) ON EACH [n.b]")])
