"""The ledger as its file has it: its end, the signer's memory, the last verification, and what sources reported.

Read from the database itself, so that it can be told while no service runs. Texts of problems are sealed values; they
are opened with the keys of this machine, whose owner is who asks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from graph_schema import times
from lineage_service.cli.doctor.seen import Seen, span
from lineage_service.errors import LineageError
from lineage_service.evidence.last_verdict import last_verdict
from lineage_service.ledger.errors import LedgerError
from lineage_service.ledger.keys import load_key
from lineage_service.ledger.signer import read_state
from lineage_service.queries.heartbeats import Heartbeat, heartbeats
from lineage_service.recorder.disclosure import Disclosure
from lineage_service.recorder.installation import Places, load_secrets
from lineage_service.recorder.seal import is_on_its_way
from lineage_service.server.authority import Rights, SourceGrant, rights_at
from lineage_service.server.expiry import SOON_DAYS, ends_soon, newest_ends
from lineage_service.store.opening import open_store
from lineage_service.store.protocol import Head, Reader, Store

_MUCH_UNSIGNED: Final = 10_000
_STALE_VERDICT: Final = 7 * 86_400 * times.MICROS_PER_SECOND
_SECOND: Final = times.MICROS_PER_SECOND
_LATE_REPORTS: Final = 3
_MOST_SPOOLED: Final = 1000
_LOOKED_BACK: Final = 20_000
"""Reports of a source that are looked through for its last problem: a week of one every half minute."""
_RECENT: Final = 14 * 86_400 * times.MICROS_PER_SECOND
_MOST_SHOWN: Final = 400
_REPORTING: Final = frozenset({"in_path", "polled"})
_UNCOVERED: Final = "routes that are not recorded"


@dataclass(frozen=True, slots=True)
class Opened:
    """The ledger, open for reading."""

    store: Store

    def close(self) -> None:
        """Close it."""
        self.store.close()


def open_ledger(places: Places) -> Opened | LineageError:
    """Open the ledger, or return why that cannot be done."""
    try:
        return Opened(open_store(places.database, writing=False))
    except LineageError as error:
        return error


def look(opened: Opened | LineageError, places: Places, now: int) -> Iterator[Seen]:
    """Look at the end of the ledger, at what was signed, and at the last verification."""
    mend = "lineage migrate, or lineage init if there is nothing yet"
    if not isinstance(opened, Opened):
        yield Seen("wrong", str(opened), mend)
        return
    try:
        with opened.store.read() as reader:
            head = reader.head()
        state = read_state(places.signer_state)
    except (LineageError, LedgerError) as error:
        yield Seen("wrong", str(error), mend)
        return
    yield Seen("good", f"the ledger at {places.database} has {head.size} records ({opened.store.engine})")
    yield _signed(head, 0 if state is None else state.size)
    yield _clock(head, now)
    yield _verified(places, now)


def _signed(head: Head, signed: int) -> Seen:
    if is_on_its_way(head):
        return Seen("wrong", "copying or restoring it was broken off: it is not all here", "repeat that command")
    if signed > head.size:
        what = f"the signer has signed {signed} records and the ledger has {head.size}: an older database was restored"
        return Seen("tampered", what, "put the newest database back, then: lineage verify")
    if head.size - signed > _MUCH_UNSIGNED:
        return Seen(
            "wrong", f"{head.size - signed} records are not under a signed head", "lineage serve, which signs them"
        )
    return Seen("good", f"{signed} of them are under a signed head")


def _clock(head: Head, now: int) -> Seen:
    behind = head.time - now
    if behind > _SECOND:
        what = f"this clock is {behind // _SECOND} s behind the last record, of {times.format_time(head.time)}"
        return Seen("wrong", what, "set the clock: timedatectl set-ntp true")
    return Seen("good", "the clock is not behind the last record")


def _verified(places: Places, now: int) -> Seen:
    last = last_verdict(places.beside)
    if last is None:
        return Seen("note", "nothing tells of a verification of this ledger", "lineage verify --deep")
    how = "verify --deep" if last.deep else "verify"
    when = f"the last `lineage {how}`, {span(now - last.time)} ago,"
    if last.verdict == "tampering":
        return Seen("wrong", f"{when} said that tampering is proven", "lineage verify --deep")
    if last.verdict != "fine":
        return Seen("note", f"{when} ended {last.verdict.replace('_', ' ')}", "lineage verify --deep")
    if now - last.time > _STALE_VERDICT:
        return Seen("note", f"{when} found nothing wrong, and that is long ago", "lineage verify --deep")
    return Seen("good", f"{when} found nothing wrong in {last.records} records")


# ------------------------------------------------------------------------------------------------------------- sources


def look_at_sources(opened: Opened, places: Places, now: int) -> Iterator[Seen]:
    """Look at what each source reported last, at its last problem, and at the tokens that end soon."""
    try:
        disclosure: Disclosure | None = Disclosure(
            load_secrets(places, load_key(places.log_key).name), opened.store.vault()
        )
    except LedgerError:
        disclosure = None  # what is wrong with the keys was said where keys are looked at
    try:
        with opened.store.read() as reader:
            rights = rights_at(reader, reader.head())
            active = sorted((one for one in rights.sources.values() if one.active), key=lambda one: one.key)
            for source in active:
                yield from _source(source, reader, opened.store, disclosure, now)
        yield from _tokens(active, rights, now)
    except (LineageError, LedgerError) as error:
        yield Seen("wrong", f"the reports of sources cannot be read: {error}", "lineage verify --deep")


def _source(
    source: SourceGrant, reader: Reader, store: Store, disclosure: Disclosure | None, now: int
) -> Iterator[Seen]:
    name = f"{source.kind}/{source.instance}"
    reports = list(heartbeats(reader, source.key, _LOOKED_BACK))
    if not reports:
        if source.method in _REPORTING:
            yield Seen("note", f"{name} never reported: no answer it is needed for is complete", _start(source))
        else:
            yield Seen("good", f"{name} is {source.method}, and such sources do not report")
        return
    newest = reports[0]
    yield _lateness(source, name, newest, now)
    if (newest.spooled or 0) >= _MOST_SPOOLED:
        what = f"{newest.spooled} facts of {name} waited in its spool when it reported last"
        yield Seen("note", what, f"see on its machine why they are not delivered, beginning with its token: {name}")
    if abs(newest.clock_offset) > _SECOND:
        what = f"the clock of {name} differs from ours by {newest.clock_offset / _SECOND:+.1f} s"
        yield Seen("note", what, "set the clock of its machine: timedatectl set-ntp true")
    yield from _problem(name, reports, reader, store, disclosure, now)


def _start(source: SourceGrant) -> str:
    if source.kind == "git":
        return "lineage collect git PATH, with the token of this source"
    return "start its observer with its token, and see what it logs"


def _lateness(source: SourceGrant, name: str, newest: Heartbeat, now: int) -> Seen:
    covered = f"{name} covered everything up to {span(now - newest.covered_to)} ago"
    allowed = (source.heartbeat_seconds or 0) * _LATE_REPORTS * _SECOND
    if allowed and now - newest.covered_to > allowed:
        every = source.heartbeat_seconds
        return Seen("note", f"{covered}, and should report every {every} s", _start(source))
    return Seen("good", covered)


def _problem(
    name: str, reports: list[Heartbeat], reader: Reader, store: Store, disclosure: Disclosure | None, now: int
) -> Iterator[Seen]:
    """Look for the newest report of the last two weeks that told of a problem."""
    recent = {one.seq: one for one in reports if now - one.at < _RECENT}
    told = sorted({row.seq for row in store.vault().sealed(list(recent))}, key=lambda seq: -recent[seq].at)
    for seq in told:
        stored = reader.record(seq)
        record: dict[str, Any] = orjson.loads(stored.body) if stored is not None else {"body": {}}
        sealed = record["body"].get("problem")
        if not isinstance(sealed, dict):
            continue
        text = disclosure.value(record, record["sd"][sealed["sd"]]) if disclosure is not None else None
        shown = " ".join(str(text or "its text cannot be opened here").split())
        cut = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]} …"
        what = f"{name} reported a hole {span(now - recent[seq].at)} ago (record {seq}): {cut}"
        yield Seen("note", what, _mend_of(shown))
        return


def _mend_of(problem: str) -> str:
    if _UNCOVERED in problem:
        return "run a lineage-service that knows this MLflow on its server: pip install -U 'lineage-service[mlflow]'"
    return "nothing brings back what was missed; see the log of its machine for the cause"


def _tokens(active: list[SourceGrant], rights: Rights, now: int) -> Iterator[Seen]:
    ends = newest_ends(rights.tokens.values(), now)
    endless = {one.holder for one in rights.tokens.values() if one.expires_at is None and not one.ended(now)}
    fine = 0
    for source in active:
        name = f"{source.kind}/{source.instance}"
        mend = f"lineage token create --source {name}"
        if source.key in endless or (source.key in ends and not ends_soon(ends[source.key], now)):
            fine += 1
        elif source.key in ends:
            yield Seen("note", f"the last token of {name} ends in {span(ends[source.key] - now)}", mend)
        else:
            yield Seen("wrong", f"{name} has no valid token any more: it can deliver nothing", mend)
    if fine:
        yield Seen("good", f"sources with a token that is valid for {SOON_DAYS} days and more: {fine}")
    people = sum(not holder.startswith("source:") and ends_soon(end, now) for holder, end in ends.items())
    if people:
        what = f"people whose last token ends within {SOON_DAYS} days: {people}"
        yield Seen("note", what, "lineage token list, then lineage token create PERSON")
