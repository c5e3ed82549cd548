import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.mlflow import file_reader, whole_run
from collectors.mlflow.act import Act
from collectors.mlflow.artifact_store import MlflowFiles
from collectors.mlflow.artifacts import ArtifactWish, Budget, Entry, read_files
from collectors.mlflow.file_reader import FileReader
from collectors.mlflow.recorder import Recorder
from collectors.mlflow.routes import RECORDED
from collectors.mlflow.runs import Found
from collectors.mlflow.settings import PluginSettings, PluginSettingsError
from graph_schema.events import parse_event

SETTINGS = {"LINEAGE_URL": "http://127.0.0.1:8765", "LINEAGE_TOKEN": "lt_test"}
END, CREATE = RECORDED["POST runs/update"], RECORDED["POST model-versions/create"]
ENDED = {"run_id": "r1", "status": "FINISHED"}
ACT = Act("r", END, ENDED, 1, 2, 200, {}, "prod", issuer="mlflow:prod")
RUN: dict[str, Any] = {
    "info": {"run_id": "r1", "status": "FINISHED"},
    "data": {"tags": {"lineage.runtime.python": "3.11"}},
}


@pytest.fixture(autouse=True)
def _runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_run, "read_run", lambda name, _: {**RUN, "info": {**RUN["info"], "run_id": name}})


class Read:
    """What a reader recorded and noted."""

    def __init__(self) -> None:
        self.facts: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def reader(self, wish: ArtifactWish | None = None) -> FileReader:
        return FileReader(wish or ArtifactWish(), lambda _act, facts: self.facts.extend(facts), self.notes.append)

    def wait_for(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not enough():
            assert time.monotonic() < deadline, self.notes
            time.sleep(0.01)


def test_what_lies_around_a_run_is_recorded_and_what_could_not_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_run, "read_around", lambda *_: (Found(), ["run r1: its files cannot be reached"]))
    read = Read()
    reader = read.reader()
    reader.start()
    reader.look(ACT, None)
    read.wait_for(lambda: bool(read.facts))
    reader.close(2)
    assert read.facts[0]["body"]["runtime"]["python"] == "3.11"
    assert read.notes == ["run r1: its files cannot be reached"]


def test_a_run_of_the_web_pages_which_begins_and_ends_in_one_request_is_read_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(whole_run, "read_around", lambda run, *_: (Found(files=[{"path": run["info"]["run_id"]}]), []))
    read = Read()
    reader = read.reader()
    reader.start()
    lab = replace(ACT, route=RECORDED["POST runs/create-promptlab-run"], fields={"experiment_id": "7"})
    reader.look(replace(lab, response={}), None)
    reader.look(replace(lab, response={"run": {"info": {"run_id": "r9"}}}), None)
    read.wait_for(lambda: bool(read.facts))
    reader.close(2)
    assert [(fact["body"]["run"], fact["body"]["artifacts"]) for fact in read.facts] == [("r9", [{"path": "r9"}])]


def test_a_store_that_breaks_costs_one_run_its_files_and_not_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def around(run: Mapping[str, Any], *_: object) -> tuple[Found, list[str]]:
        if run["info"]["run_id"] == "bad":
            raise OSError("https://user:secret@store")
        return Found(), []

    monkeypatch.setattr(whole_run, "read_around", around)
    read = Read()
    reader = read.reader()
    reader.start()
    reader.look(replace(ACT, fields={**ENDED, "run_id": "bad"}), None)
    reader.look(ACT, None)
    read.wait_for(lambda: bool(read.facts))
    reader.close(2)
    assert read.notes == ["what lies around POST runs/update was not read: OSError"]


def test_a_store_that_hangs_holds_up_neither_the_asker_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, begun = threading.Event(), threading.Event()

    def around(*_: object) -> tuple[Found, list[str]]:
        begun.set()
        hanging.wait(10)
        return Found(), []

    monkeypatch.setattr(whole_run, "read_around", around)
    monkeypatch.setattr(file_reader, "MOST_WAITING", 2)
    read = Read()
    reader = read.reader()
    reader.start()
    started = time.monotonic()
    reader.look(ACT, None)
    assert begun.wait(5)
    for _ in range(3):
        reader.look(ACT, None)
    reader.close(0.1)
    assert time.monotonic() - started < 2
    hanging.set()
    assert read.notes == [
        "2 runs or models waited for their files to be read; those of one more were left",
        "the files of 2 runs or models were not read before the server ended",
    ]


def test_only_a_version_of_a_logged_model_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def digest(model: str, *_: object) -> tuple[str, list[str]]:
        asked.append(model)
        return "sha256:" + "0" * 64, []

    monkeypatch.setattr(whole_run, "read_manifest", digest)
    read = Read()
    reader = read.reader()
    made = {"name": "m", "version": "1", "creation_timestamp": 5}
    for source in ("s3://models/m", "models:/other/1", "models:/m-1"):
        reader.look(replace(ACT, route=CREATE, response={"model_version": {**made, "source": source}}), None)
    reader.look(replace(ACT, route=CREATE, response={}), None)
    reader.look(replace(ACT, fields={"run_id": "r1", "status": "RUNNING"}), None)
    of_logged = replace(ACT, route=CREATE, response={"model_version": {**made, "source": "models:/m-1"}})
    Read().reader(ArtifactWish(how="list")).look(of_logged, None)
    reader.start()
    read.wait_for(lambda: bool(read.facts))
    reader.close(2)
    assert asked == ["m-1"]
    assert read.facts[0]["body"]["digest"] == "sha256:" + "0" * 64


