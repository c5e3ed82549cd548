"""Realistic ledgers for tests and benchmarks, made the way the product makes them: prepared, sealed, recorded, signed.

``make_ledger`` leaves a closed installation in a folder; ``busy_events`` gives the mix that throughput is measured on,
``varied_events`` at least one row for every table that a ledger of that length can fill.
"""

import contextlib
import itertools
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from graph_schema import canonical, times
from graph_schema.events import archive, parse_event, people
from lineage_service.ledger import keys
from lineage_service.ledger.merkle import Frontier, leaf_hash
from lineage_service.ledger.sealing import head_mac
from lineage_service.recorder.heads import HeadSigner
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.preparation import Incoming, Sender
from lineage_service.store.sqlite import SqliteStore

MLFLOW = Sender("mlflow", "prod")
GIT = Sender("git", "prod")
START = times.parse_time("2026-11-23T12:00:00Z")
_MODEL = "model:mlflow-prod::credit"


def signing_heads(installation: Installation) -> HeadSigner:
    """Return the heads of an installation that signs them itself."""
    assert isinstance(installation.heads, HeadSigner)
    return installation.heads


def ticking(start: int = START, step: int = 1000) -> Callable[[], int]:
    """Return a clock that moves on by ``step`` microseconds each time it is read."""
    ticks = itertools.count(start, step)
    return lambda: next(ticks)


def at(number: int) -> str:
    """Return the instant of the ``number``-th fact, all of them before the clock of ``ticking``."""
    return times.format_time(START - 86_400_000_000 + number * 1_000)


def fact(word: str, number: int, body: dict[str, Any], who: str | None = None, order: int | None = None) -> Any:
    """Return one validated event; ``who`` is the subject of an authenticated actor."""
    actor: dict[str, Any] = {"assurance": "observed"}
    if who is not None:
        actor = {"issuer": "mlflow:prod", "subject": who, "assurance": "authenticated", "via": "basic-auth"}
    source = {} if order is None else {"order": order, "event_id": f"e{order}"}
    return parse_event({"type": word, "occurred_at": at(number), "source": source, "actor": actor, "body": body})


def run(number: int) -> Any:
    """Return a finished run: 10 parameters, 5 metrics, 2 inputs, 1 output, a commit, a runtime."""
    body = {
        "run": f"{number:032x}",
        "state": "complete",
        "name": f"nightly {number}",
        "experiment": "7",
        "params": [[f"p{i}" if i else "max_depth", f"{number % 97 + i}"] for i in range(10)],
        "metrics": [{"key": f"m{i}", "value": f"0.{number % 1000:03d}{i}"} for i in range(5)],
        "inputs": [
            {"namespace": "s3://lake", "name": "loans", "version": str(number % 50), "roles": ["training"]},
            {"namespace": "s3://lake", "name": "rates", "digest": f"sha256:{number:064x}"},
        ],
        "outputs": [{"namespace": "s3://lake", "name": f"scores/{number % 20}"}],
        "commit": {"sha": f"{number % 40:040x}", "repository": "https://git.example/credit", "branch": "main"},
        "runtime": {"digest": f"sha256:{number % 5:064x}", "os": "linux", "python": "3.11"},
    }
    return fact("run.observed", number, body, who=f"trainer{number % 30}", order=number)


def registration(number: int) -> Any:
    """Return the registration of a version made by a run."""
    body = {
        "model": _MODEL,
        "version": str(number),
        "created_ms": 1_795_392_378_000 + number,
        "run": f"{max(number - 1, 0):032x}",
        "location": f"s3://models/credit/{number}",
        "tags": [["mlflow.source.type", "JOB"], ["owner", "somebody"]],
    }
    return fact("model_version.registered", number, body, who=f"trainer{number % 30}", order=number)


def stage_move(number: int) -> Any:
    """Return a stage move of a version registered before."""
    body = {
        "model": _MODEL,
        "version": str(number % 500),
        "created_ms": 1_795_392_378_000 + number % 500,
        "to": ("Staging", "Production", "Archived")[number % 3],
        "archive_others": number % 3 == 1,
        "reason": f"because of {number}",
        "ticket": f"CHG-{number}",
    }
    return fact("stage.transitioned", number, body, who=f"deployer{number % 7}", order=number)


def dataset_version(number: int) -> Any:
    """Return an observation of a dataset's version."""
    body = {
        "namespace": "s3://lake",
        "name": f"loans/{number % 100}",
        "version": str(number),
        "digest": f"sha256:{number:064x}",
        "rows": number * 17,
        "columns": [{"name": f"c{i}", "type": "double"} for i in range(6)],
    }
    return fact("dataset_version.observed", number, body, order=number)


_BUSY = (run, registration, stage_move, run, dataset_version)


def busy_events(count: int) -> Iterator[Incoming]:
    """Yield the mix that throughput is measured on: 40 % runs, the rest registrations, moves, dataset versions."""
    for number in range(count):
        yield Incoming(_BUSY[number % len(_BUSY)](number), MLFLOW)


def _openlineage(number: int) -> bytes:
    return b'{"eventType":"COMPLETE","producer":"x","run":{"runId":"%d"},"secret":"%d"}' % (number, number * 7919)


def _person(number: int) -> dict[str, Any]:
    return {"issuer": "github", "subject": f"u{number}", "name": f"Ada {number}", "email": f"ada{number}@corp.example"}


def _code(number: int) -> Any:
    body = {
        "repository": "https://git.example/credit",
        "sha": f"{number:040x}",
        "parents": [f"{number - 1:040x}"],
        "author": _person(number % 4),
        "authored_at": at(number),
    }
    return fact("commit.observed", number, body)


