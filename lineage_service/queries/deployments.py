"""Who deployed what, when, why, approved by whom."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from graph_schema import names, times
from graph_schema.answers import Answer, DeploymentRow, DeploymentsValue, Gap
from graph_schema.changes import after_instant
from graph_schema.events.base import IMPORTED
from lineage_service.errors import InputError
from lineage_service.queries.asking import LATE_MICROS, Asking, actor_key, node_key
from lineage_service.queries.claims import claims_of, seqs_of
from lineage_service.queries.coverage import MOVEMENT, seen_by
from lineage_service.queries.movements import Movement, movements, subjects_moved, subjects_of_model, target_name
from lineage_service.queries.periods import ARCHIVED, Period

NOT_DEPLOYED: Final = frozenset({"None", ARCHIVED})
MAX_ROWS: Final = 1000
_ABSENT: Final = ""


@dataclass(frozen=True, slots=True)
class DeploymentFilter:
    """Which deployments: of a model, on a target (ENVIRONMENT/REGION), in a stage, by an actor, begun in a period."""

    model: str | None = None
    target: str | None = None
    stage: str | None = None
    actor: str | None = None
    start: int | None = None
    stop: int | None = None
    after: str | None = None
    limit: int = 200


def deployments(asking: Asking, wanted: DeploymentFilter) -> Answer[DeploymentsValue]:
    """Answer who deployed what: every period of a stage, alias or target that began in the interval.

    A stage of None or Archived is listed only when asked for by name. What has no change request is listed
    with ``change`` null, never dropped.
    """
    model = None if wanted.model is None else node_key(asking, typed_model(wanted.model))
    found = [one for one in movements(asking, _subjects(asking, wanted, model)) if _matches(one, wanted, model)]
    found.sort(key=sort_key)
    if wanted.after is not None:
        found = [one for one in found if sort_key(one) > _cursor(wanted.after)]
    page = found[: min(wanted.limit, MAX_ROWS)]
    gaps: list[Gap] = []
    asking.look_up(one.period.point.seq for one in page)
    rows = [_row(asking, one, gaps) for one in page]
    claims = claims_of(asking, (one.version for one in page), gaps)
    for row in rows:
        row["claims"] = claims[row["key"]]
    more = len(found) > len(page)
    if more:
        gaps.append(Gap(kind="limit", subject="deployments", detail=f"{len(found) - len(page)} more rows follow"))
    value = DeploymentsValue(rows=rows, after=orjson.dumps(sort_key(page[-1])).decode() if more else None)
    until = min(asking.cut.as_of, wanted.stop or asking.cut.as_of)
    about_targets = wanted.target is not None or any(row["target"] for row in rows)
    seen = seen_by(asking, MOVEMENT, wanted.start, until, targets=about_targets)
    return asking.answer(
        "deployments",
        _parameters(wanted),
        value,
        seqs=[*(row["seq"] for row in rows), *seqs_of(claims)],
        gaps=[*gaps, *seen.gaps],
        coverage=seen.coverage,
        complete=seen.complete,
    )


def typed_model(model: str) -> str:
    """Return a model as people name it, with its kind in front."""
    return model if model.startswith(("model:", "prompt:")) else f"model:{model}"


def _subjects(asking: Asking, wanted: DeploymentFilter, model: str | None) -> Any:
    if model is not None:
        return subjects_of_model(asking, model)
    start = b"" if wanted.start is None else wanted.start.to_bytes(8, "big")
    stop = None if wanted.stop is None else after_instant(wanted.stop - 1)
    return subjects_moved(asking, start, stop, swept=wanted.stage == ARCHIVED)


def _matches(one: Movement, wanted: DeploymentFilter, model: str | None) -> bool:
    if wanted.stage is None and one.stage in NOT_DEPLOYED:
        return False
    return (
        (wanted.stage is None or one.stage == wanted.stage)
        and (model is None or one.model == model)
        and (wanted.target is None or (one.target is not None and target_name(one.target) == wanted.target))
        and (wanted.actor is None or one.period.point.actor == actor_key(wanted.actor))
        and (wanted.start is None or one.period.start >= wanted.start)
        and (wanted.stop is None or one.period.start < wanted.stop)
    )


def sort_key(one: Movement) -> list[Any]:
    """Return the order of rows, which is also the cursor of a page."""
    return [one.period.start, one.version, one.stage or _ABSENT, one.alias or _ABSENT, one.target or _ABSENT]


def _cursor(text: str) -> list[Any]:
    try:
        cursor = orjson.loads(text)
        return [int(cursor[0]), *(str(part) for part in cursor[1:5])]
    except (orjson.JSONDecodeError, TypeError, ValueError, IndexError, KeyError):
        raise InputError("after is a cursor from an earlier answer's `after`", field="after") from None


def _row(asking: Asking, one: Movement, gaps: list[Gap]) -> DeploymentRow:
    period = one.period
    record = asking.record(period.point.seq)
    body = record["body"]
    version = names.parse(one.version)
    gaps += told_afterwards(record)
    return {
        "model": version.parts[1],
        "version": version.parts[2],
        "key": one.version,
        "target": None if one.target is None else target_name(one.target),
        "stage": one.stage,
        "alias": one.alias,
        "mode": None if one.run is None else one.run.mode,
        "from": times.format_time(period.start),
        "not_before": _text(period.not_before),
        "until": _text(period.until),
        "recorded_at": record["time"],
        "deployed_by": asking.party(record),
        "requested_by": None,
        "approved_by": [],
        "reason": asking.open(record, body.get("reason"), gaps),
        "ticket": body.get("ticket"),
        "digest": body.get("digest"),
        "change": None,
        "seq": period.point.seq,
    }


def told_afterwards(record: dict[str, Any]) -> list[Gap]:
    """Return the gap of a record that was made long after what it tells, or by somebody who first looked then.

    What an import saw is known since the import only: when it began and who did it, nobody recorded (section 8).
    """
    subject = f"record {record['seq']}"
    if record["source"].get("ref") == IMPORTED and record["actor"]["assurance"] == "observed":
        detail = f"known since the import of {record['time'][:19]}Z, who did it and when is not"
        return [Gap(kind="import", subject=subject, detail=detail)]
    if times.parse_time(record["time"]) - times.parse_time(record["occurred_at"]) > LATE_MICROS:
        return [Gap(kind="late", subject=subject, detail="recorded more than 24 h after it happened")]
    return []


def _text(micros: int | None) -> str | None:
    return None if micros is None else times.format_time(micros)


def _parameters(wanted: DeploymentFilter) -> dict[str, Any]:
    given = {"model": wanted.model, "target": wanted.target, "stage": wanted.stage, "actor": wanted.actor}
    period = {"from": _text(wanted.start), "to": _text(wanted.stop), "after": wanted.after, "limit": wanted.limit}
    return {name: value for name, value in (given | period).items() if value is not None}


def holds(period: Period, at: int) -> bool:
    """Tell whether a period holds an instant: begun at or before, not ended at or before."""
    return period.start <= at and (period.until is None or period.until > at)
