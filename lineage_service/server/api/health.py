"""Is it alive, is it ready, how is it doing.

``/metrics`` takes the token of any person with a role: behind a proxy every caller looks like loopback, so the address
is no reason to let somebody in, and Prometheus can send a token (``authorization: credentials_file``).
"""

from fastapi import APIRouter, Response

from lineage_service.server.access import Reader
from lineage_service.server.counters import CONTENT_TYPE
from lineage_service.server.parts import PartsOf
from lineage_service.server.replies import json_reply

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> Response:
    """Tell that the process answers."""
    return json_reply({"status": "ok"})


@router.get("/readyz")
def ready(parts: PartsOf) -> Response:
    """Tell whether requests can be served; an integrity finding is told and is no reason to be taken out."""
    with parts.installation.store.read() as reader:  # unreachable or not migrated: 503, by the table of problems
        reader.head()
    findings = parts.condition.findings
    return json_reply({"status": "degraded" if findings else "ok", "findings": findings})


@router.get("/metrics")
def figures(who: Reader, parts: PartsOf) -> Response:  # noqa: ARG001  the signature says who may call it
    """Return all figures in the text format of Prometheus."""
    return Response(parts.counters.text(), headers={"Content-Type": CONTENT_TYPE})
