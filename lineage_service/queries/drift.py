"""What targets serve beside what the registry calls Production (specification: section 8, drift)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from graph_schema import names, times
from graph_schema.answers import Answer, DriftRow, DriftValue, DriftVerdict, Gap
from graph_schema.changes import after_instant
from lineage_service.queries.asking import Asking, node_key
from lineage_service.queries.coverage import MOVEMENT, seen_by
from lineage_service.queries.deployments import holds, told_afterwards, typed_model
from lineage_service.queries.movements import (
    Movement,
    Subjects,
    movements,
    subjects_moved,
    subjects_of_model,
    target_name,
)
from lineage_service.queries.serving import SERVING
from lineage_service.queries.versions import bearing, model_of, renames_of, same_versions, versions_of

PRODUCTION: Final = "Production"
Held = tuple[str, frozenset[str], Movement]
"""The model a version belongs to at the instant asked for, all its names, and what it holds."""


@dataclass(slots=True)
class _Judge:
    """Makes rows of one question, and the gaps and records that belong to them."""

    asking: Asking
    registered: dict[str, list[Held]]
    gaps: list[Gap] = field(default_factory=list)
    seqs: set[int] = field(default_factory=set)

    def served(self, held: Held) -> DriftRow:
        """Return the row of something that a target runs."""
        model, thing, one = held
        registered = self.registered.get(model, [])
        called = next((other for other in registered if other[1] == thing), registered[-1] if registered else None)
        verdict: DriftVerdict = "registry_has_none"
        if one.run is not None and one.run.mode != SERVING:
            verdict = "shadow"
        elif called is not None:
            verdict = "same" if called[1] == thing else "other"
        return self._row(model, one, called, verdict)

    def not_served(self, held: Held) -> DriftRow:
        """Return the row of something that the registry calls Production and no target serves."""
        return self._row(held[0], None, held, "not_served")

    def _row(self, model: str, one: Movement | None, called: Held | None, verdict: DriftVerdict) -> DriftRow:
        record = None if one is None else self._record(one)
        registered = None if called is None else self._record(called[2])
        others = [other[2].version for other in self.registered.get(model, []) if other is not called]
        run = None if one is None else one.run
        return {
            "model": names.parse(model).parts[1],
            "target": None if one is None or one.target is None else target_name(one.target),
            "mode": None if run is None else run.mode,
            "traffic": None if run is None else run.newest.share,
            "version": None if one is None else _number(one),
            "key": None if one is None else one.version,
            "since": None if one is None else times.format_time(one.period.start),
            "deployed_by": None if record is None else self.asking.party(record),
            "seq": None if one is None else one.period.point.seq,
            "registry_version": None if called is None else _number(called[2]),
            "registry_key": None if called is None else called[2].version,
            "registry_since": None if called is None else times.format_time(called[2].period.start),
            "registry_by": None if registered is None else self.asking.party(registered),
            "registry_seq": None if called is None else called[2].period.point.seq,
            "registry_others": [names.parse(version).parts[2] for version in others],
            "verdict": verdict,
        }

    def _record(self, one: Movement) -> dict[str, object]:
        """Return the record that began a period; a late one is a gap, told once."""
        seq = one.period.point.seq
        record = self.asking.record(seq)
        if seq not in self.seqs:
            self.gaps += told_afterwards(record)
        self.seqs |= {seq} if one.run is None else {seq, one.run.newest.point.seq}
        return record


def drift(
    asking: Asking, target: str | None = None, model: str | None = None, alias: str | None = None
) -> Answer[DriftValue]:
    """Answer what each target serves beside what the registry calls Production, or names by an alias, at ``as_of``.

    With a target only what it serves is listed: what it does not serve, another may.
    """
    typed = None if model is None else node_key(asking, typed_model(model))
    held = [one for one in movements(asking, _subjects(asking, typed)) if holds(one.period, asking.cut.as_of)]
    at_targets = _belonging(asking, (one for one in held if one.target is not None), typed)
    registered = _belonging(
        asking, (one for one in held if (one.stage == PRODUCTION if alias is None else one.alias == alias)), typed
    )
    asking.look_up({one.period.point.seq for _, _, one in (*at_targets, *registered)})
    judge = _Judge(asking, _by_model(registered))
    rows = [judge.served(one) for one in at_targets if target is None or target_name(one[2].target or "") == target]
    if target is None:
        served = {one[1] for one in at_targets if one[2].run is not None and one[2].run.mode == SERVING}
        rows += [judge.not_served(one) for one in registered if one[1] not in served]
    rows.sort(key=lambda row: (row["model"], row["target"] or "\U0010ffff", row["key"] or row["registry_key"] or ""))
    seen = seen_by(asking, MOVEMENT, None, asking.cut.as_of, targets=True, registries=True)
    asked = {"target": target, "model": model, "registry_alias": alias}
    return asking.answer(
        "drift",
        {"drift": True, **{name: value for name, value in asked.items() if value is not None}},
        DriftValue(rows=rows),
        seqs=judge.seqs,
        gaps=[*judge.gaps, *seen.gaps],
        coverage=seen.coverage,
        complete=seen.complete,
    )


def _subjects(asking: Asking, model: str | None) -> Subjects:
    """Return what may have moved; of a model under each name that its versions bore."""
    if model is None:
        return subjects_moved(asking, b"", None, swept=False)
    things = same_versions(asking, versions_of(asking, model)).values()
    family = sorted({model, *(model_of(key) for thing in things for key in thing)})
    found = [subjects_of_model(asking, one) for one in family]
    return Subjects(
        frozenset().union(*(one.versions for one in found)),
        frozenset(family),
        frozenset().union(*(one.targets for one in found)),
        frozenset(family),
    )


def _belonging(asking: Asking, found: Iterable[Movement], model: str | None) -> list[Held]:
    """Return periods with the model each version belongs to now, oldest first; of one model, if one is given."""
    periods = sorted(found, key=lambda one: (one.period.start, one.version))
    things = same_versions(asking, {one.version for one in periods})
    renames = renames_of(asking, things.values())
    now = after_instant(asking.cut.as_of)
    held: list[Held] = []
    for one in periods:
        thing = things[one.version]
        named: Callable[[bytes], str | None] = bearing(thing, renames)
        belongs = one.model if one.alias is not None else named(now) or one.model
        if model is None or belongs == model:
            held.append((belongs, thing, one))
    return held


def _by_model(found: Iterable[Held]) -> dict[str, list[Held]]:
    models: dict[str, list[Held]] = {}
    for one in found:
        models.setdefault(one[0], []).append(one)
    return models


def _number(one: Movement) -> str:
    return names.parse(one.version).parts[2]
