"""From a run of MLflow to facts: at its creation, when inputs are logged, and whole at its terminal state. Pure.

Times, user and tags of a run are what its client wrote: claims. Without an application that authenticates, the user's
name is therefore ``claimed``. MLflow's digest of a dataset covers the first 10,000 rows and not every column, so it is
a ``hint`` of a version and no content hash. Long runs become several facts of one source event, each well below the
size of a record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from collectors.mlflow.act import Act, pairs, present
from collectors.mlflow.addresses import without_secrets
from graph_schema.clear_keys import CLEAR_KEYS
from graph_schema.dataset_names import dataset_from_uri
from graph_schema.repository_names import repository_url
from graph_schema.times import MAX_MICROS, format_time

STATES: Final = {"FINISHED": "complete", "FAILED": "failed", "KILLED": "aborted"}
"""The terminal states of a run."""

_ROLES: Final = {
    "training": "training",
    "train": "training",
    "validation": "validation",
    "eval": "evaluation",
    "evaluation": "evaluation",
    "test": "test",
    "testing": "test",
    "scoring": "scoring",
}
_PART_ITEMS: Final = 400
_PART_BYTES: Final = 24_000
_SEALED_WEIGHT: Final = 10
"""A sealed value lies in the vault and not in the record, so parts may hold more of them."""
_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
_DIGEST = re.compile(r"[0-9A-Za-z+/=_.-]{1,200}\Z")
_BULKY: Final = frozenset({"mlflow.log-model.history", "mlflow.loggedModels", "mlflow.user", "mlflow.runName"})
"""Tags that repeat what stands elsewhere."""


def is_terminal(status: object) -> bool:
    """Tell whether a run of this status has ended."""
    return status in STATES


def run_created(act: Act) -> list[dict[str, Any]]:
    """Return the fact that a run began, from the answer to ``runs/create``."""
    run = act.response.get("run")
    if not isinstance(run, Mapping):
        return []
    return [_fact(act, run, {**_told(run), "state": "started"})]


def inputs_logged(act: Act) -> list[dict[str, Any]]:
    """Return the facts that a run named inputs, from the body of ``runs/log-inputs``."""
    run = {"info": {"run_id": act.fields.get("run_id")}}
    found = list(_inputs(act, act.fields.get("datasets")))
    return [_fact(act, run, {"inputs": part}) for part in _parts(found)]


def run_ended(act: Act, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the facts of a whole run, read from MLflow's store at its terminal state."""
    state = STATES[str(run["info"]["status"])]
    data = run.get("data") or {}
    facts = [_fact(act, run, {**_told(run), "state": state})]
    for name, items in (
        ("params", pairs(data.get("params"))),
        ("tags", [tag for tag in pairs(data.get("tags")) if tag[0] not in _BULKY]),
        ("metrics", list(_metrics(data.get("metrics")))),
        ("inputs", list(_inputs(act, (run.get("inputs") or {}).get("dataset_inputs")))),
    ):
        facts += [_fact(act, run, {name: part}) for part in _parts(items)]
    return _merged(facts)


