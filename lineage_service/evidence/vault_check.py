"""The vault and the payloads against the records: what is named there is kept, opens, and is what was named.

A sealed value is bound to its record by the digest that stands there and by the tag of its encryption (log, event and
digest are authenticated with it); a pseudonym by the keyed digest of who it stands for; a payload by its salted digest.
Rule kept: what is missing and listed by no erasure is WITHHELD, which is a finding. The key-encryption key and the id
key live outside the database; without them only presence can be checked, and the report says so.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from graph_schema import canonical, sealing
from graph_schema.changes import Changes
from graph_schema.fold import understands
from lineage_service.evidence.findings import IN_FILE, Draft, FindingClass, Words
from lineage_service.evidence.record_form import payloads_named
from lineage_service.evidence.rows import Row, joined, scratch, shown
from lineage_service.ledger.sealing import SealError, digest_of, keyed_digest
from lineage_service.recorder.payloads import Secrets, unpack_payload
from lineage_service.store.protocol import Payload

_MAX_SHOWN: Final = 5
_KEYS_HELD: Final = 10_000
_PERSON_WORDS: Final = ("person:", "service_account:")
_WITHDRAWN: Final = "edge.withdrawn"
_WITHHELD: Final = "WITHHELD: it is gone, and no record says that it was erased or expired"
_ELSEWHERE: Final = "filed under another"


def sealed_owners(record: Mapping[str, Any]) -> dict[int, str]:
    """Return who owns each digest of a record: the person it stands beside, else the record's own owner."""
    owners: dict[int, str] = {}
    _walk(record["body"], sealing.owner_of(record), owners)
    return owners


def _walk(value: Any, owner: str, owners: dict[int, str]) -> None:
    if isinstance(value, list):
        for item in value:
            _walk(item, owner, owners)
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict) and item.keys() == {"sd"}:
                person = value.get("id") if key in {"name", "email"} else None
                owners[item["sd"]] = person or owner
            else:
                _walk(item, owner, owners)


class Expectations:
    """What the records say must be in the vault, gathered during a rebuild in a temporary file, in record order.

    ``unknown_from`` is the first record of a type this version does not know: who owns its values cannot be told.
    """

    _TABLES: Final = """
        CREATE TABLE sealed(seq INTEGER, digest TEXT, subject TEXT, event TEXT, PRIMARY KEY(seq, digest)) WITHOUT ROWID;
        CREATE TABLE payload(digest TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
        CREATE TABLE person(pseudonym TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
    """
    _SEALED: Final = "INSERT OR IGNORE INTO sealed(seq, digest, subject, event) VALUES (?, ?, ?, ?)"
    _PAYLOAD: Final = "INSERT OR IGNORE INTO payload(digest, seq) VALUES (?, ?)"
    _PERSON: Final = "INSERT OR IGNORE INTO person(pseudonym, seq) VALUES (?, ?)"

    def __init__(self, path: Path) -> None:
        self._connection = scratch(path)
        self._connection.executescript(self._TABLES)
        self._connection.execute("BEGIN")
        self.unknown_from: int | None = None

    def watch(self, seq: int, record: Mapping[str, Any], changes: Changes) -> None:
        """Take in what one record names."""
        known = understands(record)
        if not known and self.unknown_from is None:
            self.unknown_from = seq
        if digests := record.get("sd"):
            owners = sealed_owners(record) if known else {}
            rows = [(seq, digest, owners.get(at), record["id"]) for at, digest in enumerate(digests)]
            self._connection.executemany(self._SEALED, rows)
        self._connection.executemany(self._PAYLOAD, [(digest, seq) for digest in payloads_named(record)])
        # A withdrawal may name anybody's key; every other mention comes from a pseudonym that was allocated.
        keys = changes.nodes if record["type"] != _WITHDRAWN else {changes.actor: None}
        people = [key.partition(":")[2] for key in keys if key and key.startswith(_PERSON_WORDS)]
        self._connection.executemany(self._PERSON, [(pseudonym, seq) for pseudonym in people])

    def rows(self, statement: str) -> Iterator[Row]:
        """Return rows of what is expected."""
        yield from self._connection.execute(statement)

    def close(self) -> None:
        """Give the file up."""
        self._connection.close()


