"""The service as it runs, with one thing more: on request it stops dead inside a transaction, to be killed there.

Run as ``python -m tests.faults.crash_service FOLDER MARKS``; prints the port it listens on. The environment says which
store it has, as it does for every service. ``MARKS`` is a file of two bytes that both sides map: the first says where
the writer stands, the second where it is asked to wait, for its own end or for that of its database.
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
from lineage_service.server.opening import places_of
from lineage_service.server.serve import server_of
from lineage_service.settings import Settings
from lineage_service.store.opening import open_store

BEGIN, COMMIT = b"b", b"c"
_NOWHERE = b"-"
_LONG_SECONDS = 60
_LOOK_SECONDS = 0.01


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

    def let_go(self) -> None:
        """Let the writer go on."""
        self.ask(_NOWHERE)

    def mark(self, moment: bytes) -> None:
        """Say where the writer stands; when it was asked to stop here, wait until it is let go, or for the end."""
        self._bytes[0:1] = moment
        until = time.monotonic() + _LONG_SECONDS
        while self._bytes[1:2] == moment and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)


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
    settings = Settings(data_dir=folder)
    places = places_of(settings)
    installation = Installation(places, open_store(places.database, observer=SharedByte(Marks(marks))))
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    os.write(1, b"%d\n" % listening.getsockname()[1])
    server_of(settings, create_app(settings, installation, wall_clock)).run(sockets=[listening])
    installation.close()


def places_in(folder: Path) -> Places:
    """Return where an installation in a folder keeps what, where its ledger is a file."""
    return Places(folder / "lineage.db", folder / "keys")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
