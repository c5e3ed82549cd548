import errno
import json
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.delivery import Batch, Entry, Spool, SpoolFullError, SpoolUnwritableError


def fact(number: int, group: str | None = None) -> dict[str, Any]:
    return {"type": "tag.set", "n": number, **({"source": {"event_id": group}} if group else {})}


def numbers(batch: Batch | None) -> list[int]:
    return [] if batch is None else [entry.event["n"] for entry in batch.entries]


def drained(spool: Spool, limit: int = 100) -> list[list[int]]:
    """Take everything out, batch by batch."""
    batches = []
    while (batch := spool.batch(limit)) is not None:
        batches.append(numbers(batch))
        spool.advance(batch.end)
    return batches


def newest(spool: Spool) -> Path:
    return max(spool.path.glob("events-*"))


def test_facts_come_out_in_order_with_their_order_in_the_source(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert spool.append([fact(0), fact(1, "act")]) == [1, 2]
    assert spool.append([fact(2)]) == [3]
    batch = spool.batch()
    assert batch is not None
    assert [entry.event["source"] for entry in batch.entries] == [
        {"order": 1},
        {"event_id": "act", "order": 2},
        {"order": 3},
    ]
    assert spool.waiting() == 3


def test_the_order_grows_across_restarts_also_when_everything_was_delivered(tmp_path: Path) -> None:
    for start in range(3):
        spool = Spool(tmp_path, segment_bytes=1)
        assert spool.append([fact(start), fact(start)]) == [2 * start + 1, 2 * start + 2]
        drained(spool)


def test_what_was_delivered_stays_delivered_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([fact(n) for n in range(5)])
    batch = spool.batch(2)
    assert batch is not None
    spool.advance(batch.end)
    assert drained(Spool(tmp_path)) == [[2, 3, 4]]
    assert Spool(tmp_path).waiting() == 0


def test_delivered_segments_are_removed_and_the_newest_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=1)
    for n in range(4):
        spool.append([fact(n)])
    assert len(list(tmp_path.glob("events-*"))) == 4
    assert drained(spool) == [[0], [1], [2], [3]]
    assert len(list(tmp_path.glob("events-*"))) == 1


def test_a_torn_last_line_is_ignored_cut_off_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path)
    spool.append([fact(0)])
    with newest(spool).open("ab") as file:
        file.write(b'{"type":"tag.set","n":1,"sou')
    again = Spool(tmp_path)
    assert numbers(again.batch()) == [0]
    with caplog.at_level(logging.WARNING, "lineage.delivery"):
        assert again.append([fact(2)]) == [2]
    assert "28 bytes of an unfinished line" in caplog.text
    assert drained(again) == [[0, 2]]


@given(cut=st.integers(0, 200), extra=st.binary(max_size=20))
def test_a_crash_at_any_byte_loses_only_what_was_not_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, cut: int, extra: bytes
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"))
    spool.append([fact(n) for n in range(3)])
    path = newest(spool)
    whole = path.read_bytes()
    spool.append([fact(3), fact(4)])
    unfinished = path.read_bytes()[len(whole) :][:cut].rstrip(b"\n") + extra.replace(b"\n", b"")
    path.write_bytes(whole + unfinished)
    again = Spool(spool.path)
    kept = numbers(again.batch())
    assert kept[:3] == [0, 1, 2]
    (order,) = again.append([fact(9)])
    found = again.batch()
    assert numbers(found) == [*kept, 9]
    assert found is not None
    assert order == max(entry.order for entry in found.entries)


def test_a_damaged_line_does_not_stop_the_facts_behind_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([fact(0)])
    spool.append([fact(1)])
    path = newest(spool)
    path.write_bytes(path.read_bytes().replace(b'{"type":"tag.set","n":0', b'{"type"?"tag.set","n":0'))
    batch = Spool(tmp_path).batch()
    assert batch is not None
    assert numbers(batch) == [1]
    assert len(batch.damaged) == 1


def test_a_full_spool_refuses_and_says_what_to_do(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=200)
    spool.append([fact(0)])
    with pytest.raises(SpoolFullError, match="make the service reachable"):
        spool.append([{"type": "tag.set", "n": 1, "text": "x" * 200}])
    with pytest.raises(SpoolFullError):
        spool.require_room(200)
    assert spool.append([fact(2)]) == [2]
    assert drained(spool) == [[0, 2]]


