"""The ledger as it stands: exact record bytes, the signed head, and every proof somebody needs to check us alone.

Follows RFC 6962 (proofs), C2SP tlog-tiles (``/tile/…``) and tlog-proof. Proofs are computed from the stored tree; a
checkpoint is never made up for a size nobody signed. Records hold pseudonyms and sealed digests, no personal value.
"""

import re
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request, Response

from graph_schema import times
from lineage_service.errors import InputError, UnknownThingError
from lineage_service.ledger.checkpoint import Checkpoint
from lineage_service.ledger.errors import TileError
from lineage_service.ledger.merkle import consistency_proof, inclusion_proof, root_at
from lineage_service.ledger.tiles import TILE_WIDTH, TileReader, build_tile, parse_tile_path, tile_width
from lineage_service.ledger.tlog_proof import MEDIA_TYPE, write_tlog_proof
from lineage_service.server.access import Auditor, Known
from lineage_service.server.api import API
from lineage_service.server.parts import Parts, PartsOf
from lineage_service.server.replies import FOR_EVER, JSON, bytes_reply, read_reply
from lineage_service.store.protocol import Reader as Snapshot
from lineage_service.store.protocol import RecordQuery, StoredRecord

LEAF: Final = "Lineage-Leaf-Hash"
SEQ: Final = "Lineage-Seq"
MOST_RECORDS: Final = 1000
_ID: Final = re.compile(r"[0-9a-f]{32}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_SIGNED_SECONDS: Final = 2.0

router = APIRouter(prefix=API, tags=["ledger"])


@router.get("/records")
def list_records(
    *,
    who: Auditor,  # noqa: ARG001  who may call it
    parts: PartsOf,
    request: Request,
    start: Annotated[str | None, Query(alias="from", description="A record number or a time; inclusive.")] = None,
    stop: Annotated[str | None, Query(alias="to", description="A record number or a time; exclusive.")] = None,
    event_type: Annotated[str | None, Query(alias="type")] = None,
    actor: str | None = None,
    after: Annotated[int | None, Query(ge=0, description="Go on after this record.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_RECORDS)] = 100,
    tz: Annotated[str, Query(description="Zone of dates without a time.")] = "UTC",
) -> Response:
    """Return records by number, each with its exact bytes embedded; ``next`` goes on where a page ends."""
    with parts.installation.store.read() as reader:
        size = reader.head().size
        first = max(_bound(reader, start, tz, "from", 0), 0 if after is None else after + 1)
        end = min(_bound(reader, stop, tz, "to", size), size)
        pseudonym = None if actor is None else actor.removeprefix("person:").removeprefix("service_account:")
        query = RecordQuery(first, end, event_type, pseudonym, limit + 1)
        found = list(reader.records(query))
    page = found[:limit]
    lines = [{"seq": r.seq, "hash": r.leaf.hex(), "record": orjson.Fragment(r.body)} for r in page]
    following = page[-1].seq if len(found) > limit else None
    return read_reply(request, {"from": first, "to": end, "size": size, "next": following, "records": lines})


def _bound(reader: Snapshot, text: str | None, tz: str, field: str, otherwise: int) -> int:
    """Return the record number a bound means: a number itself, a time the first record at or after it."""
    if text is None:
        return otherwise
    if _NUMBER.fullmatch(text):
        return int(text)
    try:
        return reader.seq_at(times.parse_instant(text, tz) - 1) + 1
    except times.TimeError as error:
        raise InputError(f"{field}: a record number or a time; {error}", field=field) from None


@router.get("/records/{which}")
def show_record(who: Auditor, parts: PartsOf, request: Request, which: str) -> Response:  # noqa: ARG001  who may call it
    """Return the exact bytes of one record, by number or event id; the leaf hash and the number are headers."""
    with parts.installation.store.read() as reader:
        record = _record(reader, which)
    headers = {LEAF: record.leaf.hex(), SEQ: str(record.seq)}
    return bytes_reply(request, record.body, JSON, caching=FOR_EVER, headers=headers)


def _record(reader: Snapshot, which: str) -> StoredRecord:
    found = None
    if _ID.fullmatch(which):
        found = reader.record(which)
    elif _NUMBER.fullmatch(which):
        found = reader.record(int(which))
    if found is None:
        raise UnknownThingError(f"there is no record {which[:64]}; give a number below the log's size or an event id")
    return found


@router.get("/checkpoint")
def newest_checkpoint(who: Known, parts: PartsOf, request: Request) -> Response:  # noqa: ARG001  who may call it
    """Return the newest signed head, as the note that was signed."""
    return bytes_reply(request, _newest_note(parts).encode(), "text/plain")


def _newest_note(parts: Parts) -> str:
    if note := parts.installation.heads.note():
        return note
    with parts.installation.store.read() as reader:
        if stored := reader.note():
            return stored.decode()
    signed = parts.installation.heads.cover(None, _SIGNED_SECONDS)
    if signed is None:
        raise UnknownThingError("no head is signed yet; try again in a second")
    return signed.note


def _head_of(note: str) -> Checkpoint:
    return Checkpoint.parse(note[: note.index("\n\n") + 1])


@router.get("/proof")
def prove_inclusion(
    who: Known,  # noqa: ARG001  who may call it
    parts: PartsOf,
    request: Request,
    seq: Annotated[int, Query(ge=0, description="The record's number.")],
    size: Annotated[int | None, Query(ge=1, description="Size of the tree; the newest signed one if left out.")] = None,
) -> Response:
    """Return the proof that a record is in the tree: JSON, or a C2SP tlog-proof with ``Accept: text/plain``."""
    note = _newest_note(parts)
    signed = _head_of(note).size
    wanted = signed if size is None else size
    with parts.installation.store.read() as reader:
        _require(reader.head().size, wanted, "size")
        if seq >= wanted:
            raise UnknownThingError(f"record {seq} is not in a tree of {wanted} records")
        tiles = TileReader(reader.hashes, reader.tile)
        proof = inclusion_proof(seq, wanted, tiles.subtree)
        leaf, root = reader.hashes(seq, seq + 1)[0], root_at(wanted, tiles.subtree)
    if "text/plain" in request.headers.get("accept", ""):
        if wanted != signed:
            raise InputError(f"size: only {signed} is signed; leave size out, or take the proof as JSON", field="size")
        return bytes_reply(request, write_tlog_proof(seq, proof, note).encode(), MEDIA_TYPE)
    value: dict[str, Any] = {
        "seq": seq,
        "size": wanted,
        "leaf": leaf.hex(),
        "root": root.hex(),
        "proof": [digest.hex() for digest in proof],
        "checkpoint": note if wanted == signed else None,
    }
    return read_reply(request, value)


@router.get("/consistency")
def prove_consistency(
    who: Known,  # noqa: ARG001  who may call it
    parts: PartsOf,
    request: Request,
    start: Annotated[int, Query(alias="from", ge=0, description="Size of the older tree.")],
    stop: Annotated[int, Query(alias="to", ge=0, description="Size of the newer tree.")],
) -> Response:
    """Return the proof that the newer tree begins with the older one."""
    if start > stop:
        raise InputError("from: the older tree is not larger than the newer one", field="from")
    with parts.installation.store.read() as reader:
        _require(reader.head().size, stop, "to")
        tiles = TileReader(reader.hashes, reader.tile)
        proof = consistency_proof(start, stop, tiles.subtree)
        roots = root_at(start, tiles.subtree), root_at(stop, tiles.subtree)
    value = {
        "from": start,
        "to": stop,
        "root_from": roots[0].hex(),
        "root_to": roots[1].hex(),
        "proof": [digest.hex() for digest in proof],
    }
    return read_reply(request, value)


def _require(size: int, wanted: int, field: str) -> None:
    if wanted > size:
        raise UnknownThingError(f"{field}: the log has {size} records, not {wanted}")


@router.get("/tile/{level}/{number:path}")
def show_tile(who: Known, parts: PartsOf, request: Request, level: str, number: str) -> Response:  # noqa: ARG001
    """Return a tile of the tree, as C2SP tlog-tiles names it: ``0/x001/234``, or ``0/000.p/17`` while it fills."""
    try:
        name = parse_tile_path(f"tile/{level}/{number}")
    except TileError as error:
        raise UnknownThingError(str(error)) from None
    with parts.installation.store.read() as reader:
        if name.width > tile_width(name.level, name.n, reader.head().size):
            raise UnknownThingError("the log has not grown to this tile yet")
        tile = build_tile(name.level, name.n, TileReader(reader.hashes, reader.tile), name.width)
    caching = FOR_EVER if name.width == TILE_WIDTH else "private, no-cache"
    return bytes_reply(request, tile, "application/octet-stream", caching=caching)


@router.get("/keys")
def list_keys(who: Known, parts: PartsOf, request: Request) -> Response:  # noqa: ARG001  who may call it
    """Return the log's public keys. They are claims: whoever verifies takes his trust from elsewhere."""
    with parts.installation.store.read() as reader:
        genesis = orjson.loads(_record(reader, "0").body)["body"]
    keys = [{"purpose": purpose, "vkey": genesis[f"{purpose}_key"]} for purpose in ("log", "root")]
    return read_reply(request, {"origin": genesis["origin"], "keys": keys})
