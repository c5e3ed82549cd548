"""A write that Neo4j broke off for a deadlock is done again, as long as that helps and no longer than was said."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import neo4j
import pytest

from lineage_service.errors import StoreRetryError, StoreUnavailableError
from lineage_service.recorder.installation import Installation
from lineage_service.store.address import Address
from lineage_service.store.neo4j import Neo4jStore, connect
from tests.graphdb.installation import new_installation
from tests.unit.recorder.facts import bodies, move, record, require_intact_chain

DEADLOCK = "Neo.TransientError.Transaction.DeadlockDetected"
WAIT_SECONDS = 10
KNOWN = 100
BACK = move("known 0", body={"to": "Staging"})
"""A fact about something known that not much was said of: what much was said of can be added to by several at once."""
_TAKE_NODES = "MATCH (n:Entity|Record) SET n.rival = true"
_TAKE_HEAD = "MATCH (h:LedgerHead) SET h.lock = 'rival'"
_WAITING = "SHOW TRANSACTIONS YIELD currentQuery, status WHERE status STARTS WITH 'Blocked' AND currentQuery = $query"


class Rival:
    """Another writer, as the store's observer: when we hold the head, it holds nodes we need and wants the head.

    Of two that wait for each other Neo4j ends the one that holds fewer locks, so the rival holds all there are.
    ``times`` says how often it comes yet, ``tries`` counts how often we began.
    """

    def __init__(self, address: Address) -> None:
        self.tries = 0
        self.times = 0
        self._driver = connect(address)
        self._wanting: list[threading.Thread] = []

    def begin(self) -> None:
        """Hold the nodes, and want the head until we are thrown out."""
        self.tries += 1
        if self.tries <= self.times:
            holding = threading.Event()
            self._wanting.append(threading.Thread(target=self._want, args=(holding,)))
            self._wanting[-1].start()
            assert holding.wait(WAIT_SECONDS)
            self._wait_until_it_waits()

    def _want(self, holding: threading.Event) -> None:
        with self._driver.session() as session, session.begin_transaction() as transaction:
            transaction.run(_TAKE_NODES).consume()
            holding.set()
            transaction.run(_TAKE_HEAD).consume()
            transaction.rollback()

    def _wait_until_it_waits(self) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not self._driver.execute_query(_WAITING, query=_TAKE_HEAD).records:
            assert time.monotonic() < end, "the other writer was not kept waiting"
            time.sleep(0.02)

    def commit(self) -> None:
        """Nothing: who came so far has no rival."""

    def close(self) -> None:
        """Wait until it has ended all it began."""
        for thread in self._wanting:
            thread.join(WAIT_SECONDS)
        self._driver.close()


@pytest.fixture
def rivalled(tmp_path: Path) -> Iterator[tuple[Installation, Rival]]:
    """Give an open log on a server that holds some records, and a rival that leaves them alone yet."""
    with closing(new_installation(tmp_path)) as created:
        record(created, *(move(f"known {number}") for number in range(KNOWN)))
        places = created.places
    assert isinstance(places.database, Address)
    with (
        closing(Rival(places.database)) as rival,
        closing(Installation(places, Neo4jStore(places.database, observer=rival))) as installation,
    ):
        rival.tries = 0
        yield installation, rival


def test_a_deadlock_is_tried_again_and_the_fact_recorded_once(rivalled: tuple[Installation, Rival]) -> None:
    installation, rival = rivalled
    rival.times = 2
    assert record(installation, BACK).receipts[0].seq == 1 + KNOWN
    assert rival.tries == 3
    require_intact_chain(installation)


def test_deadlocks_without_end_are_given_up_in_time_and_nothing_is_recorded(
    rivalled: tuple[Installation, Rival], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineage_service.recorder.recorder._RETRY_SECONDS", 0.5)
    installation, rival = rivalled
    rival.times = 1000
    begun = time.monotonic()
    with pytest.raises(StoreRetryError) as caught:
        record(installation, BACK)
    assert time.monotonic() - begun < WAIT_SECONDS
    cause = caught.value.__cause__
    assert isinstance(cause, neo4j.exceptions.Neo4jError)
    assert cause.code == DEADLOCK
    assert rival.tries > 1
    assert len(bodies(installation)) == 1 + KNOWN
    rival.times = 0
    assert record(installation, BACK).receipts[0].seq == 1 + KNOWN
    require_intact_chain(installation)


def test_a_head_that_another_keeps_locked_is_waited_for_no_longer_than_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineage_service.store.neo4j._LOCK_SECONDS", 1.0)
    with closing(new_installation(tmp_path)) as installation:
        address = installation.places.database
        assert isinstance(address, Address)
        with connect(address) as driver, driver.session() as session, session.begin_transaction() as other:
            other.run(_TAKE_HEAD).consume()
            begun = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="what was acknowledged is safe"):
                record(installation, move(1))
            assert time.monotonic() - begun < WAIT_SECONDS
        assert record(installation, move(1)).receipts[0].seq == 1
        require_intact_chain(installation)
