"""Opening what was sealed, for those entitled to it: names behind pseudonyms, values behind digests."""

from collections.abc import Iterable, Mapping
from typing import Any

from graph_schema import canonical
from graph_schema.sealing import Person
from lineage_service.ledger import sealing
from lineage_service.recorder.payloads import Secrets
from lineage_service.store.protocol import SealedValue, Vault


class Disclosure:
    """Opens sealed values of one log. What was erased opens to None; what was altered raises SealError.

    What was looked up together is kept as long as this object, so one that looks up is for one question: what is erased
    later shall be gone from the next answer.
    """

    def __init__(self, secrets: Secrets, vault: Vault) -> None:
        self._secrets = secrets
        self._vault = vault
        self._identities: dict[str, bytes | None] = {}
        self._sealed: dict[int, list[SealedValue]] = {}
        self._keys: dict[str, bytes | None] = {}

    def look_up(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Read together what will be asked of records one by one; in a server's vault each costs a way there."""
        told = list(records)
        sealed = [record["seq"] for record in told if record.get("sd")]
        self._sealed.update((seq, []) for seq in sealed)
        for row in self._vault.sealed(sealed) if sealed else ():
            self._sealed[row.seq].append(row)
        people = sorted({person for record in told for person in _people(record["actor"])} - self._identities.keys())
        subjects = {row.subject for seq in sealed for row in self._sealed[seq] if row.key is None}
        wanted = sorted(subjects.union(people) - self._keys.keys())
        found = self._vault.identities(people) if people else {}
        keys = self._vault.subject_keys(wanted) if wanted else {}
        self._identities.update((person, found.get(person)) for person in people)
        self._keys.update((subject, keys.get(subject)) for subject in wanted)

    def person(self, pseudonym: str) -> Person | None:
        """Return (issuer, subject, kind) behind a pseudonym, or None once it is erased."""
        if pseudonym in self._identities:
            identity = self._identities[pseudonym]
        else:
            identity = self._vault.identities([pseudonym]).get(pseudonym)
        key = self._key(pseudonym)
        if identity is None or key is None:
            return None
        bound_to = f"{self._secrets.origin}|{pseudonym}".encode()
        keyring = self._secrets.keyring
        issuer, subject, kind = canonical.decode(keyring.open(keyring.unwrap(key), identity, bound_to))
        return issuer, subject, kind

    def _key(self, subject: str) -> bytes | None:
        if subject in self._keys:
            return self._keys[subject]
        return self._vault.subject_keys([subject]).get(subject)

    def name(self, pseudonym: str) -> str | None:
        """Return how a foreign system calls somebody, as ``subject (issuer)``."""
        person = self.person(pseudonym)
        return None if person is None else f"{person[1]} ({person[0]})"

    def value(self, record: Mapping[str, Any], digest: str) -> Any:
        """Return the value that a digest in a record stands for, or None once it is erased."""
        keyring, seq = self._secrets.keyring, record["seq"]
        for row in self._sealed[seq] if seq in self._sealed else self._vault.sealed([seq]):
            if row.digest != digest:
                continue
            wrapped = row.key or self._key(row.subject)
            if wrapped is None:
                return None
            bound_to = f"{self._secrets.origin}|{record['id']}|{digest}".encode()
            disclosure = keyring.open(keyring.unwrap(wrapped), row.ciphertext, bound_to)
            return sealing.disclosed(disclosure)[1]
        return None


def _people(actor: Mapping[str, Any]) -> list[str]:
    """Return the pseudonyms in an actor: who acted, and for whom."""
    named = (actor.get("id"), (actor.get("on_behalf_of") or {}).get("id"))
    return [person for person in named if person is not None]
