"""The graph taken out of a database of the production store, in steps that fit into the memory of a small server.

Rule kept: only what a fold puts there is removed. Records, head, tiles, checkpoint, vault and payloads stay. Each step
is a transaction of its own, so a crash leaves part of the graph; whoever asks for this says so in the head before.
"""

from collections.abc import Callable
from typing import Final

import neo4j

# With a point go the few relationships it has, in less time than each of them alone. A node that most records name has
# more than one transaction should hold: there the relationships go first.
_POINTS: Final = "MATCH (p:Point) WITH p LIMIT 5000 DETACH DELETE p RETURN count(*)"
_SAID: Final = "MATCH (:Entity)<-[r:ABOUT|ABOUT_AGAIN]-(:Record) WITH r LIMIT 20000 DELETE r RETURN count(*)"
_EDGES: Final = "MATCH (:Entity)-[r]->(:Entity) WITH r LIMIT 20000 DELETE r RETURN count(*)"
_ENTITIES: Final = "MATCH (e:Entity) WITH e LIMIT 20000 DETACH DELETE e RETURN count(*)"
_STEPS: Final = (_POINTS, _SAID, _EDGES, _ENTITIES)
_COUNTS: Final = (
    "MATCH (p:Point) RETURN count(p)",
    "MATCH ()-[r:ABOUT|ABOUT_AGAIN]->() RETURN count(r)",
    "MATCH (:Entity)-[r]->() RETURN count(r)",
    "MATCH (e:Entity) RETURN count(e)",
)


def forget_graph(session: neo4j.Session, progress: Callable[[float], None]) -> None:
    """Remove nodes, points and relationships that were folded from records; ``progress`` is told the fraction."""
    total = sum(session.run(count).single(strict=True)[0] for count in _COUNTS)
    done = 0
    for statement in _STEPS:
        while removed := session.run(statement).single(strict=True)[0]:
            done += removed
            progress(done / max(total, done))
