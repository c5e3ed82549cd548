"""What a target runs of one model: several versions at once, in part or as shadows (specification: section 7).

Pure: statements in, periods out. A canary takes a share and leaves the others their place; a shadow answers nobody and
so takes nothing from anybody.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from graph_schema.changes import instant_of
from lineage_service.queries.periods import Period
from lineage_service.store.protocol import Point

SERVING = "serving"
SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Statement:
    """What one record says of a slot: which version runs there, how, with which share of the traffic (as stated).

    ``thing`` is one of the names of the version, always the same; None says that nothing of the model is left there.
    """

    point: Point
    thing: str | None
    key: str = ""
    mode: str = SERVING
    share: str | None = None

    @property
    def value(self) -> tuple[str, str] | None:
        """What a sighting and the act it saw have in common."""
        return None if self.thing is None else (self.mode, self.thing)

    @property
    def ends(self) -> bool:
        """Tell whether the version gets no traffic any more."""
        return (share := _number(self.share)) is not None and share <= 0

    @property
    def takes_all(self) -> bool:
        """Tell whether no other version serves beside this one from here on."""
        share = _number(self.share)
        return self.mode == SERVING and not self.ends and (share is None or share >= 1)


@dataclass(frozen=True, slots=True)
class Run:
    """A period in which a target ran a version in one mode; ``newest`` is the last statement about it in there."""

    period: Period
    mode: str
    newest: Statement


def runs_of(statements: Iterable[Statement]) -> list[Run]:
    """Return what ran in one slot, by end; what runs still comes last."""
    found: list[Run] = []
    running: dict[str, tuple[Statement, Statement]] = {}

    def end(thing: str, by: Statement | None) -> None:
        first, newest = running.pop(thing)
        until = None if by is None else _at(by)
        found.append(Run(Period(thing, first.key, _at(first), until, first.point), first.mode, newest))

    for one in sorted(statements, key=lambda said: (said.point.order, said.point.n)):
        for thing in [thing for thing, (first, _) in running.items() if _displaces(one, thing, first.mode)]:
            end(thing, one)
        if one.thing is not None and not one.ends:
            first = running.get(one.thing, (one, one))[0]
            running[one.thing] = (first, one)
    for thing in list(running):
        end(thing, None)
    return found


def _displaces(one: Statement, thing: str, mode: str) -> bool:
    """Tell whether a statement ends the running period of a version."""
    if one.thing is None:
        return True
    if one.thing == thing:
        return one.ends or one.mode != mode
    return one.takes_all and mode == SERVING


def _at(one: Statement) -> int:
    return instant_of(one.point.order)


def _number(share: str | None) -> Decimal | None:
    """Return a share as a number; what is none says nothing about the share."""
    number = None if share is None else Decimal(share)
    return number if number is not None and number.is_finite() else None
