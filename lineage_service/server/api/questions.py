"""The questions over HTTP: each route resolves the two times against one snapshot and asks one function."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from graph_schema import names
from graph_schema.answers import Answer
from graph_schema.kinds import KIND_BY_WORD
from lineage_service.errors import InputError, OverloadedError
from lineage_service.ledger.sealing import token_text
from lineage_service.queries.asking import Asking, Opener, asking_of, instant, node_key
from lineage_service.queries.commits import commits_of_runs
from lineage_service.queries.deployments import DeploymentFilter, deployments
from lineage_service.queries.drift import drift
from lineage_service.queries.history import history
from lineage_service.queries.live import live
from lineage_service.queries.provenance import DEPTH, LIMIT, MAX_LIMIT, impact, provenance
from lineage_service.queries.writes import registers_of
from lineage_service.recorder.disclosure import Disclosure
from lineage_service.server.access import Indexer, Reader
from lineage_service.server.parts import Parts, PartsOf
from lineage_service.server.principals import PersonPrincipal

router = APIRouter(prefix="/api/v1", tags=["questions"])

_SEES_SEALED = frozenset({"auditor", "admin"})

_TURN_SECONDS: Final = 30
# More at once take the interpreter from each other at every row: eight together got half as many answers as one after
# the other. Two, so that a small question can pass a large one.
_TURNS: Final = threading.BoundedSemaphore(2)

AsOf = Annotated[
    str | None, Query(description="What was true at this time: RFC 3339, or a date in `tz`. Default: now.")
]
KnownAt = Annotated[
    str | None, Query(description="What was recorded by then: a record number, or a time. Default: the newest record.")
]
Zone = Annotated[str, Query(description="IANA zone of dates without a time.")]
Node = Annotated[str, Query(min_length=1, max_length=8192, description="A node's key, or model_version:NAME/VERSION.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Name = Annotated[str | None, Query(max_length=4096)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deployments, as asked."""

    model: Name = None
    target: Name = None
    stage: Name = None
    actor: Name = None
    start: Annotated[str | None, Query(alias="from")] = None
    stop: Annotated[str | None, Query(alias="to")] = None
    after: Name = None
    limit: Limit = 200


@dataclass(frozen=True, slots=True)
class Place:
    """What is live where, and beside what, as asked."""

    target: Name = None
    model: Name = None
    drift: Annotated[bool, Query(description="Beside what the registry calls Production, with a verdict.")] = False
    registry_alias: Annotated[
        str | None, Query(max_length=1024, description="With drift: what this alias names counts as Production.")
    ] = None


@dataclass(frozen=True, slots=True)
class Times:
    """The two times of a question, as asked."""

    as_of: AsOf = None
    known_at: KnownAt = None
    tz: Zone = "UTC"


WhenAsked = Annotated[Times, Depends()]


@contextmanager
def _turn() -> Iterator[None]:
    """Wait until few enough questions are being answered; OverloadedError after half a minute."""
    if not _TURNS.acquire(timeout=_TURN_SECONDS):
        raise OverloadedError(f"other questions have taken {_TURN_SECONDS} s; data is safe, try again")
    try:
        yield
    finally:
        _TURNS.release()


@contextmanager
def _asking(parts: Parts, who: PersonPrincipal, times: Times) -> Iterator[Asking]:
    opener = None
    if who.roles & _SEES_SEALED:
        disclosure = Disclosure(parts.installation.secrets, parts.installation.store.vault())
        opener = Opener(disclosure.name, disclosure.value, disclosure.look_up)
    with _turn(), parts.installation.store.read() as reader:
        yield asking_of(
            reader, as_of=times.as_of, known_at=times.known_at, tz=times.tz, now=parts.clock(), opener=opener
        )


def _respond(
    request: Request, parts: Parts, who: PersonPrincipal, times: Times, ask: Callable[[Asking], Answer[Any]]
) -> Response:
    """Answer as JSON with an ETag that changes exactly when the answer does."""
    with _asking(parts, who, times) as asking:
        answer = _envelope(ask(asking))
    body = orjson.dumps(answer)
    etag = f'"{token_text(_digest(answer))}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(body, media_type="application/json", headers={"ETag": etag})


def _envelope(answer: Answer[Any]) -> dict[str, Any]:
    """Return the envelope as a dictionary, without copying what is in it."""
    return {name: getattr(answer, name) for name in Answer.__slots__}


