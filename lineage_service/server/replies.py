"""Replies: JSON written once, and reads that a client need not fetch twice (ETag, RFC 9110 8.8.3 and 13.1.2)."""

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

import orjson
from fastapi import Request, Response

from lineage_service.recorder.recorder import Recorded

JSON: Final = "application/json"
FOR_EVER: Final = "private, max-age=31536000, immutable"
_FRESH: Final = "private, no-cache"


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as JSON; dataclasses are written as objects."""
    return Response(orjson.dumps(value), status, dict(headers or {}), media_type=JSON)


def read_reply(request: Request, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer as JSON with its ETag, or 304 if the client has it already."""
    return bytes_reply(request, orjson.dumps(value), JSON, headers=headers)


def bytes_reply(
    request: Request,
    body: bytes,
    media_type: str,
    *,
    caching: str = _FRESH,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return bytes with their ETag, or 304 if the client has them already."""
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    all_headers = {"ETag": tag, "Cache-Control": caching, "Vary": "Authorization, Accept", **(headers or {})}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=all_headers)
    return Response(body, headers=all_headers, media_type=media_type)


def receipts_of(recorded: Recorded, remarks: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return the receipts of one request as the contract has them; proof and remark only where there is one."""
    receipts = []
    for receipt in recorded.receipts:
        line = {name: getattr(receipt, name) for name in ("id", "seq", "hash", "time", "ack")}
        if receipt.proof is not None:
            line["proof"] = receipt.proof
        if receipt.id in remarks:
            line["remark"] = remarks[receipt.id]
        receipts.append(line)
    return {"receipts": receipts, "size": recorded.size, "checkpoint": recorded.checkpoint}
