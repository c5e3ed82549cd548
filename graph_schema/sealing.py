"""From the wire form to the record form: what is replaced by a digest, and who owns the value.

Pure: it finds the personal values of a validated event, replaces each by ``{"sd": i}`` and lists what
was taken out, in the order of ``i``. Salting, hashing and encryption are the ledger's. The field classes
are compiled once per event class, so that a large batch walks plain tuples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from graph_schema import names
from graph_schema.clear_keys import CLEAR_KEYS
from graph_schema.events.base import Actor, FieldClass, PersonRef
from graph_schema.events.registry import EVENT_TYPES

Person = tuple[str, str, str]
"""(issuer, subject, kind): how a foreign system names somebody; kind is person or service_account."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A value taken out of a record: whose key seals it, the field it stood in, the value."""

    owner: str
    field: str
    value: Any


class UnclassifiedFieldError(TypeError):
    """A field of the language has no field class; nothing may enter a record unclassified."""


_Step = tuple[str, FieldClass | None, bool, Any]
"""(key, class of a leaf or None, is it a list, compiled steps of a nested model)."""


def _model_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the nested model of an annotation and whether it stands in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is list:
        inner, _ = _model_in(get_args(annotation)[0])
        return inner, True
    if get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            if part is not type(None):
                return _model_in(part)
    return None, False


def _class_in(annotation: Any) -> FieldClass | None:
    """Return the field class written inside an annotation such as ``Name | None``."""
    for part in getattr(annotation, "__metadata__", ()):
        if isinstance(part, FieldClass):
            return part
    for part in get_args(annotation):
        if (found := _class_in(part)) is not None:
            return found
    return None


@cache
def compiled(model: type[BaseModel]) -> tuple[_Step, ...]:
    """Return the steps that seal one model; UnclassifiedFieldError names a field without a class."""
    steps: list[_Step] = []
    for name, info in model.model_fields.items():
        key = info.alias or name
        nested, many = _model_in(info.annotation)
        own = next((part for part in info.metadata if isinstance(part, FieldClass)), None) or _class_in(info.annotation)
        if nested is not None:
            clear = all(leaf is FieldClass.NAME for _, leaf, _, _ in compiled(nested))
            steps.append((key, FieldClass.NAME if clear else None, many, nested))
        elif own is None:
            raise UnclassifiedFieldError(f"{model.__name__}.{name} has no field class")
        else:
            steps.append((key, own, False, None))
    return tuple(steps)


def people(event: Mapping[str, Any]) -> set[Person]:
    """Return everybody an event names, so that pseudonyms can be allocated before it is sealed."""
    found: set[Person] = set()
    actor = event["actor"]
    if "subject" in actor:
        found.add((actor["issuer"], actor["subject"], actor.get("kind", "person")))
    if behalf := actor.get("on_behalf_of"):
        found.add((behalf["issuer"], behalf["subject"], "person"))
    _people_in(event["body"], _steps_to_people(_body_class(event["type"])), found)
    return found


@cache
def _steps_to_people(model: type[BaseModel]) -> tuple[_Step, ...]:
    """Return the steps of a model at the end of which somebody may be named; most facts have none."""
    return tuple(
        step for step in compiled(model) if step[3] and (step[3] is PersonRef or _steps_to_people(step[3]))
    )


def _people_in(value: Mapping[str, Any], steps: tuple[_Step, ...], found: set[Person]) -> None:
    for key, _, many, nested in steps:
        if key not in value:
            continue
        for part in value[key] if many else (value[key],):
            if nested is PersonRef:
                found.add((part["issuer"], part["subject"], "person"))
            else:
                _people_in(part, _steps_to_people(nested), found)


@cache
def _body_class(event_type: str) -> type[BaseModel]:
    body: type[BaseModel] = EVENT_TYPES[event_type].model_fields["body"].annotation
    return body


def _model_owner(body: Mapping[str, Any]) -> str:
    model: str = body["model"]
    return model


