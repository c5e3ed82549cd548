"""Intents without a disk: the service acknowledges each before the change, and is told when there is nothing to add.

An intent is a fact of its own (``attempt.intended``). When what came of it is told, ``attempt.concluded`` with the same
event id follows in the same order; an intent that none follows is a change of which nobody saw the outcome. Waiting for
the service is bounded: a change is refused after seconds, never left hanging.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import orjson

from collectors.delivery import MemorySpool, NotAcknowledgedError, Token, TokenError
from collectors.delivery.answers import Accepted, judge
from collectors.mlflow.intents import Intent
from graph_schema.times import MICROS_PER_SECOND, format_time

_TIMEOUT: Final = httpx.Timeout(3.0, connect=1.0)


class ServiceJournal:
    """The intents of this process, at the service. Several threads may use it."""

    def __init__(
        self,
        url: str,
        token: Token,
        spool: MemorySpool,
        clock: Callable[[], int],
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Nothing is sent yet; conclusions go through ``spool``, behind the facts that they conclude."""
        self._url = f"{url.rstrip('/')}/api/v1/events"
        self._token = token
        self._spool = spool
        self._clock = clock
        self._client = httpx.Client(transport=transport, timeout=_TIMEOUT)

    def begin(self, intent: Intent) -> None:
        """Have an intent acknowledged; NotAcknowledgedError otherwise, and then the change must not be made."""
        body = {**_about(intent), "detail": orjson.dumps(intent.named).decode()}
        fact = intent.fact("attempt.intended", body)
        fact["source"] = {**fact["source"], "order": intent.at}
        reason = self._post(fact)
        if reason is not None:
            raise NotAcknowledgedError(
                f"the lineage service did not acknowledge the intent ({reason}); make it reachable, or set "
                "LINEAGE_ON_OUTAGE=allow to go on without a record"
            )

    def settle(self, intent: Intent) -> None:
        """Say that what came of an intent is told."""
        fact = intent.fact("attempt.concluded", _about(intent))
        self._spool.append([{**fact, "occurred_at": format_time(max(self._clock(), intent.at))}])

    def unsettled(self) -> Iterator[Intent]:
        """Give nothing: intents of processes that are gone stand at the service."""
        return iter(())

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, fact: dict[str, Any]) -> str | None:
        """Return None when the fact has a receipt, else why not."""
        try:
            headers = {"Authorization": f"Bearer {self._token.read()}"}
            response = self._client.post(self._url, json={"events": [fact]}, headers=headers)
        except TokenError as error:
            return str(error)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return f"{type(error).__name__} for {self._url}"
        outcome = judge(response, 1, self._clock() / MICROS_PER_SECOND)
        return None if isinstance(outcome, Accepted) else f"{response.status_code} from {self._url}"


def _about(intent: Intent) -> dict[str, Any]:
    node = intent.told.get("node")
    return {"action": str(intent.told["action"]), "act": intent.id, **({"node": node} if node else {})}
