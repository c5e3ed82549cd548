"""What lies on this machine's disks: room, keys, and the spools in which facts of collectors wait."""

import shlex
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from collectors.delivery import Spool
from collectors.delivery.errors import DeliveryError
from collectors.delivery.spool import MAX_BYTES
from graph_schema import times
from lineage_service.cli.doctor.seen import Seen, span
from lineage_service.ledger.errors import LedgerError
from lineage_service.ledger.keys import load_key, load_secret
from lineage_service.recorder.installation import Places

_MIB: Final = 1024 * 1024
_LITTLE_DISK: Final = 512 * _MIB
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_REJECTED: Final = "rejected.ndjson"
_LONG: Final = 3600 * times.MICROS_PER_SECOND
"""How long facts may wait in a spool before that is worth a warning, in microseconds."""


def disks(places: Places) -> Iterator[Seen]:
    """Look at the room where the ledger is, if it is in a file, and where the keys are if that is another disk."""
    if not isinstance(places.database, Path):
        yield _room(_nearest(places.keys), "too little for the signer to remember")
        return
    ledger, keys = (_nearest(one) for one in (places.database, places.keys))
    yield _room(ledger, "too little to go on writing")
    if keys.stat().st_dev != ledger.stat().st_dev:
        yield _room(keys, "too little for the signer to remember")
    size = places.database.stat().st_size if places.database.exists() else 0
    if size > shutil.disk_usage(ledger).free:
        mend = f"free some, or move the data: df {shlex.quote(str(ledger))}"
        yield Seen("note", "`verify --deep` and `rebuild` need as much room as the ledger has, and there is less", mend)


def _nearest(path: Path) -> Path:
    """Return the folder that is there and would hold a path."""
    return next(one for one in (path.absolute(), *path.absolute().parents) if one.is_dir())


def _room(folder: Path, too_little: str) -> Seen:
    free = shutil.disk_usage(folder).free
    shown = f"{free // _MIB} MiB are free at {folder}"
    if free >= _LITTLE_DISK:
        return Seen("good", shown)
    return Seen("wrong", f"{shown}: {too_little}", f"free some, or move the data: df {shlex.quote(str(folder))}")


def keys(places: Places) -> Iterator[Seen]:
    """Look at the keys and who may read them."""
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


def spools(data: Path, of_plugin: str | None, now: int) -> Iterator[Seen]:
    """Look at the spools of `collect` in the data folder, and at the one the environment names for the plugin."""
    found = sorted(path for path in (data / "collect").glob("*/spool") if path.is_dir())
    if of_plugin and Path(of_plugin).is_dir():
        found.append(Path(of_plugin))
    for path in found:
        try:
            yield from _spool(path, now)
        except (DeliveryError, OSError) as error:
            yield Seen("wrong", f"the spool {path} cannot be read: {error}", f"ls -la {shlex.quote(str(path))}")


def _spool(path: Path, now: int) -> Iterator[Seen]:
    waiting = Spool(path).waiting()
    held = sum(one.stat().st_size for one in path.glob("*.ndjson"))
    idle = now - _last_delivery(path, now)
    again = "run its collector again (lineage collect git PATH); for MLflow, see the log of its server"
    if held > MAX_BYTES // 2:
        shown = f"{path} holds {held // _MIB} of {MAX_BYTES // _MIB} MiB; when it is full, nothing more is observed"
        yield Seen("wrong", shown, again)
    elif waiting and idle > _LONG:
        yield Seen("note", f"{waiting} facts wait in {path}, and none was delivered for {span(idle)}", again)
    else:
        yield Seen("good", f"{waiting} facts wait in {path}")
    yield from _rejected(path / _REJECTED)


def _last_delivery(spool: Path, now: int) -> int:
    """Return when a spool last moved on, else when its first facts were written (microseconds)."""
    moved = [one for one in (spool / "cursor.json",) if one.exists()] or list(spool.glob("events-*.ndjson"))
    return min((one.stat().st_mtime_ns // 1000 for one in moved), default=now)


def _rejected(rejected: Path) -> Iterator[Seen]:
    if rejected.exists() and (lines := rejected.read_bytes().count(b"\n")):
        shown = f"{lines} facts were not accepted by the service and lie in {rejected}, each with its reason"
        yield Seen("note", shown, f"less {shlex.quote(str(rejected))}")
