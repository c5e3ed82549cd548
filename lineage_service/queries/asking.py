"""What every question has: a snapshot, a cut, and who asks. And what every answer has: the envelope."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import orjson

from graph_schema import names, times
from graph_schema.answers import Answer, Coverage, Evidence, Gap, KnownAt, Party
from graph_schema.fold import understands
from graph_schema.fold.people import person_key
from graph_schema.kinds import KIND_BY_WORD, Kind
from lineage_service.errors import InputError, IntegrityError, UnknownThingError
from lineage_service.store.protocol import END_OF_TIME, Cut, Reader, StoredRecord

Value = TypeVar("Value")

LATE_MICROS: Final = 24 * 3600 * times.MICROS_PER_SECOND
_CANDIDATES: Final = 20


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens sealed values for somebody entitled to them; None where a value is erased."""

    name: Callable[[str], str | None]
    value: Callable[[Mapping[str, Any], str], Any]
    look_up: Callable[[Iterable[Mapping[str, Any]]], None]
    """Reads at once what will be opened of records."""


@dataclass(slots=True)
class Asking:
    """One question being answered. Not shared between threads."""

    reader: Reader
    cut: Cut
    opener: Opener | None = None
    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    leaves: dict[int, bytes] = field(default_factory=dict)
    """The leaf hashes of these records."""
    same: dict[str, frozenset[str]] = field(default_factory=dict)
    """Of each version looked up, all that are declared to be the same (``versions.same_versions``)."""

    @property
    def whenever(self) -> Cut:
        """The cut for what counts whatever ``as_of`` is."""
        return Cut(END_OF_TIME - 1, self.cut.known_at)

    def record(self, seq: int) -> dict[str, Any]:
        """Return a record as data; each is read once."""
        if seq not in self.records:
            stored = self.reader.record(seq)
            if stored is None:
                raise _gone(seq)
            self._take_in(stored)
        return self.records[seq]

    def _take_in(self, stored: StoredRecord) -> dict[str, Any]:
        self.leaves[stored.seq] = stored.leaf
        record: dict[str, Any] = orjson.loads(stored.body)
        self.records[stored.seq] = record
        return record

    def look_up(self, seqs: Iterable[int]) -> None:
        """Read records that will be asked for one by one, and what is sealed in them: on a server each costs a way."""
        found = [self._take_in(one) for one in self.reader.numbered(set(seqs) - self.records.keys())]
        if self.opener is not None:
            self.opener.look_up(found)

    def party(self, record: Mapping[str, Any]) -> Party:
        """Return who is named by a record's actor, as far as the asker may know."""
        actor = record["actor"]
        behalf = actor.get("on_behalf_of")
        return Party(
            id=actor.get("id"),
            name=self._name(actor.get("id")),
            assurance=actor["assurance"],
            via=actor.get("via"),
            on_behalf_of=None if behalf is None else {**behalf, "name": self._name(behalf["id"])},
        )

    def _name(self, pseudonym: str | None) -> str | None:
        return self.opener.name(pseudonym) if self.opener is not None and pseudonym else None

    def open(self, record: Mapping[str, Any], value: Any, gaps: list[Gap]) -> str | None:
        """Return a field of a record's body in clear; what may not or can no longer be seen is a gap."""
        if not (isinstance(value, dict) and "sd" in value):
            return None if value is None else str(value)
        subject = f"record {record['seq']}"
        if self.opener is None:
            gaps.append(Gap(kind="restricted", subject=subject, detail="a sealed value needs the role auditor"))
            return None
        opened = self.opener.value(record, record["sd"][value["sd"]])
        if opened is None:
            gaps.append(Gap(kind="erased", subject=subject, detail="the sealed value was erased"))
        return None if opened is None else str(opened)

    def answer(
        self,
        question: str,
        parameters: dict[str, Any],
        value: Value,
        *,
        seqs: Iterable[int],
        gaps: Sequence[Gap],
        coverage: list[Coverage],
        complete: bool,
    ) -> Answer[Value]:
        """Put a value into the envelope: both times, evidence, what is missing."""
        rested_on, known_time = self._cited(set(seqs))
        note = self.reader.note()
        every = [*gaps, *self._unsupported(rested_on)]
        return Answer(
            question=question,
            parameters=parameters,
            as_of=times.format_time(self.cut.as_of),
            known_at=KnownAt(seq=self.cut.known_at, time=times.format_time(known_time)),
            complete=complete and not every,
            coverage=coverage,
            gaps=every,
            value=value,
            evidence=[Evidence(seq=seq, hash=leaf.hex()) for seq, leaf in rested_on.items()],
            checkpoint=None if note is None else note.decode(),
        )

    def _cited(self, seqs: set[int]) -> tuple[dict[int, bytes], int]:
        """Return the leaf hashes of records in order, and when the newest record was recorded that may count."""
        told = self.reader.cited(seqs - self.leaves.keys() | {self.cut.known_at})
        leaves = self.leaves | {seq: leaf for seq, leaf, _ in told}
        if missing := seqs - leaves.keys():
            raise _gone(min(missing))
        known_time = next((time for seq, _, time in told if seq == self.cut.known_at), 0)
        return {seq: leaves[seq] for seq in sorted(seqs)}, known_time

    def _unsupported(self, cited: Iterable[int]) -> list[Gap]:
        return [
            Gap(kind="unsupported", subject=f"record {seq}", detail="this version cannot fold it")
            for seq in cited
            if seq in self.records and not understands(self.records[seq])
        ]


