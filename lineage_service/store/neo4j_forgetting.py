"""The graph taken out of a database of the production store, in steps that fit into the memory of a small server.

Rule kept: only what a fold puts there is removed. Records, head, tiles, checkpoint, vault and payloads stay. Each step
is a transaction of its own, so a crash leaves part of the graph; whoever asks for this says so in the head before.
"""

from collections.abc import Callable
from typing import Final

import neo4j

_STEP: Final = 20_000
# Relationships go first, and by the index of their types: a node that most records name has more of them than one
# transaction should hold, and a scan that begins with what is gone already would take longer each time.
_RELATIONSHIPS: Final = """
    MATCH ()-[r:ABOUT|ABOUT_AGAIN|SETS|OF|NAMES|BY|WITHDRAWN|PRODUCED_BY|USED|READ|USED_MODEL|BUILT_FROM|RAN_IN
      |DERIVED_FROM|COLUMN_FROM|VERSION_OF|OF_JOB|PART_OF|PARENT|IN_REPOSITORY|CHANGE_OF|VALIDATES|TESTS|CONCERNS
      |SAME_AS]->()
    WITH r LIMIT $step DELETE r RETURN count(*)
"""
_POINTS: Final = "MATCH (p:Point) WITH p LIMIT $step DETACH DELETE p RETURN count(*)"
_ENTITIES: Final = "MATCH (e:Entity) WITH e LIMIT $step DETACH DELETE e RETURN count(*)"
_COUNTS: Final = (
    "MATCH ()-[r]->() RETURN count(r)",
    "MATCH (p:Point) RETURN count(p)",
    "MATCH (e:Entity) RETURN count(e)",
)


def forget_graph(session: neo4j.Session, progress: Callable[[float], None]) -> None:
    """Remove nodes, points and relationships that were folded from records; ``progress`` is told the fraction."""
    total = sum(session.run(count).single(strict=True)[0] for count in _COUNTS)
    done = 0
    for statement in (_RELATIONSHIPS, _POINTS, _ENTITIES):
        while removed := session.run(statement, step=_STEP).single(strict=True)[0]:
            done += removed
            progress(done / max(total, done))
