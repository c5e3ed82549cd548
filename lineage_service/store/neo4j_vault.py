"""The vault of the production store: pseudonyms, data keys, sealed values; the part that can be erased.

A data key is kept in pieces of eight bytes, each a number. Neo4j writes a number in the place of the number that stood
there, so a key that is erased is overwritten in the database's files; of anything longer it lets the old bytes lie in
free space. Values and identities of an erased person may lie there as well: sealed, under the key that is gone. What
remains besides is the server's transaction log, until the server drops it (``graph_schema/neo4j/README.md``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import neo4j

from graph_schema.sealing import Person
from lineage_service.errors import StoreConflictError
from lineage_service.store.neo4j_errors import once_more, translated
from lineage_service.store.vault import NewPerson, PersonAtRest, SealedValue, Sealings

_PIECE: Final = 8
_PIECES: Final = 12
_PAGE: Final = 1000


class Sessions(Protocol):
    """Gives sessions of the store."""

    def __call__(self, *, reading: bool = False) -> neo4j.Session:
        """Return a session."""


class Neo4jVault:
    """The Vault of protocol.py, each call in a transaction of its own."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def _read(self, statement: str, **parameters: Any) -> Any:
        """Run a statement that gives one row with one value: one way to the server, where a transaction takes three."""
        with translated("reading the vault"), self._sessions() as session:
            return once_more(lambda: session.run(statement, parameters).single(strict=True)[0])

    # Two who ask at once meet at the constraint on the digest; whoever comes second finds what the first one left.
    _PSEUDONYMS: Final = """
        UNWIND $people AS r
        MERGE (p:Pseudonym {mac: r[0]})
        ON CREATE SET p.pseudonym = r[1], p.identity = r[2]
        WITH p, r
        CALL (p, r) {
          WITH p, r WHERE p.pseudonym = r[1]
          MERGE (k:SubjectKey {subject: r[1]})
          ON CREATE SET k.bytes = r[3], k += r[4]
        }
        RETURN collect([r[0], p.pseudonym])
    """

    def pseudonyms(self, wanted: Mapping[Person, bytes], fresh: Mapping[Person, NewPerson]) -> dict[Person, str]:
        """Return the pseudonym of each person, adding those not known yet."""
        if not wanted:
            return {}
        rows = [
            [mac.hex(), (new := fresh[person]).pseudonym, new.identity, len(new.key), _pieces(new.key)]
            for person, mac in sorted(wanted.items(), key=lambda item: item[1])  # one order for all: no deadlock
        ]
        with translated("writing to the vault", writing=True), self._sessions() as session:
            found = session.execute_write(lambda tx: tx.run(self._PSEUDONYMS, people=rows).single(strict=True)[0])
        pseudonyms = dict(found)
        return {person: pseudonyms[mac.hex()] for person, mac in wanted.items()}

    _KEYS: Final = """
        UNWIND $subjects AS subject
        MATCH (k:SubjectKey {subject: subject}) RETURN collect([k.subject, properties(k)])
    """

    def subject_keys(self, subjects: Sequence[str]) -> dict[str, bytes]:
        """Return the wrapped data keys that still exist."""
        return _keys(self._read(self._KEYS, subjects=list(subjects)))

    # An index of two properties is used only where the statement says something of both.
    _SEALED: Final = """
        UNWIND $seqs AS seq
        MATCH (s:SealedValue) WHERE s.seq = seq AND s.digest >= ''
        WITH s ORDER BY s.seq, s.digest RETURN collect([s.seq, s.digest, s.subject, s.key, s.ciphertext])
    """

    def sealed(self, seqs: Sequence[int]) -> list[SealedValue]:
        """Return the sealed values of records."""
        return list(map(_sealed, self._read(self._SEALED, seqs=list(seqs))))

    # What was erased between the parts of this is absent from one of them, which opens nothing either.
    _LOOK_UP: Final = """
        CALL () {
          UNWIND $seqs AS seq
          MATCH (s:SealedValue) WHERE s.seq = seq AND s.digest >= ''
          WITH s ORDER BY s.seq, s.digest
          RETURN collect([s.seq, s.digest, s.subject, s.key, s.ciphertext]) AS values
        }
        CALL () {
          UNWIND $pseudonyms AS pseudonym
          MATCH (p:Pseudonym {pseudonym: pseudonym})
          RETURN collect([p.pseudonym, p.identity]) AS identities
        }
        CALL (values) {
          UNWIND $pseudonyms + [value IN values WHERE value[3] IS NULL | value[2]] AS subject
          WITH DISTINCT subject
          MATCH (k:SubjectKey {subject: subject})
          RETURN collect([k.subject, properties(k)]) AS keys
        }
        RETURN [values, identities, keys]
    """

    def look_up(self, seqs: Sequence[int], pseudonyms: Sequence[str]) -> Sealings:
        """Return at once what opens the values of records, and who stands behind pseudonyms."""
        values, identities, keys = self._read(self._LOOK_UP, seqs=list(seqs), pseudonyms=list(pseudonyms))
        named = {pseudonym: bytes(identity) for pseudonym, identity in identities}
        return Sealings(list(map(_sealed, values)), named, _keys(keys))

    _COPIES: Final = """
        MATCH (s:SealedValue) WHERE s.subject = $subject AND s.seq >= 0 AND s.key IS NULL
        WITH s ORDER BY s.seq, s.digest RETURN collect([s.seq, s.digest])
    """

    def copies(self, subject: str) -> list[tuple[int, str]]:
        """Return (seq, digest) of every value sealed under a subject's own key."""
        return [(seq, digest) for seq, digest in self._read(self._COPIES, subject=subject)]

    _PEOPLE: Final = """
        MATCH (p:Pseudonym) WHERE p.mac > $after
        WITH p ORDER BY p.mac LIMIT $page
        OPTIONAL MATCH (k:SubjectKey {subject: p.pseudonym})
        WITH p, k ORDER BY p.mac RETURN collect([p.mac, p.pseudonym, p.identity, properties(k)])
    """

    def people(self) -> Iterator[PersonAtRest]:
        """Yield everybody who is kept, a page at a time."""
        after = ""
        while True:
            page = self._read(self._PEOPLE, after=after, page=_PAGE)
            yield from map(_at_rest, page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    # Like for pseudonyms: what is there is left as it is, and then compared.
    _BRING: Final = """
        UNWIND $people AS r
        MERGE (p:Pseudonym {mac: r[0]})
        ON CREATE SET p.pseudonym = r[1], p.identity = r[2]
        WITH p, r
        CALL (r) {
          WITH r WHERE r[3] IS NOT NULL
          MERGE (k:SubjectKey {subject: r[1]})
          ON CREATE SET k.bytes = r[3], k += r[4]
        }
        WITH p, r
        OPTIONAL MATCH (k:SubjectKey {subject: p.pseudonym})
        RETURN collect([p.mac, p.pseudonym, p.identity, properties(k)])
    """

    def bring(self, people: Sequence[PersonAtRest]) -> None:
        """Keep people as another store keeps them."""
        if not people:
            return
        with translated("writing to the vault", writing=True), self._sessions() as session:
            session.execute_write(self._bring, {one.mac.hex(): one for one in people})

    def _bring(self, transaction: neo4j.ManagedTransaction, people: Mapping[str, PersonAtRest]) -> None:
        rows = [
            [mac, one.pseudonym, one.identity, *((None, {}) if one.key is None else (len(one.key), _pieces(one.key)))]
            for mac, one in sorted(people.items())
        ]
        for found in transaction.run(self._BRING, people=rows).single(strict=True)[0]:
            if _at_rest(found) != (one := people[found[0]]):
                raise StoreConflictError(
                    f"{one.pseudonym} cannot be brought here: this vault keeps that person, or that pseudonym, "
                    "otherwise. Nobody was brought"
                )

    # Overwritten and committed first: a key that is deleted at once would be unlinked and left as it was.
    _OVERWRITE_KEY: Final = "MATCH (k:SubjectKey {subject: $subject}) SET k += $nothing, k.bytes = 0"
    _ERASE: Final = """
        OPTIONAL MATCH (s:SealedValue) WHERE s.subject = $subject AND s.seq >= 0 AND s.key IS NULL
        WITH s, s.digest AS digest ORDER BY s.seq, digest
        WITH collect(s) AS values, collect(digest) AS digests
        OPTIONAL MATCH (k:SubjectKey {subject: $subject})
        OPTIONAL MATCH (p:Pseudonym {pseudonym: $subject})
        FOREACH (value IN values | DELETE value)
        DELETE k, p
        RETURN digests
    """

    def erase(self, subject: str) -> list[str]:
        """Destroy a subject's key, identity and values; return the digests that open no more."""
        nothing = _pieces(bytes([0x55]) * _PIECE * _PIECES)
        with translated("writing to the vault", writing=True), self._sessions() as session:
            session.execute_write(lambda tx: tx.run(self._OVERWRITE_KEY, subject=subject, nothing=nothing).consume())
            digests: list[str] = session.execute_write(
                lambda tx: tx.run(self._ERASE, subject=subject).single(strict=True)[0]
            )
        return digests


def _sealed(found: Sequence[Any]) -> SealedValue:
    seq, digest, subject, key, ciphertext = found
    return SealedValue(seq, digest, subject, None if key is None else bytes(key), bytes(ciphertext))


def _keys(found: Iterable[Sequence[Any]]) -> dict[str, bytes]:
    keys = ((subject, _joined(stored)) for subject, stored in found)
    return {subject: key for subject, key in keys if key is not None}


def _at_rest(found: Sequence[Any]) -> PersonAtRest:
    mac, pseudonym, identity, key = found
    return PersonAtRest(bytes.fromhex(mac), pseudonym, bytes(identity), _joined(key))


def _pieces(key: bytes) -> dict[str, int]:
    """Return a key as numbers of eight bytes under the names of its properties."""
    padded = key.ljust(_PIECE * _PIECES, b"\0")
    return {
        f"k{at}": int.from_bytes(padded[at * _PIECE : (at + 1) * _PIECE], "big", signed=True) for at in range(_PIECES)
    }


def _joined(stored: Mapping[str, int] | None) -> bytes | None:
    """Return a key; None where there is none, or none any more because it is just being erased."""
    if stored is None or not stored["bytes"]:
        return None
    pieces = (stored[f"k{at}"].to_bytes(_PIECE, "big", signed=True) for at in range(_PIECES))
    return b"".join(pieces)[: stored["bytes"]]
