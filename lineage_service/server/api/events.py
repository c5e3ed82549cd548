"""Native facts in: all of a request or none of it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response

from graph_schema.events import json_schema
from lineage_service.errors import NotAllowedError
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Incoming
from lineage_service.recorder.preparation import Sender as RecordedUnder
from lineage_service.server.access import Sender, permission
from lineage_service.server.api import API
from lineage_service.server.intake import ack_of, event_of, events_in, read_json, require_continuation, type_of
from lineage_service.server.limits import Body
from lineage_service.server.parts import PartsOf
from lineage_service.server.principals import PersonPrincipal, Principal, actor_of
from lineage_service.server.remarks import remarks_on
from lineage_service.server.repeats import first_told
from lineage_service.server.replies import json_reply, receipts_of

MOST_EVENTS: Final = 1000
ROUTE: Final = "POST /api/v1/events"
_SCHEMA: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["events"],
                    "properties": {
                        "events": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MOST_EVENTS,
                            "items": {"type": "object", "description": json_schema()["title"]},
                        }
                    },
                }
            }
        },
    }
}

router = APIRouter(prefix=API, tags=["facts"])


@router.post("/events", status_code=201, openapi_extra=_SCHEMA)
def record_events(
    who: Sender,
    parts: PartsOf,
    body: Body,
    ack: str | None = None,
    if_checkpoint: Annotated[str | None, Header()] = None,
) -> Response:
    """Record 1 to 1,000 events, all or none, and return their receipts. A repeat returns the original receipts.

    A receipt may carry a ``remark``: something about the fact that its sender should look at.
    """
    with parts.quarantine.keeping(who, body, ROUTE):
        wanted = ack_of(ack, parts.settings.ack)
        require_continuation(parts.installation, if_checkpoint)
        values = events_in(read_json(body), MOST_EVENTS)
        incoming = [_incoming(parts.installation, who, value, index) for index, value in enumerate(values)]
        prepared = first_told(parts.installation, incoming, parts.installation.preparation.prepare(incoming))
    recorded = parts.installation.recorder.record(prepared, ack=wanted)
    return json_reply(receipts_of(recorded, remarks_on(parts.installation, prepared)), 201)


def _incoming(installation: Installation, who: Principal, value: Any, index: int) -> Incoming:
    """Return one event under its sender's name; what a person states has that person as its actor."""
    try:
        permission(who, type_of(value, index))
    except NotAllowedError as error:
        raise NotAllowedError(f"event {index}: {error}", rule=error.rule) from None
    if not isinstance(who, PersonPrincipal):
        return Incoming(event_of(value, index), RecordedUnder(who.kind, who.instance, who.cap))
    actor = actor_of(installation, who)
    claimed = value.get("actor")
    if isinstance(claimed, dict) and "on_behalf_of" in claimed:
        actor["on_behalf_of"] = claimed["on_behalf_of"]
    return Incoming(event_of({**value, "actor": actor}, index), installation.own)
