"""Verification of the records: levels, exit codes, what is said to be unverified, forged content under sound hashes."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graph_schema import canonical
from lineage_service.errors import InputError, StoreUnavailableError
from lineage_service.evidence.findings import CLASS_MEANING, Finding, Report
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.verify import Position, RecordWalk, Walked
from lineage_service.ledger import keys
from lineage_service.ledger.checkpoint import Checkpoint, sign_checkpoint
from lineage_service.ledger.merkle import Frontier, leaf_hash
from lineage_service.recorder.installation import Places, create
from tests.ledgers import (
    copy_of,
    hostile,
    make_ledger,
    rechained,
    record_all,
    reopen,
    reseal,
    rows_of,
    ticking,
    varied_events,
    write_head,
    write_rows,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return make_ledger(tmp_path_factory.mktemp("whole"), 40)


@pytest.fixture
def ledger(whole: Places, tmp_path: Path) -> Places:
    return copy_of(whole, tmp_path / "copy")


@pytest.fixture(scope="module")
def records(whole: Places) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in rows_of(whole.file)]


def note_of(places: Places) -> bytes:
    with contextlib.closing(sqlite3.connect(places.file)) as connection:
        note: bytes = connection.execute("SELECT note FROM note").fetchone()[0]
    return note


def walk(records: list[dict[str, Any]]) -> Walked:
    rows = rechained(records)
    walker = RecordWalk(None, ())
    walker.feed_all(rows)
    return walker.finish({seq: body for seq, _, body in rows}.get)


def altered(records: list[dict[str, Any]], seq: int, **fields: Any) -> list[dict[str, Any]]:
    return [{**record, **fields} if number == seq else record for number, record in enumerate(records)]


# --------------------------------------------------------------------------------------------------- levels, exit codes


def test_an_untouched_ledger_with_its_own_key_is_signed(whole: Places) -> None:
    report = run_verify(whole, level=2)
    assert (report.exit_code, report.level, report.findings, report.incomplete) == (0, 2, (), ())
    assert report.counts["records"] == 40
    assert any("records 0 to 39" in line for line in report.verified)


def test_the_report_of_a_sound_ledger_says_what_was_not_looked_at(whole: Places) -> None:
    said = "\n".join(run_verify(whole).lines())
    assert "Not looked at" in said
    assert "--deep" in said
    assert "Is data safe?" in said
    assert "Next:" in said


def test_a_copy_of_the_database_alone_is_self_consistent_and_says_why_no_more(whole: Places, tmp_path: Path) -> None:
    alone = Places(tmp_path / "lineage.db", tmp_path / "keys")
    alone.file.write_bytes(whole.file.read_bytes())
    report = run_verify(alone)
    assert (report.exit_code, report.level) == (0, 1)
    assert any("nothing from outside" in line for line in report.trust)
    assert any("rollback" in line for line in report.not_verified)
    assert run_verify(alone, level=2).exit_code == 3


@pytest.mark.parametrize("pin", ["key", "genesis"])
def test_a_copy_of_the_database_alone_is_signed_under_what_the_auditor_noted(
    whole: Places, tmp_path: Path, pin: str
) -> None:
    alone = Places(tmp_path / "lineage.db", tmp_path / "keys")
    alone.file.write_bytes(whole.file.read_bytes())
    trust = tmp_path / "trust"
    noted = keys.load_key(whole.log_key).vkey if pin == "key" else rows_of(whole.file)[0][1].hex()
    trust.write_text(f"\n# from the opening of the log\n{noted}\n")
    report = run_verify(alone, trust=trust, level=2)
    assert (report.exit_code, report.level) == (0, 2)


def test_a_root_key_alone_does_not_raise_the_level(whole: Places, tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    trust.write_text(keys.load_key(whole.root_key).vkey + "\n")
    assert run_verify(whole, trust=trust).level == 1
    trust.write_text(keys.generate_signing_key(keys.load_key(whole.root_key).name).vkey + "\n")
    report = run_verify(whole, trust=trust)
    assert [(finding.cls, finding.seq) for finding in report.findings] == [("key", 0)]


@pytest.mark.parametrize("content", ["", "# nothing\n", "rubbish\n", "a+b+c\n", "\xff"])
def test_a_trust_file_that_says_nothing_is_bad_input(whole: Places, tmp_path: Path, content: str) -> None:
    trust = tmp_path / "trust"
    trust.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError):
        run_verify(whole, trust=trust)


def test_a_place_without_a_ledger_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        run_verify(Places(tmp_path / "none.db", tmp_path))


def test_a_ledger_can_be_verified_while_it_is_written(tmp_path: Path) -> None:
    places = Places(tmp_path / "lineage.db", tmp_path / "keys")
    installation = create(places, origin="test.example/log", clock=ticking())
    try:
        record_all(installation, varied_events(installation, 30))
        installation.recorder.keep_head()
        report = run_verify(places, deep=True)
        assert (report.exit_code, report.counts["records"]) == (0, 31)
    finally:
        installation.close()


def test_a_read_only_copy_can_be_verified_by_somebody_who_may_not_write_there(whole: Places, tmp_path: Path) -> None:
    place = tmp_path / "media"
    place.mkdir()
    (place / "lineage.db").write_bytes(whole.file.read_bytes())
    (place / "lineage.db").chmod(0o444)
    place.chmod(0o555)
    code = (
        "import os, sys, pathlib\n"
        "from lineage_service.evidence.inspection import run_verify\n"
        "from lineage_service.recorder.installation import Places\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "place = pathlib.Path(sys.argv[1])\n"
        "print(run_verify(Places(place / 'lineage.db', place / 'keys')).exit_code)\n"
    )
    for folder in (tmp_path, *(parent for parent in tmp_path.parents if "pytest-" in str(parent))):
        folder.chmod(0o755)
    command = [sys.executable, "-c", code, str(place)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    place.chmod(0o755)
    assert ended.stdout.strip() == "0", ended.stderr


# --------------------------------------------------------------------------------------------------- the end of the log


def test_records_under_no_signature_make_the_verdict_incomplete(whole: Places, ledger: Places) -> None:
    old = note_of(ledger)
    installation = reopen(ledger)
    record_all(installation, varied_events(installation, 60), group=60)
    installation.close()
    with hostile(ledger.file) as connection:
        size = connection.execute("SELECT count(*) FROM record").fetchone()[0]
        connection.execute("UPDATE note SET note = ?, size = 40", (old,))
    report = run_verify(ledger)
    assert report.exit_code == 0, "the signer's memory vouches for what is newer than the checkpoint"
    assert any("by the signer's memory" in line for line in report.verified)
    ledger.signer_state.unlink()
    report = run_verify(ledger)
    assert report.exit_code == 2
    assert any(f"{size - 40} records at the end" in line and "within a second" in line for line in report.incomplete)


def test_a_missing_checkpoint_is_tampering(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        connection.execute("DELETE FROM note")
    report = run_verify(ledger)
    assert (report.exit_code, report.findings[0].cls) == (1, "checkpoint")


def test_a_checkpoint_is_stored_before_a_new_log_is_handed_out(tmp_path: Path) -> None:
    places = Places(tmp_path / "lineage.db", tmp_path / "keys")
    installation = create(places, origin=None, clock=ticking())
    try:
        assert note_of(places).split(b"\n")[1] == b"1"
    finally:
        installation.close()


def test_a_ledger_without_records_has_nothing_to_verify(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        for table in ("record", "head", "note"):
            connection.execute(f"DELETE FROM {table}")
    ledger.signer_state.unlink()
    assert run_verify(Places(ledger.database, ledger.keys / "none")).exit_code == 2


def test_a_head_row_that_ends_elsewhere_is_caught(ledger: Places) -> None:
    with hostile(ledger.file) as connection:
        write_head(connection, rows_of(ledger.file)[:-1])
    assert [finding.cls for finding in run_verify(ledger).findings] == ["tree"]


# ----------------------------------------------------------------------------------------------- from a checkpoint held


def test_only_newer_records_are_read_after_a_checkpoint_held_elsewhere(ledger: Places, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_bytes(note_of(ledger))
    installation = reopen(ledger)
    record_all(installation, varied_events(installation, 300), group=50)
    installation.close()
    report = run_verify(ledger, since=held, level=2)
    added = len(rows_of(ledger.file)) - 40
    assert (report.exit_code, report.counts["records"]) == (0, added), report.lines()
    assert any("0 to 39" in line for line in report.not_verified)


def test_the_newest_checkpoint_held_leaves_nothing_to_read(whole: Places, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_bytes(note_of(whole))
    report = run_verify(whole, since=held)
    assert (report.exit_code, report.counts["records"]) == (0, 0)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"a\n1\nb\n\n"])
def test_a_file_that_is_no_checkpoint_of_this_log_is_bad_input(whole: Places, tmp_path: Path, content: bytes) -> None:
    held = tmp_path / "held"
    held.write_bytes(content)
    with pytest.raises(InputError):
        run_verify(whole, since=held)
    with pytest.raises(InputError):
        run_verify(whole, since=tmp_path / "missing")
    with pytest.raises(InputError):
        run_verify(whole, since=held, deep=True)


def test_an_altered_older_record_is_seen_in_its_stored_hash_only_and_the_report_says_so(
    ledger: Places, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    held.write_bytes(note_of(ledger))
    with hostile(ledger.file) as connection:
        connection.execute("UPDATE record SET leaf = zeroblob(32) WHERE seq = 10")
    assert [finding.cls for finding in run_verify(ledger, since=held).findings] == ["fork"]


# ------------------------------------------------------------------------------------- forged content, all hashes sound


def only(walked: Walked) -> Finding:
    assert len(walked.findings) == 1, walked.findings
    return walked.findings[0]


def test_a_sound_chain_has_no_findings(records: list[dict[str, Any]]) -> None:
    walked = walk(records)
    assert (walked.findings, walked.unsupported, walked.size) == ([], {}, 40)


@pytest.mark.parametrize(
    ("fields", "cls"),
    [
        ({"time": "2020-01-01T00:00:00.000000Z"}, "edit"),
        ({"time": "2026-11-23T12:00:00Z"}, "edit"),
        ({"occurred_at": "2026-11-23T12:00:00Z"}, "edit"),
        ({"id": "0" * 32}, "edit"),
        ({"type": "ledger.opened"}, "insert"),
        ({"log": "elsewhere.example/x"}, "insert"),
    ],
)
def test_a_record_that_no_recorder_writes_is_named(
    records: list[dict[str, Any]], fields: dict[str, Any], cls: str
) -> None:
    finding = only(walk(altered(records, 20, **fields)))
    assert (finding.cls, finding.seq) == (cls, 20)


def chained(records: list[dict[str, Any]], numbers: list[int]) -> Walked:
    """Walk records that somebody numbered as they liked and linked and hashed without a fault."""
    rows: dict[int, bytes] = {}
    walker, before = RecordWalk(None, ()), bytes(32)
    for number, record, (row, _, _) in zip(numbers, records, rechained(records), strict=True):
        body = canonical.encode({**record, "seq": number, "prev": before.hex()})
        before = leaf_hash(body)
        at = max(row, number)  # a number that was skipped is skipped by the row as well
        rows[at] = body
        walker.feed(at, before, body)
    return walker.finish(rows.get)


def test_a_number_left_out_by_row_and_record_alike_is_named(records: list[dict[str, Any]]) -> None:
    finding = only(chained(records, [*range(20), *range(21, 41)]))
    assert (finding.cls, finding.seq) == ("delete", 20)


def test_a_record_that_calls_itself_by_an_older_number_is_named(records: list[dict[str, Any]]) -> None:
    walked = chained(records, [*range(20), 7, *range(21, 40)])
    assert (walked.findings[0].cls, walked.findings[0].seq) == ("edit", 20)


def test_an_event_recorded_twice_is_named(records: list[dict[str, Any]]) -> None:
    doubled = altered(records, 25, **{name: records[9][name] for name in ("id", "occurred_at")})
    finding = only(walk(doubled))
    assert (finding.cls, finding.seq) == ("insert", 25)
    assert "record 9" in finding.found


def test_ids_that_merely_look_alike_accuse_nobody(records: list[dict[str, Any]]) -> None:
    alike = records[25]["id"][:13] + ("0" if records[25]["id"][13] != "0" else "1") + records[25]["id"][14:16]
    alike += records[9]["id"][16:]
    assert walk(altered(records, 25, id=alike)).findings == []


@pytest.mark.parametrize("start", [0, 1, 5, 1023, 1024, 1500, 2048])
def test_the_tree_of_a_walk_is_the_tree_of_its_leaves_at_every_size_asked_for(start: int) -> None:
    bodies = [b"%d" % number for number in range(4200)]
    leaves = [leaf_hash(body) for body in bodies]
    sizes = [size for size in (0, 1, 1023, 1024, 1025, 2047, 2048, 3000, 4096, 4200, 9999) if size >= start]
    walker = RecordWalk(None, sizes, Position(Frontier().extend(leaves[:start])))
    walker.feed_all((number, leaves[number], bodies[number]) for number in range(start, 4200))
    walked = walker.finish(lambda _: None)
    assert walked.frontier == Frontier().extend(leaves)
    assert walked.roots == {
        size: Frontier().extend(leaves[:size]).root() for size in {start, *sizes} if size <= len(leaves)
    }


def test_a_log_that_is_not_opened_by_its_first_record_is_named(records: list[dict[str, Any]]) -> None:
    finding = walk(altered(records, 0, type="tag.set")).findings[0]
    assert (finding.cls, finding.seq) == ("edit", 0)


@pytest.mark.parametrize("fields", [{"type": "weather.observed"}, {"ev": 2}, {"v": 2}, {"later": 1}])
def test_what_this_version_does_not_know_is_counted_and_is_no_finding(
    records: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    walked = walk(altered(records, 20, **fields))
    assert (walked.findings, sum(walked.unsupported.values())) == ([], 1)


@pytest.fixture
def newer(ledger: Places, records: list[dict[str, Any]]) -> Places:
    """A ledger whose newest record, signed by its own key, is of a type this version does not know."""
    rows = rechained(altered(records, 39, type="weather.observed"))
    with hostile(ledger.file) as connection:
        write_rows(connection, rows)
        write_head(connection, rows)
        connection.execute("DELETE FROM note")
    ledger.signer_state.unlink()
    sign_again(ledger, rows)
    reseal(ledger)
    return ledger


def sign_again(places: Places, rows: list[Any]) -> None:
    """Sign the head of these rows with the log's own key, as only whoever holds the key can."""
    key = keys.load_key(places.log_key)
    root = Frontier().extend([leaf for _, leaf, _ in rows]).root()
    note = sign_checkpoint(Checkpoint(key.name, len(rows), root), key)
    with contextlib.closing(sqlite3.connect(places.file, isolation_level=None)) as connection:
        connection.execute("INSERT INTO note VALUES (1, ?, ?)", (len(rows), note))


