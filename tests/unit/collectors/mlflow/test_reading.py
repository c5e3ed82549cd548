"""One read after another of a server that changes between them: what is said, and what is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors.delivery import Spans
from collectors.mlflow.connection import MlflowSettingsError, MlflowUnavailableError
from collectors.mlflow.existing import Existing
from collectors.mlflow.memory import Memory
from collectors.mlflow.reading import ClockError, Count, Reading, Wanted
from graph_schema.events import parse_event
from graph_schema.times import format_time
from tests.unit.collectors.mlflow.stand_in import StandIn

MODEL = "model:prod::credit"
START = 1_800_000_000_000_000
PACE = 60_000_000


class Watch:
    """A collector of one server: what it said in all its reads, at a clock that only tests and waiting move."""

    def __init__(self, folder: Path, held: StandIn) -> None:
        self.folder = folder
        self.held = held
        self.now = START
        self.said: list[dict[str, Any]] = []
        self.memory = Memory(folder / "seen.db", "a server")
        self.spans = Spans(folder)

    def read(self, wanted: Wanted | None = None, stop_after: int | None = None) -> list[dict[str, Any]]:
        """Read once, a minute after the last; return the facts."""
        self.now += PACE
        said: list[dict[str, Any]] = []

        def append(facts: Any) -> None:
            said.extend(facts)
            self.said.extend(facts)
            if stop_after is not None and len(said) >= stop_after:
                raise KeyboardInterrupt

        def sleep(seconds: float) -> None:
            self.now += int(seconds * 1_000_000)

        existing = Existing(self.held.server())
        self.count = Count()
        reading = Reading(
            existing, self.memory, "prod", append, lambda: self.now, sleep, wanted or Wanted(), spans=self.spans
        )
        reading.count = self.count
        reading.read()
        for fact in said:
            parse_event(fact)
        return [fact for fact in said if fact["type"] != "collector.reported"]

    def forget(self) -> None:
        """Lose what was seen."""
        self.memory.close()
        for file in self.folder.glob("seen.db*"):
            file.unlink()
        self.memory = Memory(self.folder / "seen.db", "a server")

    @property
    def reported(self) -> list[dict[str, Any]]:
        return [fact["body"] for fact in self.said if fact["type"] == "collector.reported"]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    found = Watch(tmp_path, StandIn())
    yield found
    found.memory.close()


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Watch]:
    found = Watch(tmp_path, StandIn.recorded())
    yield found
    found.memory.close()


def told(facts: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [fact["body"] for fact in facts if fact["type"] == kind]


# ------------------------------------------------------------------------------------------------------ the first read


def test_everything_that_is_there_is_said_and_nobody_is_named(recorded: Watch) -> None:
    facts = recorded.read()
    assert {fact["actor"]["assurance"] for fact in facts} == {"observed"}
    assert all("subject" not in fact["actor"] for fact in facts)
    assert {fact["source"]["ref"] for fact in facts} == {"import"}
    models = [body["model"] for body in told(facts, "model.declared")]
    assert models == [MODEL, "model:prod::scores", "prompt:prod::greet"]
    first = next(body for body in told(facts, "model_version.registered") if body.get("run") and "logged_model" in body)
    version = recorded.held.version("credit", "1")
    assert first["created_ms"] == version["creation_timestamp"]
    assert first["location"] == f"models:/{first['logged_model']}"
    assert [body["to"] for body in told(facts, "stage.transitioned")] == ["Production"]
    aliases = {(body["model"], body["alias"], body["version"]) for body in told(facts, "alias.moved")}
    assert aliases == {(MODEL, "champion", "1"), ("prompt:prod::greet", "production", "1")}
    assert all("not_before" not in body for body in told(facts, "alias.moved"))
    (copy,) = [body for body in told(facts, "model_version.registered") if body["model"] == "model:prod::scores"]
    assert copy["derived_from"] == [{"model": MODEL, "version": "1"}]


def test_a_version_is_dated_by_its_creation_and_its_tags_by_the_read(recorded: Watch) -> None:
    facts = recorded.read()
    created = recorded.held.version("credit", "1")["creation_timestamp"] * 1000
    registered = [fact for fact in facts if fact["type"] == "model_version.registered"]
    assert format_time(created) in {fact["occurred_at"] for fact in registered}
    tags = {body["name"]: body for body in told(facts, "tag.set") if body["node"].startswith("model_version:")}
    assert tags["validation_status"]["value"] == "ok"
    assert tags["team"]["hidden"] == "risk"
    assert {fact["occurred_at"] for fact in facts if fact["type"] == "tag.set"} == {format_time(START + PACE)}
    assert len(told(facts, "description.changed")) == 2


def test_runs_of_every_state_are_said_and_deleted_ones_as_deleted(recorded: Watch) -> None:
    facts = [fact for fact in recorded.read() if fact["type"] == "run.observed"]
    states = {fact["body"].get("state") or fact["body"]["existence"] for fact in facts}
    assert states == {"complete", "failed", "started", "deleted"}
    (whole,) = [fact for fact in facts if fact["body"].get("state") == "complete"]
    assert whole["occurred_at"] == format_time(1_790_000_060_000_000)
    assert {"key": "nan", "value": "NaN"} in whole["body"]["metrics"]
    assert whole["body"]["inputs"][0]["name"] == "loans.parquet"
    (logged,) = told(recorded.said, "logged_model.observed")
    assert logged["state"] == "ready"
    assert logged["run"] == whole["body"]["run"]


def test_a_version_that_never_moved_has_no_stage_to_tell_and_one_that_came_back_has(watch: Watch) -> None:
    watch.held.make("credit", 2)
    watch.held.move("credit", "2", "Production")
    watch.held.move("credit", "2", "None")
    assert [(b["version"], b["to"]) for b in told(watch.read(), "stage.transitioned")] == [("2", "None")]


# ---------------------------------------------------------------------------------------------------------- later reads


def test_a_second_read_says_nothing_and_reports_what_it_covered(recorded: Watch) -> None:
    recorded.read()
    assert recorded.read() == []
    assert recorded.read(Wanted(thorough=False)) == []
    first, second, third = recorded.reported
    assert first["covered_from"] == first["covered_to"] == second["covered_from"] == third["covered_from"]
    assert second["covered_to"] < third["covered_to"]


def test_a_report_speaks_of_its_own_read_alone_once_the_note_of_those_before_is_lost(watch: Watch) -> None:
    for _ in range(3):
        watch.read()
    (watch.folder / "coverage.json").unlink()
    watch.read()
    watch.read()
    *_, third, fourth, fifth = watch.reported
    assert fourth["covered_from"] == fifth["covered_from"] == third["covered_to"]


def test_without_what_was_seen_all_that_has_a_time_is_said_as_before(recorded: Watch) -> None:
    timed = ("model.declared", "model_version.registered", "logged_model.observed")
    first = recorded.read()
    recorded.forget()
    again = recorded.read()
    assert [fact for fact in again if fact["type"] in timed] == [fact for fact in first if fact["type"] in timed]
    runs = [[f for f in facts if f["body"].get("state")] for facts in (first, again)]
    assert runs[0] == runs[1]


def test_what_moved_between_two_reads_is_a_sighting_between_their_moments(watch: Watch) -> None:
    watch.held.make("credit", 3)
    watch.held.alias("credit", "champion", "1")
    watch.read()
    seen = watch.reported[-1]["covered_to"]
    watch.held.move("credit", "2", "Production")
    watch.held.alias("credit", "champion", "2")
    watch.held.alias("credit", "shadow", "3")
    facts = watch.read()
    assert {fact["body"]["not_before"] for fact in facts} == {seen}
    assert {fact["occurred_at"] for fact in facts} == {watch.reported[-1]["covered_to"]}
    assert all(fact["source"] == {} for fact in facts)
    assert [body["version"] for body in told(facts, "alias.moved")] == ["2", "3"]
    watch.held.alias("credit", "shadow", None)
    assert [body["alias"] for body in told(watch.read(), "alias.removed")] == ["shadow"]


def test_tags_and_descriptions_that_change_or_go_are_said(watch: Watch) -> None:
    watch.held.make("credit", 1)
    version = watch.held.version("credit", "1")
    version["tags"] = [{"key": "team", "value": "risk"}, {"key": "validated", "value": "no"}]
    watch.read()
    version["tags"] = [{"key": "validated", "value": "yes"}]
    version["description"] = "better"
    facts = watch.read()
    assert [(b["name"], b["value"]) for b in told(facts, "tag.set")] == [("validated", "yes")]
    assert [body["name"] for body in told(facts, "tag.removed")] == ["team"]
    assert [body["description"] for body in told(facts, "description.changed")] == ["better"]
    version["description"] = ""
    assert [b.get("description") for b in told(watch.read(), "description.changed")] == [None]


def test_what_is_gone_is_said_with_its_window_and_its_aliases_go_with_it(watch: Watch) -> None:
    watch.held.make("credit", 2)
    watch.held.make("old", 2)
    watch.held.alias("old", "champion", "1")
    watch.read()
    seen = watch.reported[-1]["covered_to"]
    created = watch.held.version("credit", "1")["creation_timestamp"]
    watch.held.delete("credit", "1")
    watch.held.delete("old")
    facts = watch.read()
    assert told(facts, "model_version.deleted") == [
        {"model": MODEL, "version": "1", "created_ms": created, "not_before": seen}
    ]
    assert told(facts, "model.deleted") == [{"model": "model:prod::old", "not_before": seen}]
    assert len(facts) == 2
    assert watch.read() == []


def test_a_name_made_anew_ends_the_old_model_before_the_new_one_begins(watch: Watch) -> None:
    watch.held.make("credit", 1)
    watch.held.alias("credit", "champion", "1")
    watch.read()
    watch.held.now = watch.now // 1000 + 10_000
    watch.held.delete("credit")
    watch.held.make("credit", 1)
    watch.held.alias("credit", "champion", "1")
    facts = watch.read()
    made = watch.held.model("credit")["creation_timestamp"] * 1000
    (ended,) = [fact for fact in facts if fact["type"] == "model.deleted"]
    assert ended["occurred_at"] == format_time(made - 1000)
    (registered,) = told(facts, "model_version.registered")
    (alias,) = told(facts, "alias.moved")
    assert alias["created_ms"] == registered["created_ms"] > made // 1000
    assert watch.read() == []


def test_a_rename_is_told_by_the_creation_time_that_stays(watch: Watch) -> None:
    watch.held.make("credit", 2)
    watch.held.move("credit", "2", "Production")
    watch.held.alias("credit", "champion", "2")
    watch.read()
    watch.held.rename("credit", "loans")
    facts = watch.read()
    (renamed,) = told(facts, "model.renamed")
    assert (renamed["model"], renamed["to"]) == (MODEL, "model:prod::loans")
    assert sorted(one["version"] for one in renamed["carried"]) == ["1", "2"]
    assert [body["model"] for body in told(facts, "alias.moved")] == ["model:prod::loans"]
    assert {fact["type"] for fact in facts} == {"model.renamed", "alias.moved"}
    assert watch.read() == []


def test_a_version_that_was_deleted_beside_a_rename_is_gone_under_the_new_name(watch: Watch) -> None:
    watch.held.make("credit", 2)
    watch.read()
    watch.held.rename("credit", "loans")
    watch.held.delete("loans", "1")
    facts = watch.read()
    assert [fact["type"] for fact in facts] == ["model.renamed", "model_version.deleted"]
    assert facts[1]["body"]["model"] == "model:prod::loans"
    assert watch.read() == []


def test_rows_that_a_run_counted_are_the_same_fact_however_often_the_run_is_read(recorded: Watch) -> None:
    ended = next(row for row in recorded.held.runs if row["data"].get("metrics"))
    ended["inputs"]["dataset_inputs"][0]["dataset"]["profile"] = '{"num_rows": 6, "num_elements": 18}'

    def counted() -> list[dict[str, Any]]:
        return [fact for fact in recorded.read() if fact["type"] == "dataset.measured"]

    (first,) = counted()
    assert (first["body"]["version"], first["body"]["rows"]) == ("mlflow-ab6a6660", 6)
    assert first["occurred_at"] == format_time(1_790_000_060_000_000)
    assert counted() == []
    ended["data"]["metrics"].append({"key": "late", "value": 1.0})
    (second,) = counted()
    recorded.forget()
    (third,) = counted()
    assert {**second, "source": first["source"]} == third == first


def test_what_was_measured_of_a_logged_model_is_said_when_it_was_measured_and_once(recorded: Watch) -> None:
    (row,) = recorded.held.logged_models

    def metrics() -> list[tuple[str, Any]]:
        said = [fact for fact in recorded.read() if fact["type"] == "logged_model.observed"]
        return [(fact["occurred_at"], fact["body"].get("metrics")) for fact in said]

    row["data"]["metrics"] = [{"key": "auc", "value": 0.9, "timestamp": 1_790_000_050_000, "step": 0}]
    first = (format_time(1_790_000_050_000_000), [{"key": "auc", "value": "0.9"}])
    assert metrics()[1:] == [first]
    assert metrics() == []
    row["data"]["metrics"].append({"key": "f1", "value": 1, "timestamp": "1790000070000", "step": "1"})
    second = (format_time(1_790_000_070_000_000), [{"key": "auc", "value": "0.9"}, {"key": "f1", "value": "1.0"}])
    assert metrics() == [second]
    row["data"]["metrics"].append({"key": "ahead", "value": 1, "timestamp": 9_790_000_070_000})
    assert [at for at, _ in metrics()] == [format_time(recorded.now)]
    row["data"].pop("metrics")
    assert metrics() == metrics() == []


def test_a_run_that_ends_changes_or_goes_is_said_once_each(recorded: Watch) -> None:
    recorded.read()
    rows = recorded.held.runs
    running = next(row for row in rows if row["info"]["status"] == "RUNNING")
    running["info"] |= {"status": "FINISHED", "end_time": 1_790_000_300_000}
    ended = next(row for row in rows if row["data"].get("metrics"))
    ended["data"]["tags"].append({"key": "validated", "value": "yes"})
    facts = recorded.read()
    assert [body["state"] for body in told(facts, "run.observed")] == ["complete"]
    assert [body["node"] for body in told(facts, "tag.set")] == [f"run:{ended['info']['run_id']}"]
    ended["info"]["lifecycle_stage"] = "deleted"
    assert [body["existence"] for body in told(recorded.read(), "run.observed")] == ["deleted"]
    rows.remove(running)
    recorded.held.logged_models.clear()
    facts = recorded.read()
    assert told(facts, "run.observed") == [{"run": running["info"]["run_id"], "existence": "deleted"}]
    assert [body["existence"] for body in told(facts, "logged_model.observed")] == ["deleted"]
    assert recorded.read() == []


# --------------------------------------------------------------------------------------- disturbed, broken, resumed


def test_a_move_in_the_middle_of_a_read_lies_in_the_window_of_its_sighting(watch: Watch) -> None:
    watch.held.make("credit", 3)
    watch.read()
    happened: list[int] = []

    def before(path: str) -> None:
        if path == "experiments/search" and not happened:
            watch.now += 5_000_000
            happened.append(watch.now)
            watch.held.now = watch.now // 1000
            watch.held.alias("credit", "champion", "2")
            watch.held.move("credit", "3", "Production")
            watch.now += 5_000_000

    watch.held.before = before
    facts = watch.read()
    assert {fact["type"] for fact in facts} == {"alias.moved", "stage.transitioned"}
    assert {fact["occurred_at"] for fact in facts} == {watch.reported[-1]["covered_to"]}
    for fact in facts:
        assert fact["body"]["not_before"] < format_time(happened[0]) < fact["occurred_at"]
    assert watch.read() == []


def test_a_read_that_fails_reports_nothing_and_the_next_joins_the_last_whole_one(watch: Watch) -> None:
    watch.held.make("credit", 2)
    watch.read()
    watch.held.make("late", 1)
    watch.held.before = lambda path: httpx.Response(500) if path == "runs/search" else None
    with pytest.raises(MlflowUnavailableError):
        watch.read()
    assert len(watch.reported) == 1
    watch.held.before = lambda _path: None
    watch.read()
    watch.read()
    first, *later = watch.reported
    assert [one["covered_from"] for one in later] == [first["covered_to"]] * 2
    assert len(told(watch.said, "model_version.registered")) == 3


def test_a_read_that_was_broken_off_is_taken_up_and_stays_an_import(watch: Watch) -> None:
    watch.held.make("credit", 1200)
    watch.held.move("credit", "7", "Production")
    with pytest.raises(KeyboardInterrupt):
        watch.read(stop_after=600)
    watch.read()
    registered = [(fact["body"]["version"], fact["occurred_at"]) for fact in watch.said if "location" in fact["body"]]
    assert len(set(registered)) == 1200
    assert len(registered) < 2400
    (stage,) = [fact for fact in watch.said if fact["type"] == "stage.transitioned"]
    assert stage["source"] == {"ref": "import"}


def test_only_the_experiments_and_the_time_asked_for_are_read_and_the_report_says_so(recorded: Watch) -> None:
    recorded.read(Wanted(experiments=["nowhere"], since=START))
    assert recorded.count.problems == ["there is no experiment nowhere"]
    assert "only some experiments" in recorded.reported[0]["problem"]
    assert not told(recorded.said, "run.observed")


def test_a_clock_that_went_back_is_said(watch: Watch) -> None:
    watch.read()
    watch.now -= 2 * PACE
    with pytest.raises(ClockError, match="set the clock right"):
        watch.read()


def test_what_was_seen_of_one_server_is_not_taken_for_another_and_only_its_owner_reads_it(watch: Watch) -> None:
    watch.held.make("credit", 1)
    watch.read()
    assert {file.stat().st_mode & 0o777 for file in watch.folder.glob("seen.db*")} == {0o600}
    with pytest.raises(MlflowSettingsError, match="--state"):
        Memory(watch.folder / "seen.db", "another server")


def test_a_damaged_file_says_that_nothing_is_lost_by_moving_it_away(tmp_path: Path) -> None:
    (tmp_path / "seen.db").write_bytes(b"no database" * 100)
    with pytest.raises(MlflowSettingsError, match="not recorded twice"):
        Memory(tmp_path / "seen.db", "a server")
