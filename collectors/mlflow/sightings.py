"""From what an MLflow server holds to facts: pure. Values in, wire events and what to remember out.

Rules kept here:

- Nobody is named: what a server holds does not say who did it. A run's user is what its client wrote.
- What has a time of its own (a version, a run that ended, a logged model) is a fact at that time, made of what cannot
  change afterwards: the same in every read, and known to the service when it is sent again. A time ahead of the read
  is the clock of somebody else; the fact is then dated at the read.
- What has none (tags, descriptions, that a run is deleted) is true since the read began.
- Stages, aliases and ends are sightings: see ``movements.py``.
- Of the first read every fact says ``import`` as its reference: it was so before anybody looked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from collectors.mlflow import logged
from collectors.mlflow.act import OBSERVED, Act, fitting, pairs, present
from collectors.mlflow.addresses import without_secrets
from collectors.mlflow.parts import in_parts, spread
from collectors.mlflow.routes import RECORDED
from collectors.mlflow.runs import is_terminal, run_created, run_ended
from collectors.mlflow.translate import copied_version, logged_model
from graph_schema import names
from graph_schema.clear_keys import CLEAR_KEYS
from graph_schema.events.base import IMPORTED
from graph_schema.times import format_time

Fact = dict[str, Any]
Row = Mapping[str, Any]

_LONGEST_PLACE: Final = 4096
_LONGEST_NAME: Final = 1024
_PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
_REPEATED: Final = frozenset({"mlflow.modelVersions", "mlflow.loggedModels", "mlflow.log-model.history"})
"""Tags that MLflow writes itself about what stands elsewhere."""

_RUN_ENDED: Final = RECORDED["POST runs/update"]


@dataclass(frozen=True, slots=True)
class Look:
    """What the facts of one read share: the registry's name in keys, and when it began (microseconds).

    ``first``: nothing was read before, so this is an import of what was there.
    """

    registry: str
    began: int
    first: bool

    def fact(self, kind: str, at: int, body: Mapping[str, Any]) -> Fact:
        """Return a fact on the wire, at its own time but never after this read."""
        return {
            "type": kind,
            "ev": 1,
            "occurred_at": format_time(min(at, self.began)),
            "source": {"ref": IMPORTED} if self.first else {},
            "actor": dict(OBSERVED),
            "body": present(body),
        }

    def model(self, row: Row, *, prompt: bool) -> str:
        """Return the key of a registered model or prompt."""
        return (names.prompt if prompt else names.model)(self.registry, str(row["name"]))

    def version(self, row: Row, *, prompt: bool) -> str:
        """Return the key of a version."""
        make = names.prompt_version if prompt else names.model_version
        return make(self.registry, str(row["name"]), str(row["version"]), created_ms(row))


@dataclass(frozen=True, slots=True)
class Told:
    """What a look at one thing tells: facts, and what to remember of it."""

    facts: list[Fact]
    value: dict[str, Any]


def created_ms(row: Row) -> int:
    """Return the creation time of a model or version, in milliseconds."""
    return int(row.get("creation_timestamp") or 0)


def model_told(look: Look, row: Row, before: Row | None, *, prompt: bool) -> Told:
    """Return what a registered model or prompt tells, compared with what was seen of it before."""
    key = look.model(row, prompt=prompt)
    facts = []
    if before is None:
        facts.append(look.fact("model.declared", created_ms(row) * 1000, {"model": key}))
    described, value = _described(look, key, row, before)
    return Told(facts + described, {"c": created_ms(row), "name": str(row["name"]), "prompt": prompt, **value})


def version_told(look: Look, row: Row, before: Row | None, *, prompt: bool) -> Told:
    """Return what a version tells, compared with what was seen of it before; not its stage."""
    key, model = look.version(row, prompt=prompt), look.model(row, prompt=prompt)
    facts = []
    if before is None:
        facts.append(look.fact("model_version.registered", created_ms(row) * 1000, _registered(look, row, model)))
    described, value = _described(look, key, row, before)
    named = {"model": model, "name": str(row["name"]), "version": str(row["version"]), "c": created_ms(row)}
    return Told(facts + described, named | value)


def _registered(look: Look, row: Row, model: str) -> dict[str, Any]:
    source = str(row.get("source") or "")
    place = without_secrets(source)
    copied = copied_version(source)
    parent = {"model": names.model(look.registry, copied[0]), "version": copied[1]} if copied else None
    return {
        "model": model,
        "version": str(row["version"]),
        "created_ms": created_ms(row),
        "run": row.get("run_id"),
        "location": place if len(place) <= _LONGEST_PLACE else None,
        "logged_model": row.get("model_id") or logged_model(source),
        "derived_from": [parent] if parent else [],
    }


def _described(look: Look, key: str, row: Row, before: Row | None) -> tuple[list[Fact], dict[str, Any]]:
    """Return the facts of tags and description that are new, and digests to compare with the next time."""
    tags = dict(pairs(row.get("tags")))
    known: Mapping[str, str] = (before or {}).get("t", {})
    facts = tag_facts(look, key, tags, known)
    text = fitting(row.get("description") or "")
    digest = _digest(text) if text else None
    if digest != (before or {}).get("d"):
        facts.append(look.fact("description.changed", look.began, {"node": key, "description": text}))
    return facts, {"t": digests(tags), "d": digest}


def tag_facts(look: Look, key: str, tags: Mapping[str, str], known: Mapping[str, str]) -> list[Fact]:
    """Return a fact for each tag that is new, has another value, or is gone."""
    facts = []
    for name, value in tags.items():
        if known.get(name) != _digest(value) and name not in _REPEATED and 0 < len(name) <= _LONGEST_NAME:
            shown = {"value": value[:1024]} if name in CLEAR_KEYS else {"hidden": value}
            tag = look.fact("tag.set", look.began, {"node": key, "name": name})
            facts.append({**tag, "body": {**tag["body"], **shown}})
    gone = sorted(name for name in known if name not in tags and name not in _REPEATED)
    return facts + [look.fact("tag.removed", look.began, {"node": key, "name": name}) for name in gone]


def digests(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of each tag's value."""
    return {name: _digest(value) for name, value in tags.items()}


