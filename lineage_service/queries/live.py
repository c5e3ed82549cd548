"""What was live at an instant: stages, aliases, and what each target served."""

from typing import Any

from graph_schema import names, times
from graph_schema.answers import Answer, Gap, LiveRow, LiveValue
from lineage_service.queries.asking import Asking, node_key
from lineage_service.queries.coverage import MOVEMENT, seen_by
from lineage_service.queries.deployments import NOT_DEPLOYED, holds, told_afterwards
from lineage_service.queries.movements import Movement, movements, subjects_moved, subjects_of_model, target_name
from lineage_service.store.protocol import PointQuery


def live(asking: Asking, target: str | None = None, model: str | None = None) -> Answer[LiveValue]:
    """Answer what held at ``as_of``, of one target (ENVIRONMENT/REGION), of one model, or of all."""
    typed = None
    if model is not None:
        typed = node_key(asking, model if model.startswith(("model:", "prompt:")) else f"model:{model}")
    subjects = subjects_moved(asking, b"", None, swept=False) if typed is None else subjects_of_model(asking, typed)
    held = [
        one
        for one in movements(asking, subjects)
        if holds(one.period, asking.cut.as_of)
        and one.stage not in NOT_DEPLOYED
        and (typed is None or one.model == typed)
        and (target is None or (one.target is not None and target_name(one.target) == target))
    ]
    held.sort(key=lambda one: (one.model, one.target or "", one.stage or "", one.alias or "", one.version))
    modes = _modes(asking, {one.target for one in held if one.target})
    gaps: list[Gap] = []
    rows = [_row(asking, one, modes, gaps) for one in held]
    about_targets = target is not None or any(row["target"] for row in rows)
    seen = seen_by(asking, MOVEMENT, None, asking.cut.as_of, targets=about_targets)
    return asking.answer(
        "live",
        {name: value for name, value in (("target", target), ("model", model)) if value is not None},
        LiveValue(rows=rows),
        seqs=[row["seq"] for row in rows],
        gaps=[*gaps, *seen.gaps],
        coverage=seen.coverage,
        complete=seen.complete,
    )


def _modes(asking: Asking, targets: set[str]) -> dict[tuple[str, str, str], Any]:
    """Return the newest mode and traffic of each (slot, target, model)."""
    found: dict[tuple[str, str, str], Any] = {}
    for slot in ("mode", "traffic"):
        if targets:
            for point in asking.reader.points(PointQuery(subjects=sorted(targets), slot=slot), asking.cut):
                found[(slot, point.subject, point.slot.partition(":")[2])] = point.value
    return found


def _row(asking: Asking, one: Movement, modes: dict[tuple[str, str, str], Any], gaps: list[Gap]) -> LiveRow:
    record = asking.record(one.period.point.seq)
    gaps += told_afterwards(record)
    version = names.parse(one.version)
    mode = modes.get(("mode", one.target or "", one.model), {}).get("mode")
    traffic = modes.get(("traffic", one.target or "", one.model), {}).get("share")
    return {
        "model": version.parts[1],
        "version": version.parts[2],
        "key": one.version,
        "target": None if one.target is None else target_name(one.target),
        "stage": one.stage,
        "alias": one.alias,
        "mode": mode if one.target else None,
        "traffic": traffic if one.target else None,
        "since": times.format_time(one.period.start),
        "deployed_by": asking.party(record),
        "seq": one.period.point.seq,
    }
