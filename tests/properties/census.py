"""Which special cases a history holds, so that a run of examples can show that each was tried.

The cases are read off the wire events, not off the steps that sent them. A case says that the facts are there, not
that an answer depends on them.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from graph_schema import names
from tests.properties import reference_bodies
from tests.properties.records import Sent, record_of

CASES: Final = frozenset(
    {
        "late fact",
        "exact duplicate",
        "same fact from another source",
        "same instant",
        "same instant and source, other order",
        "withdrawn before the assertion",
        "withdrawn after the assertion",
        "failed, then complete",
        "rerun, unnamed",
        "rerun, named",
        "outputs named and unnamed by one execution",
        "output of a failed execution",
        "write without a run",
        "read with digest",
        "read without digest",
        "read and used",
        "hint identity",
        "content identity",
        "same datasets",
        "derived dataset version",
        "identities linked",
        "service account",
        "on behalf of",
        "rename with versions",
        "rename without versions",
        "model deleted, then declared",
        "one number, several creations",
        "version deleted",
        "version deleted without creation time",
        "no creation time: stage",
        "no creation time: alias",
        "no creation time: deployment",
        "no creation time: edge",
        "no creation time: tag",
        "sighting with window",
        "sighting without window",
        "sighting of an act",
        "sweep",
        "sweep with event id",
        "sweep with the collector's own facts",
        "stage None",
        "alias removed",
        "deployment with traffic",
        "deployment ended",
        "deployment in shadow",
        "deployment without traffic",
        "validation",
        "validation on data",
        "no creation time: validation",
        "clock offset",
        "tag set",
        "tag removed",
        "prompt",
        "commit",
        "logged model made, used, registered",
        "file without digest",
        "claim removed",
        "description removed",
        "right elsewhere",
        "attempt denied",
        "attempt of unknown outcome",
        "stated origin",
        "nothing stated of one output, an origin of another",
        "columns, direct and indirect",
        "measure of what a run wrote",
        "measure of what a run read",
        "measure without a run",
        "dataset renamed",
        "job declared",
        "intent",
        "intent concluded",
    }
)

Event = Mapping[str, Any]
HOUR: Final = "2026-03-01T01:00:00.000000Z"


def census(history: Sequence[Sent]) -> set[str]:
    """Return the cases that occur in a history."""
    events = [sent.event for sent in history]
    found = set(_of_order(history)) | set(_of_withdrawals(history))
    for event in events:
        found |= set(_of_one(event))
    found |= set(_of_runs(events)) | set(_of_models(events)) | set(_of_logged_models(events))
    return found | set(_of_sightings(events))


def _of_order(history: Sequence[Sent]) -> Iterator[str]:
    newest = ""
    for sent in history:
        if sent.event["occurred_at"] < HOUR <= newest:
            yield "late fact"
        newest = max(newest, sent.event["occurred_at"])
    for i, sent in enumerate(history):
        for other in history[:i]:
            if sent == other:
                yield "exact duplicate"
            elif sent.event["occurred_at"] == other.event["occurred_at"]:
                yield "same instant"
                if sent[1:] == other[1:] and sent.event["source"].get("order", 0) != other.event["source"].get("order"):
                    yield "same instant and source, other order"
                if sent[1:] != other[1:] and sent.event["body"] == other.event["body"]:
                    yield "same fact from another source"


def _of_withdrawals(history: Sequence[Sent]) -> Iterator[str]:
    for i, sent in enumerate(history):
        if sent.event["type"] == "edge.withdrawn":
            body = sent.event["body"]
            gone = body["from"], body["type"], body["to"]
            for j, other in enumerate(history):
                if names.source(*other[1:]) == body["source"] and gone in _edges(other):
                    yield f"withdrawn {'before' if i < j else 'after'} the assertion"


def _edges(sent: Sent) -> list[tuple[str, str, str]]:
    said = reference_bodies.READ[sent.event["type"]](record_of(sent))
    return [(part[1], part[2].name, part[3]) for part in said if part[0] == "edge"]


def _of_one(event: Event) -> Iterator[str]:
    word, body, actor = event["type"], event["body"], event["actor"]
    simple = {
        "commit.observed": "commit",
        "identity.linked": "identities linked",
        "model_version.deleted": "version deleted",
        "alias.removed": "alias removed",
        "tag.set": "tag set",
        "tag.removed": "tag removed",
        "permission.observed": "right elsewhere",
        "attempt.denied": "attempt denied",
        "attempt.unresolved": "attempt of unknown outcome",
        "job.declared": "job declared",
        "attempt.intended": "intent",
        "attempt.concluded": "intent concluded",
    }
    flags = {
        simple.get(word, ""): True,
        "service account": actor.get("kind") == "service_account",
        "on behalf of": "on_behalf_of" in actor,
        "same datasets": "same_as" in body and word == "dataset.declared",
        "write without a run": word == "dataset_version.observed" and "run" not in body,
        "derived dataset version": word == "dataset_version.observed" and "derived_from" in body,
        "rename with versions": word == "model.renamed" and bool(body["carried"]),
        "rename without versions": word == "model.renamed" and not body["carried"],
        "sweep": body.get("archive_others", False),
        "sweep with event id": body.get("archive_others", False) and "event_id" in event["source"],
        "stage None": word == "stage.transitioned" and body["to"] == "None",
        "deployment with traffic": "traffic" in body,
        "deployment in shadow": body.get("mode") == "shadow",
        "deployment without traffic": body.get("traffic") == "0",
        "deployment ended": body.get("mode") == "none",
        "validation": word == "validation.recorded",
        "validation on data": word == "validation.recorded" and "data" in body,
        "clock offset": body.get("clock_offset_us", 0) != 0,
        "file without digest": any("digest" not in file for file in body.get("artifacts", [])),
        "claim removed": bool(body.get("meant")),
        "description removed": word == "description.changed" and "description" not in body,
        "prompt": str(body.get("model", "")).startswith("prompt:"),
    }
    yield from (case for case, holds in flags.items() if case and holds)
    yield from _of_data(body)
    yield from _of_described_data(word, body)
    yield from _of_loose(word, body)


def _of_data(body: Event) -> Iterator[str]:
    inputs = body.get("inputs", [])
    used = {(item["namespace"], item["name"]) for item in inputs if "version" in item}
    for item in inputs:
        if "version" not in item:
            yield "read with digest" if "digest" in item else "read without digest"
            if (item["namespace"], item["name"]) in used:
                yield "read and used"
    for item in (*inputs, *body.get("outputs", []), body):
        if item.get("identity") in ("hint", "content"):
            yield f"{item['identity']} identity"


def _of_described_data(word: str, body: Event) -> Iterator[str]:
    stated = {"made_of" in item for item in body.get("outputs", [])}
    if True in stated:
        yield "stated origin"
        if False in stated:
            yield "nothing stated of one output, an origin of another"
    if word == "columns.derived":
        ways = {way["type"] for group in body["derived"] for item in group["inputs"] for way in item["transformations"]}
        if {"DIRECT", "INDIRECT"} <= ways:
            yield "columns, direct and indirect"
    if word == "dataset.measured":
        yield f"measure of what a run {body['side'].replace('written', 'wrote')}" if "run" in body else (
            "measure without a run"
        )
    if word == "dataset.changed" and body["change"] == "rename":
        yield "dataset renamed"


def _of_loose(word: str, body: Event) -> Iterator[str]:
    slots = {"stage.transitioned": "stage", "alias.moved": "alias", "deployment.changed": "deployment"}
    if "version" in body and "model" in body and "created_ms" not in body:
        if word in slots:
            yield f"no creation time: {slots[word]}"
        if word == "validation.recorded":
            yield "no creation time: validation"
        if word == "model_version.deleted":
            yield "version deleted without creation time"
    others = [item for item in (*body.get("derived_from", []), *body.get("model_inputs", [])) if "model" in item]
    if any("created_ms" not in item for item in others):
        yield "no creation time: edge"
    if str(body.get("node", "")).endswith("@?"):
        yield "no creation time: tag"


Execution = tuple[str, str]


def _of_runs(events: Sequence[Event]) -> Iterator[str]:
    states: dict[Execution, list[tuple[str, str]]] = {}
    for event in events:
        if "state" in event["body"]:
            states.setdefault(_execution(event), []).append((event["occurred_at"], event["body"]["state"]))
    for execution, seen in states.items():
        if any(one == "failed" and other == "complete" for (_, one), (_, other) in pairwise(sorted(seen))):
            yield "failed, then complete"
        if not execution[1] and len({at for at, word in seen if word == "started"}) > 1:
            yield "rerun, unnamed"
    if any(len({name for run, name in states if run == one and name}) > 1 for one, _ in states):
        yield "rerun, named"
    yield from _of_outputs(events, {one for one, seen in states.items() if any(word == "failed" for _, word in seen)})


def _of_outputs(events: Sequence[Event], failed: set[Execution]) -> Iterator[str]:
    outputs: dict[tuple[Execution, str], set[bool]] = {}
    for event in events:
        body = event["body"]
        written = [body] if event["type"] == "dataset_version.observed" and "run" in body else body.get("outputs", [])
        for item in written:
            outputs.setdefault((_execution(event), item["name"]), set()).add("version" in item)
    if any(execution in failed for execution, _ in outputs):
        yield "output of a failed execution"
    if {True, False} in outputs.values():
        yield "outputs named and unnamed by one execution"


def _execution(event: Event) -> Execution:
    return event["body"].get("run", ""), event["body"].get("execution", "")


def _of_models(events: Sequence[Event]) -> Iterator[str]:
    creations: dict[tuple[str, str], set[int]] = {}
    for event in events:
        body = event["body"]
        if event["type"] == "model_version.registered":
            creations.setdefault((body["model"], body["version"]), set()).add(body["created_ms"])
    if any(len(times) > 1 for times in creations.values()):
        yield "one number, several creations"
    ends = [(e["body"]["model"], e["occurred_at"]) for e in events if e["type"] == "model.deleted"]
    begins = [(e["body"]["model"], e["occurred_at"]) for e in events if e["type"] == "model.declared"]
    if any(model == other and end < begin for model, end in ends for other, begin in begins):
        yield "model deleted, then declared"
    swept = [e for e in events if e["body"].get("archive_others")]
    own = {(e["occurred_at"], e["source"].get("event_id")) for e in events if e["body"].get("to") == "Archived"}
    if any((e["occurred_at"], e["source"].get("event_id")) in own for e in swept):
        yield "sweep with the collector's own facts"


def _of_logged_models(events: Sequence[Event]) -> Iterator[str]:
    bodies = [(event["type"], event["body"]) for event in events]
    made = {body["logged_model"] for word, body in bodies if word == "logged_model.observed"}
    used = {key for _, body in bodies for key in body.get("logged_model_inputs", [])}
    registered = {
        names.logged_model(names.parse(body["model"]).parts[0], body["logged_model"])
        for word, body in bodies
        if word == "model_version.registered" and "logged_model" in body
    }
    if made & used & registered:
        yield "logged model made, used, registered"


def _of_sightings(events: Sequence[Event]) -> Iterator[str]:
    acts = [_act(event) for event in events if event["actor"]["assurance"] != "observed"]
    for event in events:
        if event["actor"]["assurance"] == "observed":
            yield "sighting with window" if "not_before" in event["body"] else "sighting without window"
            if _act(event) in acts:
                yield "sighting of an act"


def _act(event: Event) -> tuple[str, Event]:
    return event["type"], {name: value for name, value in event["body"].items() if name != "not_before"}