def _gone(seq: int) -> IntegrityError:
    return IntegrityError(f"record {seq} is gone, and an answer rests on it: run `lineage verify`")


def asking_of(
    reader: Reader, *, as_of: str | None, known_at: str | None, tz: str, now: int, opener: Opener | None = None
) -> Asking:
    """Resolve the two times of a question against a snapshot.

    ``as_of`` is an instant or a date (midnight in ``tz``), by default now. ``known_at`` is a record number, or
    an instant that means the largest number recorded by then; by default the newest record.
    """
    last = reader.head().size - 1
    known = last
    if known_at is not None:
        if known_at.isascii() and known_at.isdigit():
            known = min(int(known_at), last)
        else:
            known = reader.seq_at(_instant("known_at", known_at, tz))
    instant = now if as_of is None else _instant("as_of", as_of, tz)
    return Asking(reader, Cut(instant, known), opener)


def _instant(name: str, text: str, tz: str) -> int:
    try:
        return times.parse_instant(text, tz)
    except times.TimeError as error:
        raise InputError(str(error), field=name) from error


def instant(name: str, text: str | None, tz: str = "UTC") -> int | None:
    """Return a bound of a period given by people, or None; InputError names the parameter."""
    return None if text is None else _instant(name, text, tz)


def node_key(asking: Asking, text: str) -> str:
    """Return the key of the node a question names, resolving the short forms of models and versions.

    Raises:
        UnknownThingError: if nothing of that name is recorded by the cut, or several are; it lists them.
    """
    word, _, rest = text.partition(":")
    if word in {"model", "prompt", "model_version", "prompt_version"} and "::" not in rest:
        return _one_of(text, _short_form(asking, word, rest))
    try:
        key = names.canonical(text)
    except names.NameSyntaxError as error:
        raise InputError(str(error), field="node") from error
    if not asking.reader.nodes([key], asking.cut):
        raise UnknownThingError(f"nothing named {key} is recorded by record {asking.cut.known_at}")
    return key


def _one_of(text: str, found: list[str]) -> str:
    if not found:
        raise UnknownThingError(f"nothing named {text} is recorded")
    if len(found) > 1:
        raise UnknownThingError(f"{text} may mean any of: {', '.join(found)}", candidates=found)
    return found[0]


def _short_form(asking: Asking, word: str, rest: str) -> list[str]:
    """Return the keys a short form may mean: one look-up a registry, never a scan of the graph."""
    owner = "model" if word.startswith("model") else "prompt"
    name, slash, version = rest.rpartition("/") if word.endswith("version") else (rest, "", "")
    found: list[str] = []
    for registry in registries(asking, owner):
        if not slash:
            found += asking.reader.nodes([names.make(names.Name(owner, (registry, name)))], asking.cut)
            continue
        undated = names.make(names.Name(word, (registry, name, version, "?")))
        keys = asking.reader.find(KIND_BY_WORD[word].value, undated[:-1], None, _CANDIDATES, asking.cut)
        dated = [key for key in keys if key != undated]
        found += dated or keys
    return found


def registries(asking: Asking, owner: str) -> list[str]:
    """Return the registries that hold models (or prompts), one index probe each."""
    found: list[str] = []
    kind = Kind.MODEL if owner == "model" else Kind.PROMPT
    after: str | None = None
    while keys := asking.reader.find(kind.value, f"{owner}:", after, 1, asking.cut):
        registry = names.parse(keys[0]).parts[0]
        found.append(registry)
        after = names.make(names.Name(owner, (registry, ""))) + "\U0010ffff"
    return found


def actor_key(pseudonym: str) -> str:
    """Return the node of a pseudonym as people type it, with or without its kind."""
    return pseudonym if ":" in pseudonym else person_key(pseudonym)
