"""What a vault promises: personal values apart from the ledger, so that they can be erased and it cannot.

Each store has a vault of its own in the same database; what is written down in ``store/protocol.py`` holds here too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from graph_schema.sealing import Person


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A personal value at rest: encrypted, bound to its record by the digest that stands in it.

    ``key`` is the wrapped data key of this row alone, or None when the subject's own key is used.
    """

    seq: int
    digest: str
    subject: str
    key: bytes | None
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Sealings:
    """The sealed values of records by seq and digest, and what opens them and tells who people are.

    ``identities`` are the encrypted identities of the pseudonyms asked for, ``keys`` the wrapped data keys of those and
    of the subjects whose own key a value needs. What is erased is absent.
    """

    values: list[SealedValue]
    identities: dict[str, bytes]
    keys: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A pseudonym prepared for somebody not known yet: its data key wrapped, the identity encrypted."""

    pseudonym: str
    key: bytes
    identity: bytes


@dataclass(frozen=True, slots=True)
class PersonAtRest:
    """Somebody as the vault keeps them: ``mac`` is the keyed digest of who it is, ``identity`` says it, encrypted.

    ``key`` is the wrapped data key of the pseudonym, or None if there is none any more.
    """

    mac: bytes
    pseudonym: str
    identity: bytes
    key: bytes | None


class Vault(Protocol):
    """Personal values apart from the ledger: pseudonyms, keys, what can be erased."""

    def pseudonyms(self, wanted: Mapping[Person, bytes], fresh: Mapping[Person, NewPerson]) -> dict[Person, str]:
        """Return the pseudonym of each person (by the keyed digest of who they are).

        Persons not known yet get the one prepared in ``fresh``, in a short transaction of its own: an orphan
        is harmless.
        """

    def subject_keys(self, subjects: Sequence[str]) -> dict[str, bytes]:
        """Return the wrapped data key of each pseudonym that still has one."""

    def sealed(self, seqs: Sequence[int]) -> list[SealedValue]:
        """Return the sealed values of records."""

    def look_up(self, seqs: Sequence[int], pseudonyms: Sequence[str]) -> Sealings:
        """Return at once what opens the values of records, and who stands behind pseudonyms."""

    def erase(self, subject: str) -> list[str]:
        """Destroy a subject's data key and values; return the digests that can no longer be opened."""

    def copies(self, subject: str) -> list[tuple[int, str]]:
        """Return (seq, digest) of every sealed value of a subject."""

    def people(self) -> Iterator[PersonAtRest]:
        """Yield everybody who is kept, by ascending ``mac``, holding a page of them at a time and no lock.

        Whoever is added or erased meanwhile may be among them or not.
        """

    def bring(self, people: Sequence[PersonAtRest]) -> None:
        """Keep people as another store keeps them, all or none; of those who are kept here just so, nothing changes.

        Raises:
            StoreConflictError: if one of them is kept here otherwise (other pseudonym, identity or key); nobody was
                brought.
        """
