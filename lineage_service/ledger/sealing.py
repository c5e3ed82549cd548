"""Personal values outside the leaf: salted commitments in the record, ciphertext in the vault.

A value becomes ``d`` = base64url of JSON ``[salt, field, value]`` with 128 random bits of salt; the record
holds base64url(SHA-256(d)), in the manner of RFC 9901 disclosures. ``d`` is stored under AES-256-GCM, bound
by its additional data to log, event and digest. Destroying the key makes the value unrecoverable while every
hash of the ledger still verifies. Data keys are wrapped by a key-encryption key that lives outside the
database. Randomness is passed in.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lineage_service.ledger.errors import LedgerError

KEY_BYTES: Final = 32
_NONCE: Final = 12
_SALT: Final = 16
_ID_DIGEST_BYTES: Final = 10
_WRAP: Final = b"lineage-wrap-v1"
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")

Random = Callable[[int], bytes]


class SealError(LedgerError):
    """A sealed value does not open: wrong key, or bytes that are not what was sealed."""


def token_text(data: bytes) -> str:
    """Return bytes as base64url without padding."""
    return _token(data).decode()


def _token(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")


def commit(field: str, value: Any, random: Random) -> tuple[bytes, str]:
    """Return the disclosure ``d`` of a value under fresh salt, and the digest that stands in the record."""
    disclosure = _token(_JSON.encode([token_text(random(_SALT)), field, value]).encode())
    return disclosure, digest_of(disclosure)


def digest_of(disclosure: bytes) -> str:
    """Return the digest of a disclosure as it stands in a record."""
    return token_text(sha256(disclosure).digest())


def salted_digest(salt: bytes, payload: bytes) -> str:
    """Return the name of a raw payload: lowercase hex of SHA-256(salt followed by the bytes)."""
    return sha256(salt + payload).hexdigest()


def event_id(key: bytes, at: int, normalised: bytes) -> str:
    """Return the id of an event: 48 bits of its milliseconds, then 80 bits of a keyed digest, in hex.

    Keyed, because an unkeyed digest of an event whose other fields are known would let anyone guess the
    personal value in it after erasure. ``at`` is in microseconds, ``normalised`` the LJ1 bytes of the event.
    """
    return f"{at // 1000:012x}" + hmac.digest(key, normalised, "sha256")[:_ID_DIGEST_BYTES].hex()


def keyed_digest(key: bytes, *parts: str) -> bytes:
    """Return the keyed digest by which somebody is found in the vault without being named there."""
    return hmac.digest(key, "\x00".join(parts).encode(), "sha256")


def head_mac(key: bytes, origin: str, parts: tuple[int, bytes, int, bytes, int]) -> bytes:
    """Return the seal of a head: (size, last leaf, time, compact range, fold version), by a key outside the database.

    Whoever can write the database but has no key can append records that chain well; a head they moved is not sealed,
    so the service will not sign it after them.
    """
    size, last, time, frontier, fold_version = parts
    text = f"lineage-head-v1|{origin}|{size}|{last.hex()}|{time}|{frontier.hex()}|{fold_version}"
    return hmac.digest(key, text.encode(), "sha256")


class Keyring:
    """Wraps data keys under the key-encryption key, and encrypts with them. Prints without its secret."""

    __slots__ = ("_kek", "_random")

    def __init__(self, kek: bytes, random: Random) -> None:
        if len(kek) != KEY_BYTES:
            raise SealError(f"the key-encryption key has {len(kek)} bytes, not {KEY_BYTES}")
        self._kek = AESGCM(kek)
        self._random = random

    def new_key(self) -> tuple[bytes, bytes]:
        """Return a fresh data key and its wrapped form."""
        fresh = self._random(KEY_BYTES + _NONCE)  # one call: the system's randomness costs more than its bytes
        key, nonce = fresh[:KEY_BYTES], fresh[KEY_BYTES:]
        return key, nonce + self._kek.encrypt(nonce, key, _WRAP)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a data key; SealError if it was wrapped by another key-encryption key or altered."""
        return _open(self._kek, wrapped, _WRAP)

    def seal(self, key: bytes, value: bytes, bound_to: bytes) -> bytes:
        """Encrypt a value; it opens only together with ``bound_to``."""
        nonce = self._random(_NONCE)
        return nonce + AESGCM(key).encrypt(nonce, value, bound_to)

    @staticmethod
    def open(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
        """Decrypt a value; SealError if key, value or binding differ."""
        return _open(AESGCM(key), sealed, bound_to)


def _open(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to)
    except (InvalidTag, ValueError):
        raise SealError("a sealed value does not open: it was altered, or belongs to another key or record") from None


def disclosed(disclosure: bytes) -> tuple[str, Any]:
    """Return (field, value) of a disclosure; SealError if it is not one."""
    try:
        _, field, value = json.loads(urlsafe_b64decode(disclosure + b"=" * (-len(disclosure) % 4)))
    except ValueError:
        raise SealError("a disclosure is base64url of JSON [salt, field, value]") from None
    return field, value
