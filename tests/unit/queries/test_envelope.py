"""What stands around a value: coverage, completeness, gaps, both times, evidence."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from graph_schema import times
from graph_schema.events import parse_event
from graph_schema.events.archive import SourceRegistered, SourceRetired
from lineage_service.errors import InputError, IntegrityError, UnknownThingError
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.note import parse_vkey
from lineage_service.queries.asking import Asking, Opener, asking_of
from lineage_service.queries.deployments import DeploymentFilter, deployments
from lineage_service.queries.history import history
from lineage_service.queries.live import live
from lineage_service.queries.provenance import impact, provenance
from lineage_service.recorder.disclosure import Disclosure
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.preparation import Incoming, Sender
from lineage_service.store.sqlite import SqliteStore

NOW = times.parse_time("2026-11-22T12:00:00Z")
MLFLOW = Sender("mlflow", "prod")
MODEL = "model:prod::credit"
CREATED = times.parse_time("2026-11-22T08:00:00Z") // 1000


class House:
    """An installation whose clock is moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.log: Installation = create(
            Places(folder / "lineage.db", folder / "keys"), origin="queries.example", clock=lambda: self.now
        )

    def tell(
        self, word: str, at: str, body: dict[str, Any], actor: dict[str, Any] | None = None, sender: Sender = MLFLOW
    ) -> int:
        event = {
            "type": word,
            "occurred_at": f"2026-11-22T{at}Z",
            "actor": actor or {"issuer": "mlflow:prod", "subject": "omar", "assurance": "authenticated"},
            "body": body,
        }
        prepared = self.log.preparation.prepare([Incoming(parse_event(event), sender)])
        return self.log.recorder.record(prepared, ack="signed").receipts[0].seq

    def register(self, method: str, families: list[str], kind: str = "mlflow", instance: str = "prod") -> None:
        body = {
            "kind": kind,
            "instance": instance,
            "method": method,
            "families": families,
            "assurance": "authenticated",
        }
        self.log.recorder.record(self.log.preparation.prepare([self.log.own_event(SourceRegistered, body)]))

    def retire(self, at: str, kind: str = "mlflow", instance: str = "prod") -> None:
        self.now = max(self.now, times.parse_time(f"2026-11-22T{at}Z"))
        body = {"kind": kind, "instance": instance}
        self.log.recorder.record(self.log.preparation.prepare([self.log.own_event(SourceRetired, body)]))

    def covered(self, start: str, stop: str, sender: Sender = MLFLOW) -> None:
        body = {"covered_from": f"2026-11-22T{start}Z", "covered_to": f"2026-11-22T{stop}Z"}
        self.now = max(self.now, times.parse_time(body["covered_to"]))
        self.tell("collector.reported", stop, body, {"assurance": "system"}, sender)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    built.tell("model_version.registered", "08:00:00", version("1"))
    built.tell("stage.transitioned", "09:00:00", {**version("1"), "to": "Production", "reason": "it is better"})
    yield built
    built.log.close()


def version(number: str) -> dict[str, Any]:
    return {"model": MODEL, "version": number, "created_ms": CREATED}


def asked(
    house: House,
    *,
    opener: bool = False,
    as_of: str | None = None,
    known_at: str | None = None,
    tz: str = "UTC",
    start: str | None = None,
) -> Any:
    """Ask ``deployments`` of the model with the given times."""
    disclosure = Disclosure(house.log.secrets, house.log.store.vault())
    with house.log.store.read() as reader:
        entitled = Opener(disclosure.name, disclosure.value, disclosure.look_up) if opener else None
        asking = asking_of(reader, as_of=as_of, known_at=known_at, tz=tz, now=NOW, opener=entitled)
        return deployments(
            asking, DeploymentFilter(model="credit", start=None if start is None else times.parse_time(start))
        )


def affected(house: House) -> Any:
    """Ask what rests on a version of a dataset."""
    with house.log.store.read() as reader:
        asking = asking_of(reader, as_of=None, known_at=None, tz="UTC", now=NOW)
        return impact(asking, "dataset_version:s3://lake::raw@1")


