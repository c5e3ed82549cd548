"""What was live at an instant: stages, aliases, and what each target served."""

from graph_schema import names, times
from graph_schema.answers import Answer, Gap, LiveRow, LiveValue
from lineage_service.queries.asking import Asking, node_key
from lineage_service.queries.coverage import MOVEMENT, seen_by
from lineage_service.queries.deployments import NOT_DEPLOYED, holds, told_afterwards, typed_model
from lineage_service.queries.movements import Movement, movements, subjects_moved, subjects_of_model, target_name


def live(asking: Asking, target: str | None = None, model: str | None = None) -> Answer[LiveValue]:
    """Answer what held at ``as_of``, of one target (ENVIRONMENT/REGION), of one model, or of all."""
    typed = None
    if model is not None:
        typed = node_key(asking, typed_model(model))
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
    gaps: list[Gap] = []
    asking.look_up(one.period.point.seq for one in held)
    rows = [_row(asking, one, gaps) for one in held]
    about_targets = target is not None or any(row["target"] for row in rows)
    seen = seen_by(asking, MOVEMENT, None, asking.cut.as_of, targets=about_targets)
    return asking.answer(
        "live",
        {name: value for name, value in (("target", target), ("model", model)) if value is not None},
        LiveValue(rows=rows),
        seqs=[*(row["seq"] for row in rows), *(one.run.newest.point.seq for one in held if one.run)],
        gaps=[*gaps, *seen.gaps],
        coverage=seen.coverage,
        complete=seen.complete,
    )


def _row(asking: Asking, one: Movement, gaps: list[Gap]) -> LiveRow:
    record = asking.record(one.period.point.seq)
    gaps += told_afterwards(record)
    version = names.parse(one.version)
    return {
        "model": version.parts[1],
        "version": version.parts[2],
        "key": one.version,
        "target": None if one.target is None else target_name(one.target),
        "stage": one.stage,
        "alias": one.alias,
        "mode": None if one.run is None else one.run.mode,
        "traffic": None if one.run is None else one.run.newest.share,
        "since": times.format_time(one.period.start),
        "deployed_by": asking.party(record),
        "seq": one.period.point.seq,
    }
