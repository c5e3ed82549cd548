"""What a verification says: what it found, from which trust inputs, what it did not look at, and what to do next.

Follows the exit codes of the public contract: 0 nothing wrong at the requested level, 1 tampering proven, 2 incomplete
or not verifiable, 3 below the requested level. Rules kept: a report never says only "OK"; a verdict is capped by what
was trusted; a finding outranks everything that could not be checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

FindingClass = Literal[
    "edit",
    "delete",
    "insert",
    "reorder",
    "truncate",
    "rollback",
    "fork",
    "key",
    "checkpoint",
    "tree",
    "graph",
    "vault",
    "payload",
    "schema",
    "unlisted",
]

CLASS_MEANING: Final[dict[FindingClass, str]] = {
    "edit": "a record was altered",
    "delete": "a record was removed",
    "insert": "a record was put in that the log never took",
    "reorder": "records changed places",
    "truncate": "the end of the log was cut off",
    "rollback": "an older state was restored: the signer has signed more than is here",
    "fork": "there is another history than the one that was signed",
    "key": "a key is not the one it should be",
    "checkpoint": "the stored checkpoint was altered or removed",
    "tree": "the stored head or tree does not belong to these records",
    "graph": "the graph is not what the records give",
    "vault": "a personal value, a pseudonym or a data key was altered or is missing",
    "payload": "a raw payload was altered or is missing",
    "schema": "the database's own structure is not that of this version",
    "unlisted": "a table that nothing accounts for",
}

@dataclass(frozen=True, slots=True)
class Words:
    """How a report calls what is compared: the tables of a file, or what stands for them elsewhere."""

    tables: Mapping[str, str]
    one: str

    def of(self, table: str) -> str:
        """Return what a table is called."""
        return self.tables.get(table, f"table {table}")


IN_FILE: Final = Words({}, "a row")
IN_NEO4J: Final = Words(
    {
        "record": "Neo4j, nodes :Record",
        "head": "Neo4j, node :LedgerHead",
        "tile": "Neo4j, nodes :Tile",
        "node": "Neo4j, nodes :Entity",
        "property": "Neo4j, relationships ABOUT",
        "edge": "Neo4j, relationships between entities",
        "withdrawal": "Neo4j, relationships WITHDRAWN",
        "point": "Neo4j, nodes :Point",
        "person": "Neo4j, nodes :Pseudonym",
        "subject_key": "Neo4j, nodes :SubjectKey",
        "sealed": "Neo4j, nodes :SealedValue",
        "payload": "Neo4j, nodes :Payload",
    },
    "one",
)

BROKEN: Final = 0
SELF_CONSISTENT: Final = 1
SIGNED: Final = 2
LEVEL_NAMES: Final = {BROKEN: "BROKEN", SELF_CONSISTENT: "SELF-CONSISTENT", SIGNED: "SIGNED"}

EXIT_FINE: Final = 0
EXIT_TAMPER: Final = 1
EXIT_INCOMPLETE: Final = 2
EXIT_BELOW_LEVEL: Final = 3
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``seq`` is the record at fault, None when it is no single record."""

    cls: FindingClass
    seq: int | None
    expected: str
    found: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one verification.

    ``incomplete`` lists what had to be checked and could not be: with it nothing is fine. ``not_verified`` lists what
    lies outside of what was asked, so that nobody takes it for checked. ``counts`` are numbers of things looked at.
    """

    level: int
    requested: int
    trust: tuple[str, ...]
    verified: tuple[str, ...]
    incomplete: tuple[str, ...]
    not_verified: tuple[str, ...]
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    seconds: float

    @property
    def first_bad(self) -> Finding | None:
        """The finding about the earliest record; else the first finding; None if there is none."""
        located = [finding for finding in self.findings if finding.seq is not None]
        if located:
            return min(located, key=lambda finding: finding.seq or 0)
        return self.findings[0] if self.findings else None

    @property
    def exit_code(self) -> int:
        """0 fine, 1 tampering proven, 2 incomplete, 3 below the requested level."""
        if self.findings:
            return EXIT_TAMPER
        if self.incomplete:
            return EXIT_INCOMPLETE
        return EXIT_BELOW_LEVEL if self.level < self.requested else EXIT_FINE

    def lines(self) -> list[str]:
        """Return the report as a person reads it."""
        said = [self._headline(), *_block("Verified", self.verified), *_block("Trusted for this", self.trust)]
        said += _block("Could not be verified", self.incomplete)
        said += _block("Not looked at", self.not_verified)
        if self.findings:
            shown = [line for finding in self.findings[:_SHOWN] for line in _described(finding)]
            said += ["Found:", *shown]
            if len(self.findings) > _SHOWN:
                said.append(f"  … and {len(self.findings) - _SHOWN} more findings")
        return [*said, *self._advice()]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for ``--json``."""
        first = self.first_bad
        return {
            "level": self.level,
            "level_name": LEVEL_NAMES[self.level],
            "requested": self.requested,
            "exit_code": self.exit_code,
            "first_bad": None if first is None else _as_dict(first),
            "findings": [_as_dict(finding) for finding in self.findings],
            "verified": list(self.verified),
            "trust": list(self.trust),
            "incomplete": list(self.incomplete),
            "not_verified": list(self.not_verified),
            "counts": dict(self.counts),
            "seconds": round(self.seconds, 3),
        }

    def _headline(self) -> str:
        records = f"{self.counts.get('records', 0)} records in {self.seconds:.1f} s"
        first = self.first_bad
        if first is not None:
            where = "" if first.seq is None else f" at record {first.seq}"
            return f"TAMPERING PROVEN{where}: {first.cls}, {CLASS_MEANING[first.cls]} ({records})"
        if self.incomplete:
            return f"INCOMPLETE: nothing wrong was found, but not everything could be checked ({records})"
        verdict = f"level {self.level} {LEVEL_NAMES[self.level]}"
        if self.level < self.requested:
            return f"BELOW THE REQUESTED LEVEL {self.requested}: nothing wrong was found, {verdict} ({records})"
        return f"Nothing wrong was found: {verdict} ({records})"

    def _advice(self) -> list[str]:
        if self.findings:
            return [
                "Is data safe? The database cannot be relied on from the first bad record on: do not write to it.",
                "Next: stop the service, keep database and keys folder as they are, compare with a back-up.",
            ]
        if self.incomplete:
            return ["Is data safe? What was checked is not damaged.", "Next: mend what is named above, verify again."]
        if self.level < self.requested:
            return [
                "Is data safe? The records agree with each other; only a key from outside tells who wrote them.",
                "Next: give --trust a file with the log's verifier key or genesis hash, noted when it was opened.",
            ]
        return ["Is data safe? Yes, as far as stated above.", "Next: nothing needs to be done."]


