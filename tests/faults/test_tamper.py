"""Every way of tampering with records, checkpoint, signer's memory and tables that we know: caught, named, classed."""

import contextlib
import copy
import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lineage_service.evidence.deep import NOT_UNDER_THE_LEDGER
from lineage_service.evidence.findings import Draft, Report
from lineage_service.evidence.heads_check import Heads, judge
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.trust import Trust, own_trust
from lineage_service.evidence.verify import RecordWalk, Walked
from lineage_service.ledger import keys
from lineage_service.ledger.checkpoint import Checkpoint, sign_checkpoint
from lineage_service.ledger.merkle import Frontier, leaf_hash
from lineage_service.recorder.installation import Places
from lineage_service.store.migrations import migrate_sqlite
from tests.ledgers import (
    Row,
    copy_of,
    hostile,
    make_ledger,
    rechained,
    record_all,
    renumbered,
    reopen,
    rows_of,
    varied_events,
    write_head,
    write_rows,
)

SIZE = 60
TILED = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return make_ledger(tmp_path_factory.mktemp("whole"), SIZE)


@pytest.fixture(scope="module")
def rows(whole: Places) -> list[Row]:
    return rows_of(whole.file)


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return make_ledger(tmp_path_factory.mktemp("tiled"), TILED)


@pytest.fixture
def ledger(whole: Places, tmp_path: Path) -> Places:
    return copy_of(whole, tmp_path / "copy")


def stored_note(places: Places) -> bytes:
    with contextlib.closing(sqlite3.connect(places.file)) as connection:
        note: bytes = connection.execute("SELECT note FROM note").fetchone()[0]
    return note


def walk(rows: list[Row], sizes: tuple[int, ...] = (SIZE,)) -> Walked:
    walker = RecordWalk(None, sizes)
    walker.feed_all(rows)
    bodies = {seq: body for seq, _, body in rows}
    return walker.finish(bodies.get)


def verdict(rows: list[Row], places: Places) -> Report:
    """Judge rows under the checkpoint and the key of a ledger, without its files."""
    draft = Draft()
    walked = walk(rows)
    draft.findings.extend(walked.findings)
    heads = Heads(stored_note(places), None, "not looked at", None)
    if not draft.findings:
        judge(walked, heads, own_trust(places.log_key), draft)
    return draft.report(2, 2, 0.0)


def caught(report: Report, cls: str, seq: int | None) -> None:
    assert report.exit_code == 1
    assert report.first_bad is not None
    assert (report.first_bad.cls, report.first_bad.seq) == (cls, seq), report.lines()


# ----------------------------------------------------------------------------------------------------- flipped bits


def test_a_flipped_bit_in_any_byte_of_any_record_is_an_edit_of_that_record(rows: list[Row]) -> None:
    walker = RecordWalk(None, (SIZE,))
    flips = 0
    for at, (seq, leaf, body) in enumerate(rows):
        rest = rows[at + 1 :]
        for place in range(len(body)):
            flipped = body[:place] + bytes([body[place] ^ 1 << place % 8]) + body[place + 1 :]
            fork = copy.deepcopy(walker)
            fork.feed(seq, leaf, flipped)
            fork.feed_all(rest if place % 50 == 0 else rest[:2])
            findings = fork.finish(lambda _: None).findings
            assert [(finding.cls, finding.seq) for finding in findings] == [("edit", seq)]
            assert Draft(findings=findings).report(2, 2, 0.0).exit_code == 1
            flips += 1
        walker.feed(seq, leaf, body)
    assert flips == sum(len(body) for _, _, body in rows)


def test_a_flipped_bit_in_any_byte_of_any_stored_leaf_hash_is_an_edit_of_that_record(rows: list[Row]) -> None:
    for at, (seq, leaf, body) in enumerate(rows):
        for place in range(len(leaf)):
            flipped = leaf[:place] + bytes([leaf[place] ^ 1 << place % 8]) + leaf[place + 1 :]
            findings = walk([*rows[:at], (seq, flipped, body), *rows[at + 1 : at + 3]]).findings
            assert [(finding.cls, finding.seq) for finding in findings] == [("edit", seq)]


