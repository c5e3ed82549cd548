"""The client: one method a question, each a request to the running service and a typed answer back."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self, overload

import httpx

from graph_schema.answers import ClosureValue, DeploymentsValue, DriftValue, HistoryValue, LiveValue
from lineage_service.client import replies
from lineage_service.client.credential import Credential
from lineage_service.client.errors import AnswerError, RefusedError, UnavailableError
from lineage_service.client.head import Memory, SeenHead, read_note
from lineage_service.client.reading import require_answer
from lineage_service.client.result import Result

DEFAULT_URL: Final = "http://127.0.0.1:8765"
_TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
_PREFIX: Final = "/api/v1"
_HEAD_TRIES: Final = 20
_HEAD_WAIT: Final = 0.2


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the log promised about one fact: its id, its number, its leaf hash (hex), when, and how firmly.

    ``remark`` is what the service noticed about it, such as a version that nobody registered.
    """

    id: str
    seq: int
    hash: str
    time: str
    ack: str
    proof: tuple[str, ...] | None = None
    remark: str | None = None


class LineageClient:
    """A connection to a lineage service. Used by one thread at a time; close it, or use it in a ``with`` block."""

    def __init__(
        self,
        url: str | None = None,
        token: str | Credential | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        ``url`` comes from LINEAGE_URL if it is not given, ``token`` from LINEAGE_TOKEN or from the file that
        LINEAGE_TOKEN_FILE names, which is read again whenever it changed.
        """
        self.url = (url or os.environ.get("LINEAGE_URL") or DEFAULT_URL).rstrip("/")
        if isinstance(token, Credential):
            self._credential = token
        else:
            self._credential = Credential(token) if token else Credential.from_environment()
        self._memory = Memory()
        self._http = httpx.Client(transport=transport, timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LineageClient({self.url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def newest_checkpoint(self) -> SeenHead | None:
        """The newest signed head this client saw; it is sent along with every request."""
        return self._memory.newest

    # ------------------------------------------------------------------------------------------------------ questions

    def provenance(
        self,
        node: str,
        *,
        depth: int | None = None,
        limit: int | None = None,
        as_of: str | None = None,
        known_at: int | str | None = None,
        tz: str | None = None,
    ) -> Result[ClosureValue]:
        """Ask what a node rests on: ``model_version:credit/3``, or any full key."""
        asked = {"node": node, "depth": depth, "limit": limit, "as_of": as_of, "known_at": known_at, "tz": tz}
        return self._ask("provenance", asked)

    def impact(
        self,
        node: str,
        *,
        depth: int | None = None,
        limit: int | None = None,
        as_of: str | None = None,
        known_at: int | str | None = None,
        tz: str | None = None,
    ) -> Result[ClosureValue]:
        """Ask what rests on a node."""
        asked = {"node": node, "depth": depth, "limit": limit, "as_of": as_of, "known_at": known_at, "tz": tz}
        return self._ask("impact", asked)

    def deployments(  # noqa: PLR0913  one argument for each thing one may ask by
        self,
        model: str | None = None,
        *,
        target: str | None = None,
        stage: str | None = None,
        actor: str | None = None,
        start: str | None = None,
        stop: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        as_of: str | None = None,
        known_at: int | str | None = None,
        tz: str | None = None,
    ) -> Result[DeploymentsValue]:
        """Ask who deployed what, when, why, approved by whom; ``start`` is inclusive, ``stop`` exclusive.

        A page holds ``limit`` rows; ``result.value["after"]`` is None at the end, else it continues the list.
        """
        asked = {"model": model, "target": target, "stage": stage, "actor": actor, "from": start, "to": stop}
        more = {"limit": limit, "after": after, "as_of": as_of, "known_at": known_at, "tz": tz}
        return self._ask("deployments", asked | more)

    @overload
    def live(
        self,
        *,
        target: str | None = None,
        model: str | None = None,
        drift: Literal[False] = False,
        as_of: str | None = None,
        known_at: int | str | None = None,
        tz: str | None = None,
    ) -> Result[LiveValue]: ...

    @overload
    def live(
        self,
        *,
        target: str | None = None,
        model: str | None = None,
        drift: Literal[True],
        registry_alias: str | None = None,
        as_of: str | None = None,
        known_at: int | str | None = None,
        tz: str | None = None,
    ) -> Result[DriftValue]: ...

    def live(
        self,
        *,
        target: str | None = None,
        model: str | None = None,
        drift: bool = False,
        registry_alias: str | None = None,
        as_of: str | None = None,
        known_at: int | str | None = None,
        tz: str | None = None,
    ) -> Result[Any]:
        """Ask what was live at ``as_of``, by default now.

        With ``drift``, ask whether targets served what the registry called Production, or named by an alias of it.
        """
        asked: dict[str, Any] = {"target": target, "model": model, "as_of": as_of, "known_at": known_at, "tz": tz}
        if drift:
            return self._ask("drift", {**asked, "drift": "true", "registry_alias": registry_alias}, path="live")
        return self._ask("live", asked)

    def history(
        self,
        node: str,
        *,
        limit: int | None = None,
        after: str | None = None,
        as_of: str | None = None,
        known_at: int | str | None = None,
        tz: str | None = None,
    ) -> Result[HistoryValue]:
        """Ask what happened to a node; of a model also what happened to its versions."""
        asked = {"node": node, "limit": limit, "after": after, "as_of": as_of, "known_at": known_at, "tz": tz}
        return self._ask("history", asked)

    def node(self, node: str, *, as_of: str | None = None, known_at: int | str | None = None) -> dict[str, Any]:
        """Return one node: its key, kind and properties."""
        found: dict[str, Any] = self.request("GET", "/node", {"node": node, "as_of": as_of, "known_at": known_at})
        return found

    def nodes(self, kind: str, q: str = "", *, limit: int | None = None, after: str | None = None) -> dict[str, Any]:
        """Return the keys of a kind that begin with ``q`` behind the kind, and ``after`` if there are more."""
        found: dict[str, Any] = self.request("GET", "/nodes", {"kind": kind, "q": q, "limit": limit, "after": after})
        return found

    def commits_of_runs(self, after: int = 0) -> dict[str, Any]:
        """Return commits that facts of runs name from record ``after`` on, the next ``after``, and if ``more`` wait.

        Also a source may ask this, if it may record commits.
        """
        found: dict[str, Any] = self.request("GET", "/commits", {"after": after})
        return found

    # ----------------------------------------------------------------------------------------------------- the ledger

    def records(
        self,
        start: int | str | None = None,
        stop: int | str | None = None,
        *,
        type: str | None = None,  # noqa: A002  the word of the interface
        actor: str | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> dict[str, Any]:
        """Return a page of records in a half-open range of numbers or times; ``next`` continues it as ``after``."""
        asked = {"from": start, "to": stop, "type": type, "actor": actor, "after": after, "limit": limit}
        found: dict[str, Any] = self.request("GET", "/records", asked)
        return found

    def checkpoint(self) -> SeenHead:
        """Return the newest signed head; AnswerError if none is signed yet."""
        head = read_note(self._send("GET", "/checkpoint").text)
        if head is None:
            raise AnswerError("the service gave no checkpoint: nothing is signed yet, or it is another service")
        self._memory.meet(head.note)
        return head

    def record_events(self, events: Sequence[Mapping[str, Any]]) -> list[Receipt]:
        """Record facts, all or none, and return their receipts in order.

        A fact sent again is known again and gets its first receipt, so after an UnavailableError the same list may
        simply be sent once more.

        Raises:
            BadRequestError: if one is wrong; ``index`` says which, and nothing was recorded.
        """
        answer = self.request("POST", "/events", json={"events": list(events)})
        try:
            return [_receipt(one) for one in answer["receipts"]]
        except (TypeError, KeyError, ValueError) as error:
            raise AnswerError(f"the service's receipts cannot be read ({error!r}); send the facts again") from error

    # ------------------------------------------------------------------------------------------------------- requests

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request below ``/api/v1`` and return the JSON of the reply; ClientError if it is none.

        ``json`` is a value to be sent as JSON, ``content`` a body that is sent as it is; at most one is given.
        """
        value = replies.content(self._send(method, path, params, json=json, content=content, headers=headers))
        if isinstance(value, dict):
            self._memory.meet(value.get("checkpoint"))
        return value

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        given = {name: str(value) for name, value in (params or {}).items() if value is not None}
        sent = {"Authorization": f"Bearer {self._credential.read()}", **self._memory.header(), **(headers or {})}
        try:
            response = self._http.request(
                method, f"{self.url}{_PREFIX}{path}", params=given, json=json, content=content, headers=sent
            )
        except httpx.InvalidURL as error:
            raise UnavailableError(
                f"{self.url!r} is no address ({error}); set LINEAGE_URL to http://HOST:PORT"
            ) from None
        except httpx.TransportError as error:
            raise UnavailableError(
                f"no lineage service answers at {self.url} ({type(error).__name__}: {error})"
            ) from None
        if response.is_error:
            raise replies.error_of(response)
        return response

    def _ask(self, question: str, asked: Mapping[str, Any], path: str | None = None) -> Result[Any]:
        data = self.request("GET", f"/{path or question}", asked)
        return Result(**require_answer(question, data), raw=data, prove=self._prove)

    def _prove(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return a checkpoint that covers all records an answer cites, their proofs under it, their exact bytes."""
        cited = answer["evidence"]
        head = self._head_over(max((one["seq"] for one in cited), default=-1))
        proofs = [self.request("GET", "/proof", {"seq": one["seq"], "size": head.size}) for one in cited]
        records = [{"seq": one["seq"], "hash": one["hash"], **self._bytes_of(one["seq"])} for one in cited]
        return {
            "checkpoint": head.note,
            "size": head.size,
            "proofs": [{name: proof[name] for name in ("seq", "leaf", "proof")} for proof in proofs],
            "records": records,
        }

    def _head_over(self, seq: int) -> SeenHead:
        """Return a signed head that covers a record; what was just recorded is signed within a second."""
        for _ in range(_HEAD_TRIES):
            head = self.checkpoint()
            if head.size > seq:
                return head
            time.sleep(_HEAD_WAIT)
        raise UnavailableError(f"record {seq} is recorded but no signed head covers it yet; try again, nothing is lost")

    def _bytes_of(self, seq: int) -> dict[str, str]:
        try:
            return {"body": self._send("GET", f"/records/{seq}").content.decode()}
        except RefusedError as error:
            return {"withheld": str(error)}


def _receipt(data: Mapping[str, Any]) -> Receipt:
    proof = data.get("proof")
    return Receipt(
        id=str(data["id"]),
        seq=int(data["seq"]),
        hash=str(data["hash"]),
        time=str(data["time"]),
        ack=str(data["ack"]),
        proof=None if proof is None else tuple(proof),
        remark=None if data.get("remark") is None else str(data["remark"]),
    )
