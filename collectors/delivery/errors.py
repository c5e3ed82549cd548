"""What can go wrong between a collector and the service.

DeliveryError
├── SpoolError             the disk's fault
│   ├── SpoolFullError         the spool reached its bound; nothing was written
│   └── SpoolUnwritableError   the disk refused; nothing was promised
└── TokenError             no credential to send with
"""


class DeliveryError(Exception):
    """The root of what delivery raises."""


class SpoolError(DeliveryError):
    """A fact could not be put on disk. Nothing was promised, so the caller still holds it."""


class SpoolFullError(SpoolError):
    """The spool reached its bound."""


class SpoolUnwritableError(SpoolError):
    """The spool's folder or disk refused a write."""


class TokenError(DeliveryError):
    """The token cannot be read."""
