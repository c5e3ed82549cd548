"""Copies a ledger and kills itself with SIGKILL on the way; run as a process of its own by test_killed_copy.py.

``python -m tests.faults.killed_copy SOURCE`` reads from standard input, as JSON, where to: ``{"file": PATH}`` or the
fields of an address; and ``at``, the fraction of the work at which it dies.
"""

import json
import os
import signal
import sys
from pathlib import Path

from lineage_service.evidence.moving import carry
from lineage_service.store.address import Address
from lineage_service.store.opening import create_store, open_store
from lineage_service.store.sqlite import SqliteStore

GROUP = 10


def main() -> None:
    """Copy until it is time."""
    told = json.load(sys.stdin)
    fraction = told.pop("at")
    target = Path(told["file"]) if "file" in told else Address(**told)

    def progress(done: float) -> None:
        if done >= fraction:
            os.kill(os.getpid(), signal.SIGKILL)

    create_store(target)
    carry(SqliteStore(Path(sys.argv[1]), writing=False), open_store(target), progress, size=GROUP)


if __name__ == "__main__":
    main()
