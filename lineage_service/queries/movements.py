"""All periods of stages, aliases and targets of what is asked for: the rows under ``deployments`` and ``live``."""

from dataclasses import dataclass
from typing import Final

from graph_schema import names
from graph_schema.kinds import Kind
from lineage_service.queries.asking import Asking
from lineage_service.queries.periods import Period
from lineage_service.queries.serving import Run
from lineage_service.queries.slots import Slots
from lineage_service.queries.versions import model_of, versions_of
from lineage_service.store.protocol import PointQuery

_MANY: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Movement:
    """A period of one slot, with the version it concerns: exactly one of stage, alias and target is set.

    ``run`` says how a target ran it.
    """

    version: str
    model: str
    stage: str | None
    alias: str | None
    target: str | None
    period: Period
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Subjects:
    """What to look at: versions whose stages, models whose aliases, targets whose deployments, of which models.

    With ``only_models`` the versions are all that these models have.
    """

    versions: frozenset[str]
    models: frozenset[str]
    targets: frozenset[str]
    only_models: frozenset[str] | None = None


def subjects_of_model(asking: Asking, model: str) -> Subjects:
    """Return everything that can move for one model."""
    targets = asking.reader.find(Kind.TARGET.value, "target:", None, _MANY, asking.cut)
    return Subjects(
        frozenset(versions_of(asking, model)), frozenset([model]), frozenset(targets), frozenset([model])
    )


def subjects_moved(asking: Asking, start: bytes, stop: bytes | None, *, swept: bool) -> Subjects:
    """Return what moved between two order keys; with ``swept`` also what a sweep may have moved."""
    found: dict[str, set[str]] = {}
    for slot in ("stage", "alias", "live", *(("swept",) if swept else ())):
        points = asking.reader.points(PointQuery(slot=slot, start=start, stop=stop), asking.cut)
        found[slot] = {point.subject for point in points}
    versions = found["stage"]
    for model in found.get("swept", ()):
        versions |= set(versions_of(asking, model))
    return Subjects(frozenset(versions), frozenset(found["alias"]), frozenset(found["live"]))


def movements(asking: Asking, subjects: Subjects) -> list[Movement]:
    """Return every period of the subjects' slots, in no particular order."""
    slots = Slots(asking)
    for model in subjects.only_models or ():
        slots.take_in(model, (one for one in subjects.versions if model_of(one) == model))
    stages = [
        Movement(period.key, model_of(period.key), period.value, None, None, period)
        for _, period in slots.stages(subjects.versions)
    ]
    aliases = [
        Movement(period.key, model, None, alias, None, period)
        for model, alias, period in slots.aliases(subjects.models)
    ]
    targets = [
        Movement(run.period.key, model, None, None, target, run.period, run)
        for target, model, run in slots.targets(subjects.targets, subjects.only_models)
    ]
    return [*stages, *aliases, *targets]


def target_name(target: str) -> str:
    """Return ENVIRONMENT/REGION of a target's key."""
    return "/".join(names.parse(target).parts)
