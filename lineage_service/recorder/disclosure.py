"""Opening what was sealed, for those entitled to it: names behind pseudonyms, values behind digests."""

from collections.abc import Mapping
from typing import Any

from graph_schema import canonical
from graph_schema.sealing import Person
from lineage_service.ledger import sealing
from lineage_service.recorder.payloads import Secrets
from lineage_service.store.protocol import Vault


class Disclosure:
    """Opens sealed values of one log. What was erased opens to None; what was altered raises SealError."""

    def __init__(self, secrets: Secrets, vault: Vault) -> None:
        self._secrets = secrets
        self._vault = vault

    def person(self, pseudonym: str) -> Person | None:
        """Return (issuer, subject, kind) behind a pseudonym, or None once it is erased."""
        identity = self._vault.identity(pseudonym)
        key = self._vault.subject_keys([pseudonym]).get(pseudonym)
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
        keyring = self._secrets.keyring
        for row in self._vault.sealed([record["seq"]]):
            if row.digest != digest:
                continue
            wrapped = row.key or self._vault.subject_keys([row.subject]).get(row.subject)
            if wrapped is None:
                return None
            bound_to = f"{self._secrets.origin}|{record['id']}|{digest}".encode()
            disclosure = keyring.open(keyring.unwrap(wrapped), row.ciphertext, bound_to)
            return sealing.disclosed(disclosure)[1]
        return None
