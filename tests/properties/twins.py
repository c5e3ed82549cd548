"""The same history recorded by the product on several stores, to the byte: the same keys, origin, clock and randomness.

A recorder draws what stands for a person, salts and data keys, and reads a clock. Here each store's recorder draws from
a generator that began at the same number and reads a clock that ticks alike, so two stores that were told the same must
hold the same bytes, and whatever differs is theirs.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NoReturn

import orjson

from graph_schema.events import parse_event
from lineage_service.ledger.keys import SigningKey, generate_signing_key
from lineage_service.ledger.sealing import KEY_BYTES, Keyring
from lineage_service.ledger.signer import Signer, create_state
from lineage_service.recorder.disclosure import Disclosure
from lineage_service.recorder.heads import HeadSigner
from lineage_service.recorder.payloads import Secrets
from lineage_service.recorder.preparation import Incoming, Preparation, Sender
from lineage_service.recorder.recorder import Receipt, Recorder
from lineage_service.store.protocol import Store
from tests.ledgers import ticking
from tests.properties.records import Sent

ORIGIN = "test.example/twins"
WITH_PAYLOADS = "openlineage"


@dataclass(frozen=True, slots=True)
class Telling:
    """How a history arrives: in requests of these sizes, the rest in one; before one of them all is opened again."""

    history: Sequence[Sent]
    sizes: Sequence[int]
    reopened: int | None = None

    def lives(self) -> Iterator[list[list[Sent]]]:
        """Yield the requests that one process records, then those of the next."""
        rest, requests = list(self.history), []
        for size in (*self.sizes, len(rest)):
            if rest[:size]:
                requests.append(rest[:size])
                del rest[:size]
        if self.reopened is not None:
            yield requests[: self.reopened]
            requests = requests[self.reopened :]
        yield requests


class Twin:
    """A log on one store. Made anew, it is told by the same keys, clock and randomness as every other."""

    def __init__(self, open_store: Callable[[], Store], folder: Path) -> None:
        random = Random(ORIGIN)  # noqa: S311  that two logs are alike is the point
        self._open_store = open_store
        self._random = random.randbytes
        self._clock = ticking()
        self._key: SigningKey = generate_signing_key(ORIGIN, self._random)
        self._secrets = Secrets(ORIGIN, random.randbytes(KEY_BYTES), Keyring(random.randbytes(KEY_BYTES), self._random))
        self._state = folder / "signer.state"
        create_state(self._state)
        self.receipts: list[Receipt] = []

    @contextlib.contextmanager
    def told(self, telling: Telling) -> Iterator[Store]:
        """Record a history and give the store as the last process left it, still open."""
        *earlier, last = telling.lives()
        for requests in earlier:
            with contextlib.closing(self._open_store()) as store:
                self._record(store, requests)
        with contextlib.closing(self._open_store()) as store:
            self._record(store, last)
            yield store

    def _record(self, store: Store, requests: Sequence[Sequence[Sent]]) -> None:
        """Record requests one by one, each a group of its own, and sign the head they end in."""
        heads = HeadSigner(Signer(self._key, self._state), ORIGIN, store, self._secrets.id_key)
        preparation = Preparation(self._secrets, store.vault(), clock=self._clock, random=self._random)
        recorder = Recorder(store, heads, clock=self._clock, anomaly=_no_anomaly)
        try:
            for request in requests:
                prepared = preparation.prepare([_incoming(sent) for sent in request])
                self.receipts += recorder.record(prepared, ack="committed").receipts
        finally:
            recorder.close()
            heads.close()

    def disclosure(self, store: Store) -> Disclosure:
        """Return what opens the sealed values of this log."""
        return Disclosure(self._secrets, store.vault())


def _incoming(sent: Sent) -> Incoming:
    """Return a fact as the server hands it on: of some sources with the bytes that it was made of."""
    raw = orjson.dumps(sent.event) if sent.kind == WITH_PAYLOADS else None
    return Incoming(parse_event(sent.event), Sender(sent.kind, sent.instance), raw)


def _no_anomaly(_last: int, _now: int) -> NoReturn:
    raise AssertionError("this clock never goes back")
