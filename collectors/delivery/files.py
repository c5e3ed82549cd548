"""The few file operations that durability rests on, each with its fsync where it belongs.

A rename is durable only after the folder was synced, a new file likewise; an append only after ``fdatasync``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


@contextlib.contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """Give a file descriptor that is closed again; a file made by it is readable by its owner only."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, operation: int) -> Iterator[None]:
    """Hold a ``flock`` of the file at ``path``; it excludes threads as well, because each call opens the file anew."""
    with opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
        fcntl.flock(descriptor, operation)
        yield


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable: created, renamed and removed files."""
    with opened(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``; ``os.write`` may write less than it was given."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def append_durably(path: Path, data: bytes) -> None:
    """Append and wait for the disk. A single write of whole lines, so that processes do not mix theirs."""
    with opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as descriptor:
        write_all(descriptor, data)
        os.fdatasync(descriptor)


def replace_durably(path: Path, data: bytes) -> None:
    """Replace a file's content so that a reader, or a crash, meets the old or the new one and nothing between."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with opened(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
        write_all(descriptor, data)
        os.fdatasync(descriptor)
    fresh.replace(path)
    sync_folder(path.parent)
