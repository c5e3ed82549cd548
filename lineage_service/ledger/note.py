"""Signed notes: a text, a blank line, and lines that say who signed it.

Follows C2SP signed-note, and C2SP tlog-cosignature for the timestamped signatures of witnesses. Rules kept:

- the text that was signed is the text that is returned; nothing is re-serialised before checking;
- base64 is strict: decoded, encoded again and compared, because Python's decoder accepts stray trailing bits;
- at most 100 signature lines and 1,000,000 bytes; no control characters; the last blank line separates text and lines;
- unknown keys are ignored, also when they share a name or an id with a known key; a known key whose signature does not
  hold fails the whole note; a note that no known key signed is refused;
- the four-byte key id is a hint to find the key, never a reason to trust it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lineage_service.ledger.errors import NoteError

ED25519: Final = 0x01
COSIGNATURE_V1: Final = 0x04
MAX_SIGNATURES: Final = 100
MAX_NOTE_BYTES: Final = 1_000_000
_PUBLIC_KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_TIMESTAMP_BYTES: Final = 8
_MAX_TIMESTAMP: Final = 2**63 - 1
_LINE_PREFIX: Final = "\u2014 "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under; the id is checked to be the one that name, algorithm and key give."""

    name: str
    key_id: bytes
    alg: int
    public: bytes

    def __post_init__(self) -> None:
        _require_key(self.name, self.alg, self.public)
        if self.key_id != _key_id(self.name, self.alg, self.public):
            raise NoteError(f"the id {self.key_id.hex()} of key {self.name!r} does not belong to its public key")

    def verify(self, text: bytes, signature: bytes) -> int | None:
        """Checks a signature over a note's text. Returns the POSIX time of a cosignature, None for a plain one."""
        if self.alg == ED25519:
            _verify_ed25519(self, signature, text)
            return None
        timestamp = int.from_bytes(signature[:_TIMESTAMP_BYTES], "big")
        if timestamp > _MAX_TIMESTAMP:
            raise NoteError(f"the cosignature of {self.name!r} carries an impossible time")
        _verify_ed25519(self, signature[_TIMESTAMP_BYTES:], cosigned_message(timestamp, text))
        return timestamp


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note as it stands there, not checked; ``signature`` is what follows the key id."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note that at least one known key signed; ``verified`` maps each such key to its cosignature time or None."""

    text: str
    verified: dict[VerifierKey, int | None]


class NoteSigner(Protocol):
    """Whatever can sign a note: a key in a file, a witness key with a clock, a key in hardware."""

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """What stands behind the key id in the signature line of a note with this text."""
        ...


def make_vkey(name: str, alg: int, pub: bytes) -> str:
    """The key as text, ``name+id+base64(algorithm, public key)``: what an auditor pins."""
    _require_key(name, alg, pub)
    return f"{name}+{_key_id(name, alg, pub).hex()}+{encode_base64(bytes([alg]) + pub)}"


def parse_vkey(vkey: str) -> VerifierKey:
    """Reads :func:`make_vkey`; raises :class:`NoteError` when a part is malformed or does not belong to the others."""
    name, key_id, encoded = split_key(vkey)
    if not _KEY_ID.fullmatch(key_id):
        raise NoteError(f"not a verifier key: {vkey[:120]!r} (expected name+id+base64)")
    key = decode_base64(encoded)
    if not key:
        raise NoteError(f"the verifier key of {name!r} is empty")
    return VerifierKey(name, bytes.fromhex(key_id), key[0], key[1:])


def split_key(text: str) -> tuple[str, str, str]:
    """Name, id and base64 of a key written as text; the parts that are not there are empty."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    return name, key_id, encoded


def sign_note(text: str, signer: NoteSigner) -> bytes:
    """The text with one signature line of ``signer``, ready to store and to serve."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise NoteError("the text of a note ends with a newline and holds no control characters")
    key = signer.verifier
    signature = encode_base64(key.key_id + signer.sign(_encode(text)))
    return _encode(f"{text}\n{_LINE_PREFIX}{key.name} {signature}\n")


