"""Transcripts of histories of all sorts, of nothing, and of a ledger that grows meanwhile."""

import contextlib
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lineage_service.errors import StoreUnavailableError
from lineage_service.evidence.backup import back_up
from lineage_service.evidence.inspection import run_verify
from lineage_service.recorder.installation import Places, create
from lineage_service.store.sqlite import SqliteStore
from tests.graphdb.ledgers import empty_ledger, replayed
from tests.graphdb.session import running_server
from tests.graphdb.transcripts import quietly, tables, transcript_of
from tests.ledgers import record_all, ticking, varied_events
from tests.properties.histories import histories
from tests.properties.product import store_batch
from tests.properties.records import Sent, record_of


@settings(max_examples=4, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # to shrink would take an hour
@given(histories(), st.lists(st.integers(1, 40), max_size=3))
def test_the_transcript_of_any_history_has_the_rows_that_it_gives_in_a_file(
    history: Sequence[Sent], sizes: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        in_file = Places(Path(name) / "lineage.db", Path(name) / "keys")
        SqliteStore.create(in_file.file)
        with contextlib.closing(SqliteStore(in_file.file)) as store:
            store_batch(store, list({record["id"]: record for record in map(record_of, history)}.values()))
        graph = replayed(in_file, sizes)
        file, transcript = transcript_of(graph, Path(name))
        assert transcript.faults == []
        assert tables(file) == tables(in_file.file)


def test_a_database_without_a_ledger_is_no_finding(tmp_path: Path) -> None:
    address = empty_ledger()
    migrations = running_server().answer("MATCH (m:Migration) RETURN properties(m) AS properties")
    running_server().answer("MATCH (n) DETACH DELETE n")
    try:
        with pytest.raises(StoreUnavailableError, match="there is no ledger at bolt"):
            run_verify(Places(address, tmp_path))
        with pytest.raises(StoreUnavailableError, match="there is no ledger at bolt"):
            back_up(address, tmp_path / "made.db", quietly)
    finally:
        running_server().answer("UNWIND $rows AS r CREATE (m:Migration) SET m = r.properties", rows=migrations)
    assert list(tmp_path.iterdir()) == []


def test_what_is_recorded_while_a_transcript_is_made_accuses_nobody_and_is_not_in_it(tmp_path: Path) -> None:
    places = Places(empty_ledger(), tmp_path / "keys")
    with contextlib.closing(create(places, origin="test.example/log", clock=ticking())) as installation:
        events = varied_events(installation, 1000)
        record_all(installation, itertools.islice(events, 59), group=20)
        installation.recorder.keep_head()
        sizes = [installation.heads.size]

        def meanwhile(_part: float) -> None:
            record_all(installation, itertools.islice(events, 9), group=3)
            sizes.append(installation.heads.size)

        for deep in (False, True):
            before = sizes[-1]
            report = run_verify(places, deep=deep, progress=meanwhile)
            assert report.findings == (), report.lines()
            assert report.counts["records"] == before
    assert len(sizes) > 4, "it grew at the beginning, on the way and at the end"
    final = run_verify(places, deep=True, level=2)
    assert (final.exit_code, final.incomplete) == (0, ()), final.lines()
    assert final.counts["records"] == sizes[-1]
