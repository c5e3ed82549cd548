"""A server read from outside into a real service, twice, by the command that people use; and what is answered then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.served import Served
from tests.versions.environments import ScriptFailedError
from tests.versions.lines import lines

REGISTRY: Final = "prod"
_KIND: Final = "mlflow-poll"
_COMMAND: Final = Path(sys.executable).with_name("lineage")
_COMMAND_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Import:
    """What two reads of a server made: lines of the facts of each, and of the answers afterwards."""

    first: list[str]
    second: list[str]
    answers: list[str]


def read_twice(served: Served, url: str, names: Mapping[str, str]) -> Import:
    """Read an MLflow server twice and ask; ``names`` says what its identifiers stand for."""
    with served.client() as client:
        token = client.request("POST", "/sources", json={"kind": _KIND, "instance": REGISTRY})["token"]
    read: list[list[str]] = []
    for _ in range(2):
        lineage(served, token, "collect", "mlflow", url, "--registry", REGISTRY, "--once")
        read.append(lines(_recorded(served), names))
    second = list(read[1])
    for line in read[0]:
        second.remove(line)
    return Import(read[0], second, sorted({_named(line, names) for line in _answers(served)}))


def read_workspaces(served: Served, url: str, user: tuple[str, str], workspaces: Sequence[str]) -> list[str]:
    """Read several workspaces of a server one after another, as a user; return a line for each model and version."""
    with served.client() as client:
        token = client.request("POST", "/sources", json={"kind": _KIND, "instance": REGISTRY})["token"]
        entered = {"MLFLOW_TRACKING_USERNAME": user[0], "MLFLOW_TRACKING_PASSWORD": user[1]}
        for workspace in workspaces:
            command = ("collect", "mlflow", url, "--registry", REGISTRY, "--once")
            lineage(served, token, *command, **entered, MLFLOW_WORKSPACE=workspace)
        keys = [key for kind in ("model", "model_version") for key in client.nodes(kind)["nodes"]]
    return [f"imported: {key.partition('@1')[0]}" for key in keys]


def _recorded(served: Served) -> list[Mapping[str, Any]]:
    """Return all records that the reader made."""
    with served.client() as client:
        records = [one["record"] for one in client.records(limit=1000)["records"]]
    return [record for record in records if (record.get("source") or {}).get("kind") == _KIND]


def _answers(served: Served) -> Iterator[str]:
    """Give a line for each thing that is live, was deployed, or has to do with how the first version was made."""
    for row in _asked(served, "live")["rows"]:
        yield f"live: {row['model']}/{row['version']} {row['alias'] or row['stage']}"
    for row in _asked(served, "deployments")["rows"]:
        yield f"deployed: {row['model']}/{row['version']} {row['alias'] or row['stage']}"
    with served.client() as client:
        (first,) = client.nodes("model_version", f"{REGISTRY}::credit/1@")["nodes"]
    for key in _asked(served, "provenance", first)["nodes"]:
        yield f"made of: {key.partition('@1')[0]}"


def _asked(served: Served, *question: str) -> Any:
    return json.loads(lineage(served, served.admin, "ask", *question, "--json"))["value"]


def _named(line: str, names: Mapping[str, str]) -> str:
    for identifier, name in names.items():
        line = line.replace(identifier, name)
    return line


def lineage(served: Served, token: str, *arguments: str, **settings: str) -> str:
    """Run our own command against a service; return what it printed on stdout.

    Raises:
        ScriptFailedError: if it does not end with 0.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LINEAGE_", "MLFLOW_"))}
    own = {"LINEAGE_URL": served.url, "LINEAGE_TOKEN": token, "LINEAGE_DATA_DIR": str(served.folder / "collect")}
    done = subprocess.run(
        [_COMMAND, *arguments], env={**inherited, **own, **settings}, cwd=served.folder, capture_output=True,
        text=True, timeout=_COMMAND_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        command = " ".join(arguments)
        raise ScriptFailedError(f"lineage {command} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
