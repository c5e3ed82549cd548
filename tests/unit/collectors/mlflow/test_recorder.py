import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.delivery import Spans, Spool, SpoolError, SpoolUnwritableError, Token
from collectors.mlflow.act import Before
from collectors.mlflow.coverage import MARGIN, Heartbeat, Problem, Problems
from collectors.mlflow.intents import Intent, IntentJournal
from collectors.mlflow.recorder import Pending, Recorder
from collectors.mlflow.routes import RECORDED
from collectors.mlflow.settings import PluginSettings
from graph_schema.events import parse_event
from graph_schema.times import format_time, parse_time
from tests.journeys.receiver import Receiver, receiving

SECOND = 1_000_000
START = 1_795_393_750 * SECOND


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def heartbeat(spool: Spool, clock: Clock, boot: str = "boot-1") -> Heartbeat:
    spans = Spans(spool.path, watch=boot)
    return Heartbeat(spool, Problems(spool.path), IntentJournal(spool.path), clock, spans)


def reports(spool: Spool) -> list[dict[str, Any]]:
    batch = spool.batch()
    events = [] if batch is None else [entry.event for entry in batch.entries]
    for event in events:
        parse_event(event)
    return [event["body"] for event in events if event["type"] == "collector.reported"]


def facts_of_type(spool: Spool, kind: str) -> list[dict[str, Any]]:
    batch = spool.batch()
    return [entry.event for entry in batch.entries if entry.event["type"] == kind] if batch else []


def lines(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_bytes().rstrip(b"\0").splitlines()]