def test_every_flipped_bit_of_the_note_is_a_fault_of_the_checkpoint(whole: Places, rows: list[Row]) -> None:
    walked, trust, note = walk(rows), own_trust(whole.log_key), stored_note(whole)
    for place in range(len(note)):
        for bit in range(8):
            flipped = note[:place] + bytes([note[place] ^ 1 << bit]) + note[place + 1 :]
            draft = Draft()
            judge(walked, Heads(flipped, None, "not looked at", None), trust, draft)
            caught(draft.report(2, 2, 0.0), "checkpoint", None)


@pytest.mark.parametrize("column", ["body", "leaf"])
def test_a_sample_of_flipped_bits_in_the_file_is_caught_in_the_right_record(
    ledger: Places, rows: list[Row], column: str
) -> None:
    draw = random.Random(column)  # noqa: S311  a sample, not a secret
    for seq in draw.sample(range(SIZE), 12):
        value = rows[seq][2] if column == "body" else rows[seq][1]
        place = draw.randrange(len(value))
        flipped = value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
        with hostile(ledger.file) as connection:
            connection.execute(f"UPDATE record SET {column} = ? WHERE seq = ?", (flipped, seq))
        caught(run_verify(ledger), "edit", seq)
        with hostile(ledger.file) as connection:
            connection.execute(f"UPDATE record SET {column} = ? WHERE seq = ?", (value, seq))
    assert run_verify(ledger).exit_code == 0


def test_a_flipped_bit_of_the_note_in_the_file_is_caught_by_both_kinds_of_verification(ledger: Places) -> None:
    note = stored_note(ledger)
    with hostile(ledger.file) as connection:
        connection.execute("UPDATE note SET note = ?", (note[:-9] + bytes([note[-9] ^ 2]) + note[-8:],))
    for deep in (False, True):
        caught(run_verify(ledger, deep=deep), "checkpoint", None)


# ------------------------------------------------------------------------------------ removed, swapped, put in, cut off


def test_each_record_removed_is_named(whole: Places, rows: list[Row]) -> None:
    for at in range(SIZE - 1):
        caught(verdict([*rows[:at], *rows[at + 1 :]], whole), "delete", at)


def test_each_record_removed_with_the_gap_closed_is_named(whole: Places, rows: list[Row]) -> None:
    for at in range(SIZE - 2):
        caught(verdict(renumbered([*rows[:at], *rows[at + 1 :]]), whole), "delete", at)


def test_the_beginning_cut_off_is_named(whole: Places, rows: list[Row]) -> None:
    caught(verdict(rows[20:], whole), "delete", 0)
    caught(verdict(renumbered(rows[20:]), whole), "delete", 0)


def test_every_two_records_swapped_are_a_reordering_from_the_first_of_them(whole: Places, rows: list[Row]) -> None:
    for one in range(SIZE):
        for other in range(one + 1, SIZE, 7):
            swapped = list(rows)
            swapped[one], swapped[other] = rows[other], rows[one]
            report = verdict(renumbered(swapped), whole)
            caught(report, "reorder", one)
            assert {finding.cls for finding in report.findings} == {"reorder"}


def test_a_record_moved_elsewhere_is_a_reordering(whole: Places, rows: list[Row]) -> None:
    moved = [*rows[:10], *rows[11:31], rows[10], *rows[31:]]
    caught(verdict(renumbered(moved), whole), "reorder", 10)


