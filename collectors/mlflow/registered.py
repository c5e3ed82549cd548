"""Models and versions as one read meets them: what is new, what bears another name, what is gone.

A name may be deleted and made anew, and a model may get another name, between two reads; MLflow tells neither. Its
creation times do: a name with another one is another model, and a model that left one name and stands under another
with the same one was renamed. Two that were created in one millisecond prove nothing, and are an end and a beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.mlflow.existing import Existing, Row, readable
from collectors.mlflow.memory import Memory
from collectors.mlflow.movements import NO_STAGE, Moment, alias_key, model_gone, renamed, version_gone
from collectors.mlflow.sightings import Fact, Told, created_ms, model_told, version_told

Values = dict[str, dict[str, Mapping[str, Any] | None]]


@dataclass(slots=True)
class Change:
    """Facts, and what to remember: by kind and key, None for what is not there any more."""

    facts: list[Fact] = field(default_factory=list)
    values: Values = field(default_factory=dict)

    def remember(self, kind: str, key: str, value: Mapping[str, Any] | None) -> None:
        """Note what is to be remembered of a thing."""
        self.values.setdefault(kind, {})[key] = value


@dataclass(slots=True)
class Registered:
    """What one read saw of models, versions, aliases and stages. ``moved``: versions in a stage that is news."""

    existing: Existing
    memory: Memory
    moment: Moment
    number: int
    moved: dict[str, dict[str, Any]] = field(default_factory=dict)
    _models: dict[bool, dict[str, Row]] = field(default_factory=dict)
    _aliases: dict[bool, dict[str, dict[str, Any]]] = field(default_factory=dict)
    _created: dict[tuple[str, str], int] = field(default_factory=dict)

    # ---------------------------------------------------------------------------------------------------------- looks

    def names(self, rows: Sequence[Row], *, prompts: bool) -> Change:
        """Take all models (or prompts) of a look; return what their names tell: renamed, or made anew."""
        found = {self.moment.look.model(row, prompt=prompts): row for row in rows}
        self._models[prompts] = found
        self._aliases[prompts] = dict(_aliases_of(found))
        known = {key: value for key, value in self.memory.every("model").items() if value["prompt"] == prompts}
        change = Change()
        anew = {key for key in found if key in known and known[key]["c"] != created_ms(found[key])}
        new = {key: created_ms(row) for key, row in found.items() if key not in known or key in anew}
        left = {key: value["c"] for key, value in known.items() if key not in found or key in anew}
        for old, created in left.items():
            heir = _only(left, created) and _only(new, created)
            made_anew = created_ms(found[old]) if old in anew else None
            if heir:
                self._rename(change, old, heir, made_anew_ms=made_anew)
            elif made_anew is not None:
                change.facts.append(model_gone(self.moment, old, made_anew_ms=made_anew))
                self._forget(change, old)
        return change

    def models(self, rows: Sequence[Row], *, prompts: bool) -> dict[str, Told]:
        """Return what models (or prompts) tell beside their names."""
        look = self.moment.look
        known = self.memory.known("model", [look.model(row, prompt=prompts) for row in rows])
        keyed = {look.model(row, prompt=prompts): row for row in rows}
        return {key: model_told(look, row, known.get(key), prompt=prompts) for key, row in keyed.items()}

    def versions(self, rows: Sequence[Row], known: Mapping[str, Any], *, prompts: bool) -> dict[str, Told]:
        """Return what versions tell; note those that are news in their stage, and those that an alias names."""
        look = self.moment.look
        keyed = {look.version(row, prompt=prompts): row for row in rows}
        stages = {} if prompts else self.memory.known("stage", list(keyed))
        named = {(one["model"], one["version"]) for part in self._aliases.values() for one in part.values()}
        told: dict[str, Told] = {}
        for key, row in keyed.items():
            told[key] = version_told(look, row, known.get(key), prompt=prompts)
            value = told[key].value
            if (value["model"], value["version"]) in named:
                self._created[value["model"], value["version"]] = value["c"]
            if not prompts:
                self._note_stage(key, row, value, stages.get(key), unseen=key not in known)
        return told

    def _note_stage(
        self, key: str, row: Row, value: Mapping[str, Any], before: Mapping[str, Any] | None, *, unseen: bool
    ) -> None:
        """Note a stage that is news.

        MLflow moves the time of the last change with every stage: a version that stands in none, and whose time never
        moved, was never in one, and there is nothing to say.
        """
        stage = str(row.get("current_stage") or NO_STAGE)
        touched = row.get("last_updated_timestamp") != row.get("creation_timestamp")
        said = before["s"] if before else None if unseen and touched else NO_STAGE
        if stage == said:
            self.moved.pop(key, None)
        else:
            named = {name: value[name] for name in ("model", "name", "version", "c")}
            self.moved[key] = {**named, "s": stage}

    def movement(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what is known of movement so far, to compare with a later look."""
        return {key: one for part in self._aliases.values() for key, one in part.items()}, dict(self.moved)

    def has_moved(self) -> bool:
        """Tell whether anything moved since the read before."""
        before = {key: (one["model"], one["version"]) for key, one in self.memory.every("alias").items()}
        now = {key: (one["model"], one["version"]) for key, one in self.movement()[0].items()}
        return bool(self.moved) or now != before

    # ------------------------------------------------------------------------------------------------ aliases and ends

    def aliases(self) -> dict[str, dict[str, Any]]:
        """Return all aliases with the creation times of the versions they name, None where there is no such version."""
        before = self.memory.every("alias")
        found = {}
        for key, one in self.movement()[0].items():
            known = before.get(key, {})
            if known.get("version") == one["version"]:
                found[key] = {**one, "c": known["c"]}
            else:
                found[key] = {**one, "c": self._created_of(one)}
        return {key: {name: one[name] for name in ("model", "alias", "version", "c")} for key, one in found.items()}

    def _created_of(self, one: Mapping[str, Any]) -> int | None:
        place = (str(one["model"]), str(one["version"]))
        if place not in self._created:
            row = readable(lambda: self.existing.version(one["name"], one["version"]))
            return created_ms(row) if row else None
        return self._created[place]

    def gone(self, moment: Moment) -> Change:
        """Return what was seen before, was not met, and is not found when it is asked for by its name."""
        change = Change()
        met = {key for part in self._models.values() for key in part}
        for key, value in self.memory.every("model").items():
            if key not in met and readable(lambda value=value: self.existing.model(value["name"])) is None:  # type: ignore[misc]
                change.facts.append(model_gone(moment, key))
                self._forget(change, key)
        ended = change.values.get("model", {})
        for key, value in self.memory.unmet("version", self.number):
            if value["model"] not in ended and self._is_version_gone(value):
                change.facts.append(version_gone(moment, value))
                change.remember("version", key, None)
                change.remember("stage", key, None)
                self.moved.pop(key, None)
        return change

    def _is_version_gone(self, value: Mapping[str, Any]) -> bool:
        row = readable(lambda: self.existing.version(value["name"], value["version"]))
        return row is None or (bool(row) and created_ms(row) != value["c"])

    def _forget(self, change: Change, model: str) -> None:
        """Forget a model with all that is its own: its end is the end of those."""
        change.remember("model", model, None)
        for kind in ("version", "stage", "alias"):
            for key in self.memory.of_model(kind, model):
                change.remember(kind, key, None)
                self.moved.pop(key, None)

    def _rename(self, change: Change, old: str, new: str, *, made_anew_ms: int | None) -> None:
        """Say that a model was renamed, and remember what is its own under the new name."""
        look = self.moment.look
        row = next(part[new] for part in self._models.values() if new in part)
        prompt = new in self._models.get(True, {})
        carried = self.memory.of_model("version", old)
        change.facts += renamed(look, old, new, list(carried.values()), made_anew_ms=made_anew_ms)
        before = self.memory.known("model", [old])[old]
        self._forget(change, old)
        change.remember("model", new, {**before, "name": str(row["name"])})
        for kind in ("version", "stage"):
            for value in self.memory.of_model(kind, old).values():
                moved = {**value, "model": new, "name": str(row["name"])}
                named = {"name": row["name"], "version": value["version"], "creation_timestamp": value["c"]}
                change.remember(kind, look.version(named, prompt=prompt), moved)


def _aliases_of(found: Mapping[str, Row]) -> list[tuple[str, dict[str, Any]]]:
    """Return the aliases of models by key; MLflow gives them as a list of pairs."""
    return [
        (alias_key(key, str(one["alias"])), {"model": key, "name": str(row["name"]), "alias": str(one["alias"]),
                                            "version": str(one["version"])})
        for key, row in found.items()
        for one in row.get("aliases") or ()
    ]  # fmt: skip


def _only(created: Mapping[str, int], time: int) -> str | None:
    """Return the one key with this creation time; None if there is none or more than one."""
    found = [key for key, value in created.items() if value == time]
    return found[0] if len(found) == 1 else None
