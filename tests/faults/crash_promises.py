"""What a service promised before a crash, and whether all of it is true afterwards."""

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from graph_schema.events import parse_event
from lineage_service.evidence.findings import EXIT_FINE, EXIT_INCOMPLETE
from lineage_service.evidence.inspection import run_verify
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.keys import load_key
from lineage_service.ledger.merkle import leaf_hash, verify_inclusion
from lineage_service.recorder.installation import Installation, Places
from lineage_service.recorder.preparation import Incoming, Sender
from lineage_service.store.opening import open_store
from lineage_service.store.protocol import Reader

_RECORDED = 201
_UNAVAILABLE = 503


class BrokenPromiseError(AssertionError):
    """Something that was promised before a crash does not hold after it."""


@dataclass(slots=True)
class Heard:
    """What the client printed: the requests it sent, and the answers it got.

    ``last_sent`` and ``last_answered`` are the highest numbers of a request sent, and of one that was recorded.
    """

    sent: dict[int, list[Any]] = field(default_factory=dict)
    answered: dict[int, dict[str, Any]] = field(default_factory=dict)
    unavailable: list[Any] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)
    last_sent: int = -1
    last_answered: int = -1

    def listen(self, lines: Iterable[bytes]) -> None:
        """Take in lines until the client ends."""
        for data in lines:
            line = json.loads(data)
            if "sent" in line:
                self.sent[line["sent"]] = line["events"]
                self.last_sent = max(self.last_sent, line["sent"])
            elif line["status"] == _RECORDED:
                self.answered[line["answered"]] = line["body"]
                self.last_answered = max(self.last_answered, line["answered"])
            else:
                (self.unavailable if line["status"] == _UNAVAILABLE else self.refused).append(line)

    def unanswered(self) -> list[Any]:
        """Return the facts nobody knows the fate of."""
        return [event for number, events in self.sent.items() if number not in self.answered for event in events]


def require_promises(places: Places, heard: Heard, *, outage: bool) -> tuple[int, int]:
    """Check everything that was heard; return how many receipts that were, and how many records the log has now.

    With ``outage`` the service may have said that its store could not be used; such a request was promised nothing.

    Raises:
        BrokenPromiseError: a promise does not hold.
    """
    refused = heard.refused if outage else [*heard.refused, *heard.unavailable]
    if refused:
        raise BrokenPromiseError(f"the service refused {len(refused)} sound requests, such as {refused[0]}")
    with closing(open_store(places.database, writing=False)) as store, store.read() as reader:
        count = sum(_require_kept(reader, body, places) for body in heard.answered.values())
    _require_sound(places, {EXIT_FINE, EXIT_INCOMPLETE})  # what nobody was promised may be without a signature yet
    size = _require_writable(places, heard)
    _require_sound(places, {EXIT_FINE})
    return count, size


def _require_kept(reader: Reader, body: dict[str, Any], places: Places) -> int:
    """Check the receipts of one answer: found by number, same hash, and proven where a proof came with them."""
    log_key = load_key(places.log_key)
    for receipt in body["receipts"]:
        stored = reader.record(receipt["seq"])
        if stored is None or stored.leaf.hex() != receipt["hash"] or leaf_hash(stored.body).hex() != receipt["hash"]:
            raise BrokenPromiseError(f"the receipt {receipt} was printed, and its record is lost or another one")
        if json.loads(stored.body)["id"] != receipt["id"]:
            raise BrokenPromiseError(f"record {receipt['seq']} is not the fact that the receipt was for")
        if receipt.get("proof"):
            checkpoint = open_checkpoint(body["checkpoint"].encode(), log_key.name, [log_key.verifier])
            proof = [bytes.fromhex(digest) for digest in receipt["proof"]]
            verify_inclusion(receipt["seq"], checkpoint.size, stored.leaf, proof, checkpoint.root)
    return len(body["receipts"])


def _require_sound(places: Places, exits: set[int]) -> None:
    report = run_verify(places, deep=True)
    if report.findings or report.exit_code not in exits:
        raise BrokenPromiseError("\n".join(["verify --deep:", *report.lines()]))


def _require_writable(places: Places, heard: Heard) -> int:
    """Send again what had no answer, and one answered request: each is one fact, and the head is signed.

    Return how many records the log has then.
    """
    answered = next(iter(heard.answered))
    sender = Sender("mlflow", "prod")
    events = [*heard.unanswered(), *heard.sent[answered]]
    with closing(Installation(places, open_store(places.database))) as installation:
        incoming = [Incoming(parse_event(event), sender) for event in events]
        recorded = installation.recorder.record(installation.preparation.prepare(incoming), ack="signed")
        if {receipt.ack for receipt in recorded.receipts} != {"signed"}:
            raise BrokenPromiseError("after the crash the signer refuses to sign")
        if len({receipt.seq for receipt in recorded.receipts}) != len(events):
            raise BrokenPromiseError("two facts sent again got one receipt")
        promised = [(receipt["seq"], receipt["hash"]) for receipt in heard.answered[answered]["receipts"]]
        again = [(receipt.seq, receipt.hash) for receipt in recorded.receipts[len(heard.unanswered()) :]]
        if again != promised:
            raise BrokenPromiseError(f"a fact sent again got {again} instead of its receipt {promised}")
        return installation.heads.size