def run_row(row: Row) -> dict[str, Any]:
    """Return a run of the REST interface as MLflow's client gives it: parameters, tags and metrics by their keys."""
    data = row.get("data") or {}
    return {
        "info": row.get("info") or {},
        "data": {
            "params": {item["key"]: item.get("value", "") for item in data.get("params") or ()},
            "tags": {item["key"]: item.get("value", "") for item in data.get("tags") or ()},
            "metrics": {item["key"]: item.get("value", 0.0) for item in data.get("metrics") or ()},
        },
        "inputs": row.get("inputs") or {},
        "outputs": row.get("outputs") or {},
    }


def run_told(look: Look, row: Row, before: Row | None) -> Told:
    """Return what a run tells: whole when it has ended, that it began while it runs, and what changed since."""
    run = run_row(row)
    info, tags = run["info"], run["data"]["tags"]
    name, status = str(info["run_id"]), str(info.get("status"))
    value = {"s": status, "l": info.get("lifecycle_stage"), "h": _run_digest(run), "t": digests(tags)}
    known = before or {}
    facts: list[Fact] = []
    fresh = before is None or not is_terminal(known.get("s"))
    if is_terminal(status) and (fresh or known.get("h") != value["h"]):
        ended = _own_time(info, "end_time", look.began)
        at = ended if fresh else look.began
        facts += _by_nobody(look, at, run_ended(_act(look, at, {}), run), ended)
    elif not is_terminal(status) and before is None:
        at = _own_time(info, "start_time", look.began)
        facts += _by_nobody(look, at, run_created(_act(look, at, {"run": run})), at)
    if before is not None and is_terminal(status) and not fresh:
        facts += tag_facts(look, names.run(name), tags, known.get("t", {}))
    deleted = value["l"] == "deleted"
    if deleted != (known.get("l") == "deleted"):
        body = {"run": name, "existence": "deleted" if deleted else "restored"}
        facts.append(look.fact("run.observed", look.began, body))
    return Told(facts, value)


