"""The signer never signs two heads that disagree: not after a restart or a torn write, not for two processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from lineage_service.ledger.checkpoint import Checkpoint, open_checkpoint
from lineage_service.ledger.errors import KeyFileError, SignerRefusedError
from lineage_service.ledger.keys import CosigningKey, SigningKey
from lineage_service.ledger.merkle import EMPTY_ROOT, Frontier, consistency_proof, leaf_hash
from lineage_service.ledger.note import open_note
from lineage_service.ledger.signer import Signer, SignerLock, SignerState, create_state, read_state

ORIGIN = "lineage.example.org/prod/7f3c9a"
KEY = SigningKey(ORIGIN, sha256(b"log").digest())
SLOTS = (0, 4096)
SLOT_BYTES = 128


class History:
    """One log's leaves, and another history that parts from it at leaf 5."""

    def __init__(self, *, forked: bool = False) -> None:
        self.leaves = [leaf_hash(b"%d %d" % (number, forked and number >= 5)) for number in range(64)]

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(ORIGIN, size, Frontier().extend(self.leaves[:size]).root())

    def subtree(self, level: int, n: int) -> bytes:
        return Frontier().extend(self.leaves[n << level : (n + 1) << level]).root()

    def proof(self, old: int, new: int) -> list[bytes]:
        return consistency_proof(old, new, self.subtree)

    def sign(self, signer: Signer, old: int, new: int) -> bytes:
        return signer.sign(old, self.proof(old, new), self.head(new))

    def state(self, size: int) -> SignerState:
        return SignerState(size, self.head(size).root)


