"""From steps to a history: a step's choices depend on its own salt alone, so one can be left out and examples shrink.

Hypothesis draws plans (``histories.py``). Where a test wants each step to be as likely as any other and has no time for
Hypothesis to shrink what failed, a plan comes from a seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.properties.records import Sent
from tests.properties.world import World

Step = Callable[[World], None]

ARRIVALS: Final = ("as told", "by time", "shuffled")
SALTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a history is told from: its steps, each with its salt, how they arrive, how many facts are kept at most."""

    steps: Sequence[tuple[Step, int]]
    narrow: bool
    arrival: str
    salt: int
    most: int

    def history(self) -> list[Sent]:
        """Return the facts in the order in which they arrive."""
        world = World(narrow=self.narrow)
        for step, salt in self.steps:
            _take(step, salt, world)
        sent = world.sent[: self.most]
        if self.arrival == "by time":
            sent.sort(key=lambda one: str(one.event["occurred_at"]))
        if self.arrival == "shuffled":
            Random(self.salt).shuffle(sent)  # noqa: S311  a history, not a secret
        return sent

    def without(self, at: int) -> "Plan":
        """Return this plan without one of its steps."""
        return replace(self, steps=[*self.steps[:at], *self.steps[at + 1 :]])


def plan_of(random: Random, pool: Sequence[Step], least: int, most: int) -> Plan:
    """Return the plan of a history of ``least`` facts or more and ``most`` at most, its steps out of a pool."""
    wanted, steps = random.randint(least, most), list[tuple[Step, int]]()
    plan = Plan(steps, random.choice((True, False)), random.choice(ARRIVALS), random.randrange(SALTS), wanted)
    world = World(narrow=plan.narrow)
    while len(world.sent) < wanted:
        steps.append((random.choice(pool), random.randrange(SALTS)))
        _take(*steps[-1], world)
    return plan


def _take(step: Step, salt: int, world: World) -> None:
    world.random = Random(f"{step.__name__} {salt}")  # noqa: S311  the same
    step(world)