def _deployment(number: int) -> Any:
    body = {
        "model": _MODEL,
        "version": str(number),
        "created_ms": 1_795_392_378_000 + number,
        "target": {"environment": "prod", "region": "eu-1", "platform": "kserve"},
        "traffic": "0.5",
    }
    return fact("deployment.changed", number, body, who="deployer1")


def _own_commands(installation: Installation) -> list[Incoming]:
    """Return what only our own handlers write: a source, a role, tokens, a withdrawal."""
    own, digest = installation.own_event, "sha256:" + "ab" * 32
    source = {"kind": "mlflow", "instance": "prod", "method": "polled", "families": ["run"], "assurance": "claimed"}
    token = {"token": "t1", "digest": digest, "source": "source:mlflow/prod", "families": ["run", "model"]}
    lost = {"from": f"run:{0:032x}", "type": "READ", "to": "dataset:s3://lake::rates", "source": "source:mlflow/prod"}
    return [
        own(archive.SourceRegistered, source),
        own(people.RoleGranted, {"person": _person(1), "role": "approver", "reason": "four eyes"}),
        own(people.TokenIssued, token),
        own(people.TokenIssued, {"token": "t2", "digest": digest, "person": _person(2)}),
        own(people.TokenRevoked, {"token": "t2", "person": _person(2), "reason": "lost"}),
        own(archive.EdgeWithdrawn, {**lost, "reason": "the producer named the wrong table"}),
    ]


def varied_events(installation: Installation, count: int) -> Iterator[Incoming]:
    """Yield ``count`` events of many types: people, sealed values, payloads, tokens, withdrawals among them."""
    first = [
        *(Incoming(run(number), MLFLOW, _openlineage(number)) for number in range(3)),
        *_own_commands(installation),
        Incoming(fact("person.declared", 0, {"person": _person(0)}), GIT),
        Incoming(fact("identity.linked", 0, {"person": _person(0), "same_as": _person(3), "reason": "same"}), GIT),
    ]
    makers = (stage_move, registration, _code, run, dataset_version, _deployment)
    more = (Incoming(makers[number % len(makers)](number), MLFLOW) for number in itertools.count(1000))
    return itertools.islice(itertools.chain(first, more), count)


def record_all(installation: Installation, events: Iterator[Incoming], *, group: int = 7) -> None:
    """Record events in requests of ``group``, without waiting for signatures."""
    while batch := list(itertools.islice(events, group)):
        installation.recorder.record(installation.preparation.prepare(batch), ack="committed")


def make_ledger(folder: Path, records: int = 60) -> Places:
    """Make a ledger of exactly ``records`` records, genesis included, close it, return where it is."""
    places = Places(folder / "lineage.db", folder / "keys")
    installation = create(places, origin="test.example/log", clock=ticking())
    record_all(installation, varied_events(installation, records - 1))
    installation.close()
    return places


def reopen(places: Places) -> Installation:
    """Open a ledger made before for more records, an hour later."""
    return Installation(places, SqliteStore(places.file), clock=ticking(START + 3_600_000_000))


# ------------------------------------------------------------------------------------------------ for those who tamper

Row = tuple[int, bytes, bytes]
"""A row of the ledger: number, leaf hash as stored, bytes."""


def copy_of(places: Places, folder: Path) -> Places:
    """Return a copy of a closed ledger, keys and signer's memory included, in an empty folder."""
    shutil.copytree(places.file.parent, folder, dirs_exist_ok=True)
    return Places(folder / "lineage.db", folder / "keys")


@contextlib.contextmanager
def hostile(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database as somebody does who owns the file: no triggers and no checks while writing, all back after."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, text in triggers:
            connection.execute(text)


def reseal(places: Places) -> None:
    """Seal the head anew, as only whoever holds the id key can: a service of another version, say."""
    with contextlib.closing(sqlite3.connect(places.file, isolation_level=None)) as connection:
        parts = connection.execute("SELECT size, last, time, frontier, fold_version FROM head").fetchone()
        mac = head_mac(keys.load_secret(places.id_key), keys.load_key(places.log_key).name, parts)
        connection.execute("UPDATE head SET mac = ?", (mac,))


def rows_of(database: Path) -> list[Row]:
    """Return all rows of a ledger."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT seq, leaf, body FROM record ORDER BY seq").fetchall()


def renumbered(rows: Iterable[Row]) -> list[Row]:
    """Return rows as they look after somebody closed or opened a gap in their numbers, bytes untouched."""
    return [(number, leaf, body) for number, (_, leaf, body) in enumerate(rows)]


def rechained(records: Iterable[dict[str, Any]]) -> list[Row]:
    """Return the rows of records whose numbers, links and hashes somebody computed anew, without a fault."""
    rows: list[Row] = []
    before = bytes(32)
    for number, record in enumerate(records):
        body = canonical.encode({**record, "seq": number, "prev": before.hex()})
        before = leaf_hash(body)
        rows.append((number, before, body))
    return rows


def write_rows(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Put rows in the place of all records, with the columns that their bytes give."""
    connection.execute("DELETE FROM record")
    for seq, leaf, body in rows:
        record = json.loads(body)
        columns = (bytes.fromhex(record["id"]), record["type"], record["actor"].get("id"))
        connection.execute(
            "INSERT INTO record(seq, id, type, actor, time, leaf, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (seq, *columns, times.parse_time(record["time"]), leaf, body),
        )


def write_head(connection: sqlite3.Connection, rows: list[Row]) -> None:
    """Let the head row end where these rows end."""
    frontier = Frontier().extend([leaf for _, leaf, _ in rows])
    time = times.parse_time(json.loads(rows[-1][2])["time"])
    connection.execute(
        "UPDATE head SET size = ?, last = ?, time = ?, frontier = ?",
        (len(rows), rows[-1][1], time, frontier.to_bytes()),
    )