_OWNER: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "run.observed": lambda body: names.run(body["run"]),
    "job.declared": lambda body: names.job(body["namespace"], body["name"]),
    "dataset.declared": lambda body: names.dataset(body["namespace"], body["name"]),
    "model.declared": _model_owner,
    "model_version.registered": _model_owner,
    "model_version.deleted": _model_owner,
    "stage.transitioned": _model_owner,
    "alias.moved": _model_owner,
    "alias.removed": _model_owner,
    "deployment.changed": _model_owner,
    "validation.recorded": _model_owner,
    "tag.set": lambda body: str(body["node"]),
    "logged_model.observed": lambda body: str(body["logged_model"]),
    "description.changed": lambda body: str(body["node"]),
}


@dataclass(slots=True)
class _Sealing:
    """One event on its way: who owns what is not a person's, the pseudonyms, what was taken out."""

    owner: str
    pseudonyms: Mapping[Person, str]
    out: list[Disclosure]

    def take(self, owner: str, field: str, value: Any) -> dict[str, int]:
        self.out.append(Disclosure(owner, field, value))
        return {"sd": len(self.out) - 1}

    def pairs(self, key: str, value: list[list[str]], into: dict[str, Any]) -> None:
        clear = sorted(pair for pair in value if pair[0] in CLEAR_KEYS)
        hidden = sorted(pair for pair in value if pair[0] not in CLEAR_KEYS)
        if clear:
            into[key] = clear
        if hidden:
            into[key + "_sealed"] = self.take(self.owner, key, hidden)

    def person(self, value: Mapping[str, Any]) -> dict[str, Any]:
        pseudonym = self.pseudonyms[(value["issuer"], value["subject"], "person")]
        sealed: dict[str, Any] = {"id": pseudonym}
        for field in ("name", "email"):
            if field in value:
                sealed[field] = self.take(pseudonym, field, value[field])
        return sealed

    def body(self, value: Mapping[str, Any], steps: tuple[_Step, ...]) -> dict[str, Any]:
        into: dict[str, Any] = {}
        for key, leaf, many, nested in steps:
            if key not in value:
                continue
            part = value[key]
            if leaf is FieldClass.NAME:
                into[key] = part
            elif leaf is FieldClass.SEALED:
                into[key] = self.take(self.owner, key, part)
            elif leaf is FieldClass.PAIRS:
                self.pairs(key, part, into)
            elif nested is not None:
                seal = self.person if nested is PersonRef else self._nested(nested)
                into[key] = [seal(item) for item in part] if many else seal(part)
        return into

    def _nested(self, nested: type[BaseModel]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        steps = compiled(nested)
        return lambda value: self.body(value, steps)


def owner_of(event: Mapping[str, Any]) -> str:
    """Return the node that owns the sealed values of an event (or record) that are not a person's."""
    source = event["source"]
    found = _OWNER.get(event["type"])
    return found(event["body"]) if found else names.source(source["kind"], source["instance"])


def seal(event: Mapping[str, Any], pseudonyms: Mapping[Person, str]) -> tuple[dict[str, Any], list[Disclosure]]:
    """Return the sealed ``actor`` and ``body`` of a normalised event, and what was taken out.

    ``event`` is the normalised wire form with its source filled in; ``pseudonyms`` names everybody in
    ``people(event)``. The i-th disclosure is the one that ``{"sd": i}`` stands for.
    """
    sealing = _Sealing(owner_of(event), pseudonyms, [])
    body = sealing.body(event["body"], compiled(_body_class(event["type"])))
    return {"actor": _seal_actor(event["actor"], pseudonyms), "body": body}, sealing.out


def _seal_actor(actor: Mapping[str, Any], pseudonyms: Mapping[Person, str]) -> dict[str, Any]:
    sealed: dict[str, Any] = {"assurance": actor["assurance"]}
    if "via" in actor:
        sealed["via"] = actor["via"]
    if "subject" in actor:
        sealed["id"] = pseudonyms[(actor["issuer"], actor["subject"], actor.get("kind", "person"))]
    if behalf := actor.get("on_behalf_of"):
        sealed["on_behalf_of"] = {
            "id": pseudonyms[(behalf["issuer"], behalf["subject"], "person")],
            "assurance": "claimed",
            **{key: behalf[key] for key in ("via", "ref") if key in behalf},
        }
    return sealed


ALL_CLASSES: Final = tuple(_body_class(word) for word in EVENT_TYPES)
for _cls in (*ALL_CLASSES, Actor):
    compiled(_cls)
