"""Answers as files that stand alone: a CSV, and beside it what was asked, of which history, and the CSV's digest.

RFC 4180: CRLF, UTF-8, columns in a fixed order, times as RFC 3339 in UTC, nothing altered. A spreadsheet program may
run a cell that begins with ``=``, ``+``, ``-``, ``@`` or a tab; values are evidence and stay exact, so the sidecar says
how many such cells there are.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

import lineage_service
from lineage_service.client import Result
from lineage_service.client.head import read_note
from lineage_service.client.result import flat

_PARTY: Final = ("id", "name", "assurance", "via", "on_behalf_of.id", "on_behalf_of.name")
_DEPLOYED: Final = tuple(f"deployed_by.{part}" for part in _PARTY)
_CLOSURE: Final = ("distance", "kind", "name", "key")

COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "deployments": (
        *("model", "version", "target", "stage", "alias", "mode", "from", "not_before", "until", "recorded_at"),
        *(*_DEPLOYED, "requested_by.id", "requested_by.name", "approved_by"),
        *("reason", "ticket", "digest", "change", "claims", "seq", "key"),
    ),
    "live": (
        *("model", "version", "target", "stage", "alias", "mode", "traffic", "since"),
        *(*_DEPLOYED, "seq", "key"),
    ),
    "drift": (
        *("verdict", "model", "target", "version", "mode", "traffic", "since", *_DEPLOYED, "seq"),
        *("registry_version", "registry_since", *(f"registry_by.{part}" for part in _PARTY), "registry_seq"),
        *("registry_others", "key", "registry_key"),
    ),
    "history": (
        *("occurred_at", "recorded_at", "type", "what"),
        *(*(f"actor.{part}" for part in _PARTY), "reason", "ticket", "seq"),
    ),
    "provenance": _CLOSURE,
    "impact": _CLOSURE,
}
"""The columns of each question; a column that a later service adds comes behind them."""

_RUN_BY_SPREADSHEETS: Final = ("=", "+", "-", "@", "\t")


def write_csv(result: Result[Any], path: Path) -> Path:
    """Write the rows as CSV and the sidecar beside it; return the sidecar's path."""
    rows = [flat(row) for row in result.rows]
    columns = _columns(result.question, rows)
    content = _csv(columns, rows)
    sidecar = path.with_name(f"{path.name}.json")
    path.write_bytes(content)
    described = _described(result, columns, rows, sha256(content).hexdigest())
    sidecar.write_bytes(orjson.dumps(described, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return sidecar


def _columns(question: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    fixed = list(COLUMNS[question])
    nested = {name.rpartition(".")[0] for name in fixed} | {"deployed_by.on_behalf_of", "actor.on_behalf_of"}
    found = dict.fromkeys(name for row in rows for name in row if name not in fixed and name not in nested)
    return [*fixed, *(name for name in found if name != "requested_by")]


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(["" if (value := row.get(name)) is None else value for name in columns] for row in rows)
    return text.getvalue().encode()


def _described(
    result: Result[Any], columns: Sequence[str], rows: Sequence[Mapping[str, Any]], digest: str
) -> dict[str, Any]:
    head = read_note(result.checkpoint)
    cells = [str(value) for row in rows for value in row.values() if value is not None]
    return {
        "format": "lineage-csv/1",
        "question": result.question,
        "parameters": result.parameters,
        "as_of": result.as_of,
        "known_at": result.known_at,
        "rows": len(rows),
        "columns": list(columns),
        "sha256": digest,
        "head": None if head is None else {"size": head.size, "root": head.root, "checkpoint": head.note},
        "complete": result.complete,
        "coverage": result.coverage,
        "gaps": result.gaps,
        "evidence": result.evidence,
        "cells_a_spreadsheet_may_run": sum(cell.startswith(_RUN_BY_SPREADSHEETS) for cell in cells),
        "software": f"lineage-service {lineage_service.__version__}",
    }
