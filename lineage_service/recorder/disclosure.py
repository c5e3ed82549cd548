"""Opening what was sealed, for those entitled to it: names behind pseudonyms, values behind digests."""

from collections.abc import Iterable, Mapping
from typing import Any

from graph_schema import canonical
from graph_schema.sealing import Person
from lineage_service.ledger import sealing
from lineage_service.recorder.payloads import Secrets
from lineage_service.store.vault import SealedValue, Vault


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
        self._people: dict[str, Person | None] = {}

    def look_up(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Read together what will be asked of records one by one; in a server's vault each costs a way there."""
        told = list(records)
        seqs = [record["seq"] for record in told if record.get("sd")]
        people = sorted({person for record in told for person in _people(record["actor"])} - self._identities.keys())
        if not seqs and not people:
            return
        found = self._vault.look_up(seqs, people)
        self._sealed.update((seq, []) for seq in seqs)
        for row in found.values:
            self._sealed[row.seq].append(row)
        self._identities.update((person, found.identities.get(person)) for person in people)
        subjects = {*people, *(row.subject for row in found.values if row.key is None)} - self._keys.keys()
        self._keys.update((subject, found.keys.get(subject)) for subject in subjects)

    def person(self, pseudonym: str) -> Person | None:
        """Return (issuer, subject, kind) behind a pseudonym, or None once it is erased."""
        if pseudonym not in self._identities:
            found = self._vault.look_up([], [pseudonym])
            return self._opened(pseudonym, found.identities.get(pseudonym), found.keys.get(pseudonym))
        if pseudonym not in self._people:
            self._people[pseudonym] = self._opened(pseudonym, self._identities[pseudonym], self._keys[pseudonym])
        return self._people[pseudonym]

    def _opened(self, pseudonym: str, identity: bytes | None, key: bytes | None) -> Person | None:
        if identity is None or key is None:
            return None
        bound_to = f"{self._secrets.origin}|{pseudonym}".encode()
        keyring = self._secrets.keyring
        issuer, subject, kind = canonical.decode(keyring.open(keyring.unwrap(key), identity, bound_to))
        return issuer, subject, kind

    def name(self, pseudonym: str) -> str | None:
        """Return how a foreign system calls somebody, as ``subject (issuer)``."""
        person = self.person(pseudonym)
        return None if person is None else f"{person[1]} ({person[0]})"

    def value(self, record: Mapping[str, Any], digest: str) -> Any:
        """Return the value that a digest in a record stands for, or None once it is erased."""
        keyring, seq = self._secrets.keyring, record["seq"]
        values: list[SealedValue]
        keys: Mapping[str, bytes | None]
        if seq in self._sealed:
            values, keys = self._sealed[seq], self._keys
        else:
            found = self._vault.look_up([seq], [])
            values, keys = found.values, found.keys
        row = next((row for row in values if row.digest == digest), None)
        wrapped = None if row is None else row.key or keys.get(row.subject)
        if row is None or wrapped is None:
            return None
        bound_to = f"{self._secrets.origin}|{record['id']}|{digest}".encode()
        return sealing.disclosed(keyring.open(keyring.unwrap(wrapped), row.ciphertext, bound_to))[1]


def _people(actor: Mapping[str, Any]) -> list[str]:
    """Return the pseudonyms in an actor: who acted, and for whom."""
    named = (actor.get("id"), (actor.get("on_behalf_of") or {}).get("id"))
    return [person for person in named if person is not None]
