"""The vocabulary of the graph as data: node kinds, edge types, and which triples may exist.

Everything here is numbered, because stores keep the numbers: a number is never reused and never
changes its meaning. Lineage edge types are contiguous (1..8) so that one step of a closure is one
range seek in a store. Edges point downstream -> upstream: provenance follows arrows, impact goes
against them.
"""

from enum import IntEnum, IntFlag
from typing import Final


class Kind(IntEnum):
    """What a node is. The lower-case name is the prefix of its key."""

    REPOSITORY = 1
    COMMIT = 2
    DATASET = 3
    DATASET_VERSION = 4
    COLUMN = 5
    JOB = 6
    RUN = 7
    RUNTIME = 8
    MODEL = 9
    MODEL_VERSION = 10
    PROMPT = 11
    PROMPT_VERSION = 12
    TARGET = 13
    CHANGE = 14
    VALIDATION = 15
    EXPERIMENT = 16
    PERSON = 17
    SERVICE_ACCOUNT = 18
    DOCUMENT = 19
    INCIDENT = 20
    REPORT = 21
    SOURCE = 22
    LOGGED_MODEL = 23

    @property
    def word(self) -> str:
        """The kind as it stands in keys and answers, e.g. ``model_version``."""
        return self.name.lower()


KIND_BY_WORD: Final = {kind.word: kind for kind in Kind}


class Edge(IntEnum):
    """How two nodes are related. 1..8 are lineage, 20 and above are structure."""

    PRODUCED_BY = 1
    USED = 2
    READ = 3
    USED_MODEL = 4
    BUILT_FROM = 5
    RAN_IN = 6
    DERIVED_FROM = 7
    COLUMN_FROM = 8
    VERSION_OF = 20
    OF_JOB = 21
    PART_OF = 22
    PARENT = 23
    IN_REPOSITORY = 24
    CHANGE_OF = 25
    VALIDATES = 26
    TESTS = 27
    CONCERNS = 28
    SAME_AS = 30


FIRST_LINEAGE: Final = Edge.PRODUCED_BY
LAST_LINEAGE: Final = Edge.COLUMN_FROM


class How(IntEnum):
    """How strongly an edge is known; the strongest assertion wins in answers."""

    INFERRED = 1
    DECLARED = 2
    EXACT = 3


class Role(IntFlag):
    """For what a run used an input. A set, merged by union; "trained on" means TRAINING or UNKNOWN.

    Two kinds of edges use the set for more. On COLUMN_FROM, DIRECT: the values come from that column; INDIRECT: it only
    decided which rows or groups there are; one edge may be both. On PRODUCED_BY, STATED: it is said what the version
    was made of, so what else its run read does not count for it.
    """

    NONE = 0
    TRAINING = 1
    VALIDATION = 2
    TEST = 4
    EVALUATION = 8
    SCORING = 16
    UNKNOWN = 32
    DIRECT = 64
    INDIRECT = 128
    STATED = 256


_BIT_OF_ROLE: Final = {role.name.lower(): int(role) for role in Role if role.name}  # plain integers: facts have many
ROLE_WORDS: Final = tuple(_BIT_OF_ROLE)


def roles_to_bits(words: list[str]) -> int:
    """Return the bit set of role words; an empty list means the role is not known."""
    bits = 0
    for word in words:
        bits |= _BIT_OF_ROLE[word]
    return bits or int(Role.UNKNOWN)


def roles_from_bits(bits: int) -> list[str]:
    """Return the role words of a bit set, in numeric order."""
    return [word for word, bit in _BIT_OF_ROLE.items() if bits & bit]


_V = (Kind.MODEL_VERSION, Kind.PROMPT_VERSION)

TRIPLES: Final[frozenset[tuple[Kind, Edge, Kind]]] = frozenset(
    {(made, Edge.PRODUCED_BY, Kind.RUN) for made in (*_V, Kind.DATASET_VERSION, Kind.LOGGED_MODEL)}
    | {(Kind.RUN, Edge.USED, Kind.DATASET_VERSION), (Kind.RUN, Edge.READ, Kind.DATASET)}
    | {(Kind.RUN, Edge.USED_MODEL, model) for model in (*_V, Kind.LOGGED_MODEL)}
    | {(Kind.RUN, Edge.BUILT_FROM, Kind.COMMIT), (Kind.RUN, Edge.RAN_IN, Kind.RUNTIME)}
    | {(version, Edge.DERIVED_FROM, version) for version in (*_V, Kind.DATASET_VERSION)}
    | {(Kind.VALIDATION, Edge.PRODUCED_BY, Kind.RUN), (Kind.VALIDATION, Edge.USED, Kind.DATASET_VERSION)}
    | {(Kind.DATASET_VERSION, Edge.DERIVED_FROM, Kind.DATASET)}
    | {(Kind.COLUMN, Edge.COLUMN_FROM, Kind.COLUMN)}
    | {
        (Kind.DATASET_VERSION, Edge.VERSION_OF, Kind.DATASET),
        (Kind.MODEL_VERSION, Edge.VERSION_OF, Kind.MODEL),
        (Kind.PROMPT_VERSION, Edge.VERSION_OF, Kind.PROMPT),
        (Kind.RUN, Edge.OF_JOB, Kind.JOB),
        (Kind.COLUMN, Edge.PART_OF, Kind.DATASET),
        (Kind.MODEL_VERSION, Edge.DERIVED_FROM, Kind.LOGGED_MODEL),
        (Kind.DOCUMENT, Edge.PART_OF, Kind.RUN),
        (Kind.DOCUMENT, Edge.PART_OF, Kind.LOGGED_MODEL),
        (Kind.RUN, Edge.PARENT, Kind.RUN),
        (Kind.COMMIT, Edge.PARENT, Kind.COMMIT),
        (Kind.COMMIT, Edge.IN_REPOSITORY, Kind.REPOSITORY),
        (Kind.CHANGE, Edge.CHANGE_OF, Kind.MODEL_VERSION),
        (Kind.VALIDATION, Edge.VALIDATES, Kind.MODEL_VERSION),
        (Kind.VALIDATION, Edge.VALIDATES, Kind.PROMPT_VERSION),
        (Kind.EXPERIMENT, Edge.TESTS, Kind.MODEL_VERSION),
        (Kind.PERSON, Edge.SAME_AS, Kind.PERSON),
        (Kind.SERVICE_ACCOUNT, Edge.SAME_AS, Kind.PERSON),
    }
    | {(kind, Edge.CONCERNS, other) for kind in (Kind.DOCUMENT, Kind.INCIDENT, Kind.REPORT) for other in Kind}
    | {
        (kind, Edge.SAME_AS, kind)
        for kind in (*_V, Kind.DATASET, Kind.DATASET_VERSION, Kind.MODEL, Kind.PROMPT, Kind.REPOSITORY)
    }
)
"""Every (from, type, to) that may be asserted. Anything else is bad input, not a new kind of edge."""

IDENTITIES: Final = ("unknown", "hint", "by_run", "declared", "content")
"""How well a dataset version is identified, weakest first; answers take the maximum."""
