"""The data that a run names, in the words of OpenLineage: where it lies, which version, what for, which columns. Pure.

==================================  ============================================================================
source of a dataset in MLflow       its name here
==================================  ============================================================================
s3, gs, abfss, http, file, local    namespace and name of the address: ``s3://bucket`` and key (``dataset_names``)
hugging_face                        ``huggingface`` and the name of the repository
delta_table, spark (with a path)    the address of the table
uc_volume                           ``dbfs`` and the path of the volume
a table by name                     the registry's own namespace and the name of the table
code, sql, anything else            no address: the registry's own namespace and the name that the client gave
==================================  ============================================================================

MLflow's digest of a dataset covers the first 10,000 rows and not every column, so it is a ``hint`` of a version and no
content hash. The version of a Delta table and the commit of a Hugging Face repository are ``declared``.

A schema is stated only of data without an address of its own: elsewhere its producer describes it, a later description
replaces an earlier one whole, and a run that loaded three columns of forty would hide the others.

How many rows a run loaded (``num_rows`` of the profile) is a fact of the version that MLflow's own digest names, since
that is a digest of what was loaded. Of a version that the data's own store names, the run may have loaded a part, a
split or a selection: there, and without a version, it is a fact of what the run read. Approximate counts are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from collectors.mlflow.act import OBSERVED, Act, pairs
from collectors.mlflow.addresses import without_secrets
from collectors.mlflow.conventions import Conventions
from graph_schema.dataset_names import dataset_from_uri

_ROLES: Final = {
    "training": "training",
    "train": "training",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "eval": "evaluation",
    "evaluation": "evaluation",
    "evaluate": "evaluation",
    "test": "test",
    "testing": "test",
    "scoring": "scoring",
    "inference": "scoring",
    "prediction": "scoring",
}
"""What a context says the data was for. MLflow itself writes ``train`` and ``eval`` (autologging), the prefix of its
metrics (an evaluation, such as ``eval_``; without a prefix nothing) and ``optimization`` (of prompts: no word here)."""

_CONTEXT: Final = "mlflow.data.context"
_HUGGING_FACE: Final = frozenset({"hf", "huggingface", "hugging_face"})
_WITHOUT_ADDRESS: Final = frozenset({"code", "sql"})
_DIGEST = re.compile(r"[0-9A-Za-z+/=_.-]{1,200}\Z")
_GIT_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_LONGEST_NAME: Final = 4096
_LONGEST_VERSION: Final = 1024
_MOST_COLUMNS: Final = 2000
_MOST_SCHEMA_BYTES: Final = 40_000
_LONGEST_PROFILE: Final = 100_000
_MOST_ROWS: Final = 2**53 - 1
"""The greatest count of the language (LJ1)."""


def inputs(act: Act, found: object) -> Iterator[dict[str, Any]]:
    """Give the inputs among ``dataset_inputs`` (or the body of ``runs/log-inputs``) as facts state them, each once.

    MLflow's client names data once for each metric that it measured on it.
    """
    given: set[str] = set()
    for dataset, context in _datasets(found):
        named = _input(act, dataset, _ROLES.get(context.lower().strip(" _-"), "unknown"))
        text = json.dumps(named)
        if text not in given:
            given.add(text)
            yield named


def lack_context(named: object) -> bool:
    """Tell whether a request names data without saying what it was for."""
    return any(not context for _dataset, context in _datasets(named))


def with_contexts(named: object, held: object) -> list[dict[str, Any]]:
    """Return the data that a request names, each with its own context, else with the one that the run holds of it.

    Whoever measures a metric on data makes MLflow's client name that data again, and without a context. MLflow keeps
    the context that was there; a role once said to be unknown stays so, since roles of an edge are a union.
    """
    known = {_same(dataset): context for dataset, context in _datasets(held) if context}
    return [
        {"dataset": dataset, "tags": {_CONTEXT: context or known.get(_same(dataset), "")}}
        for dataset, context in _datasets(named)
    ]


def _same(dataset: Mapping[str, Any]) -> tuple[str, str]:
    """Return by what MLflow knows data again within an experiment."""
    return str(dataset.get("name")), str(dataset.get("digest"))


def declared(act: Act, found: object) -> Iterator[dict[str, Any]]:
    """Give a ``dataset.declared`` for each dataset without an address whose columns are told."""
    told: dict[tuple[str, str], list[dict[str, str]]] = {}
    for dataset, _context in _datasets(found):
        namespace, name = _address(act, dataset, _source(dataset.get("source")))
        columns = _columns(dataset.get("schema"))
        if columns and namespace == _own(act):
            told[namespace, name] = columns
    for (namespace, name), columns in told.items():
        body = {"namespace": namespace, "name": name, "columns": columns}
        yield act.fact("dataset.declared", body, OBSERVED)


def measured(act: Act, run: str, found: object) -> Iterator[dict[str, Any]]:
    """Give a ``dataset.measured`` for each dataset whose rows the run counted.

    Told once a run, at its end, so that naming an input and ending are not two measurements. Where a run loaded one
    thing with different counts, none of them is its count.
    """
    told: dict[tuple[str, str, str | None], set[tuple[str, int]]] = {}
    for dataset, _context in _datasets(found):
        rows = _rows(dataset.get("profile"))
        if rows is not None:
            named = _input(act, dataset, "unknown")
            version = named["version"] if named.get("identity") == "hint" else None
            counted = (str(dataset.get("digest") or ""), rows)
            told.setdefault((named["namespace"], named["name"], version), set()).add(counted)
    for (namespace, name, version), counts in told.items():
        if len(counts) == 1:
            ((_digest, rows),) = counts
            body = {"namespace": namespace, "name": name, "version": version, "run": run, "side": "read", "rows": rows}
            yield act.fact("dataset.measured", body, OBSERVED)


def by_convention(
    act: Act, told: Sequence[Sequence[str]], known: Sequence[Mapping[str, Any]], experiment: object, rules: Conventions
) -> list[dict[str, Any]]:
    """Return the input that parameters and tags name by convention, as declared; at most one.

    Of which dataset: the one they name, else the run's only input (``known``), else one that bears the name of the
    experiment. It is for what an input of the same dataset (``known``) was for, and else not said to be for anything.
    """
    version, place = rules.told("dataset_version", told), rules.told("dataset", told)
    if version is None and place is None:
        return []
    only = {(one["namespace"], one["name"]) for one in known}
    if place is not None:
        namespace, name = _named_place(act, place)
    elif len(only) == 1:
        ((namespace, name),) = only
    else:
        namespace, name = _own(act), f"experiment-{experiment}"
    same = [one for one in known if (one["namespace"], one["name"]) == (namespace, name)]
    roles = sorted({role for one in same for role in one["roles"]})
    item: dict[str, Any] = {"namespace": namespace, "name": name, "roles": roles or ["unknown"], "how": "declared"}
    if version is not None:
        item |= {"version": version[:_LONGEST_VERSION], "identity": "declared"}
    return [item]


def _datasets(found: object) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Give each dataset with its context."""
    for item in found if isinstance(found, list | tuple) else ():
        dataset = item.get("dataset") if isinstance(item, Mapping) else None
        if isinstance(dataset, Mapping) and dataset.get("name"):
            yield dataset, dict(pairs(item.get("tags"))).get(_CONTEXT, "")


