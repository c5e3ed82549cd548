"""From bytes to validated values, with every fault named by its place, and the two conditions of a write.

A place is a path such as ``body.params[3][1]``; within a request of several events it is relative to the event whose
number is the ``index``.
"""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from graph_schema import canonical, times
from graph_schema.events import EVENT_TYPES, parse_event
from lineage_service.errors import CallerError, InputError
from lineage_service.ledger.merkle import root_at
from lineage_service.ledger.tiles import TileReader
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.queue import Ack
from lineage_service.server.limits import Received

Model = TypeVar("Model", bound=BaseModel)

_NAMED_FAULTS: Final = 5
_IN_EVENTS: Final = re.compile(r"(?:events)?\[(\d+)\]\.?(.*)")
_CHECKPOINT: Final = re.compile(r"(0|[1-9]\d{0,18}) ([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)", re.ASCII)


class RolledBackError(CallerError):
    """The caller remembers a checkpoint that the log does not continue: one of the two was rolled back or forked."""


def read_json(received: Received, *, floats: bool = False, wide: bool = False) -> Any:
    """Return the value of a body; InputError names the place of the first fault."""
    try:
        return canonical.parse_wire(received.document(), floats=floats, wide=wide)
    except canonical.WireError as error:
        index, field = place(error.path)
        told = f"{error.path}: {error.problem}" if error.path else error.problem
        raise InputError(told, field=field, index=index) from None


def place(path: str) -> tuple[int | None, str | None]:
    """Split a path into the number of the event it lies in, if any, and the rest."""
    within = _IN_EVENTS.fullmatch(path)
    if within:
        return int(within[1]), within[2] or None
    return None, path or None


def validated(model: type[Model], value: Any) -> Model:
    """Return a command's body as its model; InputError names every field at fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _located(error, skip=0, index=None) from None


def type_of(value: Any, index: int) -> str:
    """Return the type of an event that is an object of a known type."""
    if not isinstance(value, Mapping):
        raise InputError("an event is an object", index=index)
    word = value.get("type")
    if not isinstance(word, str) or word not in EVENT_TYPES:
        raise InputError(f"type: unknown; known types are {', '.join(sorted(EVENT_TYPES))}", field="type", index=index)
    return word


def event_of(value: Any, index: int) -> Any:
    """Return an event as its class; InputError names index and field."""
    try:
        return parse_event(value)
    except ValidationError as error:
        raise _located(error, skip=1, index=index) from None


def _located(error: ValidationError, *, skip: int, index: int | None) -> InputError:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = [path_of(fault["loc"][skip:]) for fault in faults]
    told = [f"{at or 'the whole'}: {fault['msg']}" for at, fault in zip(places, faults, strict=True)][:_NAMED_FAULTS]
    if len(faults) > len(told):
        told.append(f"and {len(faults) - len(told)} more")
    return InputError("; ".join(told), field=places[0] or None, index=index)


def path_of(steps: Sequence[int | str]) -> str:
    """Return steps as a path: ``("body", "params", 3)`` as ``body.params[3]``."""
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def events_in(value: Any, most: int) -> list[Any]:
    """Return the events of a native request; InputError unless it is ``{"events": [1 to most]}``."""
    if not isinstance(value, dict) or not isinstance(value.get("events"), list):
        raise InputError('events: the body is {"events": […]}', field="events")
    if len(value) > 1:
        raise InputError("events: nothing else stands beside it", field=next(key for key in value if key != "events"))
    events: list[Any] = value["events"]
    if not 1 <= len(events) <= most:
        raise InputError(f"events: {len(events)} of them; a request has 1 to {most}", field="events")
    return events


def ack_of(text: str | None, default: Ack) -> Ack:
    """Return when to answer; InputError for what this installation cannot promise."""
    if text is None:
        return default
    if text == "witnessed":
        raise InputError("ack: no witness is configured; ask for committed or signed", field="ack")
    if text not in ("committed", "signed"):
        raise InputError("ack: committed or signed", field="ack")
    return text  # type: ignore[return-value]  # mypy does not narrow by membership


def require_continuation(installation: Installation, header: str | None) -> None:
    """Refuse a request whose sender saw a checkpoint (``<size> <root>``) that our log does not continue."""
    if header is None:
        return
    seen = _CHECKPOINT.fullmatch(header.strip())
    if seen is None:
        raise InputError("If-Checkpoint: write <size> <root in hex or base64>", field="If-Checkpoint")
    size, text = int(seen[1]), seen[2]
    root = bytes.fromhex(text) if len(text) == 64 else b64decode(text)  # noqa: PLR2004  hex digits of 32 bytes
    with installation.store.read() as reader:
        head = reader.head()
        if size > head.size:
            raise RolledBackError(
                f"you saw {size} records, the log has {head.size}: records you were promised are missing. Nothing was "
                "recorded; keep your checkpoint and have the log verified."
            )
        found = root_at(size, TileReader(reader.hashes, reader.tile).subtree)
    if found != root:
        raise RolledBackError(
            f"at size {size} the log has the root {found.hex()}, not the one you saw: this is another history. Nothing "
            "was recorded; keep your checkpoint and have the log verified."
        )


def hour_of(micros: int) -> int:
    """Return the number of the hour an instant lies in."""
    return micros // (3600 * times.MICROS_PER_SECOND)
