"""The signer that remembers: it signs a head only if it extends the last head it signed.

A signature over two histories is the one thing a log can never explain away, so the memory of the last (size, root)
lives in a file of its own, outside the database: whoever restores an old database is refused here. With a
:class:`~lineage_service.ledger.keys.CosigningKey` the same class is the core of a C2SP tlog-witness.

The state file is two slots, 4,096 bytes apart, written in turn, each with a counter and a checksum; a slot torn by a
crash falls back to the other, whose head is the last one released. Rules kept:

- check, persist and sign happen under one lock; the slot is on the disk (one fdatasync) before the signature exists;
- the file is locked (flock) for as long as the signer lives: one log, one signer;
- a missing state file is never created in passing, for that would forget; see :func:`create_state`;
- the state belongs to one origin.
"""

from __future__ import annotations

import fcntl
import os
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from lineage_service.ledger.checkpoint import Checkpoint, sign_checkpoint
from lineage_service.ledger.errors import KeyFileError, ProofError, SignerRefusedError
from lineage_service.ledger.keys import sync_directory
from lineage_service.ledger.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from lineage_service.ledger.note import NoteSigner

_MAGIC: Final = b"lineage-signer-1"
_SLOT_SPACING: Final = 4096
_BODY_BYTES: Final = len(_MAGIC) + 8 + 8 + HASH_SIZE + HASH_SIZE
_SLOT_BYTES: Final = _BODY_BYTES + HASH_SIZE
_FILE_BYTES: Final = 2 * _SLOT_SPACING
_NO_ORIGIN: Final = bytes(HASH_SIZE)


@dataclass(frozen=True, slots=True)
class SignerState:
    """The last head that was signed."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class _Slot:
    """One memory: ``counter`` numbers them and chooses the place; 0 means that nothing was signed yet."""

    counter: int
    size: int = 0
    root: bytes = EMPTY_ROOT
    origin_hash: bytes = _NO_ORIGIN

    def to_bytes(self) -> bytes:
        body = _MAGIC + self.counter.to_bytes(8, "big") + self.size.to_bytes(8, "big") + self.root + self.origin_hash
        return body + sha256(body).digest()

    @property
    def place(self) -> int:
        return self.counter % 2 * _SLOT_SPACING


class SignerLock:
    """The right to sign for one state file. Held by the signer; also taken by verbs that must not run beside one."""

    __slots__ = ("_handle", "_pid", "path")

    def __init__(self, path: Path) -> None:
        """Takes the lock at once or raises :class:`KeyFileError`: the file is missing, or another process has it."""
        self.path = path
        self._pid = os.getpid()
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise KeyFileError(
                f"the signer's memory {path} is missing: create it for a new log, or recover it from the newest "
                "checkpoint held outside"
            ) from error
        except OSError as error:
            raise KeyFileError(f"cannot open the signer's memory {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            self._handle = -1
            raise KeyFileError(f"another signer is running with {path}: stop it first, a log has one signer") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def handle(self) -> int:
        """Descriptor of the locked file; raises :class:`KeyFileError` once closed, and in a forked child."""
        if self._handle < 0 or os.getpid() != self._pid:
            raise KeyFileError(f"this process does not hold the lock of {self.path}: open the signer in this process")
        return self._handle

    def close(self) -> None:
        """Gives the lock back; a second call does nothing."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


