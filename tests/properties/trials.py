"""A trial of two stores: one history told to both, everything asked of both, what they do not have in common in words.

Reading, state roots and questions go on at once, each in a snapshot of its own: while a server thinks, others may ask.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import Any

import orjson

from graph_schema import names
from graph_schema.kinds import Edge
from lineage_service.evidence.state_root import state_root
from lineage_service.queries.asking import Opener
from lineage_service.store.protocol import Cut, RecordQuery, Store
from tests.conformance.kinds import KINDS
from tests.properties.asked import WAYS, Inquiry, answers, further_answers, read_ledger, read_round
from tests.properties.histories import END, STEPS, a_repetition, a_report, a_withdrawal
from tests.properties.plans import Plan, plan_of
from tests.properties.product import known_keys
from tests.properties.remembering import Remembering, differences
from tests.properties.twins import Telling, Twin
from tests.properties.world import HOUSE, INSTANTS, SOURCES, World

FACTS = (10, 25)
_ASKED_ABOUT = 3
_SHOWN = 1500
"""Characters that are shown of an answer which differs."""

_LEADING = frozenset({"run", "dataset_version", "dataset", "model_version", "logged_model", "commit"})
_TURNING = frozenset({"edge.withdrawn", "identity.linked", "model.renamed", "model_version.deleted", "source.retired"})

Records = list[dict[str, Any]]
Task = Callable[[Remembering, Opener], dict[str, bytes]]


def a_source(w: World) -> None:
    """A source is registered, so that answers have coverage, and perhaps retired."""
    kind, instance = w.pick(SOURCES)
    families = w.pick((["movement"], ["code", "data", "run", "model"], ["model", "movement"]))
    body = {"method": w.pick(("in_path", "polled", "pushed")), "families": families, "assurance": "authenticated"}
    one, two = w.moments(2)
    own: dict[str, Any] = {"source": HOUSE, "actor": {"assurance": "system"}}
    w.say("source.registered", {"kind": kind, "instance": instance, **body}, one, **own)
    if w.maybe(0.3):
        w.say("source.retired", {"kind": kind, "instance": instance}, two, **own)


_POOL = (*STEPS.values(), *[a_source, a_report, a_withdrawal, a_repetition] * 2)
"""Each step is as likely as any other, but for what would too seldom meet something in a short history."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A history, how it is told and what is asked of it, all from one seed."""

    seed: int
    plan: Plan

    def telling(self) -> Telling:
        """Return how the history arrives."""
        random = Random(self.seed)  # noqa: S311  a trial, not a secret
        history = self.plan.history()
        cuts = sorted(random.sample(range(1, len(history)), min(random.randint(2, 6), len(history) - 1)))
        sizes = [stop - start for start, stop in pairwise((0, *cuts))]
        return Telling(history, sizes, random.choice((None, 1, 2)))

    def inquiries(self, records: Records) -> list[Inquiry]:
        """Return what is asked: of the whole log, and of what it was at an earlier record."""
        random = Random(~self.seed)  # noqa: S311  the same
        people = people_of(records) or ["p_nobody"]
        found = []
        ways = random.sample(WAYS, 2)
        for known_at, way in zip((len(records) - 1, random.choice(_turns(records))), ways, strict=True):
            known = known_keys(records[: known_at + 1])
            keys = random.sample(known, min(_ASKED_ABOUT, len(known)))
            start = random.choice([key for key in known if names.kind_of(key) in _LEADING] or known)
            first, last = sorted(random.sample(INSTANTS, 2))
            edges = random.sample((Edge.VERSION_OF, Edge.OF_JOB, Edge.PARENT, Edge.SAME_AS), 2)
            cut = Cut(random.choice((END, *INSTANTS)), known_at)
            recorded = records[known_at]["time"]
            found.append(Inquiry(cut, recorded, keys, known, (first, last), edges, start, way, random.choice(people)))
        return found


def trial_of(seed: int, facts: tuple[int, int] = FACTS) -> Trial:
    """Return the trial of a seed, with a history of so many facts at least and at most."""
    return Trial(seed, plan_of(Random(seed), _POOL, *facts))  # noqa: S311  the same


def _turns(records: Records) -> list[int]:
    """Return records at which to ask: any one, more often one that changes what earlier ones say, or the one before."""
    turning = [seq for seq, record in enumerate(records) if record["type"] in _TURNING]
    return [*range(len(records)), *[at for seq in turning for at in (seq, max(seq - 1, 0))] * 4]


def people_of(records: Records) -> list[str]:
    """Return the pseudonyms of those who did something."""
    return sorted({record["actor"]["id"] for record in records if "id" in record["actor"]})


