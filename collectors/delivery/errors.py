"""What can go wrong between a collector and the service.

DeliveryError
├── SpoolError             the disk's fault
│   ├── SpoolFullError         the spool reached its bound; nothing was written
│   ├── SpoolUnwritableError   the disk refused; nothing was promised
│   └── NotAcknowledgedError   the service stands for the disk, and did not take it
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


class NotAcknowledgedError(SpoolError):
    """The service, which stands where a disk would, did not acknowledge in time."""


class TokenError(DeliveryError):
    """The token cannot be read."""
