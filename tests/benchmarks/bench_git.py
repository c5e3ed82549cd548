"""How fast a repository is back-filled: ``python -m tests.benchmarks.bench_git [--commits N] [--runs N]``.

The repository is made by ``git fast-import``, always the same. Beside the whole way (the collector's process, its
spool, HTTP, the service, signed heads) stand two loops of the same run: a bare ``git log`` of the same fields with a
bare INSERT of each commit, which is what git and SQLite need by themselves, and ready-made request bodies posted to a
fresh service, which is what the service takes. Seconds of the processor are printed beside those of the clock: on a
machine shared with others only they can be compared. ``--runs`` also loads runs, and asks which commits they name.
"""

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import psutil

from collectors.git import Choices, collect, nobody_named
from lineage_service.client import LineageClient
from lineage_service.recorder.installation import create
from lineage_service.recorder.preparation import Sender
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.rights import first_admin
from tests.benchmarks.bench_read import serving
from tests.benchmarks.figures import Figure, load_now, machine
from tests.benchmarks.load import batches, places_in, typed

BATCH: Final = 1000
LINEAGE: Final = Path(sys.executable).with_name("lineage")
_WITHIN: Final = 60 / 50_000
"""Seconds a commit may take: 50,000 in a minute."""

_MERGE_EVERY: Final = 25
_PEOPLE: Final = 40
_FORMAT: Final = "--format=%x01%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B"
_TABLE: Final = "CREATE TABLE line(sha TEXT PRIMARY KEY, fields BLOB NOT NULL) WITHOUT ROWID"
_INSERT: Final = "INSERT INTO line VALUES (?, ?)"


def history(commits: int) -> Iterator[bytes]:
    """Give the input of git fast-import: one line of development with a merge every so often."""
    for number in range(1, commits + 1):
        who = f"Author {number % _PEOPLE} <author{number % _PEOPLE}@example.org> {1_500_000_000 + 60 * number} +0100"
        text = f"change {number}\n\nBecause of ticket {number * 7919 % 1000}.\n"
        above = f"from :{number - 1}\n" if number > 1 else ""
        if number > 2 and number % _MERGE_EVERY == 0:
            above += f"merge :{number - 2}\n"
        content = f"{number}\n"
        yield (
            f"commit refs/heads/main\nmark :{number}\nauthor {who}\ncommitter {who}\ndata {len(text)}\n{text}{above}"
            f"M 644 inline dir{number % 20}/file{number % 400}\ndata {len(content)}\n{content}\n"
        ).encode()


def make_repository(folder: Path, commits: int) -> None:
    """Make the repository, packed as a clone is."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input=b"".join(history(commits)), check=True)


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of the clock, of the processor on the asking side, and of the service's process."""

    clock: float
    here: float
    there: float = 0.0

    def figure(self, name: str, number: int, *, within: float | None = None, detail: str = "") -> Figure:
        processor = f"{number / self.clock:,.0f}/s; processor {self.here:.1f} s + {self.there:.1f} s in the service"
        return Figure(name, self.clock, "s", within, at_most=True, detail=f"{processor}{detail}", load=load_now())


@contextmanager
def fresh(folder: Path, name: str) -> Iterator[tuple[str, str, str, psutil.Process]]:
    """Serve a new ledger; give its address, the tokens of an admin and a git source, and its process."""
    places = places_in(folder / name)
    places.file.parent.mkdir()
    installation = create(places, origin="bench.example/log")
    admin = first_admin(installation, "ada").token
    installation.close()
    children = {one.pid for one in psutil.Process().children()}
    with serving(places) as url, LineageClient(url, admin) as client:
        token = client.request("POST", "/sources", json={"kind": "git", "instance": "bench"})["token"]
        (process,) = [one for one in psutil.Process().children() if one.pid not in children]
        yield url, admin, token, process


def spent(process: psutil.Process) -> float:
    """Return the seconds of the processor that a process has used."""
    used = process.cpu_times()
    return float(used.user + used.system)


def bare_loop(repository: Path, database: Path, commits: int) -> Taken:
    """Read the same fields with git and insert them, a commit a row, in transactions of a batch."""
    before = _used()
    began = time.perf_counter()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_TABLE)
        output = subprocess.run(
            ["git", "-C", str(repository), "log", "-z", _FORMAT, "main"], check=True, capture_output=True
        ).stdout
        rows = [(one[:40], one) for one in output.removeprefix(b"\x01").split(b"\0\x01")]
        if len({sha for sha, _ in rows}) != commits:
            raise SystemExit(f"the bare loop read {len(rows)} commits")
        for first in range(0, len(rows), BATCH):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, rows[first : first + BATCH])
            connection.execute("COMMIT")
    return Taken(time.perf_counter() - began, _used() - before)


