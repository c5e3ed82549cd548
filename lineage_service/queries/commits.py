"""Which commits do runs name: what somebody who reads a repository has to know, and no more.

Not a question about the graph but a list that grows: facts of runs in the order they were recorded, from a record on.
So whoever remembers where the list ended pays for what came since, however many runs there are. Of each fact it shows
the commit's hash as the run gave it, maybe abbreviated: no run, no repository, nobody.
"""

from dataclasses import dataclass
from typing import Final

import orjson

from lineage_service.errors import InputError
from lineage_service.store.protocol import Reader, RecordQuery

SCANNED: Final = 5000
"""Facts of runs that one answer looks at: some tens of milliseconds."""

_MENTION: Final = b'"commit":'


@dataclass(frozen=True, slots=True)
class NamedCommits:
    """A part of the list: hashes in order, the record from which it goes on, and whether more is recorded already."""

    commits: list[str]
    after: int
    more: bool


def commits_of_runs(reader: Reader, after: int) -> NamedCommits:
    """Return the commits named by facts of runs from record ``after`` on.

    Raises:
        InputError: if the log has fewer records: whoever remembers ``after`` read another one.
    """
    size = reader.head().size
    if after > size:
        raise InputError(
            f"the log has {size} records and none to follow {after}: it is another log than the one read before, or an "
            "older state of it",
            field="after",
        )
    found: set[str] = set()
    looked, last = 0, after
    for record in reader.records(RecordQuery(first=after, stop=size, type="run.observed", limit=SCANNED)):
        looked, last = looked + 1, record.seq
        if _MENTION in record.body and (commit := orjson.loads(record.body)["body"].get("commit")):
            found.add(commit["sha"])
    more = looked == SCANNED
    return NamedCommits(sorted(found), last + 1 if more else size, more)
