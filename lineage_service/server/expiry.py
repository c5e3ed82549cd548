"""When a token's end is near enough to be told: in a header on every answer to it, in the figures, by the doctor.

Nobody reads logs until something stops: a source whose token ends goes silent, and its facts wait in a spool that is
bounded. So the end is told where clients, dashboards and operators look, and early enough to make a new one.
"""

from collections.abc import Iterable
from typing import Final

from graph_schema import times
from lineage_service.server.authority import TokenGrant

HEADER: Final = "Lineage-Token-Expires"
SOON_DAYS: Final = 14
SOON: Final = SOON_DAYS * 86_400 * times.MICROS_PER_SECOND


def ends_soon(expires_at: int | None, now: int) -> bool:
    """Tell whether an end (microseconds) is less than 14 days away, or past."""
    return expires_at is not None and expires_at - now < SOON


def newest_ends(grants: Iterable[TokenGrant], now: int) -> dict[str, int]:
    """Return for each holder with a valid token when the last of them ends; one that never ends is left out."""
    ends: dict[str, int] = {}
    for grant in grants:
        if grant.expires_at is not None and not grant.ended(now):
            ends[grant.holder] = max(grant.expires_at, ends.get(grant.holder, 0))
    return ends
