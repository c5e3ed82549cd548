"""The periods of stages, aliases and targets, each slot read with all that may move or end it."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from graph_schema.changes import instant_of
from lineage_service.queries.asking import Asking
from lineage_service.queries.periods import Entry, Period, Sightings, entry, periods_of, place_of
from lineage_service.queries.serving import Run, Statement, runs_of
from lineage_service.queries.versions import (
    VersionNames,
    bearing,
    beginning_of_versions,
    is_undated,
    model_of,
    renames_of,
    same_versions,
    undated,
)
from lineage_service.store.protocol import Point, PointQuery

Thing = frozenset[str]
"""All keys that are one version."""

_Place = tuple[str, str, bytes]
"""Target, model, order key."""

_OF_VERSIONS = ("stage", "existence")
_TOGETHER = (_OF_VERSIONS, ("swept", "generation", "alias"), ("live",), ("mode", "traffic"))
"""Slots of versions, of models and of targets: whoever asks for one of these of a subject will ask for the others."""
_DELETED = frozenset({"deleted"})
_GONE = frozenset({"deleted", "renamed"})


@dataclass(slots=True)
class Slots:
    """Reads slots at one cut; what it looked up once it keeps."""

    asking: Asking
    names: VersionNames = field(init=False)
    sightings: Sightings = field(init=False)
    _read: dict[tuple[str, str], list[Point]] = field(default_factory=dict)
    """Points by subject and slot, without its name."""

    def __post_init__(self) -> None:
        self.names = VersionNames(self.asking)
        self.sightings = Sightings(self.asking)

    def take_in(self, model: str, versions: Iterable[str]) -> None:
        """Read at once what will be asked about all versions there are of a model."""
        query = PointQuery(beginning=beginning_of_versions(model), slots=_OF_VERSIONS)
        self._keep(query, self._with_undated(versions))

    def stages(self, versions: Iterable[str]) -> list[tuple[Thing, Period]]:
        """Return the stage periods of versions and of all that is one with them."""
        wanted = set(versions)
        points = self._points(self._with_undated(wanted), "stage")
        things = self._things({*(self._named(p.subject, p) for p in points), *(v for v in wanted if not is_undated(v))})
        members = {key for thing in things for key in thing}
        if not members <= wanted:
            points = self._points(self._with_undated(members), "stage")
        own: dict[Thing, list[Point]] = {}
        for point in points:
            thing = self._thing(self._named(point.subject, point))
            if thing in things:  # a name without a creation time may mean others too, which were not read in full
                own.setdefault(thing, []).append(point)
        keys = {key for thing in own for key in thing}
        deletions = self._deletions(keys)
        models = {model_of(key) for key in keys}
        swept, generations = self._points(models, "swept"), self._generations(models)
        renames = renames_of(self.asking, own)
        self.names.prepare(p.value["kept"] for p in swept)
        sweeps = _by_slot(sorted(swept, key=place_of))
        found = []
        for thing, stated in own.items():
            settled = self.sightings.settled(stated, lambda point: point.value["to"])
            entries = [entry("hold", p, p.value["to"], self._named(p.subject, p)) for p in settled]
            entries += [entry("end", p, None) for p in deletions.get(thing, ())]
            entries += self._of_models(bearing(thing, renames), thing, entries, sweeps, generations)
            found += [(thing, period) for period in periods_of(entries)]
        return found

    def _of_models(
        self,
        name_at: Callable[[bytes], str | None],
        thing: Thing,
        own: Sequence[Entry],
        sweeps: dict[tuple[str, str], list[Point]],
        generations: dict[str, list[Point]],
    ) -> list[Entry]:
        """Return the sweeps and deletions of the model whose name the version bears at that time.

        Of the sweeps of a stage only the first after each time that the version was put there counts: others find it
        moved. A model has as many sweeps as versions, so that to look at all for each would cost the square of them.
        """
        entries: list[Entry] = []
        holds = [one for one in own if one.kind == "hold"]
        for key in thing:
            model = model_of(key)
            for hold in holds:
                after = sweeps.get((model, hold.value or ""), [])
                for point in islice(after, bisect_left(after, hold.order, key=place_of), None):
                    kept = self._named(point.value["kept"], point)
                    if kept not in thing and name_at(point.order) in {None, model}:
                        entries.append(entry("sweep", point, hold.value, key))
                        break
            ends = self.sightings.ends(generations.get(model, ()), _DELETED)
            entries += [entry("end", point, None) for point in ends if name_at(point.order) in {None, model}]
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

    def targets(self, targets: Iterable[str], only_models: frozenset[str] | None) -> list[tuple[str, str, Run]]:
        """Return (target, model, run) of what targets served, of some models or of all."""
        points = self._points(targets, "live")
        if only_models is not None:
            points = [point for point in points if _name(point) in only_models]
        subjects = {point.subject for point in points}
        modes, shares = self._beside(subjects, "mode", "mode"), self._beside(subjects, "traffic", "share")
        found = []
        for (target, model), own in self._learned_by_slot(points).items():
            said = {point.order: self._statement(point, modes, shares) for point in own}
            settled = self.sightings.settled(own, partial(_value_in, said))
            found += [(target, model, run) for run in runs_of(said[point.order] for point in settled)]
        return found

    def _beside(self, targets: Iterable[str], slot: str, word: str) -> dict[_Place, str]:
        """Return what the records that say what a target serves say beside it, by target, model and order key."""
        return {(p.subject, _name(p), p.order): p.value[word] for p in self._points(targets, slot)}

    def _statement(self, point: Point, modes: dict[_Place, str], shares: dict[_Place, str]) -> Statement:
        version, place = point.value["version"], (point.subject, _name(point), point.order)
        if version is None:
            return Statement(point, None)
        thing, key = min(self._value(point)), self._named(version, point)
        return Statement(point, thing, key, modes[place], shares.get(place))

    def _learned_by_slot(self, points: list[Point]) -> dict[tuple[str, str], list[Point]]:
        """Return the points of slots that hold versions, by subject and name, with all these versions looked up."""
        self.names.prepare(p.value["version"] for p in points if p.value["version"])
        self._things({self._named(p.value["version"], p) for p in points if p.value["version"]})
        return _by_slot(points)

    def _version_slots(self, points: list[Point]) -> dict[tuple[str, str], list[Entry]]:
        """Return the entries of slots that hold one version; two names of one version are one value."""
        slots: dict[tuple[str, str], list[Entry]] = {}
        for place, own in self._learned_by_slot(points).items():
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
        ended = {thing: self.sightings.ends(own, _DELETED) for thing, own in points.items()}
        return {thing: ends for thing, ends in ended.items() if ends}

    def _generations(self, models: Iterable[str]) -> dict[str, list[Point]]:
        return _by_subject(self._points(models, "generation"))

    def _points(self, subjects: Iterable[str], slot: str) -> list[Point]:
        """Return points in order; with them come those that will be asked for next, since each look is a way."""
        wanted = set(subjects)
        if new := sorted(subject for subject in wanted if (subject, slot) not in self._read):
            together = next(slots for slots in _TOGETHER if slot in slots)
            self._keep(PointQuery(subjects=new, slots=together), new)
        points = sorted((p for subject in wanted for p in self._read[subject, slot]), key=place_of)
        self.names.prepare(point.subject for point in points)
        return points

    def _keep(self, query: PointQuery, subjects: Iterable[str]) -> None:
        """Read the points of slots of subjects; the query asks for no others."""
        self._read.update(((subject, slot), []) for subject in subjects for slot in query.slots)
        for point in self.asking.reader.points(query, self.asking.cut):
            self._read[point.subject, point.slot.partition(":")[0]].append(point)

    @staticmethod
    def _with_undated(versions: Iterable[str]) -> set[str]:
        return {key for version in versions for key in (version, undated(version))}

    def _named(self, key: str, point: Point) -> str:
        return self.names.resolve(key, instant_of(point.order))

    def _things(self, keys: Iterable[str]) -> set[Thing]:
        return set(same_versions(self.asking, keys).values())

    def _thing(self, key: str) -> Thing:
        return self.asking.same.get(key) or same_versions(self.asking, [key])[key]


def _value_in(said: Mapping[bytes, Statement], point: Point) -> object:
    return said[point.order].value


def _by_slot(points: Iterable[Point]) -> dict[tuple[str, str], list[Point]]:
    """Return points by subject and the name in their slot."""
    grouped: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        grouped.setdefault((point.subject, _name(point)), []).append(point)
    return grouped


def _name(point: Point) -> str:
    return point.slot.partition(":")[2]


def _by_subject(points: Iterable[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.subject, []).append(point)
    return found
