"""What a receipt promises holds: signed means provable at once, committed means provable within a second."""

import shutil
import time

import pytest

from lineage_service.errors import IntegrityError
from lineage_service.ledger.errors import KeyFileError
from lineage_service.ledger.merkle import EMPTY_ROOT
from lineage_service.recorder.installation import Installation, Places
from lineage_service.store.sqlite import SqliteStore
from tests.ledgers import signing_heads
from tests.unit.recorder.facts import Clock, bodies, move, opened, record, require_intact_chain, require_proof


def stored_size(installation: Installation) -> int:
    """Return the size of the signed head that is stored."""
    with installation.store.read() as reader:
        note = reader.note()
    return 0 if note is None else opened(installation, note.decode()).size


def reopened(places: Places, clock: Clock) -> Installation:
    """Open the log again."""
    return Installation(places, SqliteStore(places.file), clock=clock)


def test_a_signed_receipt_is_proven_under_its_checkpoint(installation: Installation) -> None:
    for count in (1, 2, 3, 5, 8, 1):
        facts = [move(f"{count}/{number}", at=1000 + len(bodies(installation))) for number in range(count)]
        recorded = record(installation, *facts)
        assert {receipt.ack for receipt in recorded.receipts} == {"signed"}
        for receipt in recorded.receipts:
            require_proof(installation, receipt, recorded)


def test_a_checkpoint_covers_the_whole_log(installation: Installation) -> None:
    recorded = record(installation, move(1), move(2))
    checkpoint = opened(installation, recorded.checkpoint)
    with installation.store.read() as reader:
        assert (checkpoint.size, checkpoint.root) == (3, reader.head().frontier.root())
    assert checkpoint.root != EMPTY_ROOT


def test_a_committed_receipt_promises_no_proof_yet(installation: Installation) -> None:
    recorded = record(installation, move(1), ack="committed")
    (receipt,) = recorded.receipts
    assert (receipt.ack, receipt.proof, recorded.checkpoint) == ("committed", None, None)
    assert recorded.size == 2


def test_what_was_committed_is_covered_within_a_second(installation: Installation) -> None:
    began = time.monotonic()
    recorded = record(installation, move(1), ack="committed")
    while stored_size(installation) < recorded.size:
        assert time.monotonic() - began < 1
        time.sleep(0.01)
    assert installation.heads.unsigned == 0


def test_what_was_committed_is_covered_when_the_log_is_closed(
    installation: Installation, places: Places, clock: Clock
) -> None:
    record(installation, move(1), ack="committed")
    installation.close()
    again = reopened(places, clock)
    assert stored_size(again) == 2
    again.close()


def test_a_record_nobody_signed_before_the_end_is_signed_after_a_restart(
    installation: Installation, places: Places, clock: Clock
) -> None:
    signing_heads(installation)._signer.close()
    record(installation, move(1), move(2))
    installation.close()
    again = reopened(places, clock)
    assert again.heads.unsigned == 2
    recorded = record(again, move(3))
    require_proof(again, recorded.receipts[0], recorded)
    assert recorded.size == 4
    again.close()


def test_a_signature_that_fails_does_not_fail_the_request(installation: Installation) -> None:
    failures = installation.heads.failures
    signing_heads(installation)._signer.close()
    recorded = record(installation, move(1))
    (receipt,) = recorded.receipts
    assert (receipt.ack, receipt.proof, recorded.checkpoint, recorded.size) == ("committed", None, None, 2)
    assert installation.heads.failures > failures
    assert bodies(installation)[1]["id"] == receipt.id
    require_intact_chain(installation)


def test_a_signature_that_takes_too_long_does_not_hold_the_request(installation: Installation) -> None:
    with signing_heads(installation)._signing:
        began = time.monotonic()
        recorded = record(installation, move(1))
        took = time.monotonic() - began
    assert recorded.receipts[0].ack == "committed"
    assert 1.9 < took < 4


def test_an_older_database_put_back_is_refused(installation: Installation, places: Places, clock: Clock) -> None:
    record(installation, move(1))
    installation.close()
    older = places.file.with_name("older.db")
    shutil.copy(places.file, older)
    again = reopened(places, clock)
    record(again, move(2), move(3))
    again.close()
    newest = places.file.with_name("newest.db")
    shutil.move(places.file, newest)
    shutil.copy(older, places.file)
    store = SqliteStore(places.file)
    with pytest.raises(IntegrityError, match="ends at record 1, but the signer has seen size 4: an older database"):
        Installation(places, store, clock=clock)
    store.close()
    shutil.copy(newest, places.file)
    back = reopened(places, clock)
    assert record(back, move(4)).size == 5
    back.close()


def test_a_second_writer_is_refused_while_the_first_runs(
    installation: Installation, places: Places, clock: Clock
) -> None:
    store = SqliteStore(places.file)
    with pytest.raises(KeyFileError, match="another signer is running"):
        Installation(places, store, clock=clock)
    store.close()
    assert record(installation, move(1)).receipts[0].ack == "signed"


def test_the_first_record_says_whose_log_it_is(installation: Installation) -> None:
    genesis = bodies(installation)[0]
    assert genesis["type"] == "ledger.opened"
    assert genesis["prev"] == "0" * 64
    assert genesis["body"]["origin"] == genesis["log"] == installation.origin
    assert genesis["body"]["log_key"] == installation.log_vkey
    assert stored_size(installation) <= 1
