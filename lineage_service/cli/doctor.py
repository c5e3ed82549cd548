"""`lineage doctor`: what is wrong with this installation, and for each thing the command that mends it.

It changes nothing and takes no lock, so it may run beside the service. What it finds is a warning (``!``) or a problem
(``x``); only problems make the exit code other than 0, and only a log that is behind its signer makes it 1.
"""

import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import httpx
import typer

from graph_schema import times
from lineage_service.cli.exits import Exit
from lineage_service.cli.reported import newest_reports
from lineage_service.cli.screen import emit_json, plain, show
from lineage_service.errors import LineageError, SettingsError
from lineage_service.ledger.errors import LedgerError
from lineage_service.ledger.keys import load_key, load_secret
from lineage_service.ledger.signer import read_state
from lineage_service.recorder.installation import Places
from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.opening import places_of, read_settings
from lineage_service.settings import Settings, unknown_names
from lineage_service.store.protocol import Head
from lineage_service.store.sqlite import SqliteStore

_LITTLE_DISK: Final = 512 * 1024 * 1024
_MUCH_UNSIGNED: Final = 10_000
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SECONDS: Final = 3.0
_MOST_SAID: Final = 1000
_MARKS: Final = {"good": "ok", "note": "! ", "wrong": "x ", "tampered": "x "}


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing looked at: how it is, what it is, and the command that mends it (empty when there is nothing to)."""

    how: Literal["good", "note", "wrong", "tampered"]
    what: str
    mend: str = ""


def doctor(json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False) -> None:
    """Say what is wrong here. And for each thing the command that mends it."""
    seen = list(examine())
    if json:
        emit_json([_as_dict(one) for one in seen])
    else:
        for one in seen:
            show(plain(f"{_MARKS[one.how]} {one.what}"), *([plain(f"   -> {one.mend}")] if one.mend else []))
    worst = {one.how for one in seen}
    if "tampered" in worst:
        raise typer.Exit(Exit.PROVEN)
    if "wrong" in worst:
        raise typer.Exit(Exit.INCOMPLETE)


def _as_dict(one: Seen) -> dict[str, Any]:
    return {"how": one.how, "what": one.what, "mend": one.mend or None}


def examine() -> Iterator[Seen]:
    """Look at settings, disk, keys, store, signer, clock, collectors and service, in this order."""
    yield from _names()
    try:
        settings = read_settings()
    except SettingsError as error:
        yield Seen(
            "wrong", f"the settings cannot be used: {error}", "correct them, in the environment or in lineage.toml"
        )
        return
    places = places_of(settings)
    yield from _disk(places)
    yield from _keys(places)
    yield from _log(places)
    yield from _collectors(places)
    yield from _service(settings)


def _names() -> Iterator[Seen]:
    unknown = unknown_names(os.environ)
    for name, nearest in unknown.items():
        mend = f"unset {name}" + (f" (did you mean {nearest}?)" if nearest else "")
        yield Seen("wrong", f"{name} is set and means nothing", mend)
    if not unknown:
        yield Seen("good", "every LINEAGE_ variable is known")


def _disk(places: Places) -> Iterator[Seen]:
    folder = next(one for one in (places.database.absolute(), *places.database.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(folder).free
    shown = f"{free // (1024 * 1024)} MiB are free at {folder}"
    if free < _LITTLE_DISK:
        yield Seen(
            "wrong",
            f"{shown}: too little to go on writing",
            f"free some, or move the data: df {shlex.quote(str(folder))}",
        )
    else:
        yield Seen("good", shown)


def _keys(places: Places) -> Iterator[Seen]:
    if not places.keys.is_dir():
        yield Seen("wrong", f"there is no folder of keys at {places.keys}", "lineage init, or set LINEAGE_KEYS_DIR")
        return
    if stat.S_IMODE(places.keys.stat().st_mode) & _OTHERS:
        yield Seen("wrong", f"{places.keys} is open to other users", f"chmod 700 {shlex.quote(str(places.keys))}")
    for path, load in ((places.log_key, load_key), (places.kek, load_secret), (places.id_key, load_secret)):
        yield _key(path, load)
    if places.root_key.exists():
        yield Seen(
            "note",
            f"{places.root_key} is still on this machine, and is needed on none",
            f"move it to another machine, then: shred -u {shlex.quote(str(places.root_key))}",
        )


def _key(path: Path, load: Any) -> Seen:
    try:
        load(path)
    except LedgerError as error:
        return Seen("wrong", str(error), f"ls -l {shlex.quote(str(path.parent))}")
    return Seen("good", f"{path} can be read, by its owner only")


def _log(places: Places) -> Iterator[Seen]:
    try:
        head = _head(places)
        state = read_state(places.signer_state)
    except (LineageError, LedgerError) as error:
        yield Seen("wrong", str(error), "lineage migrate, or lineage init if there is nothing yet")
        return
    yield Seen("good", f"the ledger at {places.database} has {head.size} records")
    signed = 0 if state is None else state.size
    if signed > head.size:
        what = f"the signer has signed {signed} records and the ledger has {head.size}: an older database was restored"
        yield Seen("tampered", what, "put the newest database back, then: lineage verify")
    elif head.size - signed > _MUCH_UNSIGNED:
        yield Seen(
            "wrong", f"{head.size - signed} records are not under a signed head", "lineage serve, which signs them"
        )
    else:
        yield Seen("good", f"{signed} of them are under a signed head")
    yield _clock(head)


def _collectors(places: Places) -> Iterator[Seen]:
    """Say what each source's newest report says is wrong; a ledger that cannot be read was said already."""
    try:
        reports = list(newest_reports(places))
    except (LineageError, LedgerError) as error:
        yield Seen("note", f"reports of collectors cannot be read: {error}", "mend what stands above first")
        return
    for one in reports:
        if one.problem is None:
            yield Seen("good", f"{one.source} reported at {one.at}, and no problem")
        else:
            said = " ".join(one.problem.split())
            mend = f"look at the log of that collector; the report is record {one.seq}"
            yield Seen("note", f"{one.source} reported a problem at {one.at}: {said[:_MOST_SAID]}", mend)


def _head(places: Places) -> Head:
    store = SqliteStore(places.database, writing=False)
    try:
        with store.read() as reader:
            return reader.head()
    finally:
        store.close()


def _clock(head: Head) -> Seen:
    behind = head.time - wall_clock()
    if behind > times.MICROS_PER_SECOND:
        late = behind // times.MICROS_PER_SECOND
        what = f"this clock is {late} s behind the last record, of {times.format_time(head.time)}"
        return Seen("wrong", what, "set the clock: timedatectl set-ntp true")
    return Seen("good", "the clock is not behind the last record")


def _service(settings: Settings) -> Iterator[Seen]:
    try:
        response = httpx.get(f"{settings.url.rstrip('/')}/readyz", timeout=_SECONDS)
        found = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        yield Seen("note", f"no service answers at {settings.url}", "lineage serve")
        return
    status = found.get("status") if isinstance(found, dict) else None
    if status == "ok":
        yield Seen("good", f"the service at {settings.url} is ready")
    elif status == "degraded":
        yield Seen(
            "tampered", f"the service at {settings.url} found its data contradicting itself", "lineage verify --deep"
        )
    else:
        yield Seen("wrong", f"the service at {settings.url} is not ready", "look at what it prints")


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command(epilog="Example: lineage doctor")(doctor)