@pytest.mark.parametrize("honest_about_its_number", [True, False])
def test_a_forged_record_put_in_anywhere_is_named(
    whole: Places, rows: list[Row], honest_about_its_number: bool
) -> None:
    for at in range(1, SIZE):
        record = json.loads(rows[at - 1][2])
        record["body"] = {**record["body"], "forged": True}
        number = at if honest_about_its_number else 7777
        body = json.dumps(
            {**record, "seq": number, "prev": rows[at - 1][1].hex()}, sort_keys=True, separators=(",", ":")
        ).encode()
        forged = (at, leaf_hash(body), body)
        caught(verdict(renumbered([*rows[:at], forged, *rows[at:]]), whole), "insert", at)


def test_a_copy_of_a_record_put_in_anywhere_is_named(whole: Places, rows: list[Row]) -> None:
    for at in range(2, SIZE + 1):
        copied = rows[at // 2 - 1]
        caught(verdict(renumbered([*rows[:at], copied, *rows[at:]]), whole), "insert", at)


def test_a_record_written_over_another_is_an_edit(whole: Places, rows: list[Row]) -> None:
    for at in range(1, SIZE - 1):
        copied = rows[at // 2]
        caught(verdict(renumbered([*rows[:at], copied, *rows[at + 1 :]]), whole), "edit", at)


def test_an_altered_record_with_its_own_hash_recomputed_is_named_by_the_link_after_it(
    whole: Places, rows: list[Row]
) -> None:
    for at in range(1, SIZE - 1):
        body = rows[at][2].replace(b'"assurance":"', b'"assurance":"x')
        caught(verdict([*rows[:at], (at, leaf_hash(body), body), *rows[at + 1 :]], whole), "edit", at)


def test_a_record_of_another_log_is_named(whole: Places, rows: list[Row], tmp_path: Path) -> None:
    other = rows_of(make_ledger(tmp_path / "other", 40).file)
    for at in (1, 17, 39):
        report = verdict([*rows[:at], other[at], *rows[at + 1 :]], whole)
        caught(report, "insert", at)


@pytest.mark.parametrize("lost", [1, 7, 59])
def test_a_cut_off_end_is_a_truncation(ledger: Places, rows: list[Row], lost: int) -> None:
    with hostile(ledger.file) as connection:
        connection.execute("DELETE FROM record WHERE seq >= ?", (SIZE - lost,))
        write_head(connection, rows[: SIZE - lost])
    caught(run_verify(ledger), "truncate", SIZE - lost)


def test_an_emptied_ledger_is_caught(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        for table in ("record", "head", "note"):
            connection.execute(f"DELETE FROM {table}")
    assert run_verify(ledger).exit_code == 1


# ----------------------------------------------------------------------------------------- rollback, fork, foreign keys


@pytest.fixture
def older(tmp_path: Path) -> tuple[Places, Places]:
    """A ledger of 60 records, and the ledger of 40 that it was an hour before."""
    before = make_ledger(tmp_path / "before", 40)
    now = copy_of(before, tmp_path / "now")
    grow(now, 20)
    return now, before


def grow(places: Places, count: int, skip: int = 100) -> None:
    installation = reopen(places)
    events = varied_events(installation, skip + count)
    for _ in range(skip):
        next(events)
    record_all(installation, events)
    installation.close()


def test_an_older_database_with_its_own_valid_checkpoint_is_a_rollback(older: tuple[Places, Places]) -> None:
    now, before = older
    assert run_verify(now).exit_code == 0
    now.file.write_bytes(before.file.read_bytes())
    caught(run_verify(now), "rollback", 40)


def test_the_same_rollback_without_the_signers_memory_is_declared_as_unseen(older: tuple[Places, Places]) -> None:
    now, before = older
    now.file.write_bytes(before.file.read_bytes())
    now.signer_state.unlink()
    report = run_verify(now)
    assert report.exit_code == 0
    assert any("rollback" in line for line in report.not_verified)


def test_a_rollback_is_seen_from_a_checkpoint_held_elsewhere(older: tuple[Places, Places], tmp_path: Path) -> None:
    now, before = older
    held = tmp_path / "held"
    held.write_bytes(stored_note(now))
    caught(run_verify(before, since=held), "rollback", 40)


def test_a_database_restored_and_written_on_is_a_fork(older: tuple[Places, Places], tmp_path: Path) -> None:
    now, before = older
    grow(before, 20, skip=300)
    now.file.write_bytes(before.file.read_bytes())
    caught(run_verify(now), "fork", None)
    held = tmp_path / "held"
    held.write_bytes(stored_note(before))
    original = copy_of(older[0], tmp_path / "original")
    original.file.write_bytes(before.file.read_bytes())
    assert run_verify(original, since=held).exit_code == 1


def test_a_chain_written_anew_from_an_altered_record_on_does_not_have_the_signed_root(
    ledger: Places, rows: list[Row]
) -> None:
    records = [json.loads(body) for _, _, body in rows]
    records[30]["occurred_at"] = "2026-11-22T11:00:00.000000Z"
    records[30]["id"] = f"{1795345200000:012x}" + records[30]["id"][12:]
    forged = rechained(records)
    with hostile(ledger.file) as connection:
        write_rows(connection, forged)
        write_head(connection, forged)
    caught(run_verify(ledger), "edit", None)


def test_a_chain_written_anew_is_located_when_a_stored_tile_remembers_the_leaf(tiled: Places, tmp_path: Path) -> None:
    ledger = copy_of(tiled, tmp_path / "copy")
    records = [json.loads(body) for _, _, body in rows_of(ledger.file)]
    records[200]["body"]["ticket"] = "CHG-0"
    forged = rechained(records)
    with hostile(ledger.file) as connection:
        write_rows(connection, forged)
        write_head(connection, forged)
    caught(run_verify(ledger), "edit", 200)


def forge_with_own_key(ledger: Places, rows: list[Row]) -> None:
    """Rewrite everything, genesis and checkpoint included, under a key of one's own: a perfect forgery from inside."""
    records = [json.loads(body) for _, _, body in rows]
    origin = records[0]["log"]
    mine = keys.generate_signing_key(origin)
    records[0]["body"] |= {"log_key": mine.vkey, "log_key_proof": keys.proof_of_possession(origin, mine)}
    records[40]["body"]["ticket"] = "CHG-0"
    forged = rechained(records)
    root = Frontier().extend([leaf for _, leaf, _ in forged]).root()
    with hostile(ledger.file) as connection:
        write_rows(connection, forged)
        write_head(connection, forged)
        note = sign_checkpoint(Checkpoint(origin, len(forged), root), mine)
        connection.execute("UPDATE note SET note = ?", (note,))


def test_a_forgery_under_an_own_key_fails_against_the_pinned_key(ledger: Places, rows: list[Row]) -> None:
    forge_with_own_key(ledger, rows)
    caught(run_verify(ledger), "key", 0)


def test_a_forgery_under_an_own_key_is_no_more_than_self_consistent_without_a_pinned_key(
    ledger: Places, rows: list[Row], tmp_path: Path
) -> None:
    forge_with_own_key(ledger, rows)
    alone = Places(ledger.database, tmp_path / "no-keys")
    report = run_verify(alone, level=2)
    assert (report.exit_code, report.level) == (3, 1)
    pinned = tmp_path / "trust"
    pinned.write_text(f"# noted when the log was opened\n{rows[0][1].hex()}\n")
    caught(run_verify(alone, trust=pinned, level=2), "key", 0)


def test_the_key_of_another_log_is_refused(ledger: Places, tmp_path: Path) -> None:
    pinned = tmp_path / "trust"
    pinned.write_text(keys.generate_signing_key("somewhere.example/else").vkey + "\n")
    caught(run_verify(ledger, trust=pinned), "key", 0)


def test_a_genesis_key_without_its_owners_proof_is_refused(rows: list[Row]) -> None:
    records = [json.loads(body) for _, _, body in rows]
    records[0]["body"]["log_key_proof"] = records[0]["body"]["root_key_proof"]
    draft = Draft()
    judge(walk(rechained(records)), Heads(None, None, "none", None), Trust(), draft)
    assert ("key", 0) in [(finding.cls, finding.seq) for finding in draft.findings]


def test_a_genesis_that_speaks_for_another_log_is_refused(rows: list[Row]) -> None:
    records = [json.loads(body) for _, _, body in rows]
    records[0]["body"]["origin"] = "elsewhere.example/log"
    draft = Draft()
    judge(walk(rechained(records)), Heads(None, None, "none", None), Trust(), draft)
    assert ("key", 0) in [(finding.cls, finding.seq) for finding in draft.findings]


# ------------------------------------------------------------------------------------ every table, every column, --deep


def schema() -> dict[str, list[tuple[str, str, int]]]:
    """Return (column, type, place in the primary key) of every table of a fresh store but those on the list."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate_sqlite(connection)
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: [(row[1], row[2], row[5]) for row in connection.execute(f"PRAGMA table_info({table})")]
            for table in tables
            if table not in NOT_UNDER_THE_LEDGER
        }


SCHEMA = schema()
COLUMNS = [(table, name) for table, columns in SCHEMA.items() for name, _, _ in columns]
CLASSES = {
    "record": {"edit", "delete", "insert", "reorder", "truncate"},
    "head": {"tree"},
    "tile": {"tree"},
    "note": {"checkpoint"},
    "migration": {"schema"},
    "payload": {"payload"},
    "person": {"vault"},
    "subject_key": {"vault"},
    "sealed": {"vault"},
}
GRAPH = {"graph"}


def other(value: object) -> object:
    """Return another value of the same type."""
    if isinstance(value, int):
        return value + 1_000_003
    if isinstance(value, str):
        return value[:-1] + ("x" if value[-1:] != "x" else "y")
    assert isinstance(value, bytes)
    return value[:-1] + bytes([value[-1] ^ 1])


def unique_columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the columns of which a second row needs other values."""
    found = {name for name, _, place in SCHEMA[table] if place}
    for index in connection.execute(f"PRAGMA index_list({table})").fetchall():
        if index[2]:
            found |= {row[2] for row in connection.execute(f"PRAGMA index_info({index[1]})")}
    return found


@contextlib.contextmanager
def one_row(
    ledger: Places, table: str, column: str | None = None
) -> Iterator[tuple[sqlite3.Connection, dict[str, object], str]]:
    """Give a hostile connection, a row from the middle of a table (with a value in ``column``) and how to name it."""
    with hostile(ledger.file) as connection:
        names = [name for name, _, _ in SCHEMA[table]]
        where = f"WHERE {column} IS NOT NULL" if column else ""
        rows = connection.execute(f"SELECT {', '.join(names)} FROM {table} {where}").fetchall()
        assert rows, f"the ledger has no row of {table} to tamper with"
        row = dict(zip(names, rows[len(rows) // 2], strict=True))
        keys_of_row = [name for name, _, place in SCHEMA[table] if place]
        yield connection, row, " AND ".join(f"{name} = :{name}" for name in keys_of_row)


@pytest.fixture
def full(whole: Places, tiled: Places, tmp_path: Path) -> Callable[[str], Places]:
    """A copy of a ledger that has rows in the table asked for."""
    return lambda table: copy_of(tiled if table == "tile" else whole, tmp_path / "copy")


def expect(report: Report, table: str) -> None:
    assert report.exit_code == 1, report.lines()
    assert {finding.cls for finding in report.findings} & CLASSES.get(table, GRAPH), report.lines()
    assert report.first_bad is not None
    assert report.first_bad.cls in CLASSES.get(table, GRAPH)


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_changed_value_in_any_column_is_caught_under_deep(
    full: Callable[[str], Places], table: str, column: str
) -> None:
    ledger = full(table)
    with one_row(ledger, table, column) as (connection, row, name):
        statement = f"UPDATE {table} SET {column} = :other_value WHERE {name}"
        connection.execute(statement, {**row, "other_value": other(row[column])})
        assert connection.execute("SELECT changes()").fetchone()[0] == 1
    expect(run_verify(ledger, deep=True), table)


@pytest.mark.parametrize("table", SCHEMA)
def test_an_inserted_row_in_any_table_is_caught_under_deep(full: Callable[[str], Places], table: str) -> None:
    ledger = full(table)
    with one_row(ledger, table) as (connection, row, _):
        unique = unique_columns(connection, table)
        added = {name: other(value) if name in unique else value for name, value in row.items()}
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join(f':{name}' for name in added)})", added)
    expect(run_verify(ledger, deep=True), table)


@pytest.mark.parametrize("table", SCHEMA)
def test_a_deleted_row_in_any_table_is_caught_under_deep(full: Callable[[str], Places], table: str) -> None:
    ledger = full(table)
    with one_row(ledger, table) as (connection, row, name):
        connection.execute(f"DELETE FROM {table} WHERE {name}", row)
        assert connection.execute("SELECT changes()").fetchone()[0] == 1
    expect(run_verify(ledger, deep=True), table)


def test_the_mutations_cover_every_table_that_a_ledger_has(whole: Places) -> None:
    with contextlib.closing(sqlite3.connect(whole.file)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - NOT_UNDER_THE_LEDGER.keys() == SCHEMA.keys()
    assert len(COLUMNS) > 50


def test_an_inserted_token_is_caught_and_stands_in_no_record(ledger: Places, rows: list[Row]) -> None:
    with hostile(ledger.file) as connection:
        row = connection.execute("SELECT * FROM point WHERE slot = 'token' AND name = 't1'").fetchone()
        stolen = (row[0], row[1], "mine", *row[3:])
        connection.execute("INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?)", stolen)
    report = run_verify(ledger, deep=True)
    caught(report, "graph", row[5])
    assert not any(b'"token":"mine"' in body for _, _, body in rows)


def test_a_table_that_nothing_accounts_for_is_caught(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        connection.execute("CREATE TABLE backdoor(secret TEXT)")
    caught(run_verify(ledger, deep=True), "unlisted", None)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER record_keeps_all",
        "DROP INDEX record_by_type",
        "CREATE TRIGGER sly AFTER INSERT ON record BEGIN DELETE FROM note; END",
        "ALTER TABLE node ADD COLUMN alias TEXT",
    ],
)
def test_an_altered_structure_is_caught(ledger: Places, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(ledger.file)) as connection:
        connection.execute(statement)
    caught(run_verify(ledger, deep=True), "schema", None)


def test_an_edge_hidden_from_the_reverse_index_alone_is_caught(ledger: Places) -> None:
    with contextlib.closing(sqlite3.connect(ledger.file)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'edge_reverse'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(ledger.file.read_bytes())
    header = (root - 1) * size
    assert content[header] == 10, "the index no longer fits on one page: the test needs a smaller ledger"
    cells = int.from_bytes(content[header + 3 : header + 5], "big")
    content[header + 3 : header + 5] = (cells - 1).to_bytes(2, "big")
    ledger.file.write_bytes(content)
    report = run_verify(ledger, deep=True)
    assert report.exit_code == 1
    assert any("edge_reverse" in finding.found for finding in report.findings if finding.cls == "schema")


def test_a_file_that_is_no_database_any_more_is_reported_and_not_a_crash(ledger: Places) -> None:
    content = bytearray(ledger.file.read_bytes())
    content[:100] = b"\xff" * 100
    ledger.file.write_bytes(content)
    caught(run_verify(ledger, deep=True), "schema", None)
