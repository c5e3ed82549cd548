"""A ledger moves house: all of it arrives, nothing is written over, and what was broken off is gone on with."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from graph_schema.fold import FOLD_VERSION
from lineage_service.errors import IntegrityError, StoreUnavailableError
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.moving import Moved, carry, seal
from lineage_service.ledger.signer import SignerState, read_state
from lineage_service.recorder.installation import Installation, Places
from lineage_service.store.address import Database
from lineage_service.store.opening import create_store, open_store
from lineage_service.store.protocol import Head, Store
from lineage_service.store.sqlite import SqliteStore
from lineage_service.store.vault import PersonAtRest
from tests.conformance.kinds import emptied_server
from tests.ledgers import (
    copy_of,
    hostile,
    kept_in,
    make_ledger,
    rechained,
    record_all,
    reseal,
    rows_of,
    ticking,
    varied_events,
    write_head,
    write_rows,
)

RECORDS = 300
FEW = 60


class BrokeOffError(Exception):
    """What a copy met on its way."""


def silent(_fraction: float) -> None:
    """Show nobody how far it is."""


def breaking_at(fraction: float) -> Callable[[float], None]:
    """Return a progress that breaks the work off."""

    def progress(done: float) -> None:
        if done >= fraction:
            raise BrokeOffError

    return progress


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Make a ledger with more than one tile, people, sealed values and payloads; nobody may change it."""
    return make_ledger(tmp_path_factory.mktemp("house"), RECORDS)


