"""What Neo4j holds of a ledger beside the tables: how points look to people, which words came first, the head before.

No answer rests on how a point looks, but whoever reads the graph in Neo4j Browser does; by the first of equal words a
reader passes over the repeats; and while a group is on its way, readers go by the head before it. So all three are
compared: what stands there, gathered with the transcript, with what the store would have written, gathered while the
records are folded. Both lie in one temporary file, and memory does not grow with the ledger.
"""

import hmac
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from graph_schema.changes import Changes
from lineage_service.evidence.findings import Draft
from lineage_service.evidence.rows import Row, differences, scratch
from lineage_service.evidence.transcript_rows import MOST, cut, head_row
from lineage_service.ledger.errors import ProofError
from lineage_service.ledger.merkle import Frontier
from lineage_service.ledger.sealing import head_mac
from lineage_service.recorder.payloads import Secrets
from lineage_service.store.neo4j_rows import point_row, text_of, words_of

_NOTHING: Final = "nothing of the kind"
_LEAVES: Final = 4096
_POINT_KEY: Final = 5
_WORDS_KEY: Final = 3
"""How many columns tell a point from the others, and a first saying."""


class Shown:
    """What stands there and what should, in a temporary file."""

    _TABLES: Final = """
        CREATE TABLE expected_point(
          subject TEXT, slot TEXT, name TEXT, ord TEXT, n INTEGER, seq INTEGER, shown TEXT,
          PRIMARY KEY(subject, slot, name, ord, n)) WITHOUT ROWID;
        CREATE TABLE found_point(
          subject TEXT, slot TEXT, name TEXT, ord TEXT, n INTEGER, seq INTEGER, shown TEXT,
          PRIMARY KEY(subject, slot, name, ord, n)) WITHOUT ROWID;
        CREATE TABLE expected_words(words TEXT PRIMARY KEY, key TEXT, seq INTEGER) WITHOUT ROWID;
        CREATE TABLE found_words(words TEXT, key TEXT, seq INTEGER, PRIMARY KEY(words, key, seq)) WITHOUT ROWID;
    """

    def __init__(self, path: Path) -> None:
        self.before: str | None = None
        self._connection = scratch(path)
        self._connection.executescript(self._TABLES)
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Give the file up."""
        self._connection.close()

    # ------------------------------------------------------------------------------------------------ what is found

    _FIND_POINT: Final = "INSERT OR IGNORE INTO found_point VALUES (?, ?, ?, ?, ?, ?, ?)"
    _FIND_WORDS: Final = "INSERT OR IGNORE INTO found_words VALUES (?, ?, ?)"

    def find_point(self, properties: Mapping[str, Any], links: Sequence[Sequence[Any]]) -> None:
        """Take in a point that fits its table, with its relationships: type, direction, other end, properties."""
        self._connection.execute(self._FIND_POINT, _point(properties, links))

    def find_first(self, words: str, key: str, seq: int) -> None:
        """Take in that a record said something of a node as the first."""
        self._connection.execute(self._FIND_WORDS, (words, key, seq))

    # --------------------------------------------------------------------------------------------- what is expected

    _EXPECT_POINT: Final = "INSERT OR IGNORE INTO expected_point VALUES (?, ?, ?, ?, ?, ?, ?)"
    _EXPECT_WORDS: Final = "INSERT OR IGNORE INTO expected_words VALUES (?, ?, ?)"

    def watch(self, seq: int, changes: Changes) -> None:
        """Take in what one record gives, in the order of the records."""
        order = changes.order.hex()
        points = []
        for subject, slot, n, value in changes.points:
            _, _, actor, properties, named = point_row(seq, order, changes, subject, slot, n, value)
            links: list[list[Any]] = [["SETS", "in", seq, {}], ["OF", "out", subject, {}]]
            links += [["NAMES", "out", key, {"field": name}] for name, key in named]
            links += [["BY", "out", actor, {}]] if actor is not None else []
            written = {name: one for name, one in properties.items() if one is not None}
            points.append(_point(written, links))
        self._connection.executemany(self._EXPECT_POINT, points)
        said = [(words_of(key, text_of(registers)), key, seq) for key, registers in changes.properties.items()]
        self._connection.executemany(self._EXPECT_WORDS, said)

    # -------------------------------------------------------------------------------------------------- the comparison

    _EXPECTED_POINTS: Final = "SELECT * FROM expected_point ORDER BY subject, slot, name, ord, n"
    _FOUND_POINTS: Final = "SELECT * FROM found_point ORDER BY subject, slot, name, ord, n"
    _EXPECTED_WORDS: Final = "SELECT words, key, seq FROM expected_words ORDER BY words, key, seq"
    _FOUND_WORDS: Final = "SELECT words, key, seq FROM found_words ORDER BY words, key, seq"

    def compare(self, unknown_from: int | None, draft: Draft) -> None:
        """Compare both sides, up to the first record of a kind not known here."""
        count = 0
        points = self._sides(self._EXPECTED_POINTS, self._FOUND_POINTS)
        for expected, found in _until(unknown_from, differences(*points, _POINT_KEY), _POINT_KEY):
            if expected is None or found is None:
                continue  # a point too many or too few is found in its table
            count += 1
            if count <= MOST:
                should, does = _apart(expected[-1], found[-1])
                detail = f"Neo4j: the point {expected[1]} of {expected[0]} shows something else than it says"
                draft.find("graph", expected[-2], should, does, detail)
        words = self._sides(self._EXPECTED_WORDS, self._FOUND_WORDS)
        for expected, found in _until(unknown_from, differences(*words, _WORDS_KEY), _WORDS_KEY - 1):
            count += 1
            if count <= MOST:
                _, key, seq = expected or found or ("", "", None)
                should, does = ("ABOUT", "no such relationship") if expected else ("ABOUT_AGAIN", "ABOUT")
                detail = f"Neo4j: which record was the first to say so of {key} was changed"
                draft.find("graph", seq, should, does, detail)
        draft.counts["shown_differences"] = count
        if not count:
            draft.verified.append("Neo4j: what its points show, and which words came first, is what the records give")

    def _sides(self, expected: str, found: str) -> tuple[Iterator[Row], Iterator[Row]]:
        return self._connection.execute(expected), self._connection.execute(found)

    # -------------------------------------------------------------------------------------------------- the head before

    _SIZE: Final = "SELECT size FROM head"
    _LAST: Final = "SELECT leaf, time FROM record WHERE seq = ?"
    _HASHES: Final = "SELECT leaf FROM record WHERE seq < ? ORDER BY seq"

    def check_before(self, live: sqlite3.Connection, secrets: Secrets | None, draft: Draft) -> None:
        """Tell whether the head before the newest group is one that these records had; ``live`` holds them."""
        head = live.execute(self._SIZE).fetchone()
        if head is None:
            return
        row = None if self.before is None else head_row(self.before)
        problem = "it is none" if row is None else self._problem(row, head[0], live, secrets)
        if problem is None:
            draft.verified.append("Neo4j: the head before the newest group is one that these records had")
        else:
            detail = f"Neo4j: the head before the newest group, which readers may go by: {problem}"
            draft.find("tree", None, "a head that these records had", cut(self.before), detail)

    def _problem(self, row: Row, size: int, live: sqlite3.Connection, secrets: Secrets | None) -> str | None:
        *parts, mac = row
        before, last, time, stored, _ = parts
        if not 0 <= before <= size:
            return f"it has {before} records, and the head has {size}"
        frontier = Frontier()
        leaves = live.execute(self._HASHES, (before,))
        while portion := [leaf for (leaf,) in leaves.fetchmany(_LEAVES)]:
            frontier = frontier.extend(portion)
        ends = live.execute(self._LAST, (before - 1,)).fetchone() or (bytes(32), 0)
        try:
            if (last, time) != tuple(ends) or Frontier.from_bytes(stored) != frontier:
                return "its last record, its time or its compact range is another"
        except ProofError as error:
            return str(error)
        if mac and secrets is not None:  # only the service seals; what was folded anew has none on the way
            seal = head_mac(secrets.id_key, secrets.origin, (before, last, time, stored, parts[4]))
            return None if hmac.compare_digest(mac, seal) else "its seal is not the service's"
        return None


def _until(
    unknown_from: int | None, rows: Iterator[tuple[Row | None, Row | None]], seq: int
) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield what comes of records before the first of a kind not known here; ``seq`` is where a row says its record."""
    for expected, found in rows:
        row = expected or found
        if row is not None and (unknown_from is None or row[seq] < unknown_from):
            yield expected, found


def _point(properties: Mapping[str, Any], links: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """Return the row of a point: its key, its record, and all that it shows."""
    whole = {"properties": properties, "relationships": sorted(links, key=repr)}
    text = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS, default=repr).decode()
    return (*(properties[name] for name in ("subject", "slot", "name", "ord", "n", "seq")), text)


def _apart(expected: str, found: str) -> tuple[str, str]:
    """Return, of two texts of what is shown, the parts in which they differ."""
    one, other = (_parts(orjson.loads(text)) for text in (expected, found))
    return _said(one - other), _said(other - one)


def _parts(whole: Mapping[str, Any]) -> set[str]:
    shown = {f"{name}={cut(value)}" for name, value in whole["properties"].items()}
    at = [f"{kind} {way} {cut(end)} {cut(more)}" for kind, way, end, more in whole["relationships"]]
    return shown | {f"{text} ({number})" if number else text for number, text in _numbered(at)}


def _numbered(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield texts with how often each came before: the second of two equal relationships is one too many."""
    seen: dict[str, int] = {}
    for text in texts:
        yield seen.get(text, 0), text
        seen[text] = seen.get(text, 0) + 1


def _said(parts: set[str]) -> str:
    return "; ".join(sorted(parts)) or _NOTHING