def check_vault(
    live: sqlite3.Connection,
    expected: Expectations,
    secrets: Secrets | None,
    secrets_missing: str | None,
    draft: Draft,
    words: Words = IN_FILE,
) -> None:
    """Compare persons, data keys, sealed values and payloads with what the records name, and open each."""
    check = _VaultCheck(live, expected, secrets, draft, words)
    check.people()
    check.sealed()
    check.payloads()
    if secrets is None:
        draft.incomplete.append(
            "the vault and the payloads are there, but whether they open and hold what the records name cannot be "
            f"checked without the key-encryption key and the id key ({secrets_missing})"
        )


class _VaultCheck:
    """One pass over the vault of a snapshot."""

    def __init__(
        self, live: sqlite3.Connection, expected: Expectations, secrets: Secrets | None, draft: Draft, words: Words
    ) -> None:
        self._live = live
        self._words = words
        self._expected = expected
        self._secrets = secrets
        self._draft = draft
        self._found: dict[str, int] = {}
        self.subject_key = lru_cache(maxsize=_KEYS_HELD)(self._subject_key)

    def _find(self, table: str, cls: FindingClass, seq: int | None, texts: tuple[str, str, str]) -> None:
        """Add a finding (expected, found, detail); of each table only the first few, and then a count."""
        self._found[table] = self._found.get(table, 0) + 1
        self._draft.counts[f"{table}_differences"] = self._found[table]
        if self._found[table] <= _MAX_SHOWN:
            expected, found, detail = texts
            self._draft.find(cls, seq, expected, found, f"{self._words.of(table)}: {detail}")

    def _done(self, table: str, count: int, what: str) -> None:
        self._draft.counts[table] = count
        if self._secrets is not None and table not in self._found:
            self._draft.verified.append(f"{self._words.of(table)}: {count} {what}")

    # ------------------------------------------------------------------------------------------------------- people

    _PEOPLE: Final = """
        SELECT p.pseudonym, p.mac, p.identity, k.key FROM person p LEFT JOIN subject_key k ON k.subject = p.pseudonym
        ORDER BY p.pseudonym
    """
    _KEYS_ALONE: Final = """
        SELECT subject FROM subject_key k WHERE NOT EXISTS (SELECT 1 FROM person p WHERE p.pseudonym = k.subject)
    """

    def people(self) -> None:
        """Every pseudonym in a record has its row, its key, and an identity of which it is the pseudonym."""
        count = unused = 0
        wanted = self._expected.rows("SELECT pseudonym, seq FROM person ORDER BY pseudonym")
        for expected, row in joined(wanted, iter(self._live.execute(self._PEOPLE)), 1):
            if row is None:
                pseudonym, seq = expected or ("", None)
                self._find("person", "vault", seq, (f"a row for {pseudonym}", "none", _WITHHELD))
                continue
            count += 1
            unused += expected is None
            self._check_person(row, expected[1] if expected else None)
        for (subject,) in self._live.execute(self._KEYS_ALONE):
            texts = ("a person for each data key", f"a key of {subject}", "a data key that belongs to nobody")
            self._find("subject_key", "vault", None, texts)
        self._done("person", count, f"pseudonyms open and are those of who they name ({unused} unused: harmless)")

    def _check_person(self, row: Row, seq: int | None) -> None:
        pseudonym, mac, identity, wrapped = row
        if wrapped is None:
            self._find("subject_key", "vault", seq, (f"a data key of {pseudonym}", "none", _WITHHELD))
        elif self._secrets is not None:
            try:
                self._open_person(self._secrets, pseudonym, mac, identity, wrapped)
            except (SealError, canonical.CanonicalError, ValueError, TypeError) as error:
                self._find("person", "vault", seq, (f"the identity of {pseudonym}", "another", str(error)))

    @staticmethod
    def _open_person(secrets: Secrets, pseudonym: str, mac: bytes, identity: bytes, wrapped: bytes) -> None:
        bound_to = f"{secrets.origin}|{pseudonym}".encode()
        opened = secrets.keyring.open(secrets.keyring.unwrap(wrapped), identity, bound_to)
        issuer, subject, kind = canonical.decode(opened)
        if keyed_digest(secrets.id_key, issuer, subject, kind) != mac:
            raise SealError("the identity is found under another keyed digest than its own")

    # ------------------------------------------------------------------------------------------------ sealed values

    _SEALED: Final = "SELECT seq, digest, subject, key, ciphertext FROM sealed ORDER BY seq, digest"

    def sealed(self) -> None:
        """Every digest in a record has its value, under its owner, and the value is what was committed to."""
        count = 0
        wanted = self._expected.rows("SELECT seq, digest, subject, event FROM sealed ORDER BY seq, digest")
        for expected, row in joined(wanted, iter(self._live.execute(self._SEALED)), 2):
            if row is None:
                seq, digest = (expected or (None, ""))[:2]
                self._find("sealed", "vault", seq, (f"the value of {digest}", "none", _WITHHELD))
                continue
            count += 1
            if expected is None:
                found = shown(("seq", "digest", "subject"), row[:3])
                self._find("sealed", "vault", row[0], ("a digest in this record", found, "no record names this value"))
            elif expected[2] not in (None, row[2]):
                texts = (f"subject {expected[2]}", f"subject {row[2]}", _ELSEWHERE)
                self._find("sealed", "vault", row[0], texts)
            else:
                self._open_sealed(row, expected[3])
        self._done("sealed", count, "sealed values open and are what their records commit to")

    def _open_sealed(self, row: Row, event: str) -> None:
        seq, digest, subject, wrapped, ciphertext = row
        secrets = self._secrets
        if secrets is None:
            return
        try:
            key = self.subject_key(subject) if wrapped is None else secrets.keyring.unwrap(wrapped)
            disclosure = secrets.keyring.open(key, ciphertext, f"{secrets.origin}|{event}|{digest}".encode())
            problem = None if digest_of(disclosure) == digest else "the value has another digest than the record holds"
        except SealError as error:
            problem = str(error)
        if problem is not None:
            self._find("sealed", "vault", seq, (f"the value of {digest}", "one that does not open", problem))

    _KEY: Final = "SELECT key FROM subject_key WHERE subject = ?"

    def _subject_key(self, subject: str) -> bytes:
        row = self._live.execute(self._KEY, (subject,)).fetchone()
        if row is None or self._secrets is None:
            raise SealError(f"there is no data key of {subject}")
        return self._secrets.keyring.unwrap(row[0])

    # ----------------------------------------------------------------------------------------------------- payloads

    _PAYLOADS: Final = "SELECT digest, seq, salt, key, ciphertext FROM payload ORDER BY digest"

    def payloads(self) -> None:
        """Every payload that a record names is there and has the digest by which it is named."""
        count = 0
        wanted = self._expected.rows("SELECT digest, seq FROM payload ORDER BY digest")
        for expected, row in joined(wanted, iter(self._live.execute(self._PAYLOADS)), 1):
            if row is None:
                digest, seq = expected or ("", None)
                self._find("payload", "payload", seq, (f"payload {digest}", "none", _WITHHELD))
                continue
            count += 1
            if expected is None:
                texts = ("a payload that a record names", str(row[0]), "no record names it")
                self._find("payload", "payload", row[1], texts)
            elif expected[1] != row[1]:
                texts = (f"record {expected[1]}", f"record {row[1]}", _ELSEWHERE)
                self._find("payload", "payload", expected[1], texts)
            else:
                self._open_payload(row)
        self._done("payload", count, "payloads open and have the digests that name them")

    def _open_payload(self, row: Row) -> None:
        digest, seq, salt, key, ciphertext = row
        if self._secrets is None:
            return
        try:
            unpack_payload(Payload(seq, digest, salt, key, ciphertext), self._secrets)
        except (SealError, zlib.error) as error:
            self._find("payload", "payload", seq, (f"payload {digest}", "one that does not open", str(error)))
