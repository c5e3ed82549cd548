"""The vault of the embedded store: pseudonyms, data keys, sealed values; the part that can be erased."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Final

from graph_schema.sealing import Person
from lineage_service.errors import StoreConflictError
from lineage_service.store.sqlite_errors import translated
from lineage_service.store.sqlite_values import array
from lineage_service.store.vault import NewPerson, PersonAtRest, SealedValue, Sealings

_PAGE: Final = 1000


class SqliteVault:
    """The Vault of protocol.py, on the writer's connection and under its lock."""

    def __init__(self, connection: sqlite3.Connection, lock: threading.Lock) -> None:
        self._connection = connection
        self._lock = lock

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated("reading the vault"):
            yield self._connection

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated("writing to the vault"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    _FIND: Final = "SELECT pseudonym FROM person WHERE mac = ?"
    _ADD: Final = "INSERT INTO person(mac, pseudonym, identity) VALUES (?, ?, ?)"
    _ADD_KEY: Final = "INSERT INTO subject_key(subject, key) VALUES (?, ?)"

    def pseudonyms(self, wanted: Mapping[Person, bytes], fresh: Mapping[Person, NewPerson]) -> dict[Person, str]:
        """Return the pseudonym of each person, adding those not known yet."""
        found: dict[Person, str] = {}
        with self._transaction() as connection:
            for person, mac in wanted.items():
                row = connection.execute(self._FIND, (mac,)).fetchone()
                if row is not None:
                    found[person] = row[0]
                    continue
                new = fresh[person]
                connection.execute(self._ADD, (mac, new.pseudonym, new.identity))
                connection.execute(self._ADD_KEY, (new.pseudonym, new.key))
                found[person] = new.pseudonym
        return found

    _KEYS: Final = """
        SELECT s.subject, s.key FROM json_each(?) j CROSS JOIN subject_key s ON s.subject = j.value
    """

    def subject_keys(self, subjects: Sequence[str]) -> dict[str, bytes]:
        """Return the wrapped data keys that still exist."""
        with self._reading() as connection:
            return dict(connection.execute(self._KEYS, (array(subjects),)).fetchall())

    _SEALED: Final = """
        SELECT s.seq, s.digest, s.subject, s.key, s.ciphertext
        FROM json_each(?) j CROSS JOIN sealed s ON s.seq = j.value ORDER BY s.seq, s.digest
    """

    def sealed(self, seqs: Sequence[int]) -> list[SealedValue]:
        """Return the sealed values of records."""
        with self._reading() as connection:
            rows = connection.execute(self._SEALED, (array(seqs),)).fetchall()
        return [SealedValue(*row) for row in rows]

    _IDENTITIES: Final = """
        SELECT p.pseudonym, p.identity FROM json_each(?) j CROSS JOIN person p ON p.pseudonym = j.value
    """

    def look_up(self, seqs: Sequence[int], pseudonyms: Sequence[str]) -> Sealings:
        """Return what opens the values of records, and who people are; the lock keeps erasing out meanwhile."""
        with self._reading() as connection:
            values = [SealedValue(*row) for row in connection.execute(self._SEALED, (array(seqs),))]
            identities = dict(connection.execute(self._IDENTITIES, (array(pseudonyms),)).fetchall())
            subjects = {*pseudonyms, *(value.subject for value in values if value.key is None)}
            keys = dict(connection.execute(self._KEYS, (array(subjects),)).fetchall())
        return Sealings(values, identities, keys)

    _COPIES: Final = "SELECT seq, digest FROM sealed WHERE subject = ? AND key IS NULL ORDER BY seq, digest"

    def copies(self, subject: str) -> list[tuple[int, str]]:
        """Return (seq, digest) of every value sealed under a subject's own key."""
        with self._reading() as connection:
            return connection.execute(self._COPIES, (subject,)).fetchall()

    _PEOPLE: Final = """
        SELECT p.mac, p.pseudonym, p.identity, k.key FROM person p LEFT JOIN subject_key k ON k.subject = p.pseudonym
        WHERE p.mac > ? ORDER BY p.mac LIMIT ?
    """

    def people(self) -> Iterator[PersonAtRest]:
        """Yield everybody who is kept, a page at a time."""
        after = b""
        while True:
            with self._reading() as connection:
                rows = connection.execute(self._PEOPLE, (after, _PAGE)).fetchall()
            yield from (PersonAtRest(*row) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    _BRING: Final = "INSERT OR IGNORE INTO person(mac, pseudonym, identity) VALUES (?, ?, ?)"
    _BRING_KEY: Final = "INSERT OR IGNORE INTO subject_key(subject, key) VALUES (?, ?)"
    _KEPT: Final = """
        SELECT p.mac, p.pseudonym, p.identity, k.key FROM person p LEFT JOIN subject_key k ON k.subject = p.pseudonym
        WHERE p.mac = ?
    """

    def bring(self, people: Sequence[PersonAtRest]) -> None:
        """Keep people as another store keeps them; what is there is left, and then compared."""
        with self._transaction() as connection:
            connection.executemany(self._BRING, [(one.mac, one.pseudonym, one.identity) for one in people])
            keys = [(one.pseudonym, one.key) for one in people if one.key is not None]
            connection.executemany(self._BRING_KEY, keys)
            for one in people:
                if connection.execute(self._KEPT, (one.mac,)).fetchone() != astuple(one):
                    raise StoreConflictError(
                        f"{one.pseudonym} cannot be brought here: this vault keeps that person, or that pseudonym, "
                        "otherwise. Nobody was brought"
                    )

    _ERASE_KEY: Final = "DELETE FROM subject_key WHERE subject = ?"
    _ERASE_PERSON: Final = "DELETE FROM person WHERE pseudonym = ?"
    _ERASE_SEALED: Final = "DELETE FROM sealed WHERE subject = ? AND key IS NULL"

    def erase(self, subject: str) -> list[str]:
        """Destroy a subject's key, identity and values; return the digests that open no more."""
        with self._transaction() as connection:
            digests = [digest for _, digest in connection.execute(self._COPIES, (subject,))]
            for statement in (self._ERASE_SEALED, self._ERASE_KEY, self._ERASE_PERSON):
                connection.execute(statement, (subject,))
        return digests
