"""One of several processes that write to one log: ``python -m tests.benchmarks.neo4j_writer SEED BATCH RECORDS``.

Settings are those of a service. It makes its facts, says that it is ready, waits for a line, records them, and tells
the seconds it took. It does not sign; whoever started it does.
"""

import itertools
import sys
from collections.abc import Iterator
from typing import Any

from lineage_service.recorder.installation import Installation
from lineage_service.server.opening import open_installation, read_settings
from tests.benchmarks.bench_append import record_loop
from tests.benchmarks.load import batches, later_facts, typed


def _own(seed: int, records: int) -> Iterator[dict[str, Any]]:
    """Give facts that no other seed gives: the first registrations of two seeds may say the same."""
    for fact in itertools.islice(later_facts(seed), records):
        yield {**fact, "source": {**fact["source"], "event_id": f"{seed}-{fact['source']['event_id']}"}}


def main() -> None:
    """Record; see above."""
    seed, batch, records = map(int, sys.argv[1:])
    installation: Installation = open_installation(read_settings())
    requests = list(batches(typed(_own(seed, records)), batch))
    print("ready", flush=True)
    sys.stdin.readline()
    print(record_loop(installation, requests, "committed"), flush=True)
    installation.close()


if __name__ == "__main__":
    main()