@pytest.fixture(scope="session")
def hut(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Make a smaller one; nobody may change it."""
    return make_ledger(tmp_path_factory.mktemp("hut"), FEW)


def move(source: Database, target: Database, *, size: int = 100, progress: Callable[[float], None] = silent) -> Moved:
    """Copy from one place to another, to its end."""
    create_store(target)
    with (
        contextlib.closing(open_store(source, writing=False)) as one,
        contextlib.closing(to_write(target)) as other,
    ):
        moved = carry(one, other, progress, size=size)
        seal(other, moved)
    return moved


def to_write(database: Database) -> Store:
    """Open a store to write to; a server plans its statements when they are first used, which is soon enough here."""
    return open_store(database, writing=isinstance(database, Path))


def kept(database: Database) -> dict[str, object]:
    with contextlib.closing(open_store(database, writing=False)) as store:
        return kept_in(store)


def head_of(database: Database) -> Head:
    with contextlib.closing(open_store(database, writing=False)) as store, store.read() as reader:
        return reader.head()


def go_on(database: Database, keys: Path, events: int = 5) -> None:
    """Let a service start there, record more, and end."""
    store = to_write(database)
    with contextlib.closing(store):
        installation = Installation(Places(database, keys), store, clock=ticking())
        record_all(installation, varied_events(installation, events))
        installation.close()


def require_fine(places: Places) -> None:
    report = run_verify(places, deep=True)
    assert (report.exit_code, report.findings) == (0, ()), report.lines()


# --------------------------------------------------------------------------------------------------- there and back


def test_a_ledger_goes_to_a_server_and_back_and_both_go_on_with_it(house: Places, tmp_path: Path) -> None:
    mine = copy_of(house, tmp_path / "first")
    server, back = emptied_server(), tmp_path / "back" / "lineage.db"
    moved = move(mine.database, server)
    before = kept(mine.database)
    assert kept(server) == before
    assert (moved.head, moved.root, moved.found) == (before["head"], before["root"], 0)
    assert (moved.people, moved.sealed, moved.payloads) == tuple(
        len(before[part]) for part in ("people", "sealed", "payloads")  # type: ignore[arg-type]
    )
    assert min(moved.people, moved.sealed, moved.payloads, len(before["tiles"])) > 0  # type: ignore[arg-type]

    go_on(server, mine.keys)
    move(server, back)
    after = kept(server)
    assert kept(back) == after
    assert after["records"][:RECORDS] == before["records"]  # type: ignore[index]
    assert len(after["records"]) > RECORDS  # type: ignore[arg-type]
    home = Places(back, mine.keys)
    require_fine(home)
    go_on(back, mine.keys, 9)
    require_fine(home)
    assert read_state(home.signer_state) == SignerState(head_of(back).size, head_of(back).frontier.root())


def test_a_file_moves_into_another_file_with_everything_that_verifies(hut: Places, tmp_path: Path) -> None:
    target = tmp_path / "new" / "lineage.db"
    move(hut.database, target, size=7)
    assert kept(target) == kept(hut.database)
    require_fine(Places(target, hut.keys))


def test_how_far_it_is_only_grows_and_ends_with_all(hut: Places, tmp_path: Path) -> None:
    told: list[float] = []
    move(hut.database, tmp_path / "lineage.db", size=9, progress=told.append)
    assert told == sorted(told)
    assert len(set(told)) > 10
    assert told[-1] == 1


def test_a_whole_copy_is_compared_once_more_and_stays_as_it_is(hut: Places, tmp_path: Path) -> None:
    target = tmp_path / "lineage.db"
    first = move(hut.database, target)
    content = target.read_bytes()
    again = move(hut.database, target)
    assert again == dataclasses.replace(first, found=FEW)
    assert target.read_bytes() == content


def test_a_copy_of_the_past_is_gone_on_with(hut: Places, tmp_path: Path) -> None:
    mine, target = copy_of(hut, tmp_path / "mine"), tmp_path / "lineage.db"
    move(mine.database, target)
    go_on(mine.database, mine.keys)
    assert move(mine.database, target).found == FEW
    assert kept(target) == kept(mine.database)


# ------------------------------------------------------------------------------------------------------------ erasure


def test_what_was_erased_stays_erased(hut: Places, tmp_path: Path) -> None:
    mine, server, back = copy_of(hut, tmp_path / "mine"), emptied_server(), tmp_path / "back.db"
    gone = erase_somebody(mine.file)
    move(mine.database, server)
    move(server, back)
    for place in (server, back):
        assert kept(place) == kept(mine.database)
        with contextlib.closing(open_store(place, writing=False)) as store:
            assert store.vault().look_up([], [gone.pseudonym]).identities == {}
            assert store.vault().subject_keys([gone.pseudonym]) == {}
            assert store.vault().copies(gone.pseudonym) == []


def erase_somebody(database: Path) -> PersonAtRest:
    """Erase whoever has sealed values."""
    with contextlib.closing(SqliteStore(database)) as store:
        vault = store.vault()
        somebody = next(one for one in vault.people() if vault.copies(one.pseudonym))
        assert vault.erase(somebody.pseudonym)
    return somebody


def test_a_copy_that_keeps_somebody_who_was_erased_since_is_refused_and_unchanged(
    hut: Places, tmp_path: Path
) -> None:
    mine, target = copy_of(hut, tmp_path / "mine"), tmp_path / "lineage.db"
    with pytest.raises(BrokeOffError):
        move(mine.database, target, size=10, progress=breaking_at(0.4))
    erase_somebody(mine.file)
    refuse(mine.database, target, "somebody")


# -------------------------------------------------------------------------------------------------------- broken off


def test_a_copy_into_a_server_that_was_broken_off_serves_nobody_and_is_gone_on_with(
    hut: Places, tmp_path: Path
) -> None:
    server = emptied_server()
    with pytest.raises(BrokeOffError):
        move(hut.database, server, size=10, progress=breaking_at(0.4))
    held = head_of(server)
    assert 0 < held.size < FEW
    with pytest.raises(StoreUnavailableError, match="was broken off: repeat that command"):
        go_on(server, copy_of(hut, tmp_path / "mine").keys)
    assert head_of(server) == held
    assert move(hut.database, server).found == held.size
    assert kept(server) == kept(hut.database)


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_wherever_a_copy_is_broken_off_nobody_serves_it_and_it_is_gone_on_with(
    hut: Places, tmp_path: Path, fraction: float
) -> None:
    target, keys = tmp_path / "lineage.db", copy_of(hut, tmp_path / "mine").keys
    with pytest.raises(BrokeOffError):
        move(hut.database, target, size=10, progress=breaking_at(fraction))
    held = head_of(target)
    with pytest.raises(StoreUnavailableError, match="was broken off: repeat that command"):
        go_on(target, keys)
    assert move(hut.database, target, size=11).found == held.size
    assert kept(target) == kept(hut.database)
    go_on(target, keys)
    require_fine(Places(target, keys))


def test_a_copy_broken_off_before_its_first_record_is_gone_on_with(hut: Places, tmp_path: Path) -> None:
    target = tmp_path / "lineage.db"
    create_store(target)
    with (
        contextlib.closing(SqliteStore(hut.file, writing=False)) as one,
        contextlib.closing(SqliteStore(target)) as two,
    ):
        two.vault().bring(list(one.vault().people())[:3])
    move(hut.database, target)
    assert kept(target) == kept(hut.database)


# ------------------------------------------------------------------------------------------------- something else there


def refuse(source: Database, target: Path, why: str) -> None:
    """See that a target is refused, told why, and has not changed by a byte."""
    content = target.read_bytes()
    with pytest.raises(StoreUnavailableError, match="something else than the beginning of this ledger") as refused:
        move(source, target)
    assert why in str(refused.value)
    assert target.read_bytes() == content


def test_the_ledger_of_another_log_on_a_server_is_refused_and_unchanged(house: Places, hut: Places) -> None:
    server = emptied_server()
    move(hut.database, server)
    before = kept(server)
    with pytest.raises(StoreUnavailableError, match="something else than the beginning of this ledger"):
        move(house.database, server)
    assert kept(server) == before


def test_the_ledger_of_another_log_is_refused_and_unchanged(house: Places, hut: Places, tmp_path: Path) -> None:
    target = copy_of(hut, tmp_path / "other").file
    refuse(house.database, target, "somebody")


def alter_record(target: Path) -> None:
    with hostile(target) as connection:
        connection.execute("UPDATE record SET leaf = zeroblob(32) WHERE seq = 7")


def forget_payload(target: Path) -> None:
    with hostile(target) as connection:
        connection.execute("DELETE FROM payload WHERE seq < 10")


def forget_value(target: Path) -> None:
    with hostile(target) as connection:
        connection.execute("DELETE FROM sealed WHERE seq = (SELECT min(seq) FROM sealed)")


def add_person(target: Path) -> None:
    with contextlib.closing(SqliteStore(target)) as store:
        store.vault().bring([PersonAtRest(b"m" * 32, "p_stranger", b"identity", b"key")])


def fold_otherwise(target: Path) -> None:
    with hostile(target) as connection:
        connection.execute("UPDATE head SET fold_version = fold_version + 1")


def seal_otherwise(target: Path) -> None:
    with hostile(target) as connection:
        connection.execute("UPDATE head SET mac = zeroblob(32)")


ALTERED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a record": (alter_record, "record 7 differs"),
    "a payload": (forget_payload, "a payload of records 0 to 59 differs"),
    "a sealed value": (forget_value, "a sealed value of records 0 to 59 differs"),
    "a person": (add_person, "its vault keeps somebody"),
    "the fold": (fold_otherwise, "folded by another version"),
    "the seal": (seal_otherwise, "the end of its log is another one"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_copy_that_was_altered_is_refused_and_unchanged(hut: Places, tmp_path: Path, what: str) -> None:
    target = tmp_path / "lineage.db"
    move(hut.database, target)
    alter, why = ALTERED[what]
    alter(target)
    refuse(hut.database, target, why)


def test_a_target_that_is_ahead_is_refused_and_unchanged(hut: Places, tmp_path: Path) -> None:
    ahead = copy_of(hut, tmp_path / "ahead")
    go_on(ahead.database, ahead.keys)
    refuse(hut.database, ahead.file, f"the source has {FEW}")


# --------------------------------------------------------------------------------------------------- a source at fault


def refuse_source(places: Places, tmp_path: Path, error: type[Exception], why: str) -> None:
    """See that a source is refused and nothing that could be served arrives."""
    target = tmp_path / "target.db"
    with pytest.raises(error, match=why):
        move(places.database, target)
    held = head_of(target)
    if held.size:
        assert held.fold_version != FOLD_VERSION
        with pytest.raises(StoreUnavailableError, match="was broken off"):
            go_on(target, places.keys)


BROKEN: dict[str, tuple[str, type[Exception], str]] = {
    "a record": ("UPDATE record SET body = CAST(body || ' ' AS BLOB) WHERE seq = 9", IntegrityError, "record 9 is"),
    "a gap": ("DELETE FROM record WHERE seq = 9", IntegrityError, "record 9 is missing"),
    "the end": ("DELETE FROM record WHERE seq = 59", IntegrityError, "do not lead to its head"),
    "the graph": ("DELETE FROM point WHERE seq = (SELECT max(seq) FROM point)", IntegrityError, "the graphs differ"),
    "a tile": ("UPDATE tile SET hashes = zeroblob(8192)", IntegrityError, "tile 0 of level 0 differs"),
    "another fold": ("UPDATE head SET fold_version = 1", StoreUnavailableError, "lineage rebuild"),
}


def test_a_source_without_records_is_refused(tmp_path: Path) -> None:
    create_store(tmp_path / "empty.db")
    refuse_source(Places(tmp_path / "empty.db", tmp_path), tmp_path, StoreUnavailableError, "nothing to copy")


@pytest.mark.parametrize("what", BROKEN)
def test_a_source_that_does_not_hold_is_refused_and_its_copy_serves_nobody(
    house: Places, hut: Places, tmp_path: Path, what: str
) -> None:
    mine = copy_of(house if what == "a tile" else hut, tmp_path / "mine")
    statement, error, why = BROKEN[what]
    with hostile(mine.file) as connection:
        connection.execute(statement)
    refuse_source(mine, tmp_path, error, why)


def test_a_record_of_a_kind_nobody_knows_here_is_not_copied(hut: Places, tmp_path: Path) -> None:
    mine = copy_of(hut, tmp_path / "mine")
    records = [json.loads(body) for _, _, body in rows_of(mine.file)]
    rows = rechained([*records[:-1], {**records[-1], "type": "weather.observed"}])
    with hostile(mine.file) as connection:
        write_rows(connection, rows)
        write_head(connection, rows)
    reseal(mine)
    refuse_source(mine, tmp_path, StoreUnavailableError, f"record {FEW - 1} is of a kind")