def logged_model_told(look: Look, row: Row, before: Row | None) -> Told:
    """Return what a logged model tells, as it was when it last changed; later only its state and tags."""
    info, data = row.get("info") or {}, row.get("data") or {}
    identifier = str(info["model_id"])
    key = names.logged_model(look.registry, identifier)
    tags = {name: value for name, value in pairs(info.get("tags")) if name not in _REPEATED}
    state = logged.state(info.get("status"))
    changed = int(info.get("last_updated_timestamp_ms") or info.get("creation_timestamp_ms") or 0)
    measured, value = _measured(look, key, data.get("metrics"), before or {})
    value |= {"s": state, "t": digests(tags)}
    if before is not None:
        facts = measured + tag_facts(look, key, tags, before.get("t", {}))
        if state != before.get("s"):
            facts.append(look.fact("logged_model.observed", changed * 1000, {"logged_model": key, "state": state}))
        return Told(facts, value)
    body = {
        "run": info.get("source_run_id"),
        "name": info.get("name"),
        "model_type": info.get("model_type"),
        "experiment": info.get("experiment_id"),
        "state": state,
        "existence": "present",
    }
    lists = (("params", pairs(data.get("params"))), ("tags", [[name, text] for name, text in tags.items()]))
    told = [{"logged_model": key, **part} for part in spread(body, lists)]
    facts = [look.fact("logged_model.observed", changed * 1000, one) for one in told]
    return Told([*facts, *measured], value)


def _measured(look: Look, key: str, found: object, known: Row) -> tuple[list[Fact], dict[str, Any]]:
    """Return the facts of a logged model's metrics, unless they are ``known``, and a digest to compare with next time.

    They are dated by the latest of them: a model gets metrics after it last changed, by whoever evaluates it.
    """
    metrics = logged.metrics(found)
    digest = _digest(orjson.dumps(metrics).decode()) if metrics else None
    if digest is None or digest == known.get("m"):
        return [], {"m": digest or known.get("m")}
    at = logged.measured_at(found) * 1000 or look.began
    bodies = ({"logged_model": key, "metrics": part} for part in in_parts(metrics))
    return [look.fact("logged_model.observed", at, body) for body in bodies], {"m": digest}


def gone_run(look: Look, name: str) -> Fact:
    """Return the fact that a run is not there any more."""
    return look.fact("run.observed", look.began, {"run": name, "existence": "deleted"})


def _act(look: Look, at: int, response: Mapping[str, Any]) -> Act:
    """Return a look at a run in the form of an act, from which the facts of runs are made."""
    return Act("", _RUN_ENDED, {}, at, at, 200, response, look.registry)


def _by_nobody(look: Look, at: int, facts: Iterable[Fact], ended: int) -> Iterator[Fact]:
    """Give facts made for the plugin as those of a look: without an act, and nobody named.

    Data was counted before the run ``ended``: a run that is read anew, because somebody changed it, counted nothing.
    """
    for one in facts:
        yield look.fact(one["type"], ended if one["type"] == "dataset.measured" else at, one["body"])


def _own_time(info: Row, name: str, latest: int) -> int:
    """Return a time that a run's client wrote, if it is one; else when the run was read."""
    for field in (name, "start_time"):
        text = str(info.get(field) or "")
        if text.isdecimal() and 0 < int(text) * 1000 <= latest:
            return int(text) * 1000
    return latest


def _run_digest(run: Row) -> str:
    data = run["data"]
    told = [data["params"], data["metrics"], run["inputs"], run["outputs"], run["info"].get("status")]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
