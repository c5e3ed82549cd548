"""Versions of models and prompts: which keys mean one thing (section 5 of the specification)."""

from functools import cache

from graph_schema import names
from graph_schema.kinds import Edge
from tests.properties.reference_facts import Cut

parse = cache(names.parse)
KINDS = ("model_version", "prompt_version")


def model_of(version: str) -> str:
    """Return the key of the model or prompt a version belongs to."""
    name = parse(version)
    make = names.model if name.kind == "model_version" else names.prompt
    return make(name.parts[0], name.parts[1])


def number_of(version: str) -> str:
    """Return the version's number as text."""
    return parse(version).parts[2]


def created(version: str) -> int | None:
    """Return when a version was created, in microseconds; None where its key does not say so."""
    milliseconds = parse(version).created_ms
    return None if milliseconds is None else milliseconds * 1000


class Versions:
    """What keys of versions mean at a cut."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._resolved: dict[tuple[str, int], str] = {}
        self._same = [
            (said.start, said.end)
            for said in cut.assertions
            if said.type is Edge.SAME_AS and names.kind_of(said.start) in KINDS
        ]
        self._registered = {
            point.subject
            for point in cut.points
            if point.slot == "existence"
            and names.kind_of(point.subject) in KINDS
            and created(point.subject) is not None
        }

    def thing(self, version: str) -> frozenset[str]:
        """Return all keys that are one version with this one, by SAME_AS."""
        found = {version}
        grown = True
        while grown:
            more = {end for pair in self._same if found & set(pair) for end in pair}
            grown = not more <= found
            found |= more
        return frozenset(found)

    def resolve(self, key: str, at: int) -> str:
        """Return the version that a key without a creation time means in a fact of instant ``at``."""
        if names.kind_of(key) not in KINDS or created(key) is not None:
            return key
        if (key, at) not in self._resolved:
            candidates = [
                other
                for other in self._registered
                if parse(other).kind == parse(key).kind
                and parse(other).parts[:3] == parse(key).parts[:3]
                and (created(other) or 0) <= at
                and not self._ended(other, at)
            ]
            self._resolved[(key, at)] = max(candidates, key=lambda other: created(other) or 0, default=key)
        return self._resolved[(key, at)]

    def _ended(self, version: str, at: int) -> bool:
        """Tell whether a version, or its model, was deleted between its creation and an instant.

        Only deletions under a key with its creation time are the version's own here: one under ``@?`` would have to
        be resolved by the rule it takes part in.
        """
        thing, model = self.thing(version), model_of(version)
        return any(
            (created(version) or 0) <= point.origin.at <= at
            and point.value.get("is") == "deleted"
            and (
                (point.slot == "existence" and point.subject in thing)
                or (point.slot == "generation" and point.subject == model)
            )
            for point in self._cut.points
        )
