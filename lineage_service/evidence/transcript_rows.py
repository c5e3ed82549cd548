"""From what stands in Neo4j to rows of the embedded store's tables: one function a kind of node or relationship. Pure.

Nothing is corrected on the way. What does not fit its table gives no row and a finding; what fits, but carries more or
other than the store writes, gives its row and a finding, because whoever looks at the graph in Neo4j Browser believes
what it shows. Types are compared exactly: SQLite would take 5.0 for 5 and "5" as well.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any, Final

import orjson

from graph_schema.kinds import Edge, How, roles_from_bits, roles_to_bits
from graph_schema.names import NameSyntaxError
from lineage_service.evidence.findings import Finding, FindingClass
from lineage_service.evidence.rows import Row
from lineage_service.store.neo4j_rows import node_row, words_of

MOST: Final = 5
"""Findings of one kind that are told; the rest is counted."""

_TYPE: Final = {edge.name: int(edge) for edge in Edge}
_HOW: Final = {how.name.lower(): int(how) for how in How}
_KEY_PIECES: Final = 12
_PIECE: Final = 8
_SHOWN: Final = 60
_VAULT: Final = ("vault", "payload")
_HEAD_TYPES: Final = [int, str, int, str, int, str]
_OPTIONAL: Final = type(None)
_LIST: Final = list
Tell = Callable[[str, str, str], None]
"""Adds a finding: what is expected, what was found, in a few words what is wrong."""


@dataclass(slots=True)
class Faults:
    """What fits no table, or is more than a table holds."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, table: str, finding: Finding) -> None:
        """Add a finding about what should be, or should not be, in a table."""
        self.counts[table] += 1
        if self.counts[table] <= MOST:
            self.findings.append(finding)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of thing looks like as the store writes it: its table, its properties and their types."""

    table: str
    what: str
    cls: FindingClass
    labels: tuple[str, ...]
    names: tuple[str, ...]
    kinds: frozenset[tuple[type, ...]]

    def take(self, properties: Mapping[str, Any], tell: Tell) -> tuple[Any, ...] | None:
        """Return the values of the properties, in their order; None if they cannot be a row."""
        values = tuple([properties.get(name) for name in self.names])
        kinds = tuple(map(type, values))
        if bytearray in kinds:  # how bytes come is a matter of the driver
            values = tuple(bytes(value) if isinstance(value, bytearray) else value for value in values)
            kinds = tuple(map(type, values))
        if kinds not in self.kinds:
            found = ", ".join(f"{name}: {type(properties.get(name)).__name__}" for name in self.names)
            tell(f"the properties of {self.what}", found, f"{self.what} that lacks something, or holds another type")
            return None
        if len(properties) != len(values) - values.count(None):
            more = {name: properties[name] for name in sorted(properties.keys() - set(self.names))}
            tell(f"the properties of {self.what} and no other", self._told(more), f"{self.what} that says more")
        return values

    def check_labels(self, labels: Sequence[str], tell: Tell, also: str | None = None) -> None:
        """Tell if a node carries other labels than it should."""
        wanted = sorted(self.labels if also is None else (*self.labels, also))
        if sorted(labels) != wanted:
            detail = f"{self.what} under other labels than its own"
            tell(f"labels {', '.join(wanted)}", f"labels {', '.join(sorted(labels))}", detail)

    def _told(self, properties: Mapping[str, Any]) -> str:
        if self.cls in _VAULT:
            return ", ".join(properties)
        return ", ".join(f"{name}={cut(value)}" for name, value in properties.items())


def cut(value: object) -> str:
    """Return a value in a few words."""
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _shape(table: str, what: str, cls: FindingClass, labels: Iterable[str], **types: type | tuple[type, ...]) -> Shape:
    each = [given if isinstance(given, tuple) else (given,) for given in types.values()]
    return Shape(table, what, cls, tuple(labels), tuple(types), frozenset(product(*each)))


_PIECES: Final = {f"k{at}": int for at in range(_KEY_PIECES)}
SHAPES: Final = {
    shape.table: shape
    for shape in (
        _shape(
            "head", "the node :LedgerHead", "tree", ["LedgerHead"],
            log=str, size=int, state=(str, _OPTIONAL), before=(str, _OPTIONAL), lock=(str, _OPTIONAL),
        ),
        _shape("note", "the node :Checkpoint", "checkpoint", ["Checkpoint"], log=str, size=int, note=bytes),
        _shape("migration", "a node :Migration", "schema", ["Migration"], number=int, name=str, sha256=str),
        _shape(
            "record", "a node :Record", "edit", ["Record"],
            log=str, seq=int, id=str, type=str, actor=(str, _OPTIONAL), time=int, leaf=bytes, body=str,
        ),
        _shape("tile", "a node :Tile", "tree", ["Tile"], level=int, number=int, hashes=bytes),
        _shape("node", "a node :Entity", "graph", ["Entity"], key=str, kind=int, seq=int, name=str),
        _shape(
            "point", "a node :Point", "graph", ["Point"],
            subject=str, slot=str, name=str, ord=str, n=int, seq=int, actor=(str, _OPTIONAL), value=str,
        ),
        _shape("property", "a relationship ABOUT", "graph", [], words=str, ord=str, seq=int, registers=str),
        _shape(
            "edge", "a relationship between entities", "graph", [],
            seq=int, source=str, at=int, how=str, roles=_LIST,
        ),
        _shape("withdrawal", "a relationship WITHDRAWN", "graph", [], type=str, source=str, seq=int),
        _shape("person", "a node :Pseudonym", "vault", ["Pseudonym"], mac=str, pseudonym=str, identity=bytes),
        _shape("subject_key", "a node :SubjectKey", "vault", ["SubjectKey"], subject=str, bytes=int, **_PIECES),
        _shape(
            "sealed", "a node :SealedValue", "vault", ["SealedValue"],
            seq=int, digest=str, subject=str, key=(bytes, _OPTIONAL), ciphertext=bytes,
        ),
        _shape(
            "payload", "a node :Payload", "payload", ["Payload"],
            digest=str, seq=int, salt=bytes, key=bytes, ciphertext=bytes,
        ),
    )
}  # fmt: skip


class Rows:
    """Makes rows and keeps the findings."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def tell(self, table: str, properties: Mapping[str, Any]) -> Tell:
        """Return what adds a finding about one thing, under the number of its record if it says one."""
        seq = properties.get("seq")

        def add(expected: str, found: str, detail: str) -> None:
            number = seq if type(seq) is int else None
            self._faults.add(table, Finding(SHAPES[table].cls, number, expected, found, f"Neo4j: {detail}"))

        return add

    # -------------------------------------------------------------------------------------------------- the ledger

    def head(self, labels: Sequence[str], properties: Mapping[str, Any]) -> tuple[Row | None, str | None]:
        """Return the head's row and, as it is written, the head before the newest group."""
        shape, tell = SHAPES["head"], self.tell("head", properties)
        shape.check_labels(labels, tell)
        values = shape.take(properties, tell)
        if values is None:
            return None, None
        _, size, state, before, _ = values
        row = None if state is None else head_row(state)
        if state is not None and row is None:
            tell("a head as the store writes it", cut(state), "what the head says of itself cannot be read")
        if size != (row[0] if row is not None else 0):
            tell(f"size {row[0] if row is not None else 0}", f"size {size}", "the head's size is not that of its state")
        return row, before

    def note(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return the checkpoint's row."""
        values = self._node("note", labels, properties)
        if values is None or not self._of_main("note", properties):
            return None
        return values[1:]

    def record(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return a record's row."""
        values = self._node("record", labels, properties)
        if values is None or not self._of_main("record", properties):
            return None
        _, seq, identifier, word, actor, time, leaf, body = values
        raw = self._bytes_of("record", "id", identifier, properties)
        return None if raw is None else (seq, raw, word, actor, time, leaf, body.encode())

    def tile(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return a tile's row."""
        return self._node("tile", labels, properties)

    def migration(self, labels: Sequence[str], properties: Mapping[str, Any]) -> None:
        """Look at the note of an applied schema file; the file has those of its own schema."""
        self._node("migration", labels, properties)

    def _node(self, table: str, labels: Sequence[str], properties: Mapping[str, Any]) -> tuple[Any, ...] | None:
        shape, tell = SHAPES[table], self.tell(table, properties)
        shape.check_labels(labels, tell)
        return shape.take(properties, tell)

    def _of_main(self, table: str, properties: Mapping[str, Any]) -> bool:
        if properties["log"] == "main":
            return True
        detail = f"{SHAPES[table].what} of another log, which no question finds"
        self.tell(table, properties)("log main", f"log {cut(properties['log'])}", detail)
        return False

    def _bytes_of(self, table: str, name: str, text: str, properties: Mapping[str, Any]) -> bytes | None:
        """Return the bytes that a text says in hexadecimal, in the one way in which the store writes them."""
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = None
        if raw is None or raw.hex() != text:
            detail = f"{SHAPES[table].what} whose {name} is none"
            self.tell(table, properties)("lower-case hexadecimal digits", cut(text), detail)
            return None
        return raw

    # --------------------------------------------------------------------------------------------------- the graph

    def entity(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return an entity's row; its label and its name are those that its key gives."""
        shape, tell = SHAPES["node"], self.tell("node", properties)
        values = shape.take(properties, tell)
        if values is None:
            return None
        key, kind, seq, name = values
        try:
            _, label, _, _, given = node_row(key, seq)
        except (NameSyntaxError, KeyError):
            tell("the key of a node", cut(key), "a node :Entity with a key that names nothing")
            return (key, kind, seq)
        shape.check_labels(labels, tell, also=label)
        if name != given:
            tell(f"name {cut(given)}", f"name {cut(name)}", f"{key} is shown under another name than its own")
        return (key, kind, seq)

    def point(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return a point's row; what it shows besides is compared elsewhere (``shown``)."""
        shape, tell = SHAPES["point"], self.tell("point", properties)
        shape.check_labels(labels, tell)
        values = shape.take({name: properties[name] for name in shape.names if name in properties}, tell)
        if values is None:
            return None
        order = self._bytes_of("point", "ord", values[3], properties)
        return None if order is None else (*values[:3], order, *values[4:])

    def said(self, start: Any, end: Any, properties: Mapping[str, Any]) -> tuple[Row, str] | None:
        """Return the row of what a record says of a node, and the mark of its wording."""
        values = self._link("property", (start, end), properties)
        if values is None:
            return None
        words, text, seq, registers = values
        order = self._bytes_of("property", "ord", text, properties)
        if order is None:
            return None
        if start != seq:
            detail = "a relationship ABOUT under another number than that of the record where it begins"
            self.tell("property", properties)(f"seq {start}", f"seq {seq}", detail)
        if words != words_of(end, registers.encode()):
            detail = f"what is said of {end} is marked as other words than it says"
            self.tell("property", properties)("the mark of its words", cut(words), detail)
        return (end, registers, order, seq), words

    def edge(self, kind: str, start: Any, end: Any, properties: Mapping[str, Any]) -> Row | None:
        """Return the row of an assertion of an edge."""
        values = self._link("edge", (start, end), properties)
        if values is None:
            return None
        seq, source, at, how, roles = values
        strength, bits = _HOW.get(how), _bits_of(tuple(roles))
        if strength is None or bits is None:
            detail = "a relationship between entities in words that no record has"
            self.tell("edge", properties)("how and roles as the store writes them", f"{cut(how)}, {cut(roles)}", detail)
            return None
        return (start, _TYPE[kind], end, seq, source, at, strength, bits)

    def withdrawal(self, _kind: str, start: Any, end: Any, properties: Mapping[str, Any]) -> Row | None:
        """Return the row of a withdrawal."""
        values = self._link("withdrawal", (start, end), properties)
        if values is None:
            return None
        edge, source, seq = values
        if edge not in _TYPE:
            self.tell("withdrawal", properties)("a type of edge", cut(edge), "a withdrawal of what is no edge")
            return None
        return (start, _TYPE[edge], end, source, seq)

    def _link(self, table: str, ends: tuple[Any, Any], properties: Mapping[str, Any]) -> tuple[Any, ...] | None:
        shape, tell = SHAPES[table], self.tell(table, properties)
        values = shape.take(properties, tell)
        wanted = (int if table == "property" else str, str)
        if values is not None and tuple(map(type, ends)) != wanted:
            found = f"{cut(ends[0])} and {cut(ends[1])}"
            tell("the right kinds of nodes at its ends", found, f"{shape.what} between nodes that it never joins")
            return None
        return values

    # --------------------------------------------------------------------------------------------------- the vault

    def person(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return a pseudonym's row."""
        values = self._node("person", labels, properties)
        if values is None:
            return None
        mac = self._bytes_of("person", "mac", values[0], properties)
        return None if mac is None else (mac, *values[1:])

    def subject_key(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return a data key's row; its pieces are numbers of eight bytes, and what is left of the last ones is zero.

        One that was overwritten, and is about to be deleted, is none any more: it has no bytes.
        """
        values = self._node("subject_key", labels, properties)
        if values is None:
            return None
        subject, length, *pieces = values
        if length == 0:
            return None
        key = b"".join(piece.to_bytes(_PIECE, "big", signed=True) for piece in pieces)
        if not 0 <= length <= len(key) or any(key[length:]):
            detail = "a data key that is longer than it says"
            self.tell("subject_key", properties)("a key and zeros after it", f"{length} bytes and more", detail)
            return None
        return (subject, key[:length])

    def sealed(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return a sealed value's row."""
        return self._node("sealed", labels, properties)

    def payload(self, labels: Sequence[str], properties: Mapping[str, Any]) -> Row | None:
        """Return a payload's row."""
        return self._node("payload", labels, properties)


def head_row(text: str) -> Row | None:
    """Return (size, last leaf, time, compact range, fold version, seal) of a head as it is stored; None if it is none.

    Only the one spelling that the store writes is read.
    """
    try:
        parts = orjson.loads(text)
        if list(map(type, parts)) != _HEAD_TYPES or orjson.dumps(parts).decode() != text:
            return None
        raw = [bytes.fromhex(part) if isinstance(part, str) else part for part in parts]
        spelt = [part.hex() if isinstance(part, bytes) else part for part in raw]
    except (ValueError, TypeError):
        return None
    return tuple(raw) if spelt == parts else None


@lru_cache(maxsize=1000)
def _bits_of(roles: tuple[Any, ...]) -> int | None:
    """Return the bits of a list of roles; None if the store would not write it so."""
    try:
        bits = roles_to_bits(list(roles)) if roles else 0
    except KeyError:
        return None
    return bits if roles_from_bits(bits) == list(roles) else None
