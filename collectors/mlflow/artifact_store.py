"""The files of runs and logged models through MLflow's own artifact repositories, inside the MLflow server.

Where the server itself serves artifacts (``mlflow-artifacts:``), its repository is asked directly; else the repository
of the address, which MLflow builds only for hosts that it is configured for. Checked with MLflow 3.17; the names of
MLflow that this rests on are those of ``mlflow.server.handlers`` used below. A file that lies on the server's disk is
read where it is, any other through a temporary file that is gone afterwards.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from collectors.mlflow.artifacts import Entry

_PIECE: Final = 1024 * 1024
_SERVED: Final = frozenset({"http", "https", "mlflow-artifacts"})


class ArtifactsElsewhereError(Exception):
    """Another server serves these files; this one cannot read them."""


class MlflowFiles:
    """A folder of an artifact repository of MLflow; ``prefix`` is its path from the repository's root."""

    def __init__(self, repository: Any, prefix: str = "") -> None:
        """Nothing is read yet."""
        self._repository = repository
        self._prefix = prefix.strip("/")

    def entries(self, path: str) -> Iterable[Entry]:
        """Give what lies in a folder, by paths from this root."""
        for found in self._repository.list_artifacts(self._full(path) or None):
            yield Entry(self._inside(str(found.path), path), bool(found.is_dir), found.file_size)

    def chunks(self, path: str) -> Iterator[bytes]:
        """Give the bytes of a file, piece by piece."""
        full = self._full(path)
        ask = getattr(self._repository, "get_local_path", None)
        local = ask(full) if ask is not None else None
        if local is not None:
            yield from _read(_within(Path(local), Path(self._repository.artifact_dir)))
            return
        with tempfile.TemporaryDirectory(prefix="lineage-") as folder:
            copy = Path(folder) / "file"
            self._repository._download_file(full, str(copy))  # noqa: SLF001  download_artifacts lists and copies more
            yield from _read(copy)

    def _full(self, path: str) -> str:
        return posixpath.join(self._prefix, path) if path else self._prefix

    def _inside(self, full: str, folder: str) -> str:
        """Return a listed path from this root; where a repository's own begins differs, so its last part counts."""
        if self._prefix:
            return posixpath.join(folder, posixpath.basename(full)) if folder else posixpath.basename(full)
        return full


def files_at(uri: str) -> MlflowFiles:
    """Return the files below an artifact URI of this server.

    Raises:
        ArtifactsElsewhereError: if another server serves them.
        Exception: whatever MLflow raises for an address that it refuses or cannot read.
    """
    from mlflow.server import handlers

    if handlers._is_servable_proxied_run_artifact_root(uri):  # noqa: SLF001
        path = handlers._get_proxied_run_artifact_destination_path(uri)  # noqa: SLF001
        scoped = getattr(handlers, "_get_workspace_scoped_repo_path_if_enabled", None)
        path = scoped(path) if scoped is not None else path
        return MlflowFiles(handlers._get_artifact_repo_mlflow_artifacts(), path or "")  # noqa: SLF001
    if urlsplit(uri).scheme in _SERVED:
        raise ArtifactsElsewhereError
    return MlflowFiles(_repository_of(uri))


def _repository_of(uri: str) -> Any:
    from mlflow.server import handlers

    careful = getattr(handlers, "_get_artifact_repository_for_uri", None)
    if careful is not None:
        return careful(uri)
    from mlflow.store.artifact import artifact_repository_registry  # an older release, which knows no such care

    return artifact_repository_registry.get_artifact_repository(uri)


def _within(file: Path, root: Path) -> Path:
    """Return a file of the server's disk; a link out of the root is refused, whoever made it."""
    if not file.resolve().is_relative_to(root.resolve()):
        raise PermissionError
    return file


def _read(file: Path) -> Iterator[bytes]:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with open(descriptor, "rb") as opened:  # noqa: PTH123  a descriptor has no path
        while piece := opened.read(_PIECE):
            yield piece