@pytest.mark.parametrize("ask", [asked, affected])
def test_an_answer_that_rests_on_a_record_that_is_gone_is_refused(house: House, ask: Callable[[House], Any]) -> None:
    fact = {"run": "r1", "inputs": [{"namespace": "s3://lake", "name": "raw", "version": "1"}]}
    house.tell("run.observed", "09:00:00", fact)
    assert ask(house).evidence
    with closing(sqlite3.connect(house.log.places.file)) as connection, connection:
        connection.execute("DROP TRIGGER record_keeps_all")
        connection.execute("DELETE FROM record WHERE type IN ('stage.transitioned', 'run.observed')")
    with pytest.raises(IntegrityError, match=r"record \d+ is gone, and an answer rests on it: run `lineage verify`"):
        ask(house)


def test_without_a_registered_source_no_answer_is_complete(house: House) -> None:
    answer = asked(house)
    assert answer.value["rows"]
    assert answer.coverage == []
    assert not answer.complete


def test_an_answer_is_complete_when_every_source_in_the_path_covered_the_whole_time_and_only_then(house: House) -> None:
    house.register("in_path", ["movement", "model"])
    house.covered("08:00:00", "11:00:00")
    assert asked(house, as_of="2026-11-22T11:00:00Z", opener=True).complete
    assert not asked(house, as_of="2026-11-22T11:00:01Z", opener=True).complete
    assert not asked(house, opener=True).complete


@pytest.mark.parametrize("method", ["pushed", "declared"])
def test_what_is_only_pushed_or_declared_never_proves_completeness(house: House, method: str) -> None:
    house.register(method, ["movement"])
    house.covered("00:00:00", "11:59:59")
    answer = asked(house, as_of="2026-11-22T10:00:00Z", opener=True)
    assert [one["method"] for one in answer.coverage] == [method]
    assert not answer.complete


def test_a_second_source_of_the_same_facts_that_never_reported_makes_the_answer_incomplete(house: House) -> None:
    house.register("in_path", ["movement"])
    house.covered("08:00:00", "11:00:00")
    house.register("polled", ["movement"], kind="kubernetes", instance="eu")
    answer = asked(house, as_of="2026-11-22T10:00:00Z", opener=True)
    assert {one["source"]: one["to"] for one in answer.coverage}["kubernetes/eu"] is None
    assert not answer.complete


def test_a_hole_in_what_a_collector_saw_is_a_gap_that_names_it(house: House) -> None:
    house.register("in_path", ["movement"])
    house.covered("08:00:00", "09:10:00")
    house.covered("09:25:00", "11:00:00")
    answer = asked(house, as_of="2026-11-22T10:30:00Z", opener=True)
    assert ("collector_gap", "mlflow/prod") in {(gap["kind"], gap["subject"]) for gap in answer.gaps}
    assert "09:10:00.000000Z to 2026-11-22T09:25" in answer.gaps[0]["detail"]
    assert not answer.complete
    before = asked(house, as_of="2026-11-22T09:05:00Z", opener=True)
    assert before.gaps == []
    assert before.complete


def test_a_retired_source_answers_until_it_was_retired_and_is_not_asked_about_later_times(house: House) -> None:
    house.register("in_path", ["movement"])
    house.register("polled", ["movement"], kind="mlflow-poll", instance="import")
    house.retire("12:30:00", kind="mlflow-poll", instance="import")
    house.covered("08:00:00", "12:50:00")
    answer = asked(house, as_of="2026-11-22T12:40:00Z", opener=True)
    assert {one["source"]: one["retired"] for one in answer.coverage} == {
        "mlflow-poll/import": "2026-11-22T12:30:00.000000Z",
        "mlflow/prod": None,
    }
    assert not answer.complete  # nobody knows what it would have seen before it was retired
    later = asked(house, as_of="2026-11-22T12:40:00Z", start="2026-11-22T12:31:00Z", opener=True)
    assert [one["source"] for one in later.coverage] == ["mlflow/prod"]
    assert later.complete


def test_a_retired_source_that_reported_to_its_end_proves_the_time_before_and_nobody_proves_the_time_after(
    house: House,
) -> None:
    house.register("in_path", ["movement"])
    house.covered("08:00:00", "12:00:00")
    house.retire("12:00:00")
    assert asked(house, as_of="2026-11-22T12:00:00Z", opener=True).complete
    assert not asked(house, as_of="2026-11-22T12:40:00Z", opener=True).complete
    later = asked(house, start="2026-11-22T12:10:00Z", as_of="2026-11-22T12:40:00Z", opener=True)
    assert (later.coverage, later.complete) == ([], False)


