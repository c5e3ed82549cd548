"""All periods of stages, aliases and targets of what is asked for: the rows under ``deployments`` and ``live``."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from graph_schema import names
from graph_schema.kinds import Kind
from lineage_service.queries.asking import Asking
from lineage_service.queries.periods import Period
from lineage_service.queries.serving import Run
from lineage_service.queries.slots import Slots
from lineage_service.queries.versions import model_of, versions_of

_MANY: Final = 1_000_000
_AT_A_TIME: Final = 2000
"""How many versions and models are read together; of one model all versions are."""


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
        found[slot] = set(asking.reader.subjects(slot, start, stop, asking.cut))
    versions = found["stage"]
    for model in found.get("swept", ()):
        versions |= set(versions_of(asking, model))
    return Subjects(frozenset(versions), frozenset(found["alias"]), frozenset(found["live"]))


def movements(asking: Asking, subjects: Subjects, at_a_time: int = _AT_A_TIME) -> Iterator[Movement]:
    """Yield every period of the subjects' slots, in no particular order.

    Of more subjects than ``at_a_time`` those of some models are read, then of the next, so that what is read need not
    be held for all of them at once.
    """
    portions = _portions(subjects, at_a_time)
    told: set[str] = set()  # what has several names, or none for sure, is met in the portions of several models
    for portion in portions:
        slots = Slots(asking if len(portions) == 1 else replace(asking, same={}))
        for model in portion.only_models or ():
            slots.take_in(model, (one for one in portion.versions if model_of(one) == model))
        stages = [(min(thing), period) for thing, period in slots.stages(portion.versions)]
        stages = [(version, period) for version, period in stages if version not in told]
        told.update(version for version, _ in stages)
        for _, period in stages:
            yield Movement(period.key, model_of(period.key), period.value, None, None, period)
        for model, alias, period in slots.aliases(portion.models):
            yield Movement(period.key, model, None, alias, None, period)
        for target, model, run in slots.targets(portion.targets, portion.only_models):
            yield Movement(run.period.key, model, None, None, target, run.period, run)


def _portions(subjects: Subjects, at_a_time: int) -> list[Subjects]:
    """Return the subjects as they are, or cut so that each has few models and all their versions that were given."""
    if len(subjects.versions) + len(subjects.models) <= at_a_time or subjects.only_models is not None:
        return [subjects]
    versions: dict[str, list[str]] = {model: [] for model in sorted(subjects.models)}
    for version in sorted(subjects.versions):
        versions.setdefault(model_of(version), []).append(version)
    cut: list[list[str]] = [[]]
    size = 0
    for model, own in versions.items():
        if cut[-1] and size + len(own) + 1 > at_a_time:
            cut.append([])
            size = 0
        cut[-1].append(model)
        size += len(own) + 1
    parts = [
        Subjects(frozenset(one for model in some for one in versions[model]), subjects.models & set(some), frozenset())
        for some in cut
    ]
    return [*parts, Subjects(frozenset(), frozenset(), subjects.targets)]


def target_name(target: str) -> str:
    """Return ENVIRONMENT/REGION of a target's key."""
    return "/".join(names.parse(target).parts)
