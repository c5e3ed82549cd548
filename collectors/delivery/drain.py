"""Sending what waits in a spool: at least once, in order, and nothing dropped.

- 201 with receipts: on to the next facts. 503, 429, any 5xx, no connection: again, later and later (exponentially, with
  jitter, after at most a minute, never before ``Retry-After``).
- 422 names one fact: that one is set aside with the reason, the others go on. Names it none, halves are tried, down to
  one fact; that one is set aside only if others of its batch were accepted, else the fault may be the request's own.
- 401 and 403, and answers that nobody understands: everything stays, tried again once a minute.
- What changes is said once, not at every try.

Clock, sleep, randomness and transport are passed in.
"""

from __future__ import annotations

import enum
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx
import orjson

from collectors.delivery import answers
from collectors.delivery.errors import TokenError
from collectors.delivery.receipts import Receipts
from collectors.delivery.spool import BATCH_EVENTS, Batch, Entry
from collectors.delivery.token import Token
from collectors.delivery.waiting import Waiting

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 60.0
_JSON: Final = {"Content-Type": "application/json"}
_TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
_log = logging.getLogger("lineage.delivery")


class Standing(enum.Enum):
    """How delivery stands with the service."""

    DELIVERING = "delivering"
    UNREACHABLE = "the service cannot be reached or is busy"
    NOT_ALLOWED = "the service does not accept the token"
    UNEXPECTED = "the answer is not the service's"


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: facts delivered, and seconds to wait before the next (None: nothing waits)."""

    delivered: int
    wait: float | None


@dataclass(frozen=True, slots=True)
class Request:
    """How many facts a request holds at most, and what is waited for: ``committed``, or what the service prefers.

    Of many facts at once a receipt without a proof is enough, and takes a fifth less time: the head over them is
    signed right after, and the checkpoint that is kept proves them.
    """

    facts: int = BATCH_EVENTS
    ack: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The query of a request."""
        return {"ack": self.ack} if self.ack else {}


USUAL: Final = Request()


class Delivery:
    """Sends the facts of one spool to ``{url}/api/v1/events``. Used by one thread at a time."""

    def __init__(  # noqa: PLR0913  three of them are for tests: the transport, the clock, the jitter
        self,
        url: str,
        token: Token,
        spool: Waiting,
        *,
        request: Request = USUAL,
        receipts: Receipts | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is sent before the first :meth:`step`. ``jitter`` gives numbers from 0 to 1.

        ``request`` is how many facts go in one: few where somebody waits for each, many for a back-fill.
        """
        self.standing = Standing.DELIVERING
        self.receipts = receipts or Receipts(spool.path / "receipts.json")
        self._url = f"{url.rstrip('/')}/api/v1/events"
        self._token = token
        self._spool = spool
        self._request = request
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._client = httpx.Client(transport=transport, timeout=_TIMEOUT)

    def step(self) -> Step:
        """Send one batch, and set aside what cannot be sent or accepted; a SpoolError means the disk failed."""
        batch = self._spool.batch(self._request.facts)
        if batch is None:
            return Step(0, None)
        for line in batch.damaged:
            self._spool.set_aside(line.decode("utf-8", "backslashreplace"), "a damaged line of the spool")
        return self._deliver(batch)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _deliver(self, batch: Batch) -> Step:
        """Send a batch until each of its facts is delivered or set aside, or the way is barred."""
        parts = [list(batch.entries)] if batch.entries else []
        suspects: list[tuple[Entry, answers.Invalid]] = []
        delivered = 0
        while parts:
            part = parts.pop(0)
            outcome = self._post(part)
            if isinstance(outcome, answers.Accepted):
                self.receipts.keep(outcome.answer)
                delivered += len(part)
            elif isinstance(outcome, answers.Invalid) and (outcome.index is not None or len(part) > 1):
                parts[:0] = self._without_poison(part, outcome)
            elif isinstance(outcome, answers.Invalid):
                suspects.append((part[0], outcome))
            else:
                return Step(delivered, self._barred(outcome))
        if suspects and not delivered:
            return Step(0, self._barred(answers.Unexpected(f"every fact is refused: {suspects[0][1].problem}")))
        for entry, refused in suspects:
            self._set_aside(entry, refused)
        self._spool.advance(batch.end)
        self._turn(Standing.DELIVERING, "")
        self._failures = 0
        return Step(delivered, 0.0)

    def _post(self, part: list[Entry]) -> answers.Outcome:
        try:
            headers = {"Authorization": f"Bearer {self._token.read()}", **_JSON, **self.receipts.header()}
            body = orjson.dumps({"events": [entry.event for entry in part]})
            response = self._client.post(self._url, content=body, headers=headers, params=self._request.parameters)
        except TokenError as error:
            return answers.NotAllowed(str(error))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return answers.Busy(f"{type(error).__name__} for {self._url}: {error}")
        return answers.judge(response, len(part), self._clock())

    def _without_poison(self, part: list[Entry], refused: answers.Invalid) -> list[list[Entry]]:
        """Return what is left to send once the fact at fault is set aside, or halves in which to look for it."""
        if refused.index is None:
            middle = len(part) // 2
            return [part[:middle], part[middle:]]
        self._set_aside(part[refused.index], refused)
        rest = part[: refused.index] + part[refused.index + 1 :]
        return [rest] if rest else []

    def _set_aside(self, entry: Entry, refused: answers.Invalid) -> None:
        self._spool.set_aside(entry.event, refused.problem)
        _log.error(
            "the service cannot accept fact %d (%s); it is kept with the reason in %s, others go on",
            entry.order,
            entry.event.get("type"),
            self._spool.aside,
        )

    def _barred(self, outcome: answers.Busy | answers.NotAllowed | answers.Unexpected) -> float:
        """Say that the way is barred, if that is news; return the seconds to wait."""
        if isinstance(outcome, answers.Busy):
            self._turn(Standing.UNREACHABLE, outcome.reason)
            longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self._failures, 16))
            self._failures += 1
            return max(longest * (0.5 + self._jitter() / 2), outcome.wait)
        refused = isinstance(outcome, answers.NotAllowed)
        self._turn(Standing.NOT_ALLOWED if refused else Standing.UNEXPECTED, outcome.reason)
        return LONGEST_WAIT

    def _turn(self, standing: Standing, reason: str) -> None:
        if standing is self.standing:
            return
        self.standing = standing
        if standing is Standing.DELIVERING:
            _log.info("facts are delivered again")
        else:
            _log.warning("%s (%s); facts are kept in %s until it changes", standing.value, reason, self._spool.path)
