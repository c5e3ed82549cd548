"""The service as it runs, with one thing more: on request it stops dead inside a transaction, to be killed there.

Run as ``python -m tests.faults.crash_service FOLDER MARKS``; prints the port it listens on. ``MARKS`` is a file of two
bytes that both sides map: the first says where the writer stands, the second where it is asked to wait for its end.
"""

import mmap
import os
import socket
import sys
import time
from pathlib import Path

from lineage_service.recorder.installation import Installation, Places
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.app import create_app
from lineage_service.server.serve import server_of
from lineage_service.settings import Settings
from lineage_service.store.sqlite import SqliteStore

BEGIN, COMMIT = b"b", b"c"
_NOWHERE = b"-"
_LONG_SECONDS = 60


class Marks:
    """Two bytes shared by the service and whoever kills it."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), 2)

    @classmethod
    def create(cls, path: Path) -> "Marks":
        """Make the file: nobody stands anywhere, nobody is asked to."""
        path.write_bytes(_NOWHERE * 2)
        return cls(path)

    def standing(self) -> bytes:
        """Say what the writer did last: began a transaction, or wrote everything but the commit."""
        return self._bytes[0:1]

    def ask(self, moment: bytes) -> None:
        """Ask the writer to stop the next time it comes to ``moment``."""
        self._bytes[1:2] = moment

    def mark(self, moment: bytes) -> None:
        """Say where the writer stands; when it was asked to stop here, wait for the end that comes from outside."""
        self._bytes[0:1] = moment
        if self._bytes[1:2] == moment:
            time.sleep(_LONG_SECONDS)


class SharedByte:
    """The observer of the store that marks begin and commit."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def begin(self) -> None:
        """Mark that the write lock is taken."""
        self._marks.mark(BEGIN)

    def commit(self) -> None:
        """Mark that everything but the commit is done."""
        self._marks.mark(COMMIT)


def main(folder: Path, marks: Path) -> None:
    """Serve the installation in ``folder`` until the end."""
    places = places_in(folder)
    store = SqliteStore(places.file, observer=SharedByte(Marks(marks)))
    installation = Installation(places, store)
    settings = Settings(data_dir=folder)
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    os.write(1, b"%d\n" % listening.getsockname()[1])
    server_of(settings, create_app(settings, installation, wall_clock)).run(sockets=[listening])
    installation.close()


def places_in(folder: Path) -> Places:
    """Return where an installation in a folder keeps what."""
    return Places(folder / "lineage.db", folder / "keys")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
