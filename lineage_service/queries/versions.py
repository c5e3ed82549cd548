"""Versions of models: which one a fact without a creation time means, and which are the same (section 5)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from graph_schema import names
from graph_schema.changes import instant_of
from graph_schema.kinds import KIND_BY_WORD, Edge
from lineage_service.queries.asking import Asking
from lineage_service.store.protocol import Point, PointQuery, PropertyRow

_MANY = 1_000_000
_VERSIONS = frozenset({"model_version", "prompt_version"})
_SAME = (int(Edge.SAME_AS), int(Edge.SAME_AS))


def model_of(version: str) -> str:
    """Return the model (or prompt) a version belongs to: the last slash of a version's key is before its number."""
    kind, _, rest = version.partition(":")
    return f"{kind.removesuffix('_version')}:{rest.rpartition('/')[0]}"


def is_undated(key: str) -> bool:
    """Tell whether a key names a version without its creation time."""
    return key.endswith("@?")


def undated(version: str) -> str:
    """Return the key by which facts without a creation time name a version of this number."""
    return f"{version.rpartition('@')[0]}@?"


def created_micros(version: str) -> int:
    """Return the instant a dated version was created at, in microseconds."""
    created = version.rpartition("@")[2]
    return 0 if created == names.UNKNOWN_CREATION else int(created) * 1000


@dataclass(slots=True)
class VersionNames:
    """Resolves undated names; looks each number up once."""

    asking: Asking
    _candidates: dict[str, list[tuple[int, str, list[int]]]] = field(default_factory=dict)

    def prepare(self, keys: Iterable[str]) -> None:
        """Look up the candidates of several undated names in few reads."""
        wanted = [key for key in dict.fromkeys(keys) if is_undated(key) and key not in self._candidates]
        if not wanted:
            return
        whenever = self.asking.whenever
        found: dict[str, list[str]] = {}
        for key in wanted:
            kind = KIND_BY_WORD[names.kind_of(key)].value
            keys_found = self.asking.reader.find(kind, key[:-1], None, _MANY, whenever)
            found[key] = [candidate for candidate in keys_found if candidate != key]
        versions = [candidate for candidates in found.values() for candidate in candidates]
        registered, ends = self._lives(versions)
        for key, candidates in found.items():
            rows = [(created_micros(one), one, ends.get(one, [])) for one in candidates if one in registered]
            self._candidates[key] = sorted(rows)

    def _lives(self, versions: list[str]) -> tuple[set[str], dict[str, list[int]]]:
        """Return which versions a registration made known, and the instants at which each was ended."""
        registered: set[str] = set()
        ends: dict[str, list[int]] = {}
        if not versions:
            return registered, ends
        reader = self.asking.reader
        groups = same_versions(self.asking, versions)
        for point in reader.points(PointQuery(subjects=sorted(groups), slot="existence"), self.asking.cut):
            registered.add(point.subject)
            if point.value["is"] == "deleted":
                for one in groups[point.subject]:
                    ends.setdefault(one, []).append(instant_of(point.order))
        models = {version: model_of(version) for version in versions}
        gone: dict[str, list[int]] = {}
        query = PointQuery(subjects=sorted(set(models.values())), slot="generation")
        for point in reader.points(query, self.asking.cut):
            if point.value["is"] == "deleted":
                gone.setdefault(point.subject, []).append(instant_of(point.order))
        for version, model in models.items():
            ends.setdefault(version, []).extend(gone.get(model, ()))
        return registered, ends

    def resolve(self, key: str, at: int) -> str:
        """Return the version that an undated name means at an instant; a dated key is itself."""
        if not is_undated(key):
            return key
        self.prepare([key])
        for created, version, ends in reversed(self._candidates[key]):
            if created <= at and not any(created <= end <= at for end in ends):
                return version
        return key


def same_versions(asking: Asking, versions: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return for each version, and for those found so, everything that is declared to be the same, itself included.

    Each is looked up once a question.
    """
    wanted = list(dict.fromkeys(versions))
    if new := [version for version in wanted if version not in asking.same]:
        asking.same |= _declared_same(asking, new)
    return {member: asking.same[version] for version in wanted for member in asking.same[version]}


def _declared_same(asking: Asking, versions: Iterable[str]) -> dict[str, frozenset[str]]:
    starts = dict.fromkeys(versions, 0)
    groups: dict[str, set[str]] = {version: {version} for version in starts}
    walk = asking.reader.walk(starts, "up", _SAME, 0, _MANY, asking.whenever)
    for assertion in walk.assertions:
        one = groups.setdefault(assertion.start, {assertion.start})
        other = groups.setdefault(assertion.end, {assertion.end})
        if one is not other:
            one |= other
            for member in other:
                groups[member] = one
    return {member: frozenset(group) for member, group in groups.items()}


def renames_of(asking: Asking, things: Iterable[Iterable[str]]) -> list[Point]:
    """Return the renames of models whose versions have several names; like SAME_AS, whatever ``as_of`` is."""
    named = ({model_of(key) for key in thing} for thing in things)
    models = sorted({model for models in named if len(models) > 1 for model in models})
    if not models:
        return []
    points = asking.reader.points(PointQuery(subjects=models, slot="generation"), asking.whenever)
    return [point for point in points if point.value["is"] == "renamed"]


def bearing(thing: frozenset[str], known_renames: Iterable[Point]) -> Callable[[bytes], str | None]:
    """Return a function from an order key to the model's name that a version bears there; None: any of its names.

    A version with one name bears it always. One that renames carried bears the name that the newest rename
    before gave it, and before the first rename the name which that one took away.
    """
    models = {model_of(key) for key in thing}
    born = min(created_micros(key) for key in thing)
    renames = sorted(
        (point.order, point.subject, point.value["to"])
        for point in known_renames
        if point.subject in models and point.value["to"] in models and instant_of(point.order) >= born
    )
    if len(models) == 1 or not renames:
        return lambda _order: None

    def name_at(order: bytes) -> str:
        before = [to for when, _, to in renames if when < order]
        return before[-1] if before else renames[0][1]

    return name_at


def versions_of(asking: Asking, model: str) -> list[str]:
    """Return the keys of all versions of a model known at the cut."""
    beginning = beginning_of_versions(model)
    return asking.reader.find(KIND_BY_WORD[names.kind_of(beginning)].value, beginning, None, _MANY, asking.cut)


def beginning_of_versions(model: str) -> str:
    """Return what the keys of a model's versions begin with, and no others do."""
    kind, _, rest = model.partition(":")
    return f"{kind}_version:{rest}/"


def rows_of(asking: Asking, keys: Iterable[str], version_names: VersionNames) -> dict[str, list[PropertyRow]]:
    """Return the property rows of nodes in order; what was said of ``…@?`` belongs to the version it means."""
    wanted = set(keys)
    undated_keys = {undated(key) for key in wanted if names.kind_of(key) in _VERSIONS}
    # Each row of an undated name may mean another version, so no repeat says nothing new.
    facts = asking.reader.nodes(wanted | undated_keys, asking.cut, every=undated_keys)
    version_names.prepare(key for key in undated_keys if key in facts and facts[key].rows)
    found: dict[str, list[PropertyRow]] = {key: [] for key in wanted if key in facts}
    for key, node in facts.items():
        for row in node.rows:
            meant = version_names.resolve(key, instant_of(row.order)) if key in undated_keys else key
            if meant in found:
                found[meant].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: row.order)
    return found