@dataclass(slots=True)
class Draft:
    """A report while it is being written."""

    trust: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    not_verified: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def find(self, cls: FindingClass, seq: int | None, expected: str, found: str, detail: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(cls, seq, expected, found, detail))

    def report(self, level: int, requested: int, seconds: float) -> Report:
        """Return the finished report; whatever was found, the level is then BROKEN."""
        return Report(
            level=BROKEN if self.findings else level,
            requested=requested,
            trust=tuple(self.trust),
            verified=tuple(self.verified),
            incomplete=tuple(self.incomplete),
            not_verified=tuple(self.not_verified),
            findings=tuple(self.findings),
            counts=dict(self.counts),
            seconds=seconds,
        )


def _block(title: str, items: tuple[str, ...]) -> list[str]:
    return [f"{title}:", *(f"  - {item}" for item in items)] if items else []


def _described(finding: Finding) -> list[str]:
    where = "" if finding.seq is None else f" at record {finding.seq}"
    lines = [f"  - {finding.cls}{where}: {finding.detail}"]
    if finding.expected or finding.found:
        lines += [f"      expected: {finding.expected}", f"      found:    {finding.found}"]
    return lines


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "class": finding.cls,
        "seq": finding.seq,
        "expected": finding.expected,
        "found": finding.found,
        "detail": finding.detail,
    }
