"""Key files are private, whole and never written over; keys print without their secret."""

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from lineage_service.ledger.errors import KeyFileError, NoteError
from lineage_service.ledger.keys import (
    CosigningKey,
    SigningKey,
    check_proof_of_possession,
    generate_signing_key,
    load_key,
    load_secret,
    proof_of_possession,
    save_key,
    save_secret,
)
from lineage_service.ledger.note import parse_vkey

ORIGIN = "lineage.example.org/prod/7f3c9a"
SEED = sha256(b"log").digest()
KEY = SigningKey(ORIGIN, SEED)


def test_key_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    save_key(tmp_path / "log.key", KEY)
    loaded = load_key(tmp_path / "log.key")
    assert loaded.vkey == KEY.vkey
    assert loaded.sign(b"message") == KEY.sign(b"message")


def test_secret_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    save_secret(tmp_path / "kek", SEED)
    assert load_secret(tmp_path / "kek") == SEED


def test_key_files_are_for_the_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save_key(tmp_path / "log.key", KEY)
        save_secret(tmp_path / "kek", SEED)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_existing_file_is_never_written_over_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    save_key(path, KEY)
    with pytest.raises(KeyFileError, match="never written over"):
        save_key(path, generate_signing_key(ORIGIN))
    with pytest.raises(KeyFileError, match="never written over"):
        save_secret(path, SEED)
    assert load_key(path).vkey == KEY.vkey
    assert list(tmp_path.iterdir()) == [path]


def test_file_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot create"):
        save_key(tmp_path / "nowhere" / "log.key", KEY)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602, 0o610])
def test_file_open_to_others_is_refused_with_the_command_that_closes_it(tmp_path: Path, mode: int) -> None:
    key, secret = tmp_path / "log key", tmp_path / "kek"
    save_key(key, KEY)
    save_secret(secret, SEED)
    key.chmod(mode)
    secret.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 '{key}'"):
        load_key(key)
    with pytest.raises(KeyFileError, match=f"chmod 600 {secret}"):
        load_secret(secret)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot read"):
        load_key(tmp_path / "log.key")
    with pytest.raises(KeyFileError, match="cannot read"):
        load_secret(tmp_path / "kek")


def private_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_every_damage_of_one_bit_in_a_key_file_is_noticed(tmp_path: Path) -> None:
    content = (KEY.to_text() + "\n").encode()
    path = tmp_path / "log.key"
    for at in range(len(content)):
        for bit in range(8):
            private_file(path, content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :])
            with pytest.raises(KeyFileError):
                load_key(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"PRIVATE+KEY+\n", b"PRIVATE+KEY+a+b+c\n", b"x" * 5000 + b"\n"])
def test_other_content_is_no_key_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(KeyFileError):
        load_key(private_file(tmp_path / "log.key", content))


def test_key_file_cut_short_is_refused(tmp_path: Path) -> None:
    content = (KEY.to_text() + "\n").encode()
    for length in range(len(content)):
        with pytest.raises(KeyFileError):
            load_key(private_file(tmp_path / "log.key", content[:length]))


@pytest.mark.parametrize(
    "content",
    [b"", b"lineage-secret-v2+AAAA\n", b"lineage-secret-v1+AAAA\n", b"lineage-secret-v1+!\n", b"\xff\n"],
)
def test_other_content_is_no_secret_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(KeyFileError):
        load_secret(private_file(tmp_path / "kek", content))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_secret_of_another_length_is_not_saved(tmp_path: Path, length: int) -> None:
    with pytest.raises(KeyFileError, match="32 bytes"):
        save_secret(tmp_path / "kek", bytes(length))
    assert list(tmp_path.iterdir()) == []


def test_seed_of_another_length_makes_no_key() -> None:
    with pytest.raises(KeyFileError, match="32"):
        SigningKey(ORIGIN, bytes(31))


def test_generated_keys_take_their_seed_from_the_given_randomness() -> None:
    assert generate_signing_key(ORIGIN, lambda length: SEED[:length]).vkey == KEY.vkey
    assert generate_signing_key(ORIGIN).vkey != generate_signing_key(ORIGIN).vkey


def test_keys_print_without_their_secret() -> None:
    secret = KEY.to_text().rpartition("+")[2]
    for key in (KEY, CosigningKey(KEY, lambda: 0)):
        assert key.vkey in repr(key)
        assert secret not in repr(key)


def test_public_halves_are_what_an_auditor_can_pin() -> None:
    witness = CosigningKey(KEY, lambda: 0)
    assert parse_vkey(KEY.vkey) == KEY.verifier
    assert parse_vkey(witness.vkey) == witness.verifier
    assert witness.verifier.key_id != KEY.verifier.key_id


def test_possession_of_a_new_key_is_proven_for_one_log() -> None:
    proof = proof_of_possession(ORIGIN, KEY)
    check_proof_of_possession(ORIGIN, KEY.vkey, proof)
    with pytest.raises(NoteError):
        check_proof_of_possession("elsewhere.example", KEY.vkey, proof)
    with pytest.raises(NoteError):
        check_proof_of_possession(ORIGIN, generate_signing_key(ORIGIN).vkey, proof)
    with pytest.raises(NoteError):
        check_proof_of_possession(ORIGIN, KEY.vkey, proof[4:] + proof[:4])


def test_witness_key_cannot_become_a_key_of_the_log() -> None:
    witness = CosigningKey(KEY, lambda: 0)
    with pytest.raises(NoteError, match="witness key"):
        check_proof_of_possession(ORIGIN, witness.vkey, proof_of_possession(ORIGIN, KEY))
