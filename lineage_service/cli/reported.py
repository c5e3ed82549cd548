"""What collectors said is wrong with them, for `lineage doctor`: the newest report of each source that names a problem.

A report's text is sealed; doctor runs where the keys are, by whoever may read them, so it opens what is there to open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from graph_schema import names
from graph_schema.kinds import Kind
from lineage_service.recorder.disclosure import Disclosure
from lineage_service.recorder.installation import Places, load_secrets
from lineage_service.store.protocol import END_OF_TIME, Cut, PointQuery, Reader
from lineage_service.store.sqlite import SqliteStore

_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Reported:
    """The newest report of a source: who, when, in which record, and its problem in words; None if it names none."""

    source: str
    at: str
    seq: int
    problem: str | None


def newest_reports(places: Places) -> Iterator[Reported]:
    """Give the newest report of each source that ever reported; a LineageError or LedgerError if it cannot be read."""
    store = SqliteStore(places.database, writing=False)
    try:
        with store.read() as reader:
            head = reader.head()
            if not head.size:
                return
            disclosure = Disclosure(load_secrets(places, str(_record(reader, 0)["body"]["origin"])), store.vault())
            cut = Cut(END_OF_TIME - 1, head.size - 1)
            for key in reader.find(Kind.SOURCE.value, "source:", None, _MANY, cut):
                wanted = PointQuery(subjects=[key], slot="covered", newest_first=True, limit=1)
                for point in reader.points(wanted, cut):
                    yield _reported(key, _record(reader, point.seq), disclosure)
    finally:
        store.close()


def _reported(key: str, record: dict[str, Any], disclosure: Disclosure) -> Reported:
    told = record["body"].get("problem")
    if told is not None:
        opened = disclosure.value(record, record["sd"][told["sd"]])
        told = "of which the text was erased" if opened is None else str(opened)
    return Reported("/".join(names.parse(key).parts), record["occurred_at"], record["seq"], told)


def _record(reader: Reader, seq: int) -> dict[str, Any]:
    stored = reader.record(seq)
    found: dict[str, Any] = orjson.loads(stored.body) if stored is not None else {}
    return found