def test_an_unknown_type_is_never_fine(newer: Places) -> None:
    for deep in (False, True):
        report = run_verify(newer, deep=deep)
        assert report.exit_code == 2, report.lines()
        assert any(line.startswith("UNSUPPORTED") and "weather.observed" in line for line in report.incomplete)


def test_tampering_outranks_what_is_unknown(newer: Places) -> None:
    with hostile(newer.file) as connection:
        connection.execute("UPDATE record SET leaf = zeroblob(32) WHERE seq = 12")
    report = run_verify(newer)
    assert report.exit_code == 1
    assert report.first_bad is not None
    assert (report.first_bad.cls, report.first_bad.seq) == ("edit", 12)


# ----------------------------------------------------------------------------------------------------------- the report


@pytest.fixture
def make() -> Callable[..., Report]:
    def made(**fields: Any) -> Report:
        empty: dict[str, Any] = {"trust": (), "verified": (), "incomplete": (), "not_verified": (), "findings": ()}
        return Report(**{"level": 1, "requested": 1, "counts": {"records": 3}, "seconds": 0.1, **empty, **fields})

    return made


def test_a_finding_outranks_what_is_incomplete_and_that_outranks_the_level(make: Callable[..., Report]) -> None:
    wrong = Finding("edit", 5, "a", "b", "c")
    assert make(findings=(wrong,), incomplete=("x",), requested=2).exit_code == 1
    assert make(incomplete=("x",), requested=2).exit_code == 2
    assert make(requested=2).exit_code == 3
    assert make().exit_code == 0


def test_the_first_bad_record_is_the_earliest_one(make: Callable[..., Report]) -> None:
    findings = tuple(Finding("edit", seq, "", "", "") for seq in (None, 9, 0, 4))
    assert make(findings=findings).first_bad == findings[2]
    assert make(findings=findings[:1]).first_bad == findings[0]
    assert make().first_bad is None


@pytest.mark.parametrize("cls", CLASS_MEANING)
def test_a_report_names_the_class_the_record_and_what_to_do(make: Callable[..., Report], cls: Any) -> None:
    said = "\n".join(make(findings=(Finding(cls, 812, "this", "that", "why"),)).lines())
    for part in (cls, "812", "this", "that", "why", CLASS_MEANING[cls], "Is data safe?", "Next:"):
        assert part in said


def test_a_report_never_says_only_ok(make: Callable[..., Report]) -> None:
    for report in (make(), make(incomplete=("x",)), make(requested=2)):
        assert len(report.lines()) >= 3
        assert Counter(report.lines())["OK"] == 0


def test_a_report_is_plain_data_for_programs(whole: Places) -> None:
    data = json.loads(json.dumps(run_verify(whole).as_dict()))
    assert (data["exit_code"], data["level_name"], data["findings"]) == (0, "SIGNED", [])
