import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from collectors.mlflow.artifacts import (
    ArtifactWish,
    Budget,
    Entry,
    artifact,
    is_safe,
    manifest,
    read_files,
    read_small,
)


class Folder:
    """A store of files on a disk, which can be told to misbehave."""

    def __init__(self, root: Path, *, more: Iterable[Entry] = (), broken: str = "") -> None:
        self._root = root
        self._more = list(more)
        self._broken = broken
        self.read: list[str] = []

    def entries(self, path: str) -> Iterable[Entry]:
        if self._broken == "listing":
            raise ConnectionError("https://user:secret@store refused")
        for found in (self._root / path).iterdir():
            size = None if found.is_dir() else found.stat().st_size
            yield Entry(str(found.relative_to(self._root)), found.is_dir(), size)
        yield from self._more if not path else ()

    def chunks(self, path: str) -> Iterator[bytes]:
        self.read.append(path)
        if path == self._broken:
            raise TimeoutError
        yield (self._root / path).read_bytes()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    for name, content in {
        "MLmodel": b"flavors: {}\n",
        "model.pkl": b"x" * 1000,
        "code/train.py": b"pass\n",
        "input_example.json": b"[1]",
        "registered_model_meta": b"left out",
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def budget(**more: object) -> Budget:
    return Budget(**{"files": 100, "bytes": 10_000, "deadline": 1.0, "clock": lambda: 0.0, **more})  # type: ignore[arg-type]


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_every_file_is_listed_with_size_and_digest_and_samples_are_flagged(model: Path) -> None:
    spent = budget()
    assert read_files(Folder(model), spent, "m-1") == [
        {"path": "MLmodel", "bytes": 12, "digest": sha(b"flavors: {}\n")},
        {"path": "code/train.py", "bytes": 5, "digest": sha(b"pass\n")},
        {"path": "input_example.json", "bytes": 3, "digest": sha(b"[1]"), "sample": True},
        {"path": "model.pkl", "bytes": 1000, "digest": sha(b"x" * 1000)},
    ]
    assert spent.problems == []


def test_what_no_longer_fits_is_listed_without_digest_and_the_smallest_are_read_first(model: Path) -> None:
    spent = budget(bytes=900)
    files = {one["path"]: one for one in read_files(Folder(model), spent, "m-1")}
    assert [path for path, one in files.items() if "digest" not in one] == ["model.pkl"]
    assert files["model.pkl"]["bytes"] == 1000
    assert spent.problems == ["m-1: 1 files were listed and not hashed"]


def test_only_so_many_files_are_listed(model: Path) -> None:
    spent = budget(files=2)
    assert len(read_files(Folder(model), spent, "m-1")) == 2
    assert "more files than may be listed" in spent.problems[0]


def test_a_list_reads_no_byte(model: Path) -> None:
    store = Folder(model)
    files = read_files(store, budget(hashing=False), "m-1")
    assert len(files) == 4
    assert not any("digest" in one for one in files)
    assert store.read == []


def test_when_the_time_is_over_nothing_more_is_read(model: Path) -> None:
    store = Folder(model)
    assert read_files(store, budget(clock=lambda: 2.0), "m-1") == []
    assert store.read == []


def test_a_broken_store_costs_detail_and_its_words_are_not_repeated(model: Path) -> None:
    spent = budget()
    assert read_files(Folder(model, broken="listing"), spent, "m-1") == []
    assert spent.problems == ["m-1: its files cannot be listed: ConnectionError"]
    spent = budget()
    files = read_files(Folder(model, broken="MLmodel"), spent, "m-1")
    assert [one["path"] for one in files if "digest" not in one] == ["MLmodel"]
    assert spent.problems == ["m-1: a file cannot be read: TimeoutError", "m-1: 1 files were listed and not hashed"]


def test_a_file_that_is_not_as_large_as_listed_has_no_digest(model: Path) -> None:
    spent = budget()
    (other,) = [one for one in read_files(Folder(model, more=[Entry("model.pkl", False, 7)]), spent, "m-1")
                if one["path"] == "model.pkl"]  # fmt: skip
    assert "digest" not in other


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../b", "a//b", "a\\b", "./a", "a\nb", "x" * 5000, ""]
)
def test_a_path_that_leaves_its_folder_is_not_followed(model: Path, path: str) -> None:
    assert not is_safe(path, "")
    store, spent = Folder(model, more=[Entry(path, False, 3), Entry(path, True)]), budget()
    assert path not in [one["path"] for one in read_files(store, spent, "m-1")]
    assert path not in store.read
    assert len(spent.problems) == 2


def test_a_listed_path_lies_below_what_was_asked_for() -> None:
    assert is_safe("code/train.py", "code")
    assert not is_safe("codes/train.py", "code")
    assert not is_safe("train.py", "code")


def test_the_manifest_is_what_sha256sum_would_give() -> None:
    files = [artifact("b", 1, sha(b"2")), artifact("a", 1, sha(b"1")), artifact("registered_model_meta", 1)]
    text = f"{sha(b'1')[7:]}  a\n{sha(b'2')[7:]}  b\n"
    assert manifest(files) == sha(text.encode())
    assert manifest(files[::-1]) == manifest(files)


def test_there_is_no_manifest_of_files_that_were_not_all_read() -> None:
    assert manifest([artifact("a", 1, sha(b"1")), artifact("b", 1)]) is None
    assert manifest([]) is None


def test_small_files_are_texts_and_others_are_none(model: Path) -> None:
    (model / "odd").write_bytes(b"\xff\xfe")
    store = Folder(model)
    assert read_small(store, "code/train.py", 100) == "pass\n"
    assert read_small(store, "model.pkl", 100) is None
    assert read_small(store, "odd", 100) is None


def test_a_wish_gives_its_budget() -> None:
    spent = ArtifactWish(how="list", files=3, mebibytes=2).budget()
    assert (spent.files, spent.bytes, spent.hashing, spent.late) == (3, 2 * 1024 * 1024, False, False)
