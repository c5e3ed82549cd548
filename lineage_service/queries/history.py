"""Everything that happened to a node: the records that set a property or a point of it."""

from typing import Any

from graph_schema import names
from graph_schema.answers import Answer, Gap, HistoryRow, HistoryValue
from graph_schema.changes import instant_of
from lineage_service.errors import InputError
from lineage_service.queries.asking import Asking, node_key
from lineage_service.queries.coverage import LINEAGE, MOVEMENT, seen_by
from lineage_service.queries.deployments import told_afterwards
from lineage_service.queries.versions import VersionNames, same_versions, undated, versions_of
from lineage_service.store.protocol import Point, PointQuery

MAX_ROWS = 1000
_SHORT_DIGEST = 12
INTENT = "intent:"
"""Slots of intents: one that is concluded is no row, since what came of it is; an open one says nobody saw that."""


def history(asking: Asking, node: str, after: str | None = None, limit: int = 200) -> Answer[HistoryValue]:
    """Answer what happened to a node, oldest first: to a version under all its names, to a model with its versions."""
    key = node_key(asking, node)
    happened = _happened(asking, key)
    orders = sorted(order for order in happened if after is None or order > _cursor(after))
    page = orders[: min(limit, MAX_ROWS)]
    gaps: list[Gap] = []
    asking.look_up(happened[order] for order in page)
    rows = [_row(asking, happened[order], gaps) for order in page]
    more = len(orders) > len(page)
    if more:
        gaps.append(Gap(kind="limit", subject=key, detail=f"{len(orders) - len(page)} more records follow"))
    seen = seen_by(asking, LINEAGE | MOVEMENT, None, asking.cut.as_of)
    return asking.answer(
        "history",
        {"node": node, "limit": limit} | ({"after": after} if after else {}),
        HistoryValue(node=key, rows=rows, after=page[-1].hex() if more else None),
        seqs=[row["seq"] for row in rows],
        gaps=[*gaps, *seen.gaps],
        coverage=seen.coverage,
        complete=seen.complete,
    )


def _happened(asking: Asking, key: str) -> dict[bytes, int]:
    """Return the seq of each record that set something of a node, by order key."""
    kind = names.kind_of(key)
    version_names = VersionNames(asking)
    subjects, about = {key}, {key}
    versions = versions_of(asking, key) if kind in {"model", "prompt"} else []
    if kind in {"model_version", "prompt_version"}:
        versions = [version_names.resolve(key, asking.cut.as_of)]
        about = set()
    if versions:
        about |= set().union(*same_versions(asking, versions).values())
        subjects = about | {undated(one) for one in about if names.kind_of(one).endswith("_version")}
        version_names.prepare(subjects)
    happened: dict[bytes, int] = {}
    for subject, facts in asking.reader.nodes(subjects, asking.cut, every=subjects).items():
        for row in facts.rows:
            if version_names.resolve(subject, instant_of(row.order)) in about:
                happened[row.order] = row.seq
    points = list(asking.reader.points(PointQuery(subjects=sorted(subjects)), asking.cut))
    concluded = {(point.subject, point.slot) for point in points if _concludes(point)}
    for point in points:
        if (point.subject, point.slot) in concluded:
            continue
        if version_names.resolve(point.subject, instant_of(point.order)) in about:
            happened[point.order] = point.seq
    return happened


def _concludes(point: Point) -> bool:
    return point.slot.startswith(INTENT) and point.value["concluded"] is True


def _cursor(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError("after is a cursor from an earlier answer's `after`", field="after") from None


def _row(asking: Asking, seq: int, gaps: list[Gap]) -> HistoryRow:
    record = asking.record(seq)
    body = record["body"]
    if record["type"] in {"attempt.unresolved", "attempt.intended"}:
        detail = "whether this change was made is not known"
        gaps.append(Gap(kind="not_recorded", subject=f"record {seq}", detail=detail))
    gaps += told_afterwards(record)
    return HistoryRow(
        occurred_at=record["occurred_at"],
        recorded_at=record["time"],
        type=record["type"],
        what=_what(record["type"], body, seen=record["actor"]["assurance"] == "observed"),
        actor=asking.party(record),
        reason=asking.open(record, body.get("reason", body.get("comment")), gaps),
        ticket=body.get("ticket"),
        seq=seq,
    )


def _verdict(body: dict[str, Any]) -> str:
    """Return what a validation found: its outcome, and each measurement against its threshold."""
    found = f"{body['outcome']} validation {body['name']}"
    if body["outcome"] == "inconclusive":
        found = f"validation {body['name']} was inconclusive"
    checks = [f"{check['metric']} {check['value']}{_judgement(check)}" for check in body.get("checks", ())]
    return f"{found}: {', '.join(checks)}" if checks else found


def _judgement(check: dict[str, Any]) -> str:
    if "passed" not in check:
        return ""
    return f" ({'' if check['passed'] else 'not '}{check['comparison']} {check['threshold']})"


def _registration(body: dict[str, Any]) -> str:
    """Return how a version came, or, where only its files were read afterwards, that they were."""
    if "digest" in body and "run" not in body and "location" not in body:
        algorithm, _, value = str(body["digest"]).partition(":")
        return f"seen to hold files of digest {algorithm}:{value[:_SHORT_DIGEST]}"
    return "registered" + (f" from run {body['run']}" if "run" in body else "")


def _what(event_type: str, body: dict[str, Any], *, seen: bool) -> str:
    """Return one line that says what a record tells.

    A sighting says what was seen, an act what was done: both of one movement are two records and one movement.
    """
    version = f"version {body['version']}" if "version" in body else ""
    words = {
        "stage.transitioned": lambda: f"{version} {'seen in' if seen else 'moved to'} {body['to']}"
        + (", all others there archived" if body.get("archive_others") else ""),
        "alias.moved": lambda: f"alias {body['alias']} {'seen to name' if seen else 'names'} {version}",
        "alias.removed": lambda: f"alias {body['alias']} {'seen to be gone' if seen else 'removed'}",
        "deployment.changed": lambda: f"{version} {body.get('mode', 'serving')} on "
        f"{body['target']['environment']}/{body['target']['region']}"
        + (f" with {body['traffic']} of the traffic" if "traffic" in body else ""),
        "validation.recorded": lambda: f"{version}: {_verdict(body)}",
        "model_version.registered": lambda: f"{version} {_registration(body)}",
        "model_version.deleted": lambda: f"{version} {'seen to be gone' if seen else 'deleted'}",
        "model.renamed": lambda: f"renamed to {names.parse(body['to']).parts[1]}",
        "run.observed": lambda: f"run {body.get('state') or body.get('existence') or 'described'}",
        "logged_model.observed": lambda: f"logged model {body.get('existence') or body.get('state') or 'described'}",
        "description.changed": lambda: "description " + ("changed" if "description" in body else "removed"),
        "permission.observed": lambda: f"{body.get('permission') or 'no right'} on {body['resource']}"
        f" of {body['system']}"
        + (f" ({body['change']})" if "change" in body else ""),
        "attempt.denied": lambda: f"denied: {body['action']}",
        "attempt.unresolved": lambda: f"outcome unknown: {body['action']}",
        "attempt.intended": lambda: f"outcome unknown: {body['action']}",
        "tag.set": lambda: f"tag {body['name']} set",
        "tag.removed": lambda: f"tag {body['name']} removed",
    }
    return words.get(event_type, lambda: event_type.replace(".", " ").replace("_", " "))()
