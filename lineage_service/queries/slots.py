"""The periods of stages, aliases and targets, each slot read with all that may move or end it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from graph_schema.changes import instant_of
from lineage_service.queries.asking import Asking
from lineage_service.queries.periods import Entry, Period, Sightings, entry, periods_of
from lineage_service.queries.versions import (
    VersionNames,
    created_micros,
    is_undated,
    model_of,
    same_versions,
    undated,
)
from lineage_service.store.protocol import Point, PointQuery

Thing = frozenset[str]
"""All keys that are one version."""

_DELETED = frozenset({"deleted"})
_GONE = frozenset({"deleted", "renamed"})


@dataclass(slots=True)
class Slots:
    """Reads slots at one cut; what it looked up once it keeps."""

    asking: Asking
    names: VersionNames = field(init=False)
    sightings: Sightings = field(init=False)
    _things: dict[str, Thing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = VersionNames(self.asking)
        self.sightings = Sightings(self.asking)

    def stages(self, versions: Iterable[str]) -> list[tuple[Thing, Period]]:
        """Return the stage periods of versions and of all that is one with them."""
        points = self._points(self._with_undated(versions), "stage")
        self._learn({*(self._named(p.subject, p) for p in points), *(v for v in versions if not is_undated(v))})
        members = {key for thing in self._things.values() for key in thing}
        own: dict[Thing, list[Point]] = {}
        for point in self._points(self._with_undated(members), "stage"):
            own.setdefault(self._thing(self._named(point.subject, point)), []).append(point)
        keys = {key for thing in own for key in thing}
        deletions = self._deletions(keys)
        models = {model_of(key) for key in keys}
        sweeps, generations = _by_subject(self._points(models, "swept")), self._generations(models)
        renames = self._renames(own)
        self.names.prepare(p.value["kept"] for points in sweeps.values() for p in points)
        found = []
        for thing, stated in own.items():
            settled = self.sightings.settled(stated, lambda point: point.value["to"])
            entries = [entry("hold", p, p.value["to"], self._named(p.subject, p)) for p in settled]
            entries += [entry("end", p, None) for p in deletions.get(thing, ())]
            entries += self._of_models(_bearing(thing, renames), thing, sweeps, generations)
            found += [(thing, period) for period in periods_of(entries)]
        return found

    def _renames(self, things: Iterable[Thing]) -> list[Point]:
        """Return the renames of models whose versions have several names; like SAME_AS, whatever ``as_of`` is."""
        named = ({model_of(key) for key in thing} for thing in things)
        models = sorted({model for models in named if len(models) > 1 for model in models})
        if not models:
            return []
        points = self.asking.reader.points(PointQuery(subjects=models, slot="generation"), self.asking.whenever)
        return [point for point in points if point.value["is"] == "renamed"]

    def _of_models(
        self,
        bears: Callable[[str, Point], bool],
        thing: Thing,
        sweeps: dict[str, list[Point]],
        generations: dict[str, list[Point]],
    ) -> list[Entry]:
        """Return the sweeps and deletions of the model whose name the version bears at that time."""
        entries: list[Entry] = []
        for key in thing:
            model = model_of(key)
            entries += [
                entry("sweep", point, point.slot.partition(":")[2], key)
                for point in sweeps.get(model, ())
                if self._named(point.value["kept"], point) not in thing and bears(model, point)
            ]
            ends = self.sightings.ends(generations.get(model, ()), _DELETED)
            entries += [entry("end", point, None) for point in ends if bears(model, point)]
        return entries

    def aliases(self, models: Iterable[str]) -> list[tuple[str, str, Period]]:
        """Return (model, alias, period) of the aliases of models."""
        points = self._points(models, "alias")
        generations = {
            model: self.sightings.ends(own, _GONE)
            for model, own in self._generations(p.subject for p in points).items()
        }
        slots = self._version_slots(points)
        deletions = self._deletions({key for p in points if p.value["version"] for key in self._value(p)})
        found = []
        for (model, alias), entries in slots.items():
            held = {one.value for one in entries if one.kind == "hold"}
            entries += [entry("end", point, None) for point in generations.get(model, ())]
            for thing, gone in deletions.items():
                if min(thing) in held:
                    entries += [entry("end", point, min(thing)) for point in gone]
            found += [(model, alias, period) for period in periods_of(entries)]
        return found

    def targets(self, targets: Iterable[str], only_models: frozenset[str] | None) -> list[tuple[str, str, Period]]:
        """Return (target, model, period) of what targets served, of some models or of all."""
        points = self._points(targets, "live")
        if only_models is not None:
            points = [point for point in points if _name(point) in only_models]
        slots = self._version_slots(points)
        return [
            (target, model, period) for (target, model), entries in slots.items() for period in periods_of(entries)
        ]

    def _version_slots(self, points: list[Point]) -> dict[tuple[str, str], list[Entry]]:
        """Return the entries of slots that hold versions; two names of one version are one value."""
        self.names.prepare(p.value["version"] for p in points if p.value["version"])
        self._learn({self._named(p.value["version"], p) for p in points if p.value["version"]})
        grouped: dict[tuple[str, str], list[Point]] = {}
        for point in points:
            grouped.setdefault((point.subject, _name(point)), []).append(point)
        slots: dict[tuple[str, str], list[Entry]] = {}
        for place, own in grouped.items():
            slots[place] = [
                entry("hold", p, min(self._value(p)), self._named(p.value["version"], p))
                if p.value["version"]
                else entry("end", p, None)
                for p in self.sightings.settled(own, lambda p: self._value(p) if p.value["version"] else None)
            ]
        return slots

    def _value(self, point: Point) -> Thing:
        return self._thing(self._named(point.value["version"], point))

    def _deletions(self, keys: Iterable[str]) -> dict[Thing, list[Point]]:
        """Return the deletions of versions, those stated without a creation time too."""
        points: dict[Thing, list[Point]] = {}
        for point in self._points(self._with_undated(keys), "existence"):
            points.setdefault(self._thing(self._named(point.subject, point)), []).append(point)
        return {thing: self.sightings.ends(own, _DELETED) for thing, own in points.items()}

    def _generations(self, models: Iterable[str]) -> dict[str, list[Point]]:
        return _by_subject(self._points(models, "generation"))

    def _points(self, subjects: Iterable[str], slot: str) -> list[Point]:
        wanted = sorted(set(subjects))
        points = self.asking.reader.points(PointQuery(subjects=wanted, slot=slot), self.asking.cut) if wanted else []
        self.names.prepare(point.subject for point in points)
        return points

    @staticmethod
    def _with_undated(versions: Iterable[str]) -> set[str]:
        return {key for version in versions for key in (version, undated(version))}

    def _named(self, key: str, point: Point) -> str:
        return self.names.resolve(key, instant_of(point.order))

    def _learn(self, keys: Iterable[str]) -> None:
        new = [key for key in keys if key not in self._things]
        for key, thing in same_versions(self.asking, new).items():
            self._things[key] = frozenset(thing)

    def _thing(self, key: str) -> Thing:
        if key not in self._things:
            self._learn([key])
        return self._things[key]


def _bearing(thing: Thing, known_renames: list[Point]) -> Callable[[str, Point], bool]:
    """Return a test whether the version bears a model's name when something happens to that model.

    A version with one name bears it always. One that renames carried bears the name that the newest rename
    before gave it, and before the first rename the name which that one took away.
    """
    models = {model_of(key) for key in thing}
    if len(models) == 1:
        return lambda _model, _point: True
    born = min(created_micros(key) for key in thing)
    renames = sorted(
        (point.order, point.subject, point.value["to"])
        for point in known_renames
        if point.subject in models and point.value["to"] in models and instant_of(point.order) >= born
    )
    if not renames:
        return lambda _model, _point: True

    def bears(model: str, point: Point) -> bool:
        before = [to for order, _, to in renames if order < point.order]
        return model == (before[-1] if before else renames[0][1])

    return bears


def _name(point: Point) -> str:
    return point.slot.partition(":")[2]


def _by_subject(points: Iterable[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.subject, []).append(point)
    return found
