"""The files of a run or a logged model: listed, hashed within bounds, and what their names tell. Reads a given store.

Rules kept here:

- Nothing is opened but to hash it: no file is executed, unpickled or parsed.
- At most so many files and bytes: the smallest are read first, and a file that no longer fits is listed without digest.
- A path that leaves its folder, or that no record could hold, is not followed. What the store cannot tell is left out,
  and said to be.
- ``registered_model_meta`` is left out: MLflow's client writes it into what it downloads, and no store has it.
"""

from __future__ import annotations

import hashlib
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

OMITTED: Final = frozenset({"registered_model_meta"})
_SAMPLES: Final = ("input_example", "serving_input_example", "serving_input")
"""How files begin that hold rows of the data a model was trained on."""

SECONDS: Final = 60.0
"""How long the files of one run may be read."""

_MIB: Final = 1024 * 1024
_LONGEST_PATH: Final = 4096
_DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What a store lists: a file or a folder, by its path from the root; ``size`` in bytes where the store tells it."""

    path: str
    is_dir: bool
    size: int | None = None


class FileStore(Protocol):
    """Where the files of one run or logged model lie."""

    def entries(self, path: str) -> Iterable[Entry]:
        """Give what lies in a folder; the root is the empty path."""

    def chunks(self, path: str) -> Iterator[bytes]:
        """Give the bytes of a file, piece by piece."""


@dataclass(slots=True)
class Budget:
    """What reading the files of one run may cost; shared by the run and its logged models."""

    files: int
    bytes: int
    deadline: float
    """On ``clock``; after it nothing more is read."""

    clock: Callable[[], float] = time.monotonic
    hashing: bool = True
    problems: list[str] = field(default_factory=list)

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return self.clock() > self.deadline


@dataclass(frozen=True, slots=True)
class ArtifactWish:
    """What is wanted of files: ``off``, ``list`` (path and size) or ``hash`` (their SHA-256 too), for one run."""

    how: Literal["off", "list", "hash"] = "hash"
    files: int = 500
    mebibytes: int = 256

    def budget(self) -> Budget:
        """Return what reading one run's files may cost, beginning now."""
        return Budget(self.files, self.mebibytes * _MIB, time.monotonic() + SECONDS, hashing=self.how == "hash")


def read_files(store: FileStore, budget: Budget, what: str) -> list[dict[str, Any]]:
    """Return the files of a store as facts state them, sorted by path; ``what`` names it where something is left out.

    Never raises for what the store does: its refusals become ``budget.problems``.
    """
    found = {entry.path: entry for entry in _files(store, budget, what)}
    digests = _digests(store, found.values(), budget, what) if budget.hashing else {}
    return [artifact(path, found[path].size, digests.get(path)) for path in sorted(found)]


def artifact(path: str, size: int | None, digest: str | None = None) -> dict[str, Any]:
    """Return a file as facts state it; ``digest`` is ``sha256:…`` where its bytes were read."""
    told: dict[str, Any] = {"path": path}
    if size is not None and size >= 0:
        told["bytes"] = size
    if digest is not None:
        told["digest"] = digest
    if is_sample(path):
        told["sample"] = True
    return told


def is_sample(path: str) -> bool:
    """Tell whether a file copies rows of data, by the names that MLflow gives to examples of a model's input."""
    return posixpath.basename(path).startswith(_SAMPLES)


def manifest(files: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the digest of a whole set of files; None if there are none, or one was not read.

    It is the SHA-256 of one line a file, in the order of their paths: the hex digest, two spaces, the path, a line end.
    That is the output of ``sha256sum`` over the sorted paths, so anybody can make it again with that.
    """
    told = {str(one["path"]): one.get("digest") for one in files if one["path"] not in OMITTED}
    if not told or not all(str(digest or "").startswith("sha256:") for digest in told.values()):
        return None
    lines = (f"{str(told[path]).removeprefix('sha256:')}  {path}\n" for path in sorted(told))
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def read_small(store: FileStore, path: str, most: int) -> str | None:
    """Return the text of a small file; None if it is larger than ``most`` bytes, or no text."""
    data = b""
    for chunk in store.chunks(path):
        data += chunk
        if len(data) > most:
            return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def is_safe(path: str, folder: str) -> bool:
    """Tell whether a listed path lies below the folder that was asked for, and can stand in a record."""
    inside = path.startswith(f"{folder}/") if folder else not path.startswith("/")
    parts = path.split("/")
    plain = path.isprintable() and "\\" not in path and len(path) <= _LONGEST_PATH
    return inside and plain and not {"", ".", ".."} & set(parts)


def _files(store: FileStore, budget: Budget, what: str) -> Iterator[Entry]:
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            listed = sorted(store.entries(folder), key=lambda entry: entry.path)
        except Exception as error:  # noqa: BLE001  any store, any error: the run is on record, only this detail is not
            budget.problems.append(f"{what}: its files cannot be listed: {_named(error)}")
            return
        for entry in listed:
            if not is_safe(entry.path, folder):
                budget.problems.append(f"{what}: a file whose path leaves its folder was left out")
            elif entry.is_dir:
                if entry.path.count("/") < _DEEPEST:
                    waiting.append(entry.path)
            elif posixpath.basename(entry.path) not in OMITTED:
                if budget.files <= 0 or budget.late:
                    budget.problems.append(f"{what}: it has more files than may be listed; the others were left out")
                    return
                budget.files -= 1
                yield entry


def _digests(store: FileStore, files: Iterable[Entry], budget: Budget, what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    left = 0
    for entry in sorted(files, key=lambda one: (one.size or 0, one.path)):
        if entry.size is None or entry.size > budget.bytes or budget.late:
            left += 1
            continue
        budget.bytes -= entry.size
        try:
            found[entry.path] = _digest(store, entry, budget)
        except Exception as error:  # noqa: BLE001  as above: the file is listed, and its digest is not known
            budget.problems.append(f"{what}: a file cannot be read: {_named(error)}")
            left += 1
    if left:
        budget.problems.append(f"{what}: {left} files were listed and not hashed")
    return found


class _GrownError(Exception):
    """A file that was larger than listed, or a read that took too long."""


def _digest(store: FileStore, entry: Entry, budget: Budget) -> str:
    sha, length = hashlib.sha256(), 0
    for chunk in store.chunks(entry.path):
        sha.update(chunk)
        length += len(chunk)
        if length > (entry.size or 0) or budget.late:
            raise _GrownError
    if length != entry.size:
        raise _GrownError
    return f"sha256:{sha.hexdigest()}"


def _named(error: Exception) -> str:
    """Return what kind of error it was: its text may hold an address with its credentials."""
    return str(getattr(error, "error_code", "")) or type(error).__name__.strip("_")
