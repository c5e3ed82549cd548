"""A step of a pipeline that is run again states its fact again, a little later: it is told the first receipt.

What is known already is known by its id, which holds the instant, and a command run twice has two. So a fact whose
sender names it (``source.event_id``) and says nothing else but the time is the one told before, as long as that one is
still the last word about its subject. Rule kept: nothing that happened is dropped. Where something moved in between, as
when an earlier run is repeated to roll back, the fact is a new one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from graph_schema import names
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Incoming, Prepared
from lineage_service.store.protocol import END_OF_TIME, Cut, PointQuery, Reader

Body = Mapping[str, Any]


def first_told(installation: Installation, incoming: Sequence[Incoming], prepared: list[Prepared]) -> list[Prepared]:
    """Return what is to be recorded: a fact told before as it was told then, any other as it is."""
    named = [index for index, one in enumerate(prepared) if _is_named(one.template)]
    if not named:
        return prepared
    with installation.store.read() as reader:
        earlier = {index: _last_word(reader, prepared[index].template) for index in named}
    found = list(prepared)
    for index, record in earlier.items():
        if record is not None and _may_be(prepared[index].template, record):
            event = _at(incoming[index].event, record["occurred_at"])
            (again,) = installation.preparation.prepare([replace(incoming[index], event=event)])
            found[index] = again if again.id == record["id"] else prepared[index]
    return found


def _at(event: Any, instant: str) -> Any:
    """Return a fact as it would be had it been told of another instant."""
    changed: dict[str, Any] = {"occurred_at": instant}
    if getattr(event.body, "not_before", None) == event.occurred_at:
        changed["body"] = event.body.model_copy(update={"not_before": instant})
    return event.model_copy(update=changed)


def _is_named(template: Mapping[str, Any]) -> bool:
    return template["type"] in _LAST_WORD and "event_id" in template["source"]


def _may_be(template: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Tell whether a record may be the fact, told earlier by the same sender; its id then says whether it is."""
    return (
        all(template["source"][name] == record["source"].get(name) for name in ("kind", "instance", "event_id"))
        and template["type"] == record["type"]
        and record["occurred_at"] <= template["occurred_at"]
    )


def _last_word(reader: Reader, template: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the record that is the last word about the subject of a fact."""
    seq = _LAST_WORD[template["type"]](reader, Cut(END_OF_TIME - 1, reader.head().size - 1), template["body"])
    stored = None if seq is None else reader.record(seq)
    return None if stored is None else orjson.loads(stored.body)


def _on_a_target(reader: Reader, cut: Cut, body: Body) -> int | None:
    target = names.target(body["target"]["environment"], body["target"]["region"])
    query = PointQuery(subjects=[target], slot="live", name=body["model"], newest_first=True, limit=1)
    return next((point.seq for point in reader.points(query, cut)), None)


def _of_a_validation(reader: Reader, cut: Cut, body: Body) -> int | None:
    key = names.validation(body["validation"])
    facts = reader.nodes([key], cut, every=[key]).get(key)
    return facts.rows[-1].seq if facts is not None and facts.rows else None


_LAST_WORD: Final[dict[str, Callable[[Reader, Cut, Body], int | None]]] = {
    "deployment.changed": _on_a_target,
    "validation.recorded": _of_a_validation,
}
"""What commands in pipelines state, and where the last word about it stands."""
