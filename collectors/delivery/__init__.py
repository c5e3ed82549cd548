"""How every collector hands over its facts: written to disk first, delivered at least once, in order, never dropped.

A collector appends to a :class:`Spool` and forgets; a :class:`Delivery` sends what waits; a :class:`Courier` is the one
thread of the one process that does so for a spool. Facts leave a spool only for a receipt, or for ``rejected.ndjson``
with the reason.
"""

from collectors.delivery.courier import Courier
from collectors.delivery.drain import Delivery, Request, Standing, Step
from collectors.delivery.errors import (
    DeliveryError,
    NotAcknowledgedError,
    SpoolError,
    SpoolFullError,
    SpoolUnwritableError,
    TokenError,
)
from collectors.delivery.memory import MemorySpool
from collectors.delivery.receipts import Receipts
from collectors.delivery.spans import Spans
from collectors.delivery.spool import Batch, Claim, Entry, Spool
from collectors.delivery.token import Token
from collectors.delivery.waiting import Waiting

__all__ = [
    "Batch",
    "Claim",
    "Courier",
    "Delivery",
    "DeliveryError",
    "Entry",
    "MemorySpool",
    "NotAcknowledgedError",
    "Receipts",
    "Request",
    "Spans",
    "Spool",
    "SpoolError",
    "SpoolFullError",
    "SpoolUnwritableError",
    "Standing",
    "Step",
    "Token",
    "TokenError",
    "Waiting",
]
