"""What the body of each kind of fact says: a second reading, independent of ``graph_schema.fold``.

A body says rows (registers of a node), assertions and withdrawals of edges, and points of slots. Each function takes
one record and yields what it says, in the order of the body; nothing is merged here.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from graph_schema import names, times
from graph_schema.kinds import Edge, How, Role
from tests.properties.reference_data import (
    by_run,
    changed_dataset,
    dataset_version,
    declared_dataset,
    derived_columns,
    describe_dataset_version,
    measured,
    observed_dataset_version,
    output,
    read_input,
)
from tests.properties.reference_said import Body, Said, edge, picked, tags

__all__ = ["READ", "Body", "Said", "by_run", "person", "version"]


def person(item: Body) -> str:
    make = names.service_account if item["id"].startswith("s_") else names.person
    return make(item["id"])


def _describe_person(item: Body) -> Iterator[Said]:
    yield "row", person(item), {word: item[word] for word in ("name", "email") if word in item}


def _seen(record: Body) -> dict[str, Any]:
    if record["actor"]["assurance"] == "observed":
        return {"seen": True, "not_before": record["body"].get("not_before")}
    return {}


def _event(record: Body) -> dict[str, Any]:
    return {"event": record["source"]["event_id"]} if record["source"].get("event_id") else {}


def version(item: Body, created: str = "created_ms") -> str:
    """Return the key of the model or prompt version that an item names."""
    model = names.parse(item["model"])
    make = {"model": names.model_version, "prompt": names.prompt_version}[model.kind]
    return make(model.parts[0], model.parts[1], item["version"], item.get(created))


def _version_of(item: Body) -> Said:
    return edge(version(item), Edge.VERSION_OF, item["model"])


def _run(record: Body) -> Iterator[Said]:
    body = record["body"]
    run, execution = names.run(body["run"]), body.get("execution", "")
    about = picked(body, "name", "experiment", "claimed_start", "claimed_end", "params_sealed", "error", "commit")
    about |= {f"param:{key}": value for key, value in body.get("params", [])}
    about |= {f"metric:{metric['key']}": metric["value"] for metric in body.get("metrics", [])}
    yield "row", run, {"run_id": body["run"]} | about | tags(body) | _claims(body)
    if "state" in body:
        yield "point", run, f"state:{execution}", {"state": body["state"]}
    if "existence" in body:
        yield "point", run, "existence", {"is": body["existence"]}
    yield from _surroundings(body, run)
    for item in body.get("inputs", []):
        yield from read_input(item, run)
    for item in body.get("outputs", []):
        yield from output(item, run, execution)
    for item in body.get("model_inputs", []):
        yield _version_of(item)
        yield edge(run, Edge.USED_MODEL, version(item), roles=Role.UNKNOWN)
    for key in body.get("logged_model_inputs", []):
        yield edge(run, Edge.USED_MODEL, key, roles=Role.UNKNOWN)
    for key in body.get("logged_models", []):
        yield edge(key, Edge.PRODUCED_BY, run)
    yield from _artifacts(body, run)


def _artifacts(body: Body, holder: str) -> Iterator[Said]:
    for item in body.get("artifacts", []):
        yield "row", holder, {f"artifact:{item['path']}": picked(item, "bytes", "digest", "sample")}
        if "digest" in item:
            yield "row", names.document(item["digest"]), {"path": item["path"]}
            yield edge(names.document(item["digest"]), Edge.PART_OF, holder)


def _claims(body: Body) -> dict[str, Any]:
    said = {}
    for one in body.get("claims", []):
        said["claim:" + one["means"] + ":" + one["name"]] = one["value"] if "value" in one else one["hidden"]
    return said


def _surroundings(body: Body, run: str) -> Iterator[Said]:
    if "job" in body:
        yield edge(run, Edge.OF_JOB, _job_key(body["job"]))
    if "commit" in body:
        commit = names.commit(body["commit"]["sha"])
        yield edge(run, Edge.BUILT_FROM, commit)
        if "repository" in body["commit"]:
            repository = names.repository(body["commit"]["repository"])
            yield edge(commit, Edge.IN_REPOSITORY, repository, How.DECLARED)
    if "runtime" in body:
        yield "row", names.runtime(body["runtime"]["digest"]), dict(body["runtime"])
        yield edge(run, Edge.RAN_IN, names.runtime(body["runtime"]["digest"]))
    if "parent" in body:
        yield edge(run, Edge.PARENT, names.run(body["parent"]))
        if "parent_job" in body:
            yield edge(names.run(body["parent"]), Edge.OF_JOB, _job_key(body["parent_job"]), How.DECLARED)
    if "root" in body:
        yield "mention", names.run(body["root"])
        yield "row", run, {"root": names.run(body["root"])}
        if "root_job" in body:
            yield edge(names.run(body["root"]), Edge.OF_JOB, _job_key(body["root_job"]), How.DECLARED)


def _job_key(item: Body) -> str:
    return names.job(item["namespace"], item["name"])


def _declared_job(record: Body) -> Iterator[Said]:
    body = record["body"]
    about = picked(body, "description", "integration", "kind", "processing", "location", "owners", "owners_sealed")
    yield "row", _job_key(body), about | tags(body)


_ABOUT_MODELS = ("description", "location", "logged_model", "digest")


def _declared_model(record: Body) -> Iterator[Said]:
    body = record["body"]
    yield "row", body["model"], picked(body, *_ABOUT_MODELS) | tags(body)
    yield "point", body["model"], "generation", {"is": "created", **_seen(record)}


def _registered(record: Body) -> Iterator[Said]:
    body = record["body"]
    key = version(body)
    yield _version_of(body)
    yield "row", key, picked(body, "created_ms", *_ABOUT_MODELS) | tags(body) | _claims(body)
    if "logged_model" in body and body["model"].startswith("model:"):
        logged = names.logged_model(names.parse(body["model"]).parts[0], body["logged_model"])
        yield edge(key, Edge.DERIVED_FROM, logged)
    yield "point", key, "existence", {"is": "present", **_seen(record)}
    if "run" in body:
        yield edge(key, Edge.PRODUCED_BY, names.run(body["run"]))
    for parent in body.get("derived_from", []):
        yield _version_of(parent)
        yield edge(key, Edge.DERIVED_FROM, version(parent))


def _deleted_version(record: Body) -> Iterator[Said]:
    yield _version_of(record["body"])
    yield "point", version(record["body"]), "existence", {"is": "deleted", **_seen(record)}


def _renamed(record: Body) -> Iterator[Said]:
    body = record["body"]
    yield "point", body["model"], "generation", {"is": "renamed", "to": body["to"]}
    yield "point", body["to"], "generation", {"is": "created", "was": body["model"]}
    for carried in body.get("carried", []):
        old, new = {**carried, "model": body["model"]}, {**carried, "model": body["to"]}
        yield _version_of(old)
        yield _version_of(new)
        yield edge(version(new), Edge.SAME_AS, version(old))
        yield "row", version(new), {"created_ms": carried["created_ms"]}
        yield "point", version(new), "existence", {"is": "present"}


def _deleted_model(record: Body) -> Iterator[Said]:
    yield "point", record["body"]["model"], "generation", {"is": "deleted", **_seen(record)}


def _logged_model(record: Body) -> Iterator[Said]:
    body = record["body"]
    key = body["logged_model"]
    about = picked(body, "name", "model_type", "experiment", "params_sealed")
    about |= {f"param:{name}": value for name, value in body.get("params", [])}
    about |= {f"metric:{metric['key']}": metric["value"] for metric in body.get("metrics", [])}
    yield "row", key, about | tags(body)
    if "run" in body:
        yield edge(key, Edge.PRODUCED_BY, names.run(body["run"]))
    for slot in ("state", "existence"):
        if slot in body:
            yield "point", key, slot, {"is": body[slot], **_seen(record)}
    yield from _artifacts(body, key)


def _description(record: Body) -> Iterator[Said]:
    yield "row", record["body"]["node"], {"description": record["body"].get("description")}


def _tag_set(record: Body) -> Iterator[Said]:
    body = record["body"]
    yield "row", body["node"], {f"tag:{body['name']}": body.get("value", body.get("hidden"))} | _claims(body)


def _tag_removed(record: Body) -> Iterator[Said]:
    body = record["body"]
    ended = {f"claim:{means}:{body['name']}": None for means in body.get("meant", [])}
    yield "row", body["node"], {f"tag:{body['name']}": None} | ended


def _stage(record: Body) -> Iterator[Said]:
    body = record["body"]
    yield _version_of(body)
    yield "point", version(body), "stage", {"to": body["to"], **_event(record), **_seen(record)}
    if body.get("archive_others"):
        yield "point", body["model"], f"swept:{body['to']}", {"kept": version(body), **_event(record)}


def _alias(record: Body) -> Iterator[Said]:
    body = record["body"]
    named = version(body) if "version" in body else None
    if named:
        yield _version_of(body)
    value = {"version": named, **_event(record), **_seen(record)}
    yield "point", body["model"], f"alias:{body['alias']}", value


def _deployment(record: Body) -> Iterator[Said]:
    body = record["body"]
    target = names.target(body["target"]["environment"], body["target"]["region"])
    mode, model = body.get("mode", "serving"), body["model"]
    yield _version_of(body)
    yield "row", target, picked(body["target"], "platform")
    served = {"version": None if mode == "none" else version(body), **_event(record), **_seen(record)}
    yield "point", target, f"live:{model}", served
    yield "point", target, f"mode:{model}", {"mode": mode}
    if "traffic" in body:
        yield "point", target, f"traffic:{model}", {"version": version(body), "share": body["traffic"]}


def _validation(record: Body) -> Iterator[Said]:
    body = record["body"]
    key = names.validation(body["validation"])
    yield _version_of(body)
    about = picked(body, "name", "outcome", "digest", "link", "ticket", "comment")
    yield "row", key, {"checks": body.get("checks", [])} | about
    yield edge(key, Edge.VALIDATES, version(body))
    yield "point", version(body), f"validated:{body['validation']}", {"outcome": body["outcome"]}
    for item in body.get("data", []):
        yield from describe_dataset_version(item, "declared")
        yield edge(key, Edge.USED, dataset_version(item), roles=Role.EVALUATION)
    if "run" in body:
        yield edge(key, Edge.PRODUCED_BY, names.run(body["run"]))


def _commit(record: Body) -> Iterator[Said]:
    body = record["body"]
    key = names.commit(body["sha"])
    people = {role: person(body[role]) for role in ("author", "committer") if role in body}
    for role in people:
        yield from _describe_person(body[role])
    about = picked(body, "sha", "tree", "authored_at", "message", "signature", "changed_paths", "paths")
    yield "row", key, about | people
    yield edge(key, Edge.IN_REPOSITORY, names.repository(body["repository"]))
    for parent in body.get("parents", []):
        yield edge(key, Edge.PARENT, names.commit(parent))


def _branch(record: Body) -> Iterator[Said]:
    body = record["body"]
    commit = names.commit(body["sha"]) if "sha" in body else None
    if commit:
        yield "mention", commit
    forced = {"forced": True} if body.get("forced") else {}
    value = {"commit": commit, **_seen(record), **forced}
    yield "point", names.repository(body["repository"]), f"ref:{body['ref']}", value


def _declared_person(record: Body) -> Iterator[Said]:
    return _describe_person(record["body"]["person"])


def _linked(record: Body) -> Iterator[Said]:
    one, other = record["body"]["person"], record["body"]["same_as"]
    yield from _describe_person(one)
    yield from _describe_person(other)
    yield edge(person(one), Edge.SAME_AS, person(other), How.DECLARED)


def _reported(record: Body) -> Iterator[Said]:
    source = names.source(record["source"]["kind"], record["source"]["instance"])
    covered = picked(record["body"], "covered_from", "covered_to", "cursor", "spooled")
    begun, reached, at = map(
        times.parse_time, (covered["covered_from"], covered["covered_to"], record["occurred_at"])
    )
    sign, delay = "-" if at < reached else "+", abs(at - reached)
    slot = f"covered:{str(begun).zfill(18)}{sign}{delay}"
    yield "point", source, slot, {"clock_offset_us": record["body"].get("clock_offset_us", 0), **covered}


def _withdrawn(record: Body) -> Iterator[Said]:
    body = record["body"]
    if body["type"] in [edge.name for edge in Edge]:
        yield "withdrawal", body["from"], Edge[body["type"]], body["to"], body["source"]


def _opened(record: Body) -> Iterator[Said]:
    source = names.source(record["source"]["kind"], record["source"]["instance"])
    yield "row", source, {"origin": record["body"]["origin"], "method": "in_path"}


def _source(record: Body) -> Iterator[Said]:
    body = record["body"]
    source = names.source(body["kind"], body["instance"])
    if record["type"] == "source.retired":
        yield "point", source, "registered", {"is": False}
        return
    yield "row", source, {word: value for word, value in body.items() if word != "since"}
    yield "point", source, "registered", {"is": True, "since": body.get("since", record["occurred_at"])}


def _right(record: Body) -> Iterator[Said]:
    body = record["body"]
    yield from _describe_person(body["person"])
    yield "point", person(body["person"]), f"role:{body['role']}", {"granted": record["type"] == "role.granted"}


def _permission(record: Body) -> Iterator[Said]:
    body = record["body"]
    yield from _describe_person(body["person"])
    value = {"permission": body.get("permission"), **picked(body, "change"), **_seen(record)}
    yield "point", person(body["person"]), f"permission:{body['system']} {body['resource']}", value


def _attempt(record: Body) -> Iterator[Said]:
    body = record["body"]
    outcome = {"attempt.denied": "denied", "attempt.unresolved": "unknown"}[record["type"]]
    if "node" in body:
        yield "point", body["node"], "attempt", {"action": body["action"], "outcome": outcome}


def _intent(record: Body) -> Iterator[Said]:
    body = record["body"]
    if "node" in body:
        concluded = record["type"] == "attempt.concluded"
        yield "point", body["node"], f"intent:{body['act']}", {"action": body["action"], "concluded": concluded}


def _nothing(_record: Body) -> Iterator[Said]:
    return iter(())


READ: Final[dict[str, Callable[[Body], Iterator[Said]]]] = {
    "run.observed": _run,
    "job.declared": _declared_job,
    "dataset.changed": changed_dataset,
    "dataset.measured": measured,
    "columns.derived": derived_columns,
    "dataset.declared": declared_dataset,
    "dataset_version.observed": observed_dataset_version,
    "model.declared": _declared_model,
    "model_version.registered": _registered,
    "model_version.deleted": _deleted_version,
    "model.renamed": _renamed,
    "model.deleted": _deleted_model,
    "logged_model.observed": _logged_model,
    "description.changed": _description,
    "permission.observed": _permission,
    "tag.set": _tag_set,
    "tag.removed": _tag_removed,
    "stage.transitioned": _stage,
    "alias.moved": _alias,
    "alias.removed": _alias,
    "deployment.changed": _deployment,
    "validation.recorded": _validation,
    "commit.observed": _commit,
    "branch.moved": _branch,
    "person.declared": _declared_person,
    "identity.linked": _linked,
    "collector.reported": _reported,
    "edge.withdrawn": _withdrawn,
    "ledger.opened": _opened,
    "source.registered": _source,
    "source.retired": _source,
    "role.granted": _right,
    "role.revoked": _right,
    "attempt.denied": _attempt,
    "attempt.unresolved": _attempt,
    "attempt.intended": _intent,
    "attempt.concluded": _intent,
    "access.denied": _nothing,
    "payload.quarantined": _nothing,
    "clock.anomaly": _nothing,
    "graph.sealed": _nothing,
}
"""How to read a record of each type."""