def _fact(act: Act, run: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    info = run["info"]
    name = str(info.get("run_id") or info.get("run_uuid"))
    return act.fact("run.observed", {"run": name, **body}, _actor(act, run))


def _actor(act: Act, run: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return whom the run's client claims to be, where nobody was authenticated."""
    claimed = run["info"].get("user_id") or _tags(run).get("mlflow.user")
    if act.user is not None or not claimed:
        return None
    return {"issuer": act.issuer, "subject": str(claimed)[:512], "assurance": "claimed", "via": "mlflow.user"}


def _told(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run's client says about it: name, times, code, parent."""
    info, tags = run["info"], _tags(run)
    return {
        "name": info.get("run_name"),
        "experiment": info.get("experiment_id"),
        "claimed_start": _milliseconds(info.get("start_time")),
        "claimed_end": _milliseconds(info.get("end_time")),
        "commit": _commit(tags),
        "parent": tags.get("mlflow.parentRunId"),
    }


def _tags(run: Mapping[str, Any]) -> dict[str, str]:
    return dict(pairs((run.get("data") or {}).get("tags")))


def _milliseconds(value: Any) -> str | None:
    """Return the time that a client wrote in milliseconds; None for what is no time."""
    micros = int(value) * 1000 if str(value or "").isdecimal() else 0
    return format_time(micros) if 0 < micros <= MAX_MICROS else None


def _commit(tags: Mapping[str, str]) -> dict[str, Any] | None:
    sha = tags.get("mlflow.source.git.commit", tags.get("git_commit", "")).lower()
    if not _COMMIT.match(sha):
        return None
    dirty = {"true": True, "false": False}.get(tags.get("mlflow.source.git.dirty", "").lower())
    return present(
        {
            "sha": sha,
            "repository": repository_url(tags.get("mlflow.source.git.repoURL", "")),
            "branch": tags.get("mlflow.source.git.branch") or tags.get("git_branch"),
            "dirty": dirty,
        }
    )


def _metrics(metrics: object) -> Iterator[dict[str, str]]:
    """Give each last value as a decimal string: the shortest that gives the same float again."""
    if isinstance(metrics, Mapping):
        for key, value in sorted(metrics.items()):
            text = repr(float(value))
            yield {"key": str(key), "value": {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)}


def _inputs(act: Act, found: object) -> Iterator[dict[str, Any]]:
    for item in found if isinstance(found, list) else ():
        dataset = item.get("dataset") if isinstance(item, Mapping) else None
        if isinstance(dataset, Mapping) and dataset.get("name"):
            context = dict(pairs(item.get("tags"))).get("mlflow.data.context", "").lower()
            yield _dataset(act, dataset, _ROLES.get(context, "unknown"))


def _dataset(act: Act, dataset: Mapping[str, Any], role: str) -> dict[str, Any]:
    source = _source(dataset.get("source"))
    namespace, name = _address(act, dataset, source)
    digest = str(dataset.get("digest") or "")
    table_version = source.get("delta_table_version")
    named = {"namespace": namespace, "name": name, "roles": [role]}
    if table_version is not None:
        named |= {"version": str(table_version), "identity": "declared"}
    elif digest:
        named |= {"version": f"mlflow-{digest}", "identity": "hint"}
    if _DIGEST.match(digest):
        named["digest"] = f"mlflow:{digest}"
    return named


def _source(text: object) -> Mapping[str, Any]:
    try:
        source = json.loads(str(text))
    except ValueError:
        return {}
    return source if isinstance(source, Mapping) else {}


def _address(act: Act, dataset: Mapping[str, Any], source: Mapping[str, Any]) -> tuple[str, str]:
    """Return where a dataset lies, named as OpenLineage names it; data without an address belongs to the registry."""
    kind = str(dataset.get("source_type") or "")
    place = source.get("uri") or source.get("url") or source.get("path")
    if kind in ("hf", "huggingface") and place:
        return "huggingface", str(place)
    if place:
        return dataset_from_uri(without_secrets(str(place)))
    table = source.get("delta_table_name") or source.get("table_name")
    if table:
        return f"mlflow:{act.registry}", str(table)
    return f"mlflow:{act.registry}", str(dataset["name"])


def _parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Cut a long list into parts that a record can hold."""
    part: list[Any] = []
    size = 0
    for item in items:
        length = _weight(item)
        if part and (len(part) >= _PART_ITEMS or size + length > _PART_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part


def _weight(item: Any) -> int:
    length = len(json.dumps(item, ensure_ascii=False).encode())
    sealed = isinstance(item, list) and item[0] not in CLEAR_KEYS
    return length // _SEALED_WEIGHT if sealed else length


def _merged(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the facts of a run while they are small together, so that a usual run is one fact."""
    whole = [facts[0]]
    for fact in facts[1:]:
        body = whole[-1]["body"]
        joined = {**body, **fact["body"]}
        fits = len(json.dumps(joined, ensure_ascii=False).encode()) <= _PART_BYTES
        if fits and set(body) & set(fact["body"]) == {"run"}:
            whole[-1] = {**whole[-1], "body": joined}
        else:
            whole.append(fact)
    return whole
