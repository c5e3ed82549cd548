"""Which commits a read is to record, and how far the record reaches afterwards.

Recorded are the commits that runs and tags (releases) name, and everything they rest on. What nobody rests on is left
alone: it is about people and answers no question. With ``everything`` the branches and what is checked out count too.

Rules kept here:

- A name that runs give is looked up each time until the repository holds it; a fetch may bring it later.
- An abbreviated name counts when the repository knows one commit of that name. The run's own node keeps the short name,
  since another repository may hold another such commit; the report says which one was meant here.
- Commits come parents first, so at any moment the newest ones recorded (``Frontier``) say all that is recorded. Where
  clocks are far wrong git may take an old commit for new: it is given again, and the service knows it again.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from collectors.git.cursor import Cursor
from collectors.git.observe import Commit, Repository, present, resolve

TAGS = "refs/tags/"


@dataclass(frozen=True, slots=True)
class Named:
    """Commits that runs name, as they name them, and the place from which the list goes on."""

    shas: Collection[str]
    after: int


Ask = Callable[[int], Named | None]
"""Gives what runs name from a place of the list on; None if the service cannot be asked now."""


@dataclass(slots=True)
class Frontier:
    """The newest recorded commits: everything below them is recorded."""

    roots: set[str]

    def add(self, commit: Commit) -> None:
        """Note that a commit is recorded, after its parents."""
        self.roots.difference_update(commit.parents)
        self.roots.add(commit.sha)


@dataclass(frozen=True, slots=True)
class Reach:
    """From where a read starts (``wanted``), below what nothing is new (``known``), and what became of names.

    ``uncovered`` are commits that were the edge of a shallow clone and are no longer: below them history has appeared.
    ``short`` maps abbreviated names to the commits they mean here; ``missing`` are names without a commit here.
    """

    wanted: frozenset[str]
    known: frozenset[str]
    uncovered: frozenset[str]
    named: int
    asked: int
    told: bool
    short: dict[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


def reach_of(opened: Repository, before: Cursor | None, ask: Ask, *, everything: bool) -> Reach:
    """Return what a read of ``opened`` has to record.

    Args:
        opened: the repository as it stands.
        before: the cursor of the last read of this repository.
        ask: how to learn what runs name.
        everything: whether all refs count.
    """
    asked = before.asked if before else 0
    told = ask(asked)
    names = {*(told.shas if told else ()), *(before.missing if before else ())}
    found = resolve(opened.folder, names)
    return Reach(
        wanted=frozenset({*found.values(), *_of_refs(opened, everything=everything)}),
        known=frozenset(present(opened.folder, before.roots if before else ())),
        uncovered=frozenset(present(opened.folder, set(before.edge) - set(opened.edge) if before else ())),
        named=len(names),
        asked=told.after if told else asked,
        told=told is not None,
        short={name: sha for name, sha in found.items() if name != sha},
        missing=frozenset(names.difference(found)),
    )


def _of_refs(opened: Repository, *, everything: bool) -> Iterable[str]:
    return opened.tips if everything else [sha for ref, sha in opened.refs.items() if ref.startswith(TAGS)]
