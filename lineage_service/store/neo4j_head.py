"""The head of a log as one property of one node: only a single property is read whole while it is being changed."""

from dataclasses import dataclass
from typing import Final

import neo4j
import orjson

from lineage_service.errors import StoreUnavailableError
from lineage_service.ledger.merkle import Frontier
from lineage_service.store.protocol import EMPTY_HEAD, Head

_ENDS: Final = """
    MATCH (h:LedgerHead {log: 'main'})
    OPTIONAL MATCH (c:Checkpoint {log: 'main'})
    RETURN h.state, h.before, c.note
"""


def text_of(head: Head) -> str:
    """Return a head as it is stored."""
    parts = [head.size, head.last.hex(), head.time, head.frontier.to_bytes().hex(), head.fold_version, head.mac.hex()]
    return orjson.dumps(parts).decode()


def head_of(text: str | None) -> Head:
    """Return a head that was stored; None stands for the empty one."""
    if text is None:
        return EMPTY_HEAD
    size, last, time, frontier, fold_version, mac = orjson.loads(text)
    return Head(
        size, bytes.fromhex(last), time, Frontier.from_bytes(bytes.fromhex(frontier)), fold_version, bytes.fromhex(mac)
    )


@dataclass(frozen=True, slots=True)
class Ends:
    """The newest head, the one before the newest group, and the newest checkpoint."""

    head: Head
    before: Head
    note: bytes | None


def ends_of(transaction: neo4j.Transaction) -> Ends:
    """Return where the log ends. The checkpoint may sign more than the head read before it: it is stored later."""
    row = transaction.run(_ENDS).single()
    if row is None:
        raise StoreUnavailableError("this database holds no lineage ledger yet: run `lineage init`")
    return Ends(head_of(row[0]), head_of(row[1]), None if row[2] is None else bytes(row[2]))