def split_note(raw: bytes) -> tuple[str, list[SignatureLine]]:
    """Takes a note apart without believing it; raises :class:`NoteError` when it is malformed."""
    if len(raw) > MAX_NOTE_BYTES:
        raise NoteError(f"a note of {len(raw)} bytes is too large (limit {MAX_NOTE_BYTES})")
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("a note must be valid UTF-8") from error
    if _CONTROL.search(decoded):
        raise NoteError("a note must not hold control characters")
    body, blank, signatures = decoded.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteError("a note is a text, a blank line and signature lines that end with a newline")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note with {len(lines)} signatures is refused (limit {MAX_SIGNATURES})")
    return body + "\n", [_parse_line(line) for line in lines]


def open_note(raw: bytes, verifiers: Sequence[VerifierKey]) -> OpenedNote:
    """Checks a note against the keys the caller trusts; raises :class:`NoteError` unless one of them signed it.

    "Some known key signed" is all this says. Who must have signed is the caller's rule: a checkpoint needs the log's
    own signature, whatever its witnesses say (:func:`lineage_service.ledger.checkpoint.open_checkpoint`).
    """
    text, lines = split_note(raw)
    signed = _encode(text)
    verified: dict[VerifierKey, int | None] = {}
    for line in lines:
        known = [key for key in verifiers if (key.name, key.key_id) == (line.name, line.key_id)]
        if known:
            key, timestamp = _verify_line(line, known, signed)
            verified.setdefault(key, timestamp)
    if not verified:
        raise NoteError("no known key signed this note")
    return OpenedNote(text, verified)


def cosigned_message(timestamp: int, text: bytes) -> bytes:
    """What a witness signs for ``cosignature/v1``: header and time lines before the checkpoint's text."""
    return b"cosignature/v1\ntime %d\n%b" % (timestamp, text)


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Strict inverse of :func:`encode_base64`: only the one canonical spelling is accepted."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"not base64: {text[:80]!r}") from error
    if encode_base64(data) != text:
        raise NoteError(f"not canonical base64: {text[:80]!r}")
    return data


def _verify_line(line: SignatureLine, known: list[VerifierKey], text: bytes) -> tuple[VerifierKey, int | None]:
    """Tries each known key of that name and id: two keys may collide in four bytes, and one of them must hold."""
    failure = NoteError(f"the signature of {line.name!r} does not hold")
    for key in known:
        try:
            return key, key.verify(text, line.signature)
        except NoteError as error:
            failure = error
    raise failure


def _verify_ed25519(key: VerifierKey, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise NoteError(f"the signature of {key.name!r} ({key.key_id.hex()}) does not hold over this text") from error


def _parse_line(line: str) -> SignatureLine:
    if not line.startswith(_LINE_PREFIX):
        raise NoteError(f"not a signature line: {line[:80]!r}")
    name, _, encoded = line.removeprefix(_LINE_PREFIX).partition(" ")
    _require_name(name)
    data = decode_base64(encoded)
    if len(data) <= _KEY_ID_BYTES:
        raise NoteError(f"the signature line of {name!r} holds no signature")
    return SignatureLine(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _key_id(name: str, alg: int, public: bytes) -> bytes:
    return sha256(_encode(name) + b"\n" + bytes([alg]) + public).digest()[:_KEY_ID_BYTES]


def _require_key(name: str, alg: int, public: bytes) -> None:
    _require_name(name)
    if alg not in (ED25519, COSIGNATURE_V1):
        raise NoteError(
            f"key {name!r} has the unsupported algorithm {alg:#04x} (known: 0x01 Ed25519, 0x04 cosignature/v1)"
        )
    if len(public) != _PUBLIC_KEY_BYTES:
        raise NoteError(f"the Ed25519 public key of {name!r} has {len(public)} bytes, not {_PUBLIC_KEY_BYTES}")


def _require_name(name: str) -> None:
    if not name or "+" in name or _CONTROL.search(name) or any(char.isspace() for char in name):
        raise NoteError(f"not a key name: {name[:80]!r} (no spaces, no plus, not empty)")


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NoteError("a note must not hold lone surrogates") from error