def seconds(text: str) -> float:
    return next(n / 2 for n in range(-200, 2000) if format_time(START + n * SECOND // 2) == text)


def stretches(spool: Spool) -> list[tuple[float, float]]:
    return [(seconds(body["covered_from"]), seconds(body["covered_to"])) for body in reports(spool)]


# -------------------------------------------------------------------------------------------------------- the heartbeat


def test_the_first_report_comes_at_once_then_every_half_minute_each_from_where_the_watch_began(
    spool: Spool, clock: Clock
) -> None:
    beating = heartbeat(spool, clock)
    for _ in range(100):
        beating.beat()
        clock.now += SECOND
    assert stretches(spool) == [(0, 1), (0, 31), (0, 61), (0, 91)]


def test_reports_of_one_span_are_made_equally_long_after_its_end_whatever_could_not_be_read(
    spool: Spool, clock: Clock
) -> None:
    beating = heartbeat(spool, clock)
    for step in range(9):
        clock.now += (30 + 3 * step) * SECOND
        at = clock.now - MARGIN
        Problems(spool.path).note(Problem("a file was not read", at, at))
        beating.beat()
    batch = spool.batch()
    assert batch is not None
    ends = [(entry.event["occurred_at"], entry.event["body"]["covered_to"]) for entry in batch.entries]
    assert {parse_time(made) - parse_time(end) for made, end in ends} == {MARGIN}
    assert {start for start, _ in stretches(spool)} == {0}
    assert all("not read" in body["problem"] for body in reports(spool))


def test_another_worker_of_the_same_server_goes_on_where_the_first_ended(spool: Spool, clock: Clock) -> None:
    first = heartbeat(spool, clock)
    clock.now += 40 * SECOND
    first.report()
    clock.now += 20 * SECOND
    heartbeat(spool, clock).report()
    assert stretches(spool) == [(0, 38), (0, 58)]


def test_a_server_that_was_down_leaves_a_hole(spool: Spool, clock: Clock) -> None:
    first = heartbeat(spool, clock)
    clock.now += 40 * SECOND
    first.report()
    clock.now += 100 * SECOND
    second = heartbeat(spool, clock, "boot-2")
    clock.now += 10 * SECOND
    second.report()
    assert stretches(spool) == [(0, 38), (140, 148)]


def test_what_was_not_recorded_is_a_hole_with_its_reason(spool: Spool, clock: Clock) -> None:
    beating = heartbeat(spool, clock)
    Problems(spool.path).note(Problem("a run was lost", START + 10 * SECOND, START + 15 * SECOND))
    clock.now += 40 * SECOND
    beating.report()
    clock.now += 30 * SECOND
    beating.report()
    clock.now += 30 * SECOND
    heartbeat(spool, clock).report()
    assert stretches(spool) == [(0, 10), (15, 68), (15, 98)]
    first, second, _ = reports(spool)
    assert "a run was lost" in first["problem"]
    assert "problem" not in second


def test_a_last_report_does_not_wait_for_its_time(spool: Spool, clock: Clock) -> None:
    beating = heartbeat(spool, clock)
    clock.now += 10 * SECOND
    beating.beat()
    clock.now += 10 * SECOND
    beating.beat()
    assert stretches(spool) == [(0, 8)]
    beating.last()
    beating.beat()
    assert stretches(spool) == [(0, 8), (0, 18)]


def test_an_intent_of_a_dead_process_is_a_hole_and_an_attempt_of_unknown_outcome(spool: Spool, clock: Clock) -> None:
    program = (
        "import os; from pathlib import Path; from collectors.mlflow.intents import Intent, IntentJournal\n"
        f"journal = IntentJournal(Path({str(spool.path)!r}))\n"
        "told = {'action': 'POST model-versions/create', 'name': 'm', 'node': 'model:prod::m'}\n"
        f"journal.begin(Intent('one', {START + 5 * SECOND}, told))\n"
        f"two = Intent('two', {START + 6 * SECOND}, {{'action': 'POST registered-models/create'}})\n"
        "journal.begin(two); journal.settle(two); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    beating = heartbeat(spool, clock)
    clock.now += 40 * SECOND
    beating.report()
    (body,) = reports(spool)
    assert seconds(body["covered_to"]) == 5
    assert "whether it took effect is not known" in body["problem"]
    assert "POST model-versions/create" in body["problem"]
    assert "registered-models" not in body["problem"]
    (attempt,) = facts_of_type(spool, "attempt.unresolved")
    assert attempt["source"]["event_id"] == "one"
    assert attempt["body"]["node"] == "model:prod::m"
    assert attempt["body"]["reason"] == "the MLflow process ended before it answered"
    assert json.loads(attempt["body"]["detail"]) == {"name": "m"}
    assert list(spool.path.glob("intents-*")) == []


# ---------------------------------------------------------------------------------------------------------- the journal


def test_the_intents_of_a_living_process_are_left_alone(tmp_path: Path) -> None:
    journal = IntentJournal(tmp_path)
    journal.begin(Intent("one", 1, {"action": "x"}))
    assert list(IntentJournal(tmp_path).unsettled()) == []
    (path,) = tmp_path.glob("intents-*")
    assert lines(path) == [{"intent": "one", "at": 1, "action": "x"}]


def test_a_journal_whose_file_was_removed_makes_a_new_one(tmp_path: Path) -> None:
    journal = IntentJournal(tmp_path)
    journal.begin(Intent("one", 1, {}))
    for path in tmp_path.glob("intents-*"):
        path.unlink()
    journal.begin(Intent("two", 2, {}))
    (path,) = tmp_path.glob("intents-*")
    assert "two" in path.read_text()


def test_a_journal_that_cannot_be_written_refuses_the_change(tmp_path: Path) -> None:
    journal = IntentJournal(tmp_path / "gone")
    with pytest.raises(SpoolUnwritableError, match="LINEAGE_ON_OUTAGE"):
        journal.begin(Intent("one", 1, {}))


def test_a_journal_stays_small_and_loses_no_open_intent(tmp_path: Path) -> None:
    journal = IntentJournal(tmp_path)
    for n in range(300):
        journal.begin(Intent(str(n), n, {"name": "x" * 3000}))
        if n != 250:
            journal.settle(Intent(str(n), n, {}))
        (held,) = tmp_path.glob("intents-*")
        assert held.stat().st_size <= (1 if n < 250 else 2) * 256 * 1024
    (path,) = tmp_path.glob("intents-*")
    assert {one["intent"] for one in lines(path) if "intent" in one} > {"250", "299"}
    assert "250" not in {one["settled"] for one in lines(path) if "settled" in one}


# --------------------------------------------------------------------------------------------------------- the recorder


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def recorder(receiver: Receiver, folder: Path, *, block: bool = True) -> Recorder:
    settings = PluginSettings(receiver.url, Token("t"), "basic-auth", "prod", folder, block)
    return Recorder(settings, "boot")


def pending(action: str = "DELETE registered-models/delete", **fields: Any) -> Pending:
    route = RECORDED[action]
    return Pending("r1", route, fields or {"name": "m"}, START, Before(), "prod", None)


def test_an_act_is_an_intent_then_a_fact_then_delivered(receiver: Receiver, tmp_path: Path) -> None:
    recording = recorder(receiver, tmp_path)
    recording.start()
    recording.intend(pending(), "alice")
    (journal,) = tmp_path.glob("intents-*")
    (told,) = lines(journal)
    assert (told["action"], told["user"], told["name"]) == ("DELETE registered-models/delete", "alice", "m")
    recording.conclude(pending(), 200, {}, "alice")
    receiver.wait_for(lambda: len(receiver.of_type("model.deleted")) == 1)
    recording.close(5)
    (fact,) = receiver.of_type("model.deleted")
    assert fact["actor"]["subject"] == "alice"
    assert '"settled":"r1"' in journal.read_text()


def test_an_intent_holds_no_texts(receiver: Receiver, tmp_path: Path) -> None:
    recording = recorder(receiver, tmp_path)
    wish = pending("POST registered-models/set-tag", name="m", key="note", value="private words")
    recording.intend(wish, None)
    (journal,) = tmp_path.glob("intents-*")
    assert "private words" not in journal.read_text()


def test_without_a_disk_a_registry_write_is_refused_and_a_run_passes(receiver: Receiver, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    recording = recorder(receiver, folder)
    folder.rename(tmp_path / "away")
    with pytest.raises(SpoolError):
        recording.intend(pending(), "alice")
    recording.intend(pending("POST runs/create", experiment_id="0"), "alice")


def test_allowed_without_a_record_becomes_a_hole(receiver: Receiver, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    recording = recorder(receiver, folder, block=False)
    folder.rename(tmp_path / "away")
    recording.intend(pending(), "alice")
    (tmp_path / "away").rename(folder)
    recording._heartbeat._problems.note(Problem("one more", START, START))
    texts = [problem.text for problem in recording._problems.take()]
    assert any("allowed without an intent on record" in text for text in texts)


def test_facts_that_the_disk_refuses_wait_in_memory_and_come_later(receiver: Receiver, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    recording = recorder(receiver, folder)
    recording.intend(pending(), "alice")
    folder.rename(tmp_path / "away")
    recording.conclude(pending(), 200, {}, "alice")
    (journal,) = (tmp_path / "away").glob("intents-*")
    assert "settled" not in journal.read_text()
    (tmp_path / "away").rename(folder)
    recording.start()
    receiver.wait_for(lambda: len(receiver.of_type("model.deleted")) == 1)
    recording.close(5)
    assert "settled" in next(iter(folder.glob("intents-*"))).read_text()


@pytest.mark.parametrize("status", [500, 503])
def test_an_unknown_outcome_is_a_problem_and_an_attempt(receiver: Receiver, tmp_path: Path, status: int) -> None:
    recording = recorder(receiver, tmp_path)
    held = replace(pending(), before=Before(known="all"))
    recording.intend(held, "alice")
    recording.conclude(held, status, {}, "alice")
    (problem,) = recording._problems.take()
    assert "whether it took effect is not known" in problem.text
    assert problem.started == START
    (fact,) = facts_of_type(Spool(tmp_path), "attempt.unresolved")
    assert (fact["actor"]["subject"], fact["body"]["reason"]) == ("alice", f"MLflow answered {status}")
    assert fact["body"]["node"] == "model:prod::m"


def test_a_run_that_cannot_be_read_is_a_problem_and_the_next_is_recorded(receiver: Receiver, tmp_path: Path) -> None:
    recording = recorder(receiver, tmp_path)
    recording.start()
    recording.conclude(pending("POST runs/create", experiment_id="0"), 200, {"run": {"info": 7}}, "alice")
    made = {"run": {"info": {"run_id": "r9", "run_name": "n"}}}
    recording.conclude(pending("POST runs/create", experiment_id="0"), 200, made, "alice")
    receiver.wait_for(lambda: len(receiver.of_type("run.observed")) == 1)
    recording.close(5)
    assert receiver.of_type("run.observed")[0]["body"] == {"run": "r9", "name": "n", "state": "started"}


def test_closing_writes_what_is_buffered_and_makes_a_last_report(receiver: Receiver, tmp_path: Path) -> None:
    clock = Clock()
    settings = PluginSettings(receiver.url, Token("t"), "none", "prod", tmp_path, block=True)
    recording = Recorder(settings, f"boot-{os.getpid()}", clock)
    clock.now += 20 * SECOND
    recording.start()
    made = {"run": {"info": {"run_id": "r9"}}}
    recording.conclude(pending("POST runs/create", experiment_id="0"), 200, made, None)
    recording.close(5)
    assert [event["body"]["run"] for event in receiver.of_type("run.observed")] == ["r9"]
    (report,) = receiver.of_type("collector.reported")
    assert report["body"]["covered_from"] == format_time(START)