def test_what_was_set_aside_counts_towards_the_bound(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=300)
    spool.set_aside(fact(0), {"title": "x" * 250})
    with pytest.raises(SpoolFullError, match="rejected"):
        spool.append([fact(1)])


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let every write beyond a size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_disk_cuts_short_leaves_no_half_fact(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([fact(0)])
    size = newest(spool).stat().st_size
    with file_size_limit(size + 30), pytest.raises(SpoolUnwritableError, match="free or mend its disk"):
        spool.append([{"type": "tag.set", "n": 1, "text": "x" * 100}])
    assert newest(spool).stat().st_size == size
    assert spool.append([fact(2)]) == [2]
    assert drained(spool) == [[0, 2]]


def test_a_folder_that_is_gone_is_an_error_of_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.path.rmdir()
    for call in (lambda: spool.append([fact(0)]), lambda: spool.require_room(1), spool.batch):
        with pytest.raises(SpoolUnwritableError):
            call()


def test_a_path_that_is_a_file_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnwritableError, match="cannot be made"):
        Spool(tmp_path / "file")


def test_one_claim_at_a_time_and_it_ends_with_its_holder(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    claim = spool.claim()
    assert claim is not None
    assert spool.claim() is None
    program = "import sys, pathlib, collectors.delivery as d; print(d.Spool(pathlib.Path(sys.argv[1])).claim())"
    asked = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "None"
    claim.release()
    taken = spool.claim()
    assert taken is not None
    taken.release()


def test_several_processes_share_one_order(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from collectors.delivery import Spool\n"
        "spool = Spool(Path(sys.argv[1]), segment_bytes=2000)\n"
        "for n in range(50): spool.append([{'n': n, 'who': sys.argv[2]}, {'n': n, 'who': sys.argv[2]}])\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(who)]) for who in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    spool = Spool(tmp_path)
    entries: list[Entry] = []
    while (batch := spool.batch()) is not None:
        entries += batch.entries
        spool.advance(batch.end)
    assert [entry.order for entry in entries] == list(range(1, 301))
    for who in ("0", "1", "2"):
        own = [entry.event["n"] for entry in entries if entry.event["who"] == who]
        assert own == [n for n in range(50) for _ in range(2)]


def test_the_facts_of_one_act_stay_in_one_batch(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([fact(0), fact(1)])
    spool.append([fact(n, "act") for n in range(2, 5)])
    spool.append([fact(5)])
    assert drained(spool, limit=4) == [[0, 1], [2, 3, 4, 5]]


def test_an_act_larger_than_a_batch_is_cut(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([fact(n, "act") for n in range(5)])
    assert drained(spool, limit=2) == [[0, 1], [2, 3], [4]]


def test_a_batch_is_bounded_in_bytes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([{"n": n, "text": "x" * 400_000} for n in range(5)])
    assert drained(spool) == [[0, 1], [2, 3], [4]]


def test_a_damaged_cursor_sends_again_and_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path)
    spool.append([fact(0)])
    drained(spool)
    (tmp_path / "cursor.json").write_text("{")
    assert drained(Spool(tmp_path)) == [[0]]
    assert "sent again" in caplog.text


def test_facts_at_rest_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([fact(0)])
    spool.set_aside(fact(1), "because")
    modes = {path.stat().st_mode & 0o777 for path in spool.path.iterdir()}
    assert modes == {0o600}
    assert spool.path.stat().st_mode & 0o777 == 0o700


def test_what_is_set_aside_is_kept_with_its_reason(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.set_aside(fact(7), {"title": "no such kind"})
    (line,) = (tmp_path / "rejected.ndjson").read_text().splitlines()
    assert json.loads(line) == {"reason": {"title": "no such kind"}, "event": fact(7)}


def test_an_append_returns_only_after_the_disk_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.append([fact(0)])

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(SpoolUnwritableError, match="the disk is gone"):
        spool.append([fact(1)])
    monkeypatch.undo()
    assert drained(spool) == [[0]]
