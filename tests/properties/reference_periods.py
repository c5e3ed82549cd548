"""Acts, sightings and the periods they bound: stages, aliases, targets (sections 6 and 7 of the specification)."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from graph_schema import names, times
from tests.properties.reference_facts import Cut, Origin, Point
from tests.properties.reference_versions import KINDS, Versions, created, model_of, number_of

Thing = frozenset[str]


class Step(NamedTuple):
    """Something that happens to a slot: ``what`` is ``hold``, ``sweep`` or ``end``.

    ``value`` is what holds from here on, or for a sweep the stage it empties, or for an end the thing that ended
    (None: whatever holds). ``key`` is the version as this fact names it.
    """

    origin: Origin
    n: int
    what: str
    value: Hashable
    key: str | None = None
    not_before: str | None = None


@dataclass
class Period:
    """A value that held from ``begun`` on; ``until`` is None while it holds. ``of`` is the model that has the alias."""

    begun: Step
    value: Any
    key: str
    target: str | None = None
    stage: str | None = None
    alias: str | None = None
    of: str | None = None
    mode: str | None = None
    traffic: str | None = None
    until: int | None = None

    def row(self) -> dict[str, Any]:
        """Return the period as deployments show it, without record number and recorded time."""
        return {
            "model": model_of(self.key),
            "version": number_of(self.key),
            "key": self.key,
            "target": self.target,
            "stage": self.stage,
            "alias": self.alias,
            "mode": self.mode,
            "traffic": self.traffic,
            "from": times.format_time(self.begun.origin.at),
            "not_before": self.begun.not_before,
            "until": None if self.until is None else times.format_time(self.until),
            "actor": self.begun.origin.actor,
        }


def _walk(steps: Iterable[Step]) -> list[Period]:
    """Walk one slot in order; what states what already holds moves nothing."""
    periods: list[Period] = []
    running: Period | None = None
    for step in sorted(steps, key=lambda one: (one.origin.order, one.n)):
        holds = running.value if running else None
        value = step.value
        if step.what == "sweep":
            value = "Archived" if holds is not None and holds == step.value else holds
        if step.what == "end":
            value = None if step.value is None or step.value == holds else holds
        if value == holds:
            continue
        if running:
            running.until = step.origin.at
        running = None
        if value is not None:
            assert step.key is not None
            running = Period(step, value, step.key)
            periods.append(running)
    return periods


class Said(NamedTuple):
    """What a record says of a model at a target: ``thing`` runs there in a ``mode``, with a ``share``; None: none."""

    origin: Origin
    point: Point
    thing: Thing | None
    key: str | None
    mode: str
    share: str | None

    def steps_of(self, thing: Thing) -> list[Step]:
        """Return what this does to one version, whose slot holds the mode it runs in."""
        stated = float(self.share or "nan")
        share = stated if isfinite(stated) else 1.0
        if self.thing is None or (self.thing == thing and share <= 0):
            return [Step(self.origin, self.point.n, "end", None)]
        if self.thing == thing:
            bound = self.point.value.get("not_before")
            return [Step(self.origin, self.point.n, "hold", self.mode, self.key, bound)]
        if self.mode == "serving" and share >= 1:
            return [Step(self.origin, self.point.n, "end", "serving")]
        return []


class Periods:
    """All periods of all slots at a cut."""

    def __init__(self, cut: Cut, versions: Versions) -> None:
        self._cut = cut
        self._versions = versions

    # Acts and sightings

    def _skew(self, source: str) -> int:
        """Return how far a source's clock was off at its newest report, in microseconds."""
        reports = [
            point for point in self._cut.points if point.subject == source and point.slot.startswith("covered:")
        ]
        return abs(reports[-1].value["clock_offset_us"]) if reports else 0

    def _settled(self, points: list[tuple[Point, Hashable]]) -> list[tuple[Point, Hashable]]:
        """Return the points of one slot, with their values, without sightings of acts that are in it."""
        acts = [(point, value) for point, value in points if not point.value.get("seen")]
        settled = []
        for point, value in points:
            if point.value.get("seen"):
                skew = self._skew(point.origin.source)
                bound = point.value.get("not_before")
                after = times.parse_time(bound) - skew if bound else -1
                if any(same == value and after < act.origin.at <= point.origin.at + skew for act, same in acts):
                    continue
            settled.append((point, value))
        return settled

    def _ends(self, points: list[Point], words: tuple[str, ...], value: Hashable = None) -> list[Step]:
        """Return the ends among the points of a generation or existence; a sighting of what holds ends nothing."""
        ends, holds = [], None
        for point, word in self._settled([(point, point.value["is"]) for point in points]):
            repeated = point.value.get("seen") and word == holds
            holds = word
            if word in words and not repeated:
                ends.append(Step(point.origin, point.n, "end", value))
        return ends

    def _end_of_version(self, thing: Thing) -> list[Step]:
        points = [
            point
            for point in self._cut.points
            if point.slot == "existence"
            and names.kind_of(point.subject) in KINDS
            and self._resolved(point.subject, point) in thing
        ]
        return self._ends(points, ("deleted",), thing)

    def _resolved(self, key: str, point: Point) -> str:
        return self._versions.resolve(key, point.origin.at)

    def belongs(self, period: "Period") -> str:
        """Return the model that the version of a stage or a target belongs to at the cut."""
        thing = self._versions.thing(period.key)
        models = {model_of(key) for key in thing}
        after_all = Origin(self._cut.as_of + 1, (self._cut.as_of + 1, b"", 0, ""), 0, "", None, "", "")
        borne = [model for model in models if self._bears(thing, model, after_all)]
        return borne[0] if len(borne) == 1 else model_of(period.key)

    # Stages

    def stages(self) -> list[Period]:
        """Return the periods of the stages of every version; names joined by SAME_AS are one version."""
        points: dict[Thing, list[Point]] = {}
        for point in self._cut.points:
            if point.slot == "stage":
                thing = self._versions.thing(self._resolved(point.subject, point))
                points.setdefault(thing, []).append(point)
        return [period for thing, own in points.items() for period in self._stages_of(thing, own)]

    def _stages_of(self, thing: Thing, own: list[Point]) -> list[Period]:
        steps = [
            Step(p.origin, p.n, "hold", to, self._resolved(p.subject, p), p.value.get("not_before"))
            for p, to in self._settled([(point, point.value["to"]) for point in own])
        ]
        for key in thing:
            model = model_of(key)
            steps += [step for step in self._sweeps(key, thing) if self._bears(thing, model, step.origin)]
            ends = self._ends(self._cut.slot(model, "generation"), ("deleted",))
            steps += [step for step in ends if self._bears(thing, model, step.origin)]
        steps += [step._replace(value=None) for step in self._end_of_version(thing)]
        periods = _walk(steps)
        for period in periods:
            period.stage = period.value
        return periods

    def _sweeps(self, key: str, thing: Thing) -> list[Step]:
        """Return the sweeps of a version's model that kept another version."""
        return [
            Step(point.origin, point.n, "sweep", point.slot.removeprefix("swept:"), key)
            for point in self._cut.points
            if point.subject == model_of(key)
            and point.slot.startswith("swept:")
            and self._resolved(point.value["kept"], point) not in thing
        ]

    def _bears(self, thing: Thing, model: str, origin: Origin) -> bool:
        """Tell whether a version bears the name of this model when a fact about the model happens.

        A version with one name bears it always. One that renames carried bears the name that the newest rename before
        the fact gave it, and before the first rename the name which that one took away.
        """
        models = {model_of(key) for key in thing}
        born = min(created(key) or 0 for key in thing)
        renames = [
            point
            for point in self._cut.recorded
            if point.slot == "generation"
            and point.subject in models
            and point.value.get("to") in models
            and point.origin.at >= born
        ]
        if not renames:
            return True
        before = [point for point in renames if point.origin.order < origin.order]
        return model == (before[-1].value["to"] if before else renames[0].subject)

    # Aliases and targets

    def aliases(self) -> list[Period]:
        """Return the periods of the aliases of every model."""
        found = []
        for model, slot in sorted({(p.subject, p.slot) for p in self._cut.points if p.slot.startswith("alias:")}):
            steps = self._holds(model, slot)
            ends = self._ends(self._cut.slot(model, "generation"), ("deleted", "renamed"))
            for thing in {step.value for step in steps if isinstance(step.value, frozenset)}:
                ends += self._end_of_version(thing)
            for period in _walk(steps + ends):
                period.alias, period.of = slot.removeprefix("alias:"), model
                found.append(period)
        return found

    def targets(self) -> list[Period]:
        """Return the periods in which targets ran versions, each version and mode by itself."""
        found = []
        for target, slot in sorted({(p.subject, p.slot) for p in self._cut.points if p.slot.startswith("live:")}):
            said = self._said_of(target, slot.removeprefix("live:"))
            for thing in {one.thing for one in said if one.thing is not None}:
                for period in _walk([step for one in said for step in one.steps_of(thing)]):
                    period.target, period.mode = target, period.value
                    if period.until is None:
                        period.traffic = [one.share for one in said if one.thing == thing][-1]
                    found.append(period)
        return found

    def _said_of(self, target: str, model: str) -> list["Said"]:
        """Return what is said of a model at a target, without sightings of what an act says."""
        beside = {
            (point.slot, point.origin.order): point.value
            for word in ("mode", "traffic")
            for point in self._cut.slot(target, f"{word}:{model}")
        }
        said = []
        for point in self._cut.slot(target, f"live:{model}"):
            named = point.value["version"]
            key = self._resolved(named, point) if named else None
            thing = self._versions.thing(key) if key else None
            mode = beside[f"mode:{model}", point.origin.order]["mode"]
            share = beside.get((f"traffic:{model}", point.origin.order), {}).get("share")
            said.append((point, Said(point.origin, point, thing, key, mode, share)))
        kept = self._settled([(point, (one.mode, one.thing) if one.thing else None) for point, one in said])
        return [one for point, one in said if any(point is other for other, _ in kept)]

    def _holds(self, subject: str, slot: str) -> list[Step]:
        """Return what a slot that names versions is said to hold; no version at all is an end."""
        valued: list[tuple[Point, Hashable]] = []
        for point in self._cut.slot(subject, slot):
            named = point.value["version"]
            valued.append((point, self._versions.thing(self._resolved(named, point)) if named else None))
        return [
            Step(
                point.origin,
                point.n,
                "end" if value is None else "hold",
                value,
                None if value is None else self._resolved(point.value["version"], point),
                point.value.get("not_before"),
            )
            for point, value in self._settled(valued)
        ]