@dataclass(frozen=True, slots=True)
class Side:
    """One of the stores, which was told everything."""

    twin: Twin
    store: Store

    def records(self) -> list[dict[str, Any]]:
        """Return all records as data."""
        with self.store.read() as reader:
            return [orjson.loads(stored.body) for stored in reader.records(RecordQuery())]

    def vault(self, records: Records) -> dict[str, Any]:
        """Return what the vault holds."""
        vault, people = self.store.vault(), people_of(records)
        return {
            "sealed": vault.sealed(range(len(records))),
            "keys": sorted(vault.subject_keys(people).items()),
            "together": vault.look_up(range(len(records)), people),
            "copies": [vault.copies(person) for person in people[:1]],
        }

    def ask(self, task: Task) -> tuple[Remembering, dict[str, bytes]]:
        """Carry out a task in a snapshot of its own; return what was read and what was found."""
        disclosure = self.twin.disclosure(self.store)
        with self.store.read() as reader:
            remembering = Remembering(reader)
            return remembering, task(remembering, Opener(disclosure.name, disclosure.value, disclosure.look_up))


def _of_ledger(known_at: int, remembering: Remembering, _opener: Opener) -> dict[str, bytes]:
    reader = remembering.reader
    read_ledger(reader)
    return {f"state root at {at}": state_root(reader, at) for at in sorted({known_at, reader.head().size - 1})}


def _of_inquiry(inquiry: Inquiry, further: bool, remembering: Remembering, opener: Opener) -> dict[str, bytes]:
    reader = remembering.reader
    read_round(reader, inquiry)
    found = answers(reader, inquiry)
    return found | further_answers(reader, inquiry, opener) if further else found


def disagreements(trial: Trial, folder: Path) -> list[str]:
    """Tell both stores the history of a trial, ask both, and return in words what they do not have in common."""
    with ExitStack() as stack:
        one, other = (_told(stack, kind, trial.telling(), folder) for kind in ("sqlite", "neo4j"))
        if one.twin.receipts != other.twin.receipts:
            return [_shown("receipts", one.twin.receipts, other.twin.receipts)]
        records = one.records()
        vaults = one.vault(records), other.vault(records)
        if vaults[0] != vaults[1]:
            return [_shown("vault", *vaults)]
        tasks = list(_tasks(trial, records))
        with ThreadPoolExecutor(2 * len(tasks)) as pool:
            found = pool.map(one.ask, tasks), pool.map(other.ask, tasks)
            return [text for pair in zip(*found, strict=True) for text in _differences(*pair)]


def _tasks(trial: Trial, records: Records) -> Iterator[Task]:
    inquiries = trial.inquiries(records)
    yield partial(_of_ledger, inquiries[1].cut.known_at)
    for at, inquiry in enumerate(inquiries):
        yield partial(_of_inquiry, inquiry, trial.seed % 2 == at)


def _told(stack: ExitStack, kind: str, telling: Telling, folder: Path) -> Side:
    (place := folder / kind).mkdir(parents=True)
    twin = Twin(KINDS[kind](place).open, place)
    return Side(twin, stack.enter_context(twin.told(telling)))


def _differences(
    one: tuple[Remembering, dict[str, bytes]], other: tuple[Remembering, dict[str, bytes]]
) -> Iterator[str]:
    for told, *both in differences(one[0], other[0]):
        yield _shown(f"{told.name}({told.arguments}, {told.named})", *both)
    for name in sorted(one[1].keys() | other[1].keys()):
        if one[1].get(name) != other[1].get(name):
            yield _shown(name, one[1].get(name), other[1].get(name))


def _shown(what: str, *both: object) -> str:
    return "\n    ".join([what[:_SHOWN], *(str(one)[:_SHOWN] for one in both)])


def smallest(trial: Trial, found: list[str], folder: Path) -> str:
    """Leave out steps of a failing trial as long as it fails; return in words what is left and how it fails."""
    tries = count()
    at = len(trial.plan.steps)
    while at > 0:
        at -= 1
        lesser = replace(trial, plan=trial.plan.without(at))
        if lesser.plan.steps and (still := disagreements(lesser, folder / f"smaller-{next(tries)}")):
            trial, found = lesser, still
    telling = trial.telling()
    facts = [f"  {sent.kind}/{sent.instance} {orjson.dumps(sent.event).decode()}" for sent in telling.history]
    how = f"seed {trial.seed}, in requests of {telling.sizes}, opened again before request {telling.reopened}:"
    return "\n".join([how, *facts, f"{len(found)} differences, SQLite first:", *found[:5]])