def test_the_settings_of_files_have_bounds() -> None:
    assert PluginSettings.from_env(SETTINGS).artifacts == ArtifactWish("hash", 500, 256)
    more = {"LINEAGE_ARTIFACTS": "list", "LINEAGE_ARTIFACTS_FILES": "7", "LINEAGE_ARTIFACTS_MIB": "0"}
    assert PluginSettings.from_env(SETTINGS | more).artifacts == ArtifactWish("list", 7, 0)
    for name, value in (("", "some"), ("_FILES", "-1"), ("_MIB", "a lot"), ("_MIB", "1000000")):
        with pytest.raises(PluginSettingsError, match=f"LINEAGE_ARTIFACTS{name}"):
            PluginSettings.from_env({**SETTINGS, f"LINEAGE_ARTIFACTS{name}": value})


# ------------------------------------------------------------------------------------------- MLflow's own repositories


class Remote:
    """A repository as MLflow has them for S3: it lists full paths and copies a file to the disk."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.copies: list[Path] = []

    def list_artifacts(self, path: str | None) -> Iterator[Any]:
        front = f"{path}/" if path else ""
        inside = {name[len(front) :].partition("/")[0] for name in self.files if name.startswith(front)}
        for name in sorted(inside):
            content = self.files.get(front + name)
            yield Listed(front + name, content is None, None if content is None else len(content))

    def _download_file(self, path: str, to: str) -> None:
        self.copies.append(Path(to))
        Path(to).write_bytes(self.files[path])


class Listed:
    def __init__(self, path: str, is_dir: bool, file_size: int | None) -> None:
        self.path, self.is_dir, self.file_size = path, is_dir, file_size


class Local(Remote):
    """A repository on the server's disk."""

    def __init__(self, root: Path) -> None:
        super().__init__({})
        self.artifact_dir = str(root)

    def list_artifacts(self, path: str | None) -> Iterator[Any]:
        for found in sorted(Path(self.artifact_dir, path or "").iterdir()):
            size = None if found.is_dir() else found.stat().st_size
            yield Listed(str(found.relative_to(self.artifact_dir)), found.is_dir(), size)

    def get_local_path(self, path: str) -> str:
        return str(Path(self.artifact_dir, path))


def budget() -> Budget:
    return ArtifactWish().budget()


def paths(found: Iterable[Mapping[str, Any]]) -> list[tuple[str, bool]]:
    return [(one["path"], "digest" in one) for one in found]


def test_files_of_a_served_folder_are_named_from_its_root_and_no_copy_stays() -> None:
    remote = Remote({"1/models/m-1/artifacts/MLmodel": b"a", "1/models/m-1/artifacts/code/x.py": b"b", "1/other": b"c"})
    found = read_files(MlflowFiles(remote, "1/models/m-1/artifacts"), budget(), "m-1")
    assert paths(found) == [("MLmodel", True), ("code/x.py", True)]
    assert len(remote.copies) == 2
    assert not any(copy.exists() or copy.parent.exists() for copy in remote.copies)
    assert list(MlflowFiles(remote).entries("")) == [Entry("1", True, None)]


def test_a_file_on_the_servers_disk_is_read_in_place_and_a_link_out_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    (root / "code").mkdir(parents=True)
    (root / "code" / "x.py").write_text("b")
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "secret").write_text("not yours")
    (root / "link").symlink_to(tmp_path / "away" / "secret")
    (root / "inside").symlink_to(root / "code" / "x.py")
    (root / "folder").symlink_to(tmp_path / "away")
    spent = budget()
    local = Local(root)
    found = read_files(MlflowFiles(local), spent, "r1")
    assert [path for path, read in paths(found) if read] == ["code/x.py"]
    assert local.copies == []
    assert any("a file cannot be read: PermissionError" in problem for problem in spent.problems)


def test_what_could_not_be_read_is_told_and_leaves_no_hole_in_the_coverage(tmp_path: Path) -> None:
    now = [1_795_393_750_000_000]
    settings = PluginSettings.from_env({**SETTINGS, "LINEAGE_SPOOL": str(tmp_path / "spool")})
    recorder = Recorder(settings, "boot", clock=lambda: now[0])
    for step in range(8):
        now[0] += 17_000_000
        if step % 3 != 2:
            recorder.remark(f"m-{step}: 1 files were listed and not hashed")
        now[0] += (step % 4) * 700_000
        recorder._heartbeat.report()
    batch = recorder._spool.batch()
    assert batch is not None
    bodies = [entry.event["body"] for entry in batch.entries]
    for entry in batch.entries:
        parse_event(entry.event)
    assert {body["covered_from"] for body in bodies} == {bodies[0]["covered_from"]}
    assert all(before["covered_to"] < after["covered_to"] for before, after in itertools.pairwise(bodies))
    assert sum("not hashed" in body.get("problem", "") for body in bodies) >= 5
    assert bodies[-1]["covered_to"] > bodies[0]["covered_from"]
