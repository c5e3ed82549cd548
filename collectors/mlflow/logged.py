"""Logged models as MLflow holds them, whole: from their JSON to facts. Pure.

A logged model comes in two spellings, ``LoggedModel.to_dictionary()`` inside the server and REST's ``{info, data}``
outside of it; both are read here. What it says is cumulative: each fact adds, none replaces. A reading is a sighting,
so nobody is named as its actor; who made and finished the model is told by the requests that did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from collectors.mlflow.act import OBSERVED, Act, fitting, pairs
from collectors.mlflow.parts import spread
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


def observed(act: Act, model: Mapping[str, Any], files: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return the facts that a logged model exists: its run, type, state, parameters, tags and files."""
    return [
        act.fact("logged_model.observed", {"logged_model": names.logged_model(act.registry, identifier(model)), **body},
                 OBSERVED)
        for body in _bodies(model, files)
    ]  # fmt: skip


def _bodies(model: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    info = _info(model)
    data = model.get("data") if isinstance(model.get("data"), Mapping) else model
    body: dict[str, Any] = {
        "run": info.get("source_run_id"),
        "name": fitting(info.get("name") or ""),
        "model_type": str(info.get("model_type") or "")[:1024],
        "experiment": str(info.get("experiment_id") or ""),
        "state": state(info.get("status")),
        "existence": "present",
    }
    tags = [tag for tag in pairs(info.get("tags")) if tag[0] not in _BULKY and not tag[0].startswith(_OF_THE_RUN)]
    params = pairs((data or {}).get("params"))
    yield from spread(body, (("params", params), ("tags", tags), ("artifacts", list(files))))


def _info(model: Mapping[str, Any]) -> Mapping[str, Any]:
    info = model.get("info")
    return info if isinstance(info, Mapping) else model