def _input(act: Act, dataset: Mapping[str, Any], role: str) -> dict[str, Any]:
    source = _source(dataset.get("source"))
    namespace, name = _address(act, dataset, source)
    digest = str(dataset.get("digest") or "")
    named: dict[str, Any] = {"namespace": namespace, "name": name, "roles": [role]}
    stated = _stated_version(source)
    if stated is not None:
        named |= {"version": stated, "identity": "declared"}
    elif digest:
        named |= {"version": f"mlflow-{digest}"[:_LONGEST_VERSION], "identity": "hint"}
    if _DIGEST.match(digest):
        named["digest"] = f"mlflow:{digest}"
    return named


def _stated_version(source: Mapping[str, Any]) -> str | None:
    """Return the version that a source names in the words of its own store."""
    table = source.get("delta_table_version")
    if table is not None:
        return str(table)[:_LONGEST_VERSION]
    revision = str(source.get("revision") or "")
    return revision if _GIT_COMMIT.match(revision) else None


def _source(text: object) -> Mapping[str, Any]:
    try:
        source = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return source if isinstance(source, Mapping) else {}


def _address(act: Act, dataset: Mapping[str, Any], source: Mapping[str, Any]) -> tuple[str, str]:
    kind = str(dataset.get("source_type") or "")
    place = str(source.get("uri") or source.get("url") or source.get("path") or "")
    table = str(source.get("delta_table_name") or source.get("table_name") or "")
    if kind in _WITHOUT_ADDRESS or not place:
        return _own(act), (table or str(dataset["name"]))[:_LONGEST_NAME]
    if kind in _HUGGING_FACE:
        return "huggingface", place[:_LONGEST_NAME]
    if kind == "uc_volume" and place.startswith("/"):
        place = f"dbfs:{place}"
    return dataset_from_uri(without_secrets(place)[:_LONGEST_NAME])


def _named_place(act: Act, place: str) -> tuple[str, str]:
    """Return the dataset that somebody named in a parameter: an address, a path, or just a name."""
    if _SCHEME.match(place) or place.startswith("/"):
        return dataset_from_uri(without_secrets(place)[:_LONGEST_NAME])
    return _own(act), place[:_LONGEST_NAME]


def _own(act: Act) -> str:
    return f"mlflow:{act.registry}"


def _rows(text: object) -> int | None:
    """Return the exact number of rows that a profile tells; None for one that tells none, or no number of rows."""
    if not isinstance(text, str) or len(text) > _LONGEST_PROFILE:
        return None
    rows = _source(text).get("num_rows")
    return rows if type(rows) is int and 0 <= rows <= _MOST_ROWS else None


def _columns(text: object) -> list[dict[str, str]]:
    """Return the columns of a schema of named columns; [] for tensors, for none, and for one that no fact can hold."""
    found = _source(text).get("mlflow_colspec")
    specs = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    columns = [_column(one) for one in specs if one.get("name")]
    fits = len(columns) <= _MOST_COLUMNS and len(json.dumps(columns).encode()) <= _MOST_SCHEMA_BYTES
    return columns if fits and len(columns) == len(specs) else []


def _column(spec: Mapping[str, Any]) -> dict[str, str]:
    column = {"name": str(spec["name"])[:1024]}
    kind = spec.get("type")
    return {**column, "type": kind[:1024]} if isinstance(kind, str) and kind else column
