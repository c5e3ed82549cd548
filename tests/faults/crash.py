"""Kills the running service, or its Neo4j, again and again, and checks that every promise made before was kept.

``python -m tests.faults.crash --rounds 100 --random``: each round starts the service on the ledger the last one left
behind and a client that prints its receipts, kills the service with SIGKILL, and then checks: every receipt printed is
found by its number with the same hash, and by its proof under the signed head it came with; ``verify --deep`` finds
nothing; the log can be opened, what had no answer is sent again and recorded once, and new facts are signed.

With ``--store neo4j`` the ledger is in a Neo4j server of its own, and by turns the service, that server or both are
killed. A service whose Neo4j alone was killed must record again by itself once that is back.

Without ``--random`` every other round kills at a mark: while the write lock is held and nothing is written, or when
everything is written and nothing is durable. After ten rounds a new ledger is begun, so that rounds stay short.
"""

import argparse
import contextlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, get_args

from tests.faults.crash_round import Blow, Outcome, Victim, run_round
from tests.faults.crash_service import BEGIN, COMMIT
from tests.faults.crash_site import Site, new_ledger
from tests.graphdb.process import Neo4jProcess
from tests.graphdb.session import server_to_break

ROUNDS_A_LEDGER = 10
Kind = Literal["sqlite", "neo4j"]
_VICTIMS: Final[tuple[Victim, ...]] = get_args(Victim)
_TURNS = 12
_OUTAGE_SECONDS = 10.0
"""Longer than the recorder tries again, together with the start of a server: some requests must be refused."""


def blows(rounds: int, kind: Kind = "sqlite", *, at_random: bool = False) -> list[Blow]:
    """Return what to kill in each round and when: all at random, or every other one at a mark.

    On Neo4j twelve rounds kill each victim at each moment; the later half of them has the long outages.
    """
    moments = [None] * 4 if at_random else [COMMIT, None, BEGIN, None]
    victims = _VICTIMS if kind == "neo4j" else ("service",)
    outages = [_OUTAGE_SECONDS * (number % _TURNS >= _TURNS // 2) for number in range(rounds)]
    return [
        Blow(victim, moments[number % 4], outage if victim == "neo4j" else 0)
        for number, outage in enumerate(outages)
        for victim in [victims[number % len(victims)]]
    ]


def run_rounds(
    folder: Path, plan: list[Blow], chance: random.Random, server: Neo4jProcess | None = None
) -> Iterator[Outcome]:
    """Run all rounds, on a new ledger every tenth; in files, or on the server."""
    token = ""
    for number, blow in enumerate(plan):
        site = Site(folder / f"ledger {number // ROUNDS_A_LEDGER}", server)
        if number % ROUNDS_A_LEDGER == 0:
            token = new_ledger(site)
        yield run_round(site, token, number, blow, chance)


@contextlib.contextmanager
def server_for(kind: Kind, folder: Path) -> Iterator[Neo4jProcess | None]:
    """Give a started Neo4j of our own, a small one; None where the ledger is a file."""
    if kind == "sqlite":
        yield None
        return
    with server_to_break(folder, heap="512m", page_cache="64m") as server:
        yield server


def main() -> None:
    """Run as many rounds as asked for; a broken promise ends the run with its sentence."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--store", choices=get_args(Kind), default="sqlite", help="where the ledger is kept")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--random", action="store_true", help="kill at any time, never at a mark")
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of an earlier run")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    print(f"seed {seed}")
    plan = blows(asked.rounds, asked.store, at_random=asked.random)
    with tempfile.TemporaryDirectory(prefix="crash-") as name, server_for(asked.store, Path(name, "neo4j")) as server:
        chance = random.Random(seed)  # noqa: S311  it chooses moments, it keeps no secret
        for number, outcome in enumerate(run_rounds(Path(name), plan, chance, server), 1):
            print(f"round {number}: {outcome}", flush=True)
    print("every promise was kept")


if __name__ == "__main__":
    main()
