"""Cost follows the answer: no statement of a reader scans a table, whatever the planner would like to do."""

import re
import sqlite3
from pathlib import Path

import pytest

from lineage_service.store.sqlite import SqliteStore
from lineage_service.store.sqlite_points import SqlitePoints
from lineage_service.store.sqlite_reader import SqliteReader
from lineage_service.store.sqlite_vault import SqliteVault

STATEMENTS = {
    f"{cls.__name__}.{name}": text
    for cls in (SqliteReader, SqlitePoints, SqliteVault)
    for name, text in vars(cls).items()
    if isinstance(text, str) and re.match(r"\s*(SELECT|DELETE|UPDATE)", text)
}
ONE_ROW = {"SqliteReader._HEAD", "SqliteReader._NOTE"}
"""These read the only row of their table."""


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    path = tmp_path_factory.mktemp("plans") / "lineage.db"
    SqliteStore.create(path)
    return sqlite3.connect(path)


def plan_of(connection: sqlite3.Connection, text: str) -> list[str]:
    """Return what the planner means to do."""
    count = max([int(number) for number in re.findall(r"\?(\d)", text)] or [text.count("?")])
    values = ["[]" if "json_each(?" in text and index == 0 else 1 for index in range(count)]
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_a_statement_seeks_and_never_scans_a_table(connection: sqlite3.Connection, name: str) -> None:
    plan = plan_of(connection, STATEMENTS[name])
    scans = [line for line in plan if line.startswith("SCAN") and "VIRTUAL TABLE" not in line]
    assert name in ONE_ROW or not scans, plan


def test_points_of_a_subject_are_found_by_the_subject_and_not_by_the_slot(connection: sqlite3.Connection) -> None:
    plan = plan_of(connection, SqlitePoints._POINTS_OF_SLOTS)
    assert any("PRIMARY KEY (subject=? AND slot=?" in line for line in plan), plan


def test_the_newest_point_of_each_name_is_found_by_seeks_alone(connection: sqlite3.Connection) -> None:
    plan = plan_of(connection, SqlitePoints._NEWEST_OF_EACH)
    of_points = [line for line in plan if " p " in line or " q " in line]
    assert [line.partition("PRIMARY KEY ")[2] for line in of_points] == [
        "(subject=? AND slot=?)",
        "(subject=? AND slot=? AND name>?)",
        "(subject=? AND slot=? AND name=? AND ord=? AND n=?)",
        "(subject=? AND slot=? AND name=? AND ord>? AND ord<?)",
    ], plan
    assert [line for line in plan if line.startswith("SCAN") and "VIRTUAL TABLE" not in line] == ["SCAN m", "SCAN m"]


def test_nobody_analyses_the_edge_table() -> None:
    """With statistics of ``edge`` SQLite puts a filter over all of it into every step of a walk."""
    files = Path(__file__).parents[3].joinpath("lineage_service").rglob("*.py")
    said = [path for path in files if re.search(r"\bANALYZE\b(?! the edge)|PRAGMA optimize", path.read_text())]
    assert [path.name for path in said] == []
