"""Steps of histories about what stands around models: logged models, files, claims, descriptions, rights, attempts."""

from typing import Any

from graph_schema import names
from tests.properties.world import DIGESTS, MODELS, PEOPLE, PROMPT, RUNS, World

LOGGED = tuple(names.logged_model("mlflow-prod", identifier) for identifier in ("m-1", "m-2"))


def _files(w: World) -> dict[str, Any]:
    read = {"path": "model/é.pkl", "bytes": 3, "digest": w.pick(DIGESTS)}
    listed = {"path": w.pick(("model/é.pkl", "input_example.json")), "sample": True}
    return {"artifacts": w.pick(([], [read], [listed], [read, listed]))}


def _metrics(w: World) -> dict[str, Any]:
    return {"metrics": w.pick(([], [{"key": "auc", "value": w.pick(("0.9", "NaN"))}, {"key": "é", "value": "1e-3"}]))}


def a_logged_model(w: World) -> None:
    """A model logged by one run, used by another, registered under a name."""
    key, (made, ended, later) = w.pick(LOGGED), w.moments(3)
    run, user = w.few(RUNS), w.pick(RUNS)
    w.say("logged_model.observed", {"logged_model": key, "run": run, "state": "pending", "name": "model"}, made)
    body: dict[str, Any] = {"logged_model": key, "state": w.pick(("ready", "failed")), "params": [["lr", "0.1"]]}
    w.say("logged_model.observed", body | _files(w) | _metrics(w), ended)
    if w.maybe():
        w.say("run.observed", {"run": run, "logged_models": [key], **_files(w)}, ended)
    if w.maybe():
        w.say("run.observed", {"run": user, "state": "started", "logged_model_inputs": [key]}, later)
        w.say("logged_model.observed", {"logged_model": key, **_metrics(w)}, later)
    if w.maybe():
        item = w.version(w.few(MODELS) if w.maybe(0.8) else PROMPT, loose=0)
        body = {**item, "logged_model": names.parse(key).parts[1]}
        w.say("model_version.registered", body | ({"run": run} if w.maybe() else {}), later)
    if w.maybe(0.2):
        w.sight("logged_model.observed", {"logged_model": key, "existence": "deleted"}, later, None)


def a_claim(w: World) -> None:
    node = w.pick((w.few(MODELS), names.run(w.few(RUNS)), w.pick(LOGGED)))
    approval = {"means": "approval", "name": "approval_status", "value": w.pick(("yes", "no"))}
    approver = {"means": "approver", "name": "approved_by", "hidden": "anna"}
    one, two = w.moments(2)
    if w.maybe():
        tag = {"node": node, "name": "approved_by", "hidden": "anna", "claims": [approver]}
        w.say("tag.set", tag, one)
        w.say("tag.removed", {"node": node, "name": "approved_by", "meant": w.pick(([], ["approver"]))}, two)
    else:
        w.say("run.observed", {"run": w.few(RUNS), "claims": w.pick(([approval], [approval, approver]))}, one)
        w.say("model_version.registered", {**w.version(loose=0), "claims": [approval]}, two)


def a_description(w: World) -> None:
    said = w.pick(({}, {"description": "scores"}, {"description": "scores better"}))
    w.say("description.changed", {"node": w.few(MODELS), **said})


def a_right_elsewhere(w: World) -> None:
    person = {name: w.pick(PEOPLE)[name] for name in ("issuer",)} | {"subject": w.pick(("anna", "ben"))}
    body = {"person": person, "system": "mlflow:prod", "resource": "registered-model/credit"}
    body |= w.pick(({}, {"permission": "READ"}, {"permission": "MANAGE", "change": "granted"}))
    w.say("permission.observed", body)


def an_attempt(w: World) -> None:
    node = {"node": w.few(MODELS)} if w.maybe() else {}
    if w.maybe():
        w.say("attempt.denied", {"action": "POST x", "status": 403, **node})
    else:
        w.say("attempt.unresolved", {"action": "POST x", "reason": "the process ended", **node})


def an_intent(w: World) -> None:
    body = {"action": "POST x", "act": w.pick(("a-1", "a-2")), **({"node": w.few(MODELS)} if w.maybe() else {})}
    one, two = w.moments(2)
    w.say("attempt.intended", body, one)
    if w.maybe():
        w.say("attempt.concluded", body, two)


MODEL_STEPS = (a_logged_model, a_claim, a_description, a_right_elsewhere, an_attempt, an_intent)
