"""A recorder on a disk that fills up, as the kernel sees it: files may not grow beyond a limit (RLIMIT_FSIZE).

Run as ``python -m tests.faults.full_disk FOLDER``, in a process of its own, because the limit is the process's. Prints
one JSON object: receipts given before the limit was met, how the requests beyond it failed, receipts given afterwards.
"""

import json
import resource
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from lineage_service.errors import LineageError
from lineage_service.recorder.installation import Installation
from lineage_service.store.sqlite import SqliteStore
from tests.faults.crash_service import places_in
from tests.unit.recorder.facts import move, record

ROOM_BYTES = 200_000
ATTEMPTS = 400


def room(folder: Path, extra: int | None) -> None:
    """Let files grow to the size of the largest one plus ``extra`` bytes; None: as large as they like."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    largest = max(file.stat().st_size for file in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if extra is None else largest + extra, hard))


def told(installation: Installation, name: str) -> list[Any]:
    """Record one fact; return number and hash of its receipt."""
    (receipt,) = record(installation, move(name)).receipts
    return [receipt.seq, receipt.hash]


def main(folder: Path) -> None:
    """Fill the disk, be refused, make room, go on."""
    places = places_in(folder)
    before: list[list[Any]] = []
    refused: list[str] = []
    with closing(Installation(places, SqliteStore(places.file))) as installation:
        told(installation, "known")
        room(folder, ROOM_BYTES)
        for number in range(ATTEMPTS):
            try:
                before.append(told(installation, f"fact {number}"))
            except LineageError as error:
                refused.append(f"{type(error).__name__}: {error}")
                if len(refused) == 5:
                    break
        room(folder, None)
        after = [told(installation, f"fact {number}") for number in range(len(before) + len(refused) + 5)]
    print(json.dumps({"before": before, "refused": refused, "after": after}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