def _digest(answer: dict[str, Any]) -> bytes:
    """Digest what the answer says; the default of as_of is the clock, which alone makes no new answer."""
    return sha256(orjson.dumps({**answer, "as_of": None, "checkpoint": None})).digest()[:16]


@router.get("/provenance")
def get_provenance(
    request: Request,
    parts: PartsOf,
    who: Reader,
    times: WhenAsked,
    node: Node,
    depth: Annotated[int, Query(ge=0, le=100)] = DEPTH,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = LIMIT,
) -> Response:
    """Return what a node rests on."""
    return _respond(request, parts, who, times, lambda asking: provenance(asking, node, depth, limit))


@router.get("/impact")
def get_impact(
    request: Request,
    parts: PartsOf,
    who: Reader,
    times: WhenAsked,
    node: Node,
    depth: Annotated[int, Query(ge=0, le=100)] = DEPTH,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = LIMIT,
) -> Response:
    """Return what rests on a node."""
    return _respond(request, parts, who, times, lambda asking: impact(asking, node, depth, limit))


@router.get("/deployments")
def get_deployments(
    request: Request,
    parts: PartsOf,
    who: Reader,
    times: WhenAsked,
    asked: Annotated[Wanted, Depends()],
) -> Response:
    """Return who deployed what, when, why, approved by whom."""
    wanted = DeploymentFilter(
        asked.model,
        asked.target,
        asked.stage,
        asked.actor,
        instant("from", asked.start, times.tz),
        instant("to", asked.stop, times.tz),
        asked.after,
        asked.limit,
    )
    return _respond(request, parts, who, times, lambda asking: deployments(asking, wanted))


@router.get("/live")
def get_live(
    request: Request,
    parts: PartsOf,
    who: Reader,
    times: WhenAsked,
    asked: Annotated[Place, Depends()],
) -> Response:
    """Return what was live at an instant; with ``drift``, beside what the registry called Production."""
    if asked.drift:
        return _respond(
            request, parts, who, times, lambda asking: drift(asking, asked.target, asked.model, asked.registry_alias)
        )
    if asked.registry_alias is not None:
        raise InputError("registry_alias belongs to a question about drift: add drift=true", field="registry_alias")
    return _respond(request, parts, who, times, lambda asking: live(asking, asked.target, asked.model))


@router.get("/history")
def get_history(
    request: Request,
    parts: PartsOf,
    who: Reader,
    times: WhenAsked,
    node: Node,
    after: Name = None,
    limit: Limit = 200,
) -> Response:
    """Return everything that happened to a node."""
    return _respond(request, parts, who, times, lambda asking: history(asking, node, after, limit))


@router.get("/nodes")
def get_nodes(
    parts: PartsOf,
    who: Reader,
    times: WhenAsked,
    kind: Annotated[str, Query(max_length=64)],
    q: Annotated[str, Query(max_length=4096, description="The beginning of the key after `kind:`.")] = "",
    after: Name = None,
    limit: Limit = 200,
) -> dict[str, Any]:
    """Return keys of a kind, by the beginning of what follows ``kind:``, in key order."""
    if kind not in KIND_BY_WORD:
        raise InputError(f"there is no kind {kind!r}; kinds are {', '.join(KIND_BY_WORD)}", field="kind")
    with _asking(parts, who, times) as asking:
        found = asking.reader.find(KIND_BY_WORD[kind].value, f"{kind}:{q}", after, limit + 1, asking.cut)
    return {"nodes": found[:limit], "after": found[limit - 1] if len(found) > limit else None}


@router.get("/commits")
def get_commits(
    parts: PartsOf,
    who: Indexer,  # noqa: ARG001  who may call it
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> dict[str, Any]:
    """Return the commits that facts of runs name, from record ``after`` on, and where the list goes on."""
    with _turn(), parts.installation.store.read() as reader:
        found = commits_of_runs(reader, after)
    return {"commits": found.commits, "after": found.after, "more": found.more}


@router.get("/node")
def get_node(parts: PartsOf, who: Reader, times: WhenAsked, node: Node) -> dict[str, Any]:
    """Return one node with its registers as known at the cut."""
    with _asking(parts, who, times) as asking:
        key = node_key(asking, node)
        registers = registers_of(asking, [key])[key]
    shown = {
        name: {"sealed": True} if isinstance(value, dict) and "sd" in value else value
        for name, value in registers.items()
    }
    return {"node": key, "kind": names.kind_of(key), "properties": shown}
