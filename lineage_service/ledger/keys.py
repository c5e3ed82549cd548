"""Private keys and secrets, and the files that hold them.

The log's key and the keys of witnesses are Ed25519; the key-encryption key and the event-id key are 32 random bytes.
Rules kept: one key pair per purpose; a file is created whole and private (mode 0600) or not at all, and never written
over; a file that others may read is refused on loading; each format names itself and its version.

- ``PRIVATE+KEY+<name>+<id>+<base64(algorithm, seed)>``: a signing key, in the encoding Go's ``note`` package reads.
- ``lineage-secret-v1+<base64>``: a 32-byte secret.
"""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lineage_service.ledger.errors import KeyFileError, NoteError
from lineage_service.ledger.note import (
    COSIGNATURE_V1,
    ED25519,
    cosigned_message,
    decode_base64,
    encode_base64,
    make_vkey,
    parse_vkey,
    split_key,
)

SECRET_BYTES: Final = 32
_KEY_PREFIX: Final = "PRIVATE+KEY+"
_SECRET_PREFIX: Final = "lineage-secret-v1+"  # noqa: S105 - the name of the format, not a secret
_POSSESSION_LABEL: Final = b"lineage-key-pop-v1\0"
_MAX_FILE_BYTES: Final = 4096


class SigningKey:
    """An Ed25519 private key with the name it signs under: for a log, its origin. Prints without its secret."""

    __slots__ = ("_private", "_seed", "name", "verifier", "vkey")

    def __init__(self, name: str, seed: bytes) -> None:
        if len(seed) != SECRET_BYTES:
            raise KeyFileError(f"the seed of an Ed25519 key has {len(seed)} bytes, not {SECRET_BYTES}")
        self.name = name
        self._seed = seed
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.vkey = make_vkey(name, ED25519, self._private.public_key().public_bytes_raw())
        self.verifier = parse_vkey(self.vkey)

    def __repr__(self) -> str:
        return f"SigningKey({self.vkey!r})"

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over these bytes."""
        return self._private.sign(message)

    def to_text(self) -> str:
        """The private key in its file format, without a newline. Secret."""
        key = encode_base64(bytes([ED25519]) + self._seed)
        return f"{_KEY_PREFIX}{self.name}+{self.verifier.key_id.hex()}+{key}"


class CosigningKey:
    """A witness's key: signs ``cosignature/v1`` with the time of ``clock`` (POSIX seconds). Prints without its secret.

    It wraps a key pair of its own: the same pair must never serve as a log's key.
    """

    __slots__ = ("_clock", "_key", "name", "verifier", "vkey")

    def __init__(self, key: SigningKey, clock: Callable[[], int]) -> None:
        self._key = key
        self._clock = clock
        self.name = key.name
        self.vkey = make_vkey(key.name, COSIGNATURE_V1, key.verifier.public)
        self.verifier = parse_vkey(self.vkey)

    def __repr__(self) -> str:
        return f"CosigningKey({self.vkey!r})"

    def sign(self, message: bytes) -> bytes:
        """The time as 8 bytes, then the signature over time and message."""
        timestamp = self._clock()
        return timestamp.to_bytes(8, "big") + self._key.sign(cosigned_message(timestamp, message))


def generate_signing_key(name: str, random_bytes: Callable[[int], bytes] = os.urandom) -> SigningKey:
    """A new key pair that signs under ``name``."""
    return SigningKey(name, random_bytes(SECRET_BYTES))


def save_key(path: Path, key: SigningKey) -> None:
    """Creates the key's file with mode 0600; raises :class:`KeyFileError` if there is a file already."""
    _create_private_file(path, key.to_text() + "\n")


def load_key(path: Path) -> SigningKey:
    """Reads :func:`save_key`; raises :class:`KeyFileError` for a file that is missing, damaged or open to others."""
    text = _read_private_file(path)
    name, key_id, encoded = split_key(text.removeprefix(_KEY_PREFIX))
    if not text.startswith(_KEY_PREFIX) or not encoded:
        raise KeyFileError(f"{path} is not a signing key file: expected PRIVATE+KEY+name+id+base64")
    try:
        data = decode_base64(encoded)
        if data[:1] != bytes([ED25519]):
            raise KeyFileError(f"{path} holds a key of an unknown algorithm: this version reads Ed25519 (0x01)")
        key = SigningKey(name, data[1:])
    except NoteError as error:
        raise KeyFileError(f"{path} is damaged, restore it from its back-up: {error}") from error
    if key.verifier.key_id.hex() != key_id:
        raise KeyFileError(f"{path} is damaged, restore it from its back-up: name, id and key do not belong together")
    return key


def save_secret(path: Path, secret: bytes) -> None:
    """Creates a file of mode 0600 for a 32-byte secret; raises :class:`KeyFileError` if there is a file already."""
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(f"a secret has {SECRET_BYTES} bytes, not {len(secret)}")
    _create_private_file(path, f"{_SECRET_PREFIX}{encode_base64(secret)}\n")


def load_secret(path: Path) -> bytes:
    """Reads :func:`save_secret`; raises :class:`KeyFileError` for a file that is missing, damaged or open to others."""
    text = _read_private_file(path)
    if not text.startswith(_SECRET_PREFIX):
        raise KeyFileError(f"{path} is not a secret file of this version: expected {_SECRET_PREFIX}base64")
    try:
        secret = decode_base64(text.removeprefix(_SECRET_PREFIX))
    except NoteError as error:
        raise KeyFileError(f"{path} is damaged, restore it from its back-up") from error
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(f"{path} is damaged, restore it from its back-up: {len(secret)} bytes, not {SECRET_BYTES}")
    return secret


def proof_of_possession(origin: str, key: SigningKey) -> str:
    """Base64 signature that shows, when a key is added to log ``origin``, that its owner holds the private half."""
    return encode_base64(key.sign(_possession_message(origin, key.vkey)))


def check_proof_of_possession(origin: str, vkey: str, proof: str) -> None:
    """Checks :func:`proof_of_possession`; raises :class:`NoteError` when the key's owner did not make it."""
    key = parse_vkey(vkey)
    if key.alg != ED25519:
        raise NoteError(f"{key.name!r} is a witness key; only an Ed25519 key (0x01) can be a key of a log")
    key.verify(_possession_message(origin, vkey), decode_base64(proof))


def _possession_message(origin: str, vkey: str) -> bytes:
    # The NUL keeps these bytes apart from every note: a note holds no control characters.
    return _POSSESSION_LABEL + origin.encode() + vkey.encode()


def _create_private_file(path: Path, content: str) -> None:
    """Writes beside the target and links into place: the name appears with the whole content or not at all."""
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, path)
        finally:
            Path(beside).unlink(missing_ok=True)
        sync_directory(path.parent)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already and is never written over: move it away first") from error
    except OSError as error:
        raise KeyFileError(f"cannot create {path}: {error.strerror}") from error


def _read_private_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"{path} is open to other users: run `chmod 600 {shlex.quote(str(path))}`")
    if len(content) > _MAX_FILE_BYTES or not content.endswith(b"\n"):
        raise KeyFileError(f"{path} is damaged, restore it from its back-up: not one line of text")
    try:
        return content[:-1].decode("utf-8")
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path} is damaged, restore it from its back-up: not text") from error


def sync_directory(path: Path) -> None:
    """Makes the names of newly created files in a directory durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