TRUE, FORKED = History(), History(forked=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_state(tmp_path / "signer.state")
    return tmp_path / "signer.state"


@pytest.fixture
def signer(path: Path) -> Iterator[Signer]:
    with Signer(KEY, path) as opened:
        yield opened


def test_growing_log_is_signed_and_remembered(signer: Signer, path: Path) -> None:
    assert signer.state is None
    assert read_state(path) is None
    for old, new in [(0, 1), (1, 3), (3, 4), (4, 50)]:
        note = TRUE.sign(signer, old, new)
        assert open_checkpoint(note, ORIGIN, [KEY.verifier]) == TRUE.head(new)
        assert signer.state == read_state(path) == TRUE.state(new)


def test_empty_log_can_be_signed_first(signer: Signer) -> None:
    TRUE.sign(signer, 0, 0)
    assert signer.state == SignerState(0, EMPTY_ROOT)
    TRUE.sign(signer, 0, 7)


def test_same_head_again_is_success_whatever_the_proof(signer: Signer) -> None:
    note = TRUE.sign(signer, 0, 9)
    assert signer.sign(0, [], TRUE.head(9)) == note
    assert signer.sign(3, [bytes(32)], TRUE.head(9)) == note


def refused(signer: Signer, old: int, proof: list[bytes], head: Checkpoint, why: str) -> None:
    before = signer.state
    with pytest.raises(SignerRefusedError, match=why) as error:
        signer.sign(old, proof, head)
    assert (error.value.seen_size, error.value.seen_root) == (before.size, before.root) if before else (0, EMPTY_ROOT)
    assert f"signer has seen size {error.value.seen_size} root {error.value.seen_root.hex()}" in str(error.value)
    assert signer.state == before


def test_truncated_log_is_refused(signer: Signer) -> None:
    TRUE.sign(signer, 0, 20)
    refused(signer, 12, [], TRUE.head(12), "shrank")
    refused(signer, 20, [], TRUE.head(0), "shrank")


def test_restored_database_that_was_appended_to_is_refused(signer: Signer) -> None:
    TRUE.sign(signer, 0, 20)
    refused(signer, 12, FORKED.proof(12, 30), FORKED.head(30), "retry with a proof from size 20")
    refused(signer, 20, FORKED.proof(20, 30), FORKED.head(30), "does not extend")


def test_forked_log_of_the_same_size_is_refused(signer: Signer) -> None:
    TRUE.sign(signer, 0, 20)
    refused(signer, 20, [], FORKED.head(20), "forked")


def test_bad_proof_is_refused(signer: Signer) -> None:
    TRUE.sign(signer, 0, 20)
    refused(signer, 20, [], TRUE.head(30), "does not extend")
    refused(signer, 20, TRUE.proof(19, 30), TRUE.head(30), "does not extend")


def test_first_head_needs_no_proof_and_takes_none(signer: Signer) -> None:
    refused(signer, 0, [bytes(32)], TRUE.head(30), "does not extend")
    refused(signer, 3, [], TRUE.head(30), "retry with a proof from size 0")


def test_caller_behind_can_retry_from_the_size_it_is_told(signer: Signer) -> None:
    TRUE.sign(signer, 0, 20)
    with pytest.raises(SignerRefusedError) as error:
        TRUE.sign(signer, 12, 30)
    TRUE.sign(signer, error.value.seen_size, 30)


def test_memory_belongs_to_one_log(signer: Signer) -> None:
    TRUE.sign(signer, 0, 20)
    other = Checkpoint("elsewhere.example/log", 30, TRUE.head(30).root)
    refused(signer, 20, TRUE.proof(20, 30), other, "another log")


def test_memory_survives_a_restart(path: Path) -> None:
    with Signer(KEY, path) as first:
        TRUE.sign(first, 0, 20)
    with Signer(KEY, path) as second:
        assert second.state == TRUE.state(20)
        refused(second, 0, [], TRUE.head(12), "shrank")
        refused(second, 20, FORKED.proof(20, 30), FORKED.head(30), "does not extend")
        TRUE.sign(second, 20, 30)


def tear(path: Path, place: int, keep: int) -> None:
    with path.open("r+b") as file:
        file.seek(place + keep)
        file.write(b"\xa5" * (SLOT_BYTES - keep))


@pytest.mark.parametrize("keep", [0, 1, 16, 31, 64, 100, 127])
def test_slot_torn_in_a_crash_falls_back_to_the_other(path: Path, keep: int) -> None:
    with Signer(KEY, path) as first:
        TRUE.sign(first, 0, 20)  # the second slot
        TRUE.sign(first, 20, 30)  # the first
    tear(path, SLOTS[0], keep)
    assert read_state(path) == TRUE.state(20)
    with Signer(KEY, path) as second:
        refused(second, 20, FORKED.proof(20, 40), FORKED.head(40), "does not extend")
        TRUE.sign(second, 20, 40)
    assert read_state(path) == TRUE.state(40)


def test_torn_slot_is_the_next_one_written(path: Path) -> None:
    with Signer(KEY, path) as first:
        TRUE.sign(first, 0, 20)
        TRUE.sign(first, 20, 30)
    tear(path, SLOTS[0], 60)
    with Signer(KEY, path) as second:
        TRUE.sign(second, 20, 30)
    tear(path, SLOTS[1], 60)
    assert read_state(path) == TRUE.state(30)


def test_first_signature_torn_leaves_an_empty_memory(path: Path) -> None:
    with Signer(KEY, path) as first:
        TRUE.sign(first, 0, 20)
    tear(path, SLOTS[1], 60)
    assert read_state(path) is None


def test_every_damage_of_one_bit_falls_back_to_the_other_slot(path: Path) -> None:
    with Signer(KEY, path) as first:
        TRUE.sign(first, 0, 20)
        TRUE.sign(first, 20, 30)
    whole = path.read_bytes()
    for bit in range(8 * SLOT_BYTES):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert read_state(path) == TRUE.state(20)


def test_memory_damaged_in_both_slots_is_refused(path: Path) -> None:
    for place in SLOTS:
        tear(path, place, 10)
    with pytest.raises(KeyFileError, match="both slots"):
        read_state(path)
    with pytest.raises(KeyFileError, match="both slots"):
        Signer(KEY, path)
    path.write_bytes(b"")
    with pytest.raises(KeyFileError, match="both slots"):
        Signer(KEY, path)


def test_failed_opening_gives_the_lock_back(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    with pytest.raises(KeyFileError, match="both slots"):
        Signer(KEY, path)
    path.write_bytes(whole)
    Signer(KEY, path).close()


def test_lost_memory_is_never_begun_anew_in_passing(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="missing"):
        Signer(KEY, tmp_path / "signer.state")
    assert list(tmp_path.iterdir()) == []
    assert read_state(tmp_path / "signer.state") is None


def test_memory_is_never_reset(path: Path) -> None:
    with pytest.raises(KeyFileError, match="never reset"):
        create_state(path)
    assert list(path.parent.iterdir()) == [path]


def test_only_its_owner_can_read_a_memory_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_state(tmp_path / "own.state")
    finally:
        os.umask(before)
    assert (tmp_path / "own.state").stat().st_mode & 0o777 == 0o600


def test_lost_memory_is_recovered_from_a_head_held_outside(tmp_path: Path) -> None:
    path = tmp_path / "signer.state"
    create_state(path, TRUE.head(20))
    assert read_state(path) == TRUE.state(20)
    with Signer(KEY, path) as signer:
        refused(signer, 20, FORKED.proof(20, 30), FORKED.head(30), "does not extend")
        TRUE.sign(signer, 20, 30)


def test_second_signer_in_the_same_process_is_refused(signer: Signer, path: Path) -> None:
    with pytest.raises(KeyFileError, match="another signer"):
        Signer(KEY, path)
    TRUE.sign(signer, 0, 20)


def test_second_signer_in_another_process_is_refused(signer: Signer, path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from lineage_service.ledger.signer import SignerLock\n"
        "SignerLock(pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(path)]
    held = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "another signer is running" in held.stderr
    assert held.returncode == 1
    signer.close()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_lock_can_be_taken_first_and_handed_over(path: Path) -> None:
    with SignerLock(path) as lock, Signer(KEY, path, lock) as signer:
        TRUE.sign(signer, 0, 20)
    with pytest.raises(KeyFileError, match="does not hold the lock"):
        Signer(KEY, path, lock)


def test_lock_of_another_memory_is_refused(path: Path, tmp_path: Path) -> None:
    create_state(tmp_path / "other.state")
    with SignerLock(tmp_path / "other.state") as lock, pytest.raises(KeyFileError, match="the lock is for"):
        Signer(KEY, path, lock)


def test_closed_signer_signs_nothing(signer: Signer) -> None:
    signer.close()
    with pytest.raises(KeyFileError, match="does not hold the lock"):
        TRUE.sign(signer, 0, 20)


def test_forked_child_signs_nothing(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    with pytest.raises(KeyFileError, match="does not hold the lock"):
        TRUE.sign(signer, 0, 20)


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_nothing_is_signed_or_believed_while_the_disk_refuses(
    signer: Signer, path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    TRUE.sign(signer, 0, 20)

    def refuse(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, call, refuse, raising=False)
        with pytest.raises(KeyFileError, match="nothing was signed"):
            TRUE.sign(signer, 20, 30)
        assert signer.state == TRUE.state(20)
    TRUE.sign(signer, 20, 40)
    assert read_state(path) == TRUE.state(40)


def test_slot_is_on_the_disk_before_the_signature_exists(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Watched(SigningKey):
        def sign(self, message: bytes) -> bytes:
            order.append("sign")
            return super().sign(message)

    monkeypatch.setattr(os, "fdatasync", lambda _: order.append("sync"), raising=False)
    with Signer(Watched(ORIGIN, sha256(b"log").digest()), path) as signer:
        TRUE.sign(signer, 0, 20)
    assert order == ["sync", "sign"]


def test_threads_that_race_leave_one_history(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda _: time.sleep(0.01), raising=False)

    def attempt(history: History) -> bool:
        try:
            history.sign(signer, 0, 20)
        except SignerRefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, [TRUE, FORKED] * 20))
    assert sum(outcomes) == 20
    assert outcomes in ([True, False] * 20, [False, True] * 20)


def test_witness_cosigns_with_its_time_and_keeps_the_same_rules(path: Path) -> None:
    witness = CosigningKey(SigningKey("witness.example/w1", sha256(b"w").digest()), lambda: 1_795_392_000)
    with Signer(witness, path) as signer:
        note = TRUE.sign(signer, 0, 20)
        assert open_note(note, [witness.verifier]).verified == {witness.verifier: 1_795_392_000}
        refused(signer, 20, [], FORKED.head(20), "forked")


def test_state_file_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot create"):
        create_state(tmp_path / "nowhere" / "signer.state")


def test_state_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot read"):
        read_state(tmp_path)
    with pytest.raises(KeyFileError, match="cannot open"):
        SignerLock(tmp_path)
