"""OpenLineage events in, as their producers send them: one at a time, or many in an array.

Follows https://openlineage.io/spec/2-0-2/OpenLineage.json. The raw body is kept as the payload of the records it
becomes; of a batch, each event by itself. Nobody is known to have done what an event tells: no actor is invented.
Producers drop an event on 429 and wait five seconds at most: overload is 503, and the answer waits for the commit, not
for the signature.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Response

from collectors.openlineage import OpenLineageError, one_spelling, translate
from lineage_service.errors import InputError
from lineage_service.recorder.preparation import Incoming, Prepared
from lineage_service.recorder.preparation import Sender as RecordedUnder
from lineage_service.server.access import Producer, permission
from lineage_service.server.api import API
from lineage_service.server.intake import ack_of, event_of, read_json
from lineage_service.server.limits import Body
from lineage_service.server.parts import Parts, PartsOf
from lineage_service.server.principals import SourcePrincipal
from lineage_service.server.quarantine import NothingToRecordError
from lineage_service.server.replies import json_reply, receipts_of

MOST_EVENTS: Final = 1000
_NOBODY: Final[Mapping[str, str]] = {"assurance": "observed"}
_EXAMPLE: Final[dict[str, Any]] = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}

router = APIRouter(prefix=API, tags=["facts"])


@router.post("/lineage", status_code=201, openapi_extra=_EXAMPLE)
def record_lineage(who: Producer, parts: PartsOf, body: Body, ack: str | None = None) -> Response:
    """Record one RunEvent, DatasetEvent or JobEvent and return the receipts of the facts it adds."""
    with parts.quarantine.keeping(who, body, "POST /api/v1/lineage"):
        wanted = ack_of(ack, "committed")
        value = read_json(body, floats=True, wide=True)
        prepared = _prepared(parts, who, value, body.document())
    if not prepared:
        parts.quarantine.keep(who, body, NothingToRecordError(), "POST /api/v1/lineage")
    return json_reply(receipts_of(parts.installation.recorder.record(prepared, ack=wanted)), 201)


@router.post("/lineage/batch", openapi_extra=_EXAMPLE)
def record_batch(who: Producer, parts: PartsOf, body: Body) -> Response:
    """Record an array of events; each is judged by itself, and the answer says which failed."""
    prepared: list[Prepared] = []
    failed: list[dict[str, Any]] = []
    with parts.quarantine.keeping(who, body, "POST /api/v1/lineage/batch"):
        values = _array(read_json(body, floats=True, wide=True))
    first: InputError | None = None
    silent = 0
    for index, value in enumerate(values):
        try:
            facts = _prepared(parts, who, value, one_spelling(value))
            prepared += facts
            silent += not facts
        except (InputError, OpenLineageError) as failure:
            error = failure if isinstance(failure, InputError) else InputError(str(failure))
            first = first or InputError(error.problem, field=error.field, index=index)
            failed.append({"index": index, "reason": error.problem, "field": error.field, "retriable": False})
    if silent and first is None:
        first = NothingToRecordError()
    if first is not None:
        parts.quarantine.keep(who, body, first, "POST /api/v1/lineage/batch")
    if prepared:
        parts.installation.recorder.record(prepared, ack="committed")
    return json_reply(_summary(len(values), failed))


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InputError("a batch is an array of events")
    if len(value) > MOST_EVENTS:
        raise InputError(f"{len(value)} events; a batch has at most {MOST_EVENTS}")
    return value


def _summary(received: int, failed: list[dict[str, Any]]) -> dict[str, Any]:
    successful = received - len(failed)
    return {
        "status": "success" if not failed else "partial_success" if successful else "failure",
        "summary": {
            "received": received,
            "successful": successful,
            "failed": len(failed),
            "retriable": 0,
            "non_retriable": len(failed),
        },
        "failed_events": failed,
    }


def _prepared(parts: Parts, who: SourcePrincipal, value: Any, raw: bytes) -> list[Prepared]:
    """Return the records one event becomes; InputError names the field of the event at fault."""
    if not isinstance(value, dict):
        raise InputError("an OpenLineage event is an object")
    try:
        facts = translate(value, received_actor=_NOBODY)
    except OpenLineageError as error:
        raise InputError(str(error), field=error.path or None) from None
    under = RecordedUnder(who.kind, who.instance, who.cap)
    incoming = []
    for index, fact in enumerate(facts):
        permission(who, fact["type"])
        incoming.append(Incoming(event_of(fact, index), under, raw, one_spelling(value)))
    return parts.installation.preparation.prepare(incoming)