def ready_made(folder: Path, repository: Path) -> Taken:
    """Post bodies that were made before, one after another."""
    bodies = []
    order = 0
    for batch in collect(repository, None, wall_clock(), nobody_named, Choices(everything=True)):
        for event in batch.events:
            order += 1
            event["source"]["order"] = order
        bodies.append(orjson.dumps({"events": batch.events}))
    with fresh(folder, "ready-made") as (url, _, token, process), httpx.Client(timeout=120) as client:
        there, before, began = spent(process), _used(), time.perf_counter()
        for body in bodies:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            client.post(f"{url}/api/v1/events", content=body, headers=headers).raise_for_status()
        return Taken(time.perf_counter() - began, _used() - before, spent(process) - there)


def whole_way(folder: Path, repository: Path, commits: int) -> tuple[Taken, Taken]:
    """Run the command on a fresh service: first the back-fill, then a read that finds nothing new."""
    with fresh(folder, "whole") as (url, admin, token, process):
        environment = {**os.environ, "LINEAGE_URL": url, "LINEAGE_TOKEN": token}
        command = [str(LINEAGE), "collect", "git", str(repository), "--all", "--state", str(folder / "state")]
        taken = []
        for _ in range(2):
            there, before, began = spent(process), _used(), time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True, cwd=folder)
            taken.append(Taken(time.perf_counter() - began, _used() - before, spent(process) - there))
        with LineageClient(url, admin) as client:
            head = client.checkpoint()
    if head.size < commits:
        raise SystemExit(f"only {head.size} records are signed after {commits} commits")
    return taken[0], taken[1]


def names_of_runs(folder: Path, runs: int) -> tuple[Taken, Taken]:
    """Load runs, three facts each, and ask which commits they name: all of them, then what came since."""
    places = places_in(folder / "runs")
    places.file.parent.mkdir()
    installation = create(places, origin="bench.example/log")
    admin = first_admin(installation, "ada").token
    for request in batches(typed(list(_facts_of_runs(runs)), Sender("mlflow", "prod")), BATCH):
        installation.recorder.record(installation.preparation.prepare(request), ack="committed")
    installation.close()
    with serving(places) as url, LineageClient(url, admin) as client:
        first, after = _asked(client, 0)
        return first, _asked(client, after)[0]


def _facts_of_runs(runs: int) -> Iterator[dict[str, Any]]:
    for number in range(runs):
        commit = {"sha": f"{number // 5:040x}", "repository": "https://git.example/m", "branch": "main", "dirty": False}
        params = [[f"p{at}", str(number * at)] for at in range(20)]
        for state in ("started", "running", "complete"):
            body = {"run": f"run-{number}", "state": state, "commit": commit, "params": params}
            actor = {"assurance": "system"}
            yield {"type": "run.observed", "ev": 1, "occurred_at": "2026-01-01T00:00:00Z", "actor": actor, "body": body}


def _asked(client: LineageClient, after: int) -> tuple[Taken, int]:
    before, began = _used(), time.perf_counter()
    while True:
        part = client.commits_of_runs(after)
        after = part["after"]
        if not part["more"]:
            return Taken(time.perf_counter() - began, _used() - before), after


def _used() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def main() -> int:
    """Print figures; 1 if the back-fill took longer than 50,000 commits a minute, start of the command included."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_git", description="back-fill a repository")
    parser.add_argument("--commits", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lineage-bench-git-") as name:
        folder = Path(name)
        print(f"{machine(folder)}, git {subprocess.check_output(['git', '--version'], text=True).split()[2]}")
        repository = folder / "repository.git"
        make_repository(repository, chosen.commits)
        print(f"  repository: {chosen.commits:,} commits, a merge every {_MERGE_EVERY}, {_PEOPLE} people", flush=True)
        bare = bare_loop(repository, folder / "bare.db", chosen.commits)
        print(bare.figure("bare git log and INSERT", chosen.commits).line(), flush=True)
        posted = ready_made(folder, repository)
        print(posted.figure("ready-made bodies, posted", chosen.commits).line(), flush=True)
        whole, later = whole_way(folder, repository, chosen.commits)
        figure = whole.figure("lineage collect git --all", chosen.commits, within=_WITHIN * chosen.commits)
        print(figure.line())
        for word, other in (("of the bare loop", bare), ("of the ready-made bodies", posted)):
            processor = (whole.here + whole.there) / (other.here + other.there)
            print(f"    {whole.clock / other.clock:.1f} times the clock {word}, {processor:.1f} times its processor")
        print(later.figure("again, nothing new", chosen.commits).line(), flush=True)
        if chosen.runs:
            first, since = names_of_runs(folder, chosen.runs)
            print(first.figure(f"names of {chosen.runs:,} runs, all", chosen.runs).line())
            print(since.figure("names of runs, none new", chosen.runs).line())
    return 0 if figure.met else 1


if __name__ == "__main__":
    sys.exit(main())
