"""A process that does not sign waits for the one that does, and believes only what the log's own keys made."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from lineage_service.errors import IntegrityError, SettingsError, StoreRetryError
from lineage_service.ledger.keys import generate_signing_key, load_key
from lineage_service.ledger.merkle import leaf_hash
from lineage_service.recorder.following import HeadFollower
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.known_head import KnownHead
from lineage_service.recorder.seal import Seal
from lineage_service.store.sqlite import SqliteStore, SqliteTransaction
from tests.ledgers import signing_heads
from tests.unit.recorder.facts import Clock, move, record, require_intact_chain

SEAL = Seal(b"k" * 32, "log.example")


def follower_of(installation: Installation) -> HeadFollower:
    """Return another process's view of the log: the same store and keys, and no right to sign."""
    key = load_key(installation.places.log_key)
    return HeadFollower(installation.store, key.verifier, installation.secrets.id_key)


def test_a_follower_knows_the_head_it_was_opened_on(installation: Installation) -> None:
    follower = follower_of(installation)
    assert follower.head == installation.heads.head
    assert follower.note() is None


def test_a_follower_takes_in_what_others_committed(installation: Installation) -> None:
    follower = follower_of(installation)
    record(installation, move(1))
    with installation.store.read() as reader:
        follower.follow(reader.head(), reader.hashes)
    assert follower.head == installation.heads.head


def test_a_signature_made_elsewhere_covers_what_a_follower_waits_for(installation: Installation) -> None:
    follower = follower_of(installation)
    record(installation, move(1))
    size = installation.heads.size
    later = threading.Timer(0.2, installation.recorder.keep_head)
    later.start()
    signed = follower.cover(size, 10)
    later.join()
    assert signed is not None
    assert signed.size >= size
    assert signed.note == follower.note()
    assert signed.proof(size - 1) is None  # proofs are made from the store


def test_a_follower_gives_up_waiting_for_a_signature(installation: Installation) -> None:
    with signing_heads(installation)._signing:  # who signs is kept from it
        record(installation, move(1), ack="committed")
        assert follower_of(installation).cover(installation.heads.size, 0.1) is None


def test_a_note_that_another_key_signed_counts_for_nothing(installation: Installation) -> None:
    stranger = generate_signing_key(installation.origin).verifier
    follower = HeadFollower(installation.store, stranger, installation.secrets.id_key)
    installation.recorder.keep_head()
    assert follower.cover(1, 0.1) is None
    assert follower.failures > 0


def test_a_file_has_one_writer_which_signs(installation: Installation) -> None:
    places = installation.places
    with closing(SqliteStore(places.file)) as store, pytest.raises(SettingsError, match="LINEAGE_SIGNER to inprocess"):
        Installation(places, store, signs=False)


def test_a_head_that_was_not_sealed_by_us_is_not_followed(installation: Installation) -> None:
    head = installation.heads.head
    known = KnownHead(SEAL, replace(head, size=0))
    with pytest.raises(IntegrityError, match="was not written by this service"):
        known.follow(head, lambda _first, _stop: [])


def test_leaves_that_do_not_lead_to_the_sealed_head_are_refused(installation: Installation) -> None:
    head = installation.heads.head
    known = KnownHead(SEAL, replace(head, mac=SEAL.on(head).mac))
    leaf = leaf_hash(b"true")
    frontier = head.frontier.extend([leaf])
    moved = SEAL.on(replace(head, size=frontier.size, last=leaf, frontier=frontier))
    with pytest.raises(IntegrityError, match="records were altered"):
        known.follow(moved, lambda _first, _stop: [leaf_hash(b"another")])
    assert known.follow(moved, lambda _first, _stop: [leaf]) == [leaf]
    assert known.head == moved


class Unlucky(SqliteStore):
    """A store whose answers get lost: it says that a write did not come to its end, before or after it did."""

    losses: list[str]

    @contextlib.contextmanager
    def begin(self) -> Iterator[SqliteTransaction]:
        """Begin a transaction; lose the next answer, if one is to be lost."""
        loss = self.losses.pop() if self.losses else None
        with super().begin() as transaction:
            yield transaction
            if loss == "before":
                raise StoreRetryError("the connection broke")
        if loss == "after":
            raise StoreRetryError("the connection broke")


@pytest.mark.parametrize("losses", [["before"], ["after"], ["after", "before", "before"]])
def test_what_got_no_answer_is_done_again_and_recorded_once(places: Places, clock: Clock, losses: list[str]) -> None:
    create(places, origin="test.example/log", clock=clock).close()
    store = Unlucky(places.file)
    store.losses = []
    with closing(Installation(places, store, clock=clock)) as installation:
        installation.recorder._shared = True  # as on a server, where such things happen
        first = installation.heads.size
        store.losses = list(losses)
        told = record(installation, move(1), move(2))
        assert store.losses == []
        assert [receipt.seq for receipt in told.receipts] == [first, first + 1]
        assert record(installation, move(3)).receipts[0].seq == first + 2
        require_intact_chain(installation)


def test_what_gets_no_answer_for_long_is_given_up_and_the_caller_told(
    places: Places, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(places, origin="test.example/log", clock=clock).close()
    store = Unlucky(places.file)
    store.losses = []
    with closing(Installation(places, store, clock=clock)) as installation:
        monkeypatch.setattr("lineage_service.recorder.recorder._RETRY_SECONDS", 0.1)
        store.losses = ["before"] * 50
        with pytest.raises(StoreRetryError, match="the connection broke"):
            record(installation, move(1))
        store.losses = []
        assert record(installation, move(1)).receipts
