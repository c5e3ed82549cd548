"""The words in which the naive reading says what a body says, and the readings that all kinds of bodies share."""

from collections.abc import Mapping
from typing import Any

from graph_schema.kinds import Edge, How, Role

Body = Mapping[str, Any]

Said = tuple[Any, ...]
"""``("row", key, registers)``, ``("edge", start, type, end, how, roles)``, ``("point", subject, slot, value)``,
``("withdrawal", start, type, end, source)`` or ``("mention", key)``: a fact before it knows its origin."""


def edge(start: str, kind: Edge, end: str, how: How = How.EXACT, roles: int = 0) -> Said:
    return "edge", start, kind, end, how, roles


def how_of(item: Body) -> How:
    return {"exact": How.EXACT, "declared": How.DECLARED}[item.get("how", "exact")]


def roles_of(item: Body) -> int:
    return sum({int(Role[word.upper()]) for word in item.get("roles", [])}) or int(Role.UNKNOWN)


def tags(body: Body) -> dict[str, Any]:
    sealed = {"tags_sealed": body["tags_sealed"]} if "tags_sealed" in body else {}
    return {f"tag:{key}": value for key, value in body.get("tags", [])} | sealed


def columns(body: Body) -> dict[str, Any]:
    if "column_count" in body:
        return {"columns": {"count": body["column_count"]}}
    return {"columns": [[c["name"], c.get("type")] for c in body["columns"]]} if body.get("columns") else {}


def picked(body: Body, *words: str) -> dict[str, Any]:
    return {word: body[word] for word in words if word in body}
