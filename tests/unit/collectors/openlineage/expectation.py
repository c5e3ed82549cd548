"""What a person expects of a recording: a text file written from the events by hand, and the same read off a service.

A file under ``expected/`` has comments (``#``), abbreviations (``let WORD = text``, meant by ``{WORD}``) and sections:

- ``runs``: ``ID outcome``, or ``ID/EXECUTION outcome`` where the producer names the executions of its run ids;
- ``versions`` of datasets: ``NAMESPACE::NAME@VERSION identity``, and ``attempted`` if only failed executions wrote it;
- ``edges``: ``FROM TYPE TO how role…``, those read between the lines (``inferred``) among them; that a version is one
  of its dataset and a column part of its own goes without saying, and is checked all the same;
- ``registers``: ``NODE NAME JSON``, what was counted or tested.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from graph_schema import names
from graph_schema.kinds import Edge, How, roles_from_bits
from tests.service import Service

HERE: Final = Path(__file__).parent
_GOES_WITHOUT_SAYING: Final = ("VERSION_OF", "PART_OF")
_STRENGTH: Final = ("unknown", "started", "running", "complete", "aborted", "failed")
_EDGES: Final = """
    SELECT a.key, e.type, b.key, max(e.how), e.roles FROM edge e
    JOIN node a ON a.id = e.src JOIN node b ON b.id = e.dst GROUP BY a.key, e.type, b.key, e.roles
"""
_STATES: Final = """
    SELECT n.key, p.name, p.value FROM point p JOIN node n ON n.id = p.subject WHERE p.slot = 'state'
"""


@dataclass
class Graph:
    """The lines of each section."""

    runs: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    edges: set[str] = field(default_factory=set)
    registers: set[str] = field(default_factory=set)


def expected(name: str) -> Graph:
    """Read the expectation for a recording."""
    graph, words, section = Graph(), dict[str, str](), set[str]()
    for raw in (HERE / "expected" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if found := re.fullmatch(r"let (\w+) = (.+)", line):
            words[found[1]] = _spelled(found[2], words)
        elif line in Graph.__dataclass_fields__:
            section = getattr(graph, line)
        else:
            line = _spelled(line, words)
            assert line not in section, f"{line} is expected twice"
            section.add(line)
    return graph


def _spelled(text: str, words: dict[str, str]) -> str:
    """Put the texts in for the abbreviations; the braces of JSON hold none."""
    return re.sub(r"\{([A-Z_]+)\}", lambda found: words[found[1]], text)


def held(service: Service) -> Graph:
    """Read what a service holds: edges and states from its store, everything else from its answers."""
    with closing(sqlite3.connect(service.installation.places.file)) as database:
        keys = [key for (key,) in database.execute("SELECT key FROM node")]
        rows = database.execute(_EDGES).fetchall()
        states = database.execute(_STATES).fetchall()
    graph = Graph(edges=_edges(rows))
    executions: dict[str, dict[str, str]] = {}
    for key, execution, value in states:
        known = executions.setdefault(key, {})
        known[execution] = max(known.get(execution, "unknown"), json.loads(value)["state"], key=_STRENGTH.index)
    for key in keys:
        if names.kind_of(key) in ("run", "dataset_version"):
            _add_node(graph, key, executions.get(key, {}), service)
    return graph


def _edges(rows: list[tuple[str, int, str, int, int]]) -> set[str]:
    merged: dict[tuple[str, int, str], tuple[int, int]] = {}
    for start, kind, end, how, roles in rows:
        known = merged.get((start, kind, end), (0, 0))
        merged[start, kind, end] = max(how, known[0]), roles | known[1]
    for start, kind, end in merged:
        if Edge(kind).name in _GOES_WITHOUT_SAYING:
            parts = names.parse(start).parts
            assert end == names.dataset(parts[0], parts[1])
    return {
        " ".join([start, Edge(kind).name, end, How(how).name.lower(), *roles_from_bits(roles)])
        for (start, kind, end), (how, roles) in merged.items()
        if Edge(kind).name not in _GOES_WITHOUT_SAYING
    }


def _add_node(graph: Graph, key: str, executions: dict[str, str], service: Service) -> None:
    reply = service.client.get(
        "/api/v1/provenance",
        params={"node": key, "depth": "1"},
        headers={"Authorization": f"Bearer {service.admin_token}"},
    )
    assert reply.status_code == 200, reply.text
    value = reply.json()["value"]
    graph.edges |= set(_inferred(value["edges"], key))
    said: dict[str, Any] = value["nodes"][key]["properties"]
    name = key.partition(":")[2]
    if names.kind_of(key) == "run":
        named = {execution: state for execution, state in executions.items() if execution} or {"": said["outcome"]}
        graph.runs |= {f"{name}/{execution} {state}".replace("/ ", " ") for execution, state in named.items()}
        graph.runs |= {f"{name} over {said['failed_below']} that failed"} if "failed_below" in said else set()
        counted = {register: number for register, number in said.items() if register.startswith("read:")}
    else:
        attempted = ["attempted"] if said.get("attempted") else []
        graph.versions.add(" ".join([name, said["identity"], *attempted]))
        counted = {register: number for register, number in said.items() if register not in ("identity", "attempted")}
    graph.registers |= {
        f"{key} {register} {json.dumps(number, sort_keys=True, separators=(',', ':'))}"
        for register, number in counted.items()
    }


def _inferred(edges: list[dict[str, Any]], key: str) -> Iterator[str]:
    for edge in edges:
        if edge["how"] == "inferred" and edge["from"] == key:
            yield " ".join([edge["from"], edge["type"], edge["to"], "inferred", *edge["roles"]])
