"""Everything that happened to a node: the records that set a property or a point of it."""

from typing import Any

from graph_schema import names
from graph_schema.answers import Answer, Gap, HistoryRow, HistoryValue
from graph_schema.changes import instant_of
from lineage_service.errors import InputError
from lineage_service.queries.asking import Asking, node_key
from lineage_service.queries.coverage import LINEAGE, MOVEMENT, seen_by
from lineage_service.queries.deployments import late
from lineage_service.queries.versions import VersionNames, same_versions, undated, versions_of
from lineage_service.store.protocol import Point, PointQuery

MAX_ROWS = 1000
INTENT = "intent:"
"""Slots of intents: one that is concluded is no row, since what came of it is; an open one says nobody saw that."""


def history(asking: Asking, node: str, after: str | None = None, limit: int = 200) -> Answer[HistoryValue]:
    """Answer what happened to a node, oldest first: to a version under all its names, to a model with its versions."""
    key = node_key(asking, node)
    happened = _happened(asking, key)
    orders = sorted(order for order in happened if after is None or order > _cursor(after))
    page = orders[: min(limit, MAX_ROWS)]
    gaps: list[Gap] = []
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
    for subject, facts in asking.reader.nodes(subjects, asking.cut, every=True).items():
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
    if late(record):
        gaps.append(Gap(kind="late", subject=f"record {seq}", detail="recorded more than 24 h after it happened"))
    return HistoryRow(
        occurred_at=record["occurred_at"],
        recorded_at=record["time"],
        type=record["type"],
        what=_what(record["type"], body),
        actor=asking.party(record),
        reason=asking.open(record, body.get("reason"), gaps),
        ticket=body.get("ticket"),
        seq=seq,
    )


def _what(event_type: str, body: dict[str, Any]) -> str:
    """Return one line that says what a record tells."""
    version = f"version {body['version']}" if "version" in body else ""
    words = {
        "stage.transitioned": lambda: f"{version} moved to {body['to']}"
        + (", all others there archived" if body.get("archive_others") else ""),
        "alias.moved": lambda: f"alias {body['alias']} names {version}",
        "alias.removed": lambda: f"alias {body['alias']} removed",
        "deployment.changed": lambda: f"{version} {body.get('mode', 'serving')} on "
        f"{body['target']['environment']}/{body['target']['region']}",
        "model_version.registered": lambda: f"{version} registered"
        + (f" from run {body['run']}" if "run" in body else ""),
        "model_version.deleted": lambda: f"{version} deleted",
        "model.renamed": lambda: f"renamed to {names.parse(body['to']).parts[1]}",
        "run.observed": lambda: f"run {body.get('state', 'described')}",
        "attempt.denied": lambda: f"denied: {body['action']}",
        "attempt.unresolved": lambda: f"outcome unknown: {body['action']}",
        "attempt.intended": lambda: f"outcome unknown: {body['action']}",
        "tag.set": lambda: f"tag {body['name']} set",
        "tag.removed": lambda: f"tag {body['name']} removed",
    }
    return words.get(event_type, lambda: event_type.replace(".", " ").replace("_", " "))()
