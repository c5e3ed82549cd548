"""From a request about a logged model to facts: made, given parameters, finished, tagged, deleted; and what runs name.

A logged model is a node of its own (decision 11). The facts are cumulative: each says what its request said. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from collectors.mlflow import logged
from collectors.mlflow.act import Act, fitting, pairs, present
from collectors.mlflow.parts import in_parts
from graph_schema import names
from graph_schema.clear_keys import CLEAR_KEYS

Facts = Iterator[dict[str, Any]]


def models_made(act: Act) -> Facts:
    """Give facts that a run named the logged models it made, from the body of ``runs/outputs``."""
    for part in in_parts(logged.keys(act.registry, act.fields.get("models")), logged.MOST_NAMED):
        yield act.fact("run.observed", {"run": str(act.fields.get("run_id")), "logged_models": part})


def _created(act: Act) -> Facts:
    info = _info(act)
    body = {
        "run": info.get("source_run_id") or act.fields.get("source_run_id"),
        "name": fitting(info.get("name") or act.fields.get("name") or ""),
        "model_type": str(info.get("model_type") or act.fields.get("model_type") or "")[:1024],
        "experiment": str(info.get("experiment_id") or act.fields.get("experiment_id") or ""),
        "state": logged.state(info.get("status")),
        "existence": "present",
        "params": pairs(act.fields.get("params"))[:1000],
        "tags": pairs(act.fields.get("tags"))[:1000],
    }
    yield from _observed(act, str(info["model_id"]), body)


def _given_params(act: Act) -> Facts:
    yield from _observed(act, _named(act), {"params": pairs(act.fields.get("params"))[:1000]})


def _finished(act: Act) -> Facts:
    state = logged.state(_info(act).get("status") or act.fields.get("status"))
    yield from _observed(act, _named(act), {"state": state})


def _deleted(act: Act) -> Facts:
    yield from _observed(act, _named(act), {"existence": "deleted"})


def _tagged(act: Act) -> Facts:
    for key, value in pairs(act.fields.get("tags")):
        shown = {"value": value[:1024]} if key in CLEAR_KEYS else {"hidden": value}
        claims = act.conventions.claims([(key, value)])
        node = names.logged_model(act.registry, _named(act))
        tag = act.fact("tag.set", {"node": node, "name": key[:1024], "claims": claims})
        yield {**tag, "body": {**tag["body"], **shown}}


def _untagged(act: Act) -> Facts:
    node = names.logged_model(act.registry, _named(act))
    key = str(act.fields["tag_key"])
    yield act.fact("tag.removed", {"node": node, "name": key, "meant": act.conventions.meant(key)})


def _observed(act: Act, identifier: str, body: Mapping[str, Any]) -> Facts:
    key = names.logged_model(act.registry, identifier)
    yield act.fact("logged_model.observed", {"logged_model": key, **present(body), **act.window})


def _named(act: Act) -> str:
    return str(act.fields["model_id"])


def _info(act: Act) -> Mapping[str, Any]:
    model = act.response.get("model")
    info = model.get("info") if isinstance(model, Mapping) else None
    return info if isinstance(info, Mapping) else {}


FACTS: Final[Mapping[str, Callable[[Act], Facts]]] = {
    "POST logged-models": _created,
    "POST logged-models/<model_id>/params": _given_params,
    "PATCH logged-models/<model_id>": _finished,
    "DELETE logged-models/<model_id>": _deleted,
    "PATCH logged-models/<model_id>/tags": _tagged,
    "DELETE logged-models/<model_id>/tags/<tag_key>": _untagged,
}
