"""A ledger written by an earlier schema keeps every row when it is brought to this one."""

from contextlib import closing
from pathlib import Path

import pytest

from graph_schema.kinds import Edge
from lineage_service.errors import StoreUnavailableError
from lineage_service.store import migrations
from lineage_service.store.protocol import PointQuery
from lineage_service.store.sqlite import SqliteStore
from tests.conformance.log import Log, edge, nodes_of, point, points_of, run, setting, version

RUN, DATA = run("r"), version("d")
FIRST = migrations.sqlite_files()[:1]


def _written_by_the_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write facts to a ledger that has the first schema only."""
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "sqlite_files", lambda: FIRST)
        assert SqliteStore.create(path) == [FIRST[0][1]]
        with closing(SqliteStore(path)) as store:
            Log(store).write(
                setting(3, RUN, os="linux"),
                setting(1, RUN, os="linux"),
                setting(2, RUN, os="other"),
                edge(1, RUN, Edge.USED, DATA),
                point(4, RUN, "state:", "done"),
            )


def test_an_earlier_schema_is_named_and_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _written_by_the_first(tmp_path / "lineage.db", monkeypatch)
    with pytest.raises(StoreUnavailableError, match=r"lacks 0002_.*run `lineage migrate`; data is safe"):
        SqliteStore(tmp_path / "lineage.db")


def test_every_row_is_kept_by_a_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lineage.db"
    _written_by_the_first(path, monkeypatch)
    assert SqliteStore.create(path) == [name for _, name, _ in migrations.sqlite_files()[1:]]
    assert SqliteStore.create(path) == []
    with closing(SqliteStore(path)) as store:
        rows = nodes_of(store, RUN, every=True)[RUN].rows
        assert [(row.seq, dict(row.registers)) for row in rows] == [
            (1, {"os": "linux"}),
            (2, {"os": "other"}),
            (0, {"os": "linux"}),
        ]
        assert [found.value for found in points_of(store, PointQuery(subjects=(RUN,)))] == [{"is": "done"}]
        assert nodes_of(store, DATA)[DATA].seq == 3