class Signer:
    """Signs the heads of one log, in one process, with any number of threads."""

    __slots__ = ("_key", "_lock", "_mutex", "_slot")

    def __init__(self, key: NoteSigner, state_path: Path, lock: SignerLock | None = None) -> None:
        """Opens the memory at ``state_path``; takes its lock unless the caller hands over one it holds."""
        if lock is not None and lock.path != state_path:
            raise KeyFileError(f"the lock is for {lock.path}, not for {state_path}")
        self._key = key
        self._lock = lock or SignerLock(state_path)
        self._mutex = threading.Lock()
        try:
            self._slot = _newest_slot(_read(self._lock.handle, state_path), state_path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def state(self) -> SignerState | None:
        """The last head signed, None if there is none yet."""
        return _state(self._slot)

    def close(self) -> None:
        """Gives up the lock; nothing can be signed afterwards."""
        self._lock.close()

    def sign(self, old_size: int, proof: list[bytes], checkpoint: Checkpoint) -> bytes:
        """The checkpoint as a signed note, if it extends the last one; else :class:`SignerRefusedError`.

        ``proof`` is the consistency proof from ``old_size``, which must be the size signed last (0 at first). The same
        head again is signed again, whatever the proof: the caller may have lost the first answer. When the memory
        cannot be written, :class:`KeyFileError` is raised, nothing was released, and the call may be repeated.
        """
        with self._mutex:
            handle = self._lock.handle
            if not self._repeats(checkpoint):
                self._require_extension(old_size, proof, checkpoint)
                self._remember(handle, checkpoint)
            return sign_checkpoint(checkpoint, self._key)

    def _repeats(self, checkpoint: Checkpoint) -> bool:
        seen = self._slot
        if seen.counter and seen.origin_hash != _origin_hash(checkpoint.origin):
            raise self._refusal(f"this signer's memory belongs to another log than {checkpoint.origin!r}")
        return seen.counter > 0 and (seen.size, seen.root) == (checkpoint.size, checkpoint.root)

    def _require_extension(self, old_size: int, proof: list[bytes], checkpoint: Checkpoint) -> None:
        seen = self._slot
        if checkpoint.size < seen.size:
            raise self._refusal(f"the log shrank to size {checkpoint.size}: was an old database restored?")
        if checkpoint.size == seen.size and checkpoint.root != seen.root:
            raise self._refusal(f"the log was forked: size {checkpoint.size} now has root {checkpoint.root.hex()}")
        if old_size != seen.size:
            raise self._refusal(f"the proof starts at size {old_size}: retry with a proof from size {seen.size}")
        try:
            verify_consistency(seen.size, checkpoint.size, proof, seen.root, checkpoint.root)
        except ProofError as error:
            raise self._refusal(f"the offered head does not extend the last one ({error})") from error

    def _refusal(self, reason: str) -> SignerRefusedError:
        seen = self._slot
        return SignerRefusedError(
            f"{reason}; signer has seen size {seen.size} root {seen.root.hex()}",
            seen_size=seen.size,
            seen_root=seen.root,
        )

    def _remember(self, handle: int, checkpoint: Checkpoint) -> None:
        slot = _Slot(self._slot.counter + 1, checkpoint.size, checkpoint.root, _origin_hash(checkpoint.origin))
        _write(handle, slot, self._lock.path)
        self._slot = slot


def create_state(path: Path, seen: Checkpoint | None = None) -> None:
    """Creates the signer's memory: empty for a new log, or from the newest checkpoint held outside, to recover.

    Raises :class:`KeyFileError` if there is a file already: a memory is never reset.
    """
    first = _Slot(0)
    second = _Slot(1, seen.size, seen.root, _origin_hash(seen.origin)) if seen else first
    content = first.to_bytes().ljust(_SLOT_SPACING, b"\0") + second.to_bytes().ljust(_SLOT_SPACING, b"\0")
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        try:
            with beside.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        sync_directory(path.parent)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already: the memory of a signer is never reset") from error
    except OSError as error:
        raise KeyFileError(f"cannot create the signer's memory {path}: {error.strerror}") from error


def read_state(path: Path) -> SignerState | None:
    """The last head signed with this state file, read without the lock; None if there is no file or no signature yet.

    Raises :class:`KeyFileError` when the file can be read but neither slot is whole.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyFileError(f"cannot read the signer's memory {path}: {error.strerror}") from error
    try:
        return _state(_newest_slot(_read(handle, path), path))
    finally:
        os.close(handle)


def _state(slot: _Slot) -> SignerState | None:
    return SignerState(slot.size, slot.root) if slot.counter else None


def _newest_slot(content: bytes, path: Path) -> _Slot:
    slots = [_parse_slot(content[at : at + _SLOT_BYTES]) for at in (0, _SLOT_SPACING)]
    whole = [slot for slot in slots if slot is not None]
    if not whole:
        raise KeyFileError(
            f"the signer's memory {path} is damaged in both slots: move it away and recover it from the newest "
            "checkpoint held outside"
        )
    return max(whole, key=lambda slot: slot.counter)


def _parse_slot(data: bytes) -> _Slot | None:
    body, checksum = data[:_BODY_BYTES], data[_BODY_BYTES:]
    if not body.startswith(_MAGIC) or sha256(body).digest() != checksum:
        return None
    numbers, hashes = body[len(_MAGIC) :][:16], body[len(_MAGIC) + 16 :]
    counter, size = int.from_bytes(numbers[:8], "big"), int.from_bytes(numbers[8:], "big")
    return _Slot(counter, size, hashes[:HASH_SIZE], hashes[HASH_SIZE:])


def _read(handle: int, path: Path) -> bytes:
    try:
        return os.pread(handle, _FILE_BYTES, 0)
    except OSError as error:
        raise KeyFileError(f"cannot read the signer's memory {path}: {error.strerror}") from error


def _write(handle: int, slot: _Slot, path: Path) -> None:
    """Overwrites the older slot and waits for the disk. A failure leaves the newer slot as it was."""
    try:
        written = os.pwrite(handle, slot.to_bytes(), slot.place)
        getattr(os, "fdatasync", os.fsync)(handle)  # macOS has no fdatasync
    except OSError as error:
        raise KeyFileError(
            f"the signer's memory {path} cannot be written, nothing was signed: {error.strerror}"
        ) from error
    if written != _SLOT_BYTES:
        raise KeyFileError(f"the signer's memory {path} was written only in part, nothing was signed")


def _origin_hash(origin: str) -> bytes:
    return sha256(origin.encode()).digest()
