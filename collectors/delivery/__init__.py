"""How every collector hands over its facts: written to disk first, delivered at least once, in order, never dropped.

A collector appends to a :class:`Spool` and forgets; a :class:`Delivery` sends what waits; a :class:`Courier` is the one
thread of the one process that does so for a spool. Facts leave a spool only for a receipt, or for ``rejected.ndjson``
with the reason.
"""

from collectors.delivery.courier import Courier
from collectors.delivery.drain import Delivery, Request, Standing, Step
from collectors.delivery.errors import DeliveryError, SpoolError, SpoolFullError, SpoolUnwritableError, TokenError
from collectors.delivery.spool import Batch, Claim, Entry, Spool
from collectors.delivery.token import Token

__all__ = [
    "Batch",
    "Claim",
    "Courier",
    "Delivery",
    "DeliveryError",
    "Entry",
    "Request",
    "Spool",
    "SpoolError",
    "SpoolFullError",
    "SpoolUnwritableError",
    "Standing",
    "Step",
    "Token",
    "TokenError",
]
