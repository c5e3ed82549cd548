"""An answer in the hands of a person: the typed envelope, and ways to look at it, to compute with it, to keep it."""

import html
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from graph_schema.answers import Answer
from lineage_service.client import words
from lineage_service.client.errors import AbsentPackageError
from lineage_service.client.head import read_note

Value = TypeVar("Value")
Row = dict[str, Any]

_INSTANTS: Final = ("from", "not_before", "until", "since", "occurred_at", "recorded_at")
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Result(Answer[Value]):
    """An :class:`~graph_schema.answers.Answer` as the service gave it; ``raw`` is its JSON, unchanged."""

    raw: Mapping[str, Any] = field(repr=False)
    prove: Callable[[Mapping[str, Any]], Mapping[str, Any]] = field(repr=False, compare=False)

    @property
    def rows(self) -> list[Row]:
        """The rows of the value; of a closure its nodes, nearest first."""
        value: Any = self.value
        if "rows" in value:
            return list(value["rows"])
        nodes = value["nodes"].items()
        return [{"key": key, **{name: node[name] for name in ("kind", "name", "distance")}} for key, node in nodes]

    @property
    def edges(self) -> list[Row]:
        """The edges of a closure; no other value has any."""
        value: Any = self.value
        return list(value.get("edges", ()))

    @property
    def checkpoint_size(self) -> int | None:
        """How many records the answer's checkpoint signs; None without one."""
        head = read_note(self.checkpoint)
        return None if head is None else head.size

    def to_frame(self, what: str = "rows") -> Any:
        """Return a pandas frame of the ``rows`` or the ``edges``, people flattened, instants as UTC timestamps.

        Raises:
            AbsentPackageError: if pandas is not installed.
            ValueError: if ``what`` is neither.
        """
        if what not in {"rows", "edges"}:
            raise ValueError("a frame is made of 'rows' or of 'edges'")
        try:
            pandas: Any = importlib.import_module("pandas")
        except ImportError:
            raise AbsentPackageError("a frame needs the package pandas: pip install pandas (or use .rows)") from None
        frame = pandas.DataFrame([flat(row) for row in (self.rows if what == "rows" else self.edges)])
        for column in frame.columns.intersection(list(_INSTANTS) if what == "rows" else []):
            frame[column] = pandas.to_datetime(frame[column], utc=True, format="ISO8601")
        return frame

    def save_proof(self, path: str | Path) -> Path:
        """Write the answer, its records and the proofs that the log holds them, as one JSON file; return its path.

        Who has the log's public key can then show, without us: each record of ``evidence`` (its exact bytes stand in
        ``records``) is in the log whose head the ``checkpoint`` signs, by its inclusion proof (RFC 6962). The file
        does not prove that the records suffice for the answer, nor that none is missing: for that, ask again with the
        same ``known_at``, and verify the log. A record the service may not show you stands there without its bytes.
        """
        target = Path(path)
        proof = {"format": "lineage-proof/1", "answer": self.raw, **self.prove(self.raw)}
        target.write_bytes(orjson.dumps(proof, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return target

    def _repr_html_(self) -> str:
        rows = [flat(row) for row in self.rows[:_SHOWN]]
        columns = list(dict.fromkeys(name for row in rows for name, value in row.items() if value is not None))
        lines = [_table(columns, rows) if rows else "<p>No rows.</p>"]
        if len(self.rows) > _SHOWN:
            lines.append(_paragraph(f"{len(self.rows) - _SHOWN} more rows are in .rows"))
        lines += [_paragraph(line) for line in self.footer()]
        return f"<div>{''.join(lines)}</div>"

    def footer(self, zone: str = "UTC") -> list[str]:
        """Return what belongs under the value, line by line: both times, completeness, gaps, evidence."""
        missing = words.gaps(self.gaps)
        return [
            words.both_times(self, zone),
            *words.completeness(self, zone),
            *(["Gaps:", *missing] if missing else []),
            words.evidence(self, self.checkpoint_size),
        ]


def flat(row: Mapping[str, Any]) -> Row:
    """Return a row without nesting: members of objects by dotted names, lists of people as text."""
    found: Row = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found.update({f"{name}.{inner}": one for inner, one in flat(value).items()})
        elif isinstance(value, Sequence) and not isinstance(value, str):
            found[name] = ", ".join(_listed(one) for one in value)
        else:
            found[name] = value
    return found


def _listed(one: object) -> str:
    if not isinstance(one, Mapping):
        return str(one)
    return words.claim(one) if "means" in one else words.party(one)


def _table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(_cell(row.get(name)) for name in columns)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f"<td>{'' if value is None else html.escape(str(value))}</td>"


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
