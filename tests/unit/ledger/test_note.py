"""Signed notes and checkpoints: whatever one bit changes, nothing false is believed."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_service.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from lineage_service.ledger.errors import NoteError
from lineage_service.ledger.keys import CosigningKey, SigningKey
from lineage_service.ledger.merkle import EMPTY_ROOT
from lineage_service.ledger.note import (
    MAX_NOTE_BYTES,
    VerifierKey,
    decode_base64,
    encode_base64,
    open_note,
    sign_note,
    split_note,
)

ORIGIN = "lineage.example.org/prod/7f3c9a"
LOG = SigningKey(ORIGIN, sha256(b"log").digest())
WITNESS = CosigningKey(SigningKey("witness.example/w1", sha256(b"witness").digest()), lambda: 1_795_392_000)
HEAD = Checkpoint(ORIGIN, 1_048_578, sha256(b"root").digest())
NOTE = sign_checkpoint(HEAD, LOG)
WITNESS_LINE = sign_checkpoint(HEAD, WITNESS).rpartition(b"\n\n")[2]


def flips(data: bytes) -> list[bytes]:
    whole = int.from_bytes(data, "big")
    return [(whole ^ (1 << bit)).to_bytes(len(data), "big") for bit in range(8 * len(data))]


def test_every_bit_flip_of_a_checkpoint_is_refused() -> None:
    for flipped in flips(NOTE):
        with pytest.raises(NoteError):
            open_checkpoint(flipped, ORIGIN, [LOG.verifier])


def test_every_cut_of_a_checkpoint_is_refused() -> None:
    for length in range(len(NOTE)):
        with pytest.raises(NoteError):
            open_checkpoint(NOTE[:length], ORIGIN, [LOG.verifier])


def test_no_bit_flip_beside_a_good_witness_line_changes_what_is_believed() -> None:
    both, known = NOTE + WITNESS_LINE, [LOG.verifier, WITNESS.verifier]
    for flipped in flips(both):
        try:
            opened = open_note(flipped, known)
        except NoteError:
            continue
        # One name or id no longer matches, so its line counts for nothing; the other still signs the same text.
        assert opened.text == HEAD.text()
        assert len(opened.verified) == 1


def test_no_bit_flip_of_text_or_log_line_passes_on_a_witness_line() -> None:
    for flipped in flips(NOTE):
        with pytest.raises(NoteError):
            open_checkpoint(flipped + WITNESS_LINE, ORIGIN, [LOG.verifier])


def test_witness_line_tells_its_time() -> None:
    opened = open_note(NOTE + WITNESS_LINE, [LOG.verifier, WITNESS.verifier])
    assert opened.verified == {LOG.verifier: None, WITNESS.verifier: 1_795_392_000}


def test_checkpoint_is_opened_as_it_was_signed() -> None:
    assert open_checkpoint(NOTE + WITNESS_LINE, ORIGIN, [LOG.verifier]) == HEAD


def test_key_of_another_name_cannot_sign_for_the_log() -> None:
    with pytest.raises(NoteError, match="cannot sign"):
        sign_checkpoint(HEAD, SigningKey("elsewhere.example", sha256(b"log").digest()))


def test_cosignature_under_the_log_s_own_name_is_not_the_log_s_signature() -> None:
    reused = CosigningKey(LOG, lambda: 1_795_392_000)
    note = sign_checkpoint(HEAD, reused)
    assert open_note(note, [reused.verifier]).text == HEAD.text()
    with pytest.raises(NoteError, match="not a key of log"):
        open_checkpoint(note, ORIGIN, [reused.verifier])


def test_two_known_keys_may_share_name_and_id() -> None:
    first, second = LOG.verifier, SigningKey(ORIGIN, sha256(b"second").digest()).verifier
    twin = object.__new__(VerifierKey)
    for name, value in {"name": ORIGIN, "key_id": first.key_id, "alg": 1, "public": second.public}.items():
        object.__setattr__(twin, name, value)
    assert open_note(NOTE, [twin, first]).verified == {first: None}
    with pytest.raises(NoteError, match="does not hold"):
        open_note(NOTE, [twin])


def test_note_beyond_the_size_limit_is_refused() -> None:
    text = "x" * MAX_NOTE_BYTES + "\n"
    with pytest.raises(NoteError, match="too large"):
        split_note(sign_note(text, LOG))


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\0\n", "cr\r\n"])
def test_text_that_is_no_note_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, LOG)


def test_lone_surrogate_is_not_signed() -> None:
    with pytest.raises(NoteError, match="surrogates"):
        sign_note("\ud800\n", LOG)


lines = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=0x20), min_size=1)


@given(st.lists(lines, min_size=1))
def test_any_text_comes_back_as_it_was_signed(parts: list[str]) -> None:
    text = "".join(f"{part}\n" for part in parts)
    assert open_note(sign_note(text, LOG), [LOG.verifier]).text == text


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser_in_another_way(raw: bytes) -> None:
    with pytest.raises(NoteError):
        open_note(raw, [LOG.verifier])


@given(lines, st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(lines))
def test_checkpoint_text_is_read_back(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    head = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(head.text()) == head


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("\ud800", 1, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", 2**63, bytes(32)),
        ("a", 1, bytes(31)),
    ],
)
def test_impossible_checkpoint_is_refused(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(NoteError):
        Checkpoint(origin, size, root)


def test_empty_log_has_the_empty_root() -> None:
    assert Checkpoint(ORIGIN, 0, EMPTY_ROOT).size == 0
    with pytest.raises(NoteError, match="empty tree"):
        Checkpoint(ORIGIN, 0, bytes(32))


@given(st.binary())
def test_base64_has_one_spelling(data: bytes) -> None:
    text = encode_base64(data)
    assert decode_base64(text) == data
    for wrong in (text + "\n", " " + text, text + "=", text[:-1] + "\u0661"):
        with pytest.raises(NoteError):
            decode_base64(wrong)