@pytest.mark.parametrize(("begins", "complete"), [("12:00:01", True), ("12:00:02", False)])
def test_a_source_that_follows_a_retired_one_must_join_it(house: House, begins: str, complete: bool) -> None:
    house.register("in_path", ["movement"])
    house.retire("12:00:00")
    house.covered("08:00:00", "12:00:01")
    house.register("in_path", ["movement"], instance="new")
    house.covered(begins, "12:50:00", Sender("mlflow", "new"))
    assert asked(house, as_of="2026-11-22T12:40:00Z", opener=True).complete is complete


def test_an_answer_about_a_target_is_never_complete_without_a_source_that_looks_there(house: House) -> None:
    house.register("in_path", ["movement"])
    house.covered("08:00:00", "11:00:00")
    where = {"environment": "prod", "region": "eu"}
    house.tell("deployment.changed", "09:30:00", {**version("1"), "target": where})
    answer = asked(house, as_of="2026-11-22T10:00:00Z", opener=True)
    assert [row["target"] for row in answer.value["rows"]] == [None, "prod/eu"]
    assert not answer.complete
    assert asked(house, as_of="2026-11-22T09:20:00Z", opener=True).complete


def test_reports_that_join_leave_no_hole_whatever_their_order(house: House) -> None:
    house.register("in_path", ["movement"])
    house.covered("09:00:00", "11:00:00")
    house.covered("08:00:00", "09:00:00")
    assert asked(house, as_of="2026-11-22T10:59:00Z", opener=True).complete


def test_a_sealed_reason_is_shown_to_those_entitled_and_a_gap_to_others(house: House) -> None:
    row = asked(house, opener=True).value["rows"][0]
    assert (row["reason"], row["deployed_by"]["name"]) == ("it is better", "omar (mlflow:prod)")
    answer = asked(house)
    assert answer.value["rows"][0]["reason"] is None
    assert answer.value["rows"][0]["deployed_by"]["name"] is None
    assert [gap["kind"] for gap in answer.gaps] == ["restricted"]


def test_an_erased_reason_is_a_gap_of_its_own(house: House) -> None:
    seq = house.tell("stage.transitioned", "10:00:00", {**version("1"), "to": "Staging", "reason": "personal"})
    assert isinstance(house.log.store, SqliteStore)
    house.log.store._writer.execute("DELETE FROM sealed WHERE seq = ?", (seq,))
    assert ("erased", f"record {seq}") in {(gap["kind"], gap["subject"]) for gap in asked(house, opener=True).gaps}


def test_what_was_recorded_a_day_after_it_happened_is_marked_late(house: House) -> None:
    house.now += 30 * 3600 * times.MICROS_PER_SECOND
    seq = house.tell("stage.transitioned", "10:00:00", {**version("1"), "to": "Staging"})
    assert ("late", f"record {seq}") in {(gap["kind"], gap["subject"]) for gap in asked(house, opener=True).gaps}


def test_both_times_work_apart(house: House) -> None:
    last = house.tell("stage.transitioned", "10:00:00", {**version("1"), "to": "Staging"})
    assert [row["stage"] for row in asked(house).value["rows"]] == ["Production", "Staging"]
    assert [row["stage"] for row in asked(house, as_of="2026-11-22T09:30:00Z").value["rows"]] == ["Production"]
    earlier = asked(house, known_at=str(last - 1))
    assert [(row["stage"], row["until"]) for row in earlier.value["rows"]] == [("Production", None)]
    assert earlier.known_at["seq"] == last - 1
    far = asked(house, known_at="999999")
    assert far.known_at["seq"] == last  # clamped to the head, and the answer says so


def test_known_at_as_a_time_means_the_largest_number_recorded_by_then(house: House) -> None:
    house.now += 60 * times.MICROS_PER_SECOND
    house.tell("stage.transitioned", "10:00:00", {**version("1"), "to": "Staging"})
    answer = asked(house, known_at="2026-11-22T12:00:30Z")
    assert [row["stage"] for row in answer.value["rows"]] == ["Production"]


