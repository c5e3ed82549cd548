"""Logged models as MLflow holds them, whole: from their JSON to facts. Pure.

A logged model comes in two spellings, ``LoggedModel.to_dictionary()`` inside the server and REST's ``{info, data}``
outside of it; both are read here. What it says is cumulative: each fact adds, none replaces. A reading is a sighting,
so nobody is named as its actor; who made and finished the model is told by the requests that did.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from collectors.mlflow.act import OBSERVED, Act, fitting, pairs
from collectors.mlflow.parts import in_parts, spread
from graph_schema import names

MOST_NAMED: Final = 100
"""Logged models that one fact of a run can name."""

_STATES: Final = {
    "LOGGED_MODEL_PENDING": "pending",
    "LOGGED_MODEL_READY": "ready",
    "LOGGED_MODEL_UPLOAD_FAILED": "failed",
    "PENDING": "pending",
    "READY": "ready",
    "FAILED": "failed",
    "1": "pending",
    "2": "ready",
    "3": "failed",
}
"""A state as MLflow writes it: protobuf's name, the name its own clients show, or protobuf's number."""

_LONGEST_KEY: Final = 1024
_LONGEST_WHOLE: Final = 20
_BULKY: Final = frozenset({"mlflow.modelVersions", "mlflow.user"})
"""Tags that repeat what stands elsewhere."""

_OF_THE_RUN: Final = "lineage."
"""MLflow copies the tags that context providers give a run onto its logged models."""


def state(status: object) -> str | None:
    """Return the language's word for what MLflow calls the status of a logged model; None for what says nothing."""
    return _STATES.get(str(status))


def identifier(model: Mapping[str, Any]) -> str:
    """Return MLflow's id of a logged model; empty if it has none."""
    return str(_info(model).get("model_id") or "")


def location(model: Mapping[str, Any]) -> str:
    """Return where the files of a logged model lie; empty if that is not told."""
    info = _info(model)
    return str(info.get("artifact_location") or info.get("artifact_uri") or "")


def keys(registry: str, found: object) -> list[str]:
    """Return the keys of the logged models that a run's ``model_inputs`` or ``model_outputs`` name, each once."""
    items = found if isinstance(found, list | tuple) else ()
    ids = (str(one.get("model_id") or "") for one in items if isinstance(one, Mapping))
    return list(dict.fromkeys(names.logged_model(registry, one) for one in ids if one))


def metrics(found: object, run: str | None = None) -> list[dict[str, str]]:
    """Return the last value of each metric among those of a logged model, as facts state them; ``run``: only its own.

    MLflow keeps every value, from whichever run and on whichever data; the last is the one with the latest time.
    """
    last: dict[str, tuple[tuple[int, int], object]] = {}
    for one in found if isinstance(found, list | tuple) else ():
        if isinstance(one, Mapping) and one.get("key") and (run is None or one.get("run_id") == run):
            order = (_whole(one.get("timestamp")), _whole(one.get("step")))
            if str(one["key"]) not in last or last[str(one["key"])][0] <= order:
                last[str(one["key"])] = (order, one.get("value"))
    named = {key: value for key, (_order, value) in sorted(last.items()) if len(key) <= _LONGEST_KEY}
    return [{"key": key, "value": decimal(value)} for key, value in named.items()]


def measured_at(found: object) -> int:
    """Return the latest time among the metrics of a logged model, in milliseconds; 0 if none has a time."""
    items = found if isinstance(found, list | tuple) else ()
    return max((0, *(_whole(one.get("timestamp")) for one in items if isinstance(one, Mapping))))


def decimal(value: Any) -> str:
    """Return a metric's value as a decimal string: the shortest that gives the same float again."""
    number = float("nan" if value is None else value)
    if math.isnan(number):
        return "NaN"
    return repr(number) if math.isfinite(number) else f"{'-' if number < 0 else ''}Infinity"


def measured(act: Act, model: Mapping[str, Any], run: str) -> list[dict[str, Any]]:
    """Return the facts of what a run measured of a logged model that it used."""
    key = names.logged_model(act.registry, identifier(model))
    found = metrics(_data(model).get("metrics"), run)
    bodies = ({"logged_model": key, "metrics": part} for part in in_parts(found))
    return [act.fact("logged_model.observed", body, OBSERVED) for body in bodies]


def observed(act: Act, model: Mapping[str, Any], files: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return the facts that a logged model exists: its run, type, state, parameters, tags, metrics, files."""
    return [
        act.fact("logged_model.observed", {"logged_model": names.logged_model(act.registry, identifier(model)), **body},
                 OBSERVED)
        for body in _bodies(model, files)
    ]  # fmt: skip


def _bodies(model: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    info = _info(model)
    body: dict[str, Any] = {
        "run": info.get("source_run_id"),
        "name": fitting(info.get("name") or ""),
        "model_type": str(info.get("model_type") or "")[:1024],
        "experiment": str(info.get("experiment_id") or ""),
        "state": state(info.get("status")),
        "existence": "present",
    }
    tags = [tag for tag in pairs(info.get("tags")) if tag[0] not in _BULKY and not tag[0].startswith(_OF_THE_RUN)]
    lists: dict[str, list[Any]] = {
        "params": pairs(_data(model).get("params")),
        "tags": tags,
        "metrics": metrics(_data(model).get("metrics")),
        "artifacts": list(files),
    }
    yield from spread(body, lists.items())


def _whole(value: Any) -> int:
    """Return a number that protobuf's JSON may write as text; 0 for what is none."""
    text = str(value or 0)
    return int(text) if text.removeprefix("-").isdecimal() and len(text) <= _LONGEST_WHOLE else 0


def _data(model: Mapping[str, Any]) -> Mapping[str, Any]:
    data = model.get("data")
    return data if isinstance(data, Mapping) else model


def _info(model: Mapping[str, Any]) -> Mapping[str, Any]:
    info = model.get("info")
    return info if isinstance(info, Mapping) else model