def test_every_answer_cites_records_that_the_checkpoint_covers(house: House) -> None:
    house.log.recorder.keep_head()  # the stored checkpoint may be a quarter of a second behind
    with house.log.store.read() as reader:
        asking = asking_of(reader, as_of=None, known_at=None, tz="UTC", now=NOW)
        answers: list[Any] = [
            provenance(asking, "model_version:credit/1"),
            impact(asking, MODEL),
            deployments(asking, DeploymentFilter()),
            live(asking),
            history(asking, MODEL),
        ]
        for answer in answers:
            assert answer.evidence, answer.question
            for cited in answer.evidence:
                stored = reader.record(cited["seq"])
                assert stored is not None
                assert stored.leaf.hex() == cited["hash"]
            note = open_checkpoint(answer.checkpoint.encode(), house.log.origin, [parse_vkey(house.log.log_vkey)])
            assert all(cited["seq"] < note.size for cited in answer.evidence)


def test_a_short_name_that_may_mean_several_things_lists_them(house: House) -> None:
    house.tell("model_version.registered", "08:30:00", {**version("1"), "model": "model:dev::credit"})
    with house.log.store.read() as reader:
        asking = Asking(reader, asking_of(reader, as_of=None, known_at=None, tz="UTC", now=NOW).cut)
        with pytest.raises(UnknownThingError) as caught:
            provenance(asking, "model_version:credit/1")
    assert caught.value.candidates == (
        f"model_version:dev::credit/1@{CREATED}",
        f"model_version:prod::credit/1@{CREATED}",
    )


@pytest.mark.parametrize("node", ["model_version:credit/9", "model:nothing", "run:unheard", "model_version:x y/1"])
def test_what_nobody_recorded_is_said_to_be_unknown_and_is_no_empty_answer(house: House, node: str) -> None:
    with house.log.store.read() as reader:
        asking = asking_of(reader, as_of=None, known_at=None, tz="UTC", now=NOW)
        with pytest.raises(UnknownThingError):
            provenance(asking, node)


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ([], "nothing is recorded about it itself"),
        (["ab12345" + "0" * 33], f"the one recorded commit that begins so is commit:ab12345{'0' * 33}"),
        (["ab12345" + "0" * 33, "ab12345" + "1" * 33], "several commits begin like this short hash"),
        (["ab12346" + "0" * 33], "nothing is recorded about it itself"),
    ],
)
def test_a_short_hash_that_a_run_names_is_not_recorded_and_says_which_commit_it_may_be(
    house: House, recorded: list[str], said: str
) -> None:
    house.tell("run.observed", "08:10:00", {"run": "r1", "state": "complete", "commit": {"sha": "ab12345"}})
    for sha in recorded:
        body = {"sha": sha, "repository": "https://git.example/credit", "authored_at": "2026-11-22T07:00:00Z"}
        house.tell("commit.observed", "08:00:00", body)
    with house.log.store.read() as reader:
        asking = asking_of(reader, as_of=None, known_at=None, tz="UTC", now=NOW)
        gaps = {gap["subject"]: gap for gap in provenance(asking, "run:r1").gaps}
    gap = gaps["commit:ab12345"]
    assert gap["kind"] == "not_recorded"
    assert said in gap["detail"]


@pytest.mark.parametrize(
    ("as_of", "known_at", "tz"),
    [("yesterday", None, "UTC"), (None, "soon", "UTC"), ("2026-11-22", None, "Mars/X")],
)
def test_a_time_nobody_can_read_names_its_parameter(
    house: House, as_of: str | None, known_at: str | None, tz: str
) -> None:
    with pytest.raises(InputError) as caught:
        asked(house, as_of=as_of, known_at=known_at, tz=tz)
    assert caught.value.field == ("as_of" if as_of else "known_at")


def test_a_page_of_deployments_goes_on_where_the_last_one_ended_and_says_that_it_was_cut(house: House) -> None:
    for minute in range(1, 6):
        stage = "Staging" if minute % 2 else "Production"
        house.tell("stage.transitioned", f"10:0{minute}:00", {**version("1"), "to": stage})
    rows: list[Any] = []
    after: str | None = None
    with house.log.store.read() as reader:
        asking = asking_of(reader, as_of=None, known_at=None, tz="UTC", now=NOW)
        while True:
            answer = deployments(asking, DeploymentFilter(model="credit", limit=2, after=after))
            rows += answer.value["rows"]
            after = answer.value["after"]
            assert ("limit" in {gap["kind"] for gap in answer.gaps}) == (after is not None)
            if after is None:
                break
        whole = deployments(asking, DeploymentFilter(model="credit"))
    assert rows == whole.value["rows"]
    assert len(rows) == 6
