"""One read of an MLflow server: everything that is there, compared with what was seen before, said as facts.

Rules kept here:

- What was seen is remembered after its facts are in the spool, batch by batch; a read that stops half-way is taken up
  by the next, which says only what was not said yet.
- The moment of a read is taken when all pages were read, and movement is looked at once more after it, until two looks
  a second apart agree. So each stage and alias held at that moment, whatever moved while pages were read.
- What is not met is asked for by its name before it is said to be gone.
- The report of a read speaks of all reads since the first that joins, and comes only with a whole read: one that failed
  leaves the time since uncovered until another succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from collectors.delivery import Spans
from collectors.mlflow.connection import MlflowError
from collectors.mlflow.existing import Existing, Row, Rows, readable
from collectors.mlflow.hand_over import read_ahead
from collectors.mlflow.memory import Memory
from collectors.mlflow.movements import Moment, aliases_changed, logged_model_gone, stages_changed
from collectors.mlflow.registered import Change, Registered
from collectors.mlflow.sightings import Fact, Look, Told, gone_run, logged_model_told, run_told
from graph_schema.times import MICROS_PER_SECOND, format_time

SETTLED_SECONDS: Final = 1.0
"""Between two looks at movement: longer than a change takes from being seen in a page to being recorded elsewhere."""

VERSIONS: Final = {"versions": False, "prompt versions": True}
"""What a page of versions is called, and whether it is one of prompts."""

_LOOKS: Final = 6
_CLOCK_MARGIN: Final = 2 * MICROS_PER_SECOND
_FULL_EVERY: Final = 24 * 3600 * MICROS_PER_SECOND
_OVERLAP: Final = 600 * MICROS_PER_SECOND
_FLUSH: Final = 500


class ClockError(MlflowError):
    """The last read is dated in the future."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read: names or ids of experiments (None: all), the start of runs (microseconds), and how thoroughly.

    ``thorough``: compare every run, not only those that ended lately; a read a day does so anyway.
    """

    experiments: Sequence[str] | None = None
    since: int | None = None
    thorough: bool = True


@dataclass(slots=True)
class Count:
    """What a read met, said, and could not say."""

    met: dict[str, int] = field(default_factory=dict)
    expected: int = 0
    facts: int = 0
    first: bool = False
    problems: list[str] = field(default_factory=list)

    def meet(self, kind: str, number: int) -> None:
        """Count things that a page held."""
        self.met[kind] = self.met.get(kind, 0) + number

    def seconds_left(self, seconds: float) -> float | None:
        """Return how long it will still take after ``seconds``, judged by what the last read met; None if none did."""
        met = sum(self.met.values())
        return None if not self.expected or not met else max(self.expected / met - 1, 0.0) * seconds


@dataclass(slots=True)
class Reading:
    """Reads one server for one registry. ``append`` spools facts; ``clock`` gives microseconds since 1970.

    ``spans``: those of the spool, where it is kept how far back its reads join.
    """

    existing: Existing
    memory: Memory
    registry: str
    append: Callable[[Sequence[Fact]], None]
    clock: Callable[[], int]
    sleep: Callable[[float], object]
    wanted: Wanted = field(default_factory=Wanted)
    progress: Callable[[Count], None] = lambda _count: None
    spans: Spans = field(default_factory=Spans)
    count: Count = field(default_factory=Count)
    _look: Look = field(init=False)
    _number: int = 0
    _looked: int = 0
    _before: int | None = None
    _facts: list[Fact] = field(default_factory=list)
    _values: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)

    def read(self) -> Count:
        """Read once; MlflowError or a DeliveryError if that could not be done to the end."""
        self._number = int(self.memory.about("number") or 0) + 1
        self.memory.note("number", self._number)
        self._before = self.memory.about("moment")
        began = self.clock()
        if self._before is not None and began <= self._before:
            raise ClockError(
                f"the last read is dated {format_time(self._before)}, which is still to come; set the clock right"
            )
        self._look = Look(self.registry, began, self._before is None)
        self.count.first = self._look.first
        self.count.expected = int(self.memory.about("met") or 0)
        thorough = self._is_thorough(began)
        registered = Registered(self.existing, self.memory, Moment(self._look, self._before), self._number)
        self._everything(registered, thorough=thorough)
        self._flush()
        self._conclude(registered, thorough=thorough)
        return self.count

    def _is_thorough(self, began: int) -> bool:
        last = self.memory.about("thorough")
        return self.wanted.thorough or last is None or began - last >= _FULL_EVERY

    # ------------------------------------------------------------------------------------------------------ the pages

    def _everything(self, registered: Registered, *, thorough: bool) -> None:
        """Read models and prompts, then their versions, runs and logged models in one stream, a few pages ahead."""
        for prompts, kind in ((False, "models"), (True, "prompts")):
            self._meet(kind, self._models(registered, prompts=prompts))
        for kind, page in read_ahead(self._pages(thorough=thorough)):
            if kind in VERSIONS:
                self._versions(registered, page, prompts=VERSIONS[kind])
                self._looked = self.clock()
            elif kind == "runs":
                self._say("run", self._told("run", page, _run_id, run_told))
            else:
                self._say("logged_model", self._told("logged_model", page, _logged_model_id, logged_model_told))
            self._meet(kind, len(page))

    def _pages(self, *, thorough: bool) -> Iterator[tuple[str, Rows]]:
        """Give all pages with what they hold; nothing but reading happens here, in a thread of its own."""
        for kind, prompts in VERSIONS.items():
            for page in self.existing.versions(prompts=prompts):
                yield kind, page
        chosen = self._chosen(self.existing.experiments())
        for view, wanted in self._runs_wanted(thorough=thorough):
            for page in self.existing.runs(chosen, wanted, view=view):
                yield "runs", page
        for page in self.existing.logged_models(chosen, self._logged_models_wanted(thorough=thorough)):
            yield "logged models", page

    def _models(self, registered: Registered, *, prompts: bool) -> int:
        """Take one look at all models or prompts; return how many there are."""
        rows = [row for page in self.existing.models(prompts=prompts) for row in page]
        self._flush()
        change = registered.names(rows, prompts=prompts)
        if change.facts:
            self._append(change.facts)
            # As of the read before: what a rename carried over is still to be met under its new name.
            self.memory.conclude(change.values, self._number - 1, {})
        self._say("model", registered.models(rows, prompts=prompts))
        return len(rows)

    def _versions(self, registered: Registered, page: Sequence[Row], *, prompts: bool) -> None:
        keys = [self._look.version(row, prompt=prompts) for row in page]
        self._say("version", registered.versions(page, self._known("version", keys), prompts=prompts))

    def _chosen(self, experiments: Sequence[Row]) -> list[str]:
        asked = self.wanted.experiments
        found = [row for row in experiments if asked is None or _is_named(row, asked)]
        for name in asked or ():
            if not any(_is_named(row, [name]) for row in found):
                self.count.problems.append(f"there is no experiment {name}")
        return [str(row["experiment_id"]) for row in found]

    def _runs_wanted(self, *, thorough: bool) -> list[tuple[str, str]]:
        """Return the searches for runs, each a view and a filter: all, or those that can have changed."""
        since = self.wanted.since
        begun = [] if since is None else [f"attributes.start_time >= {since // 1000}"]
        if thorough or self._before is None:
            return [("ALL", " AND ".join(begun))]
        lately = (self._before - _OVERLAP) // 1000
        open_ones = [f"attributes.status = '{status}'" for status in ("RUNNING", "SCHEDULED")]
        return [
            *(("ACTIVE_ONLY", " AND ".join([*begun, one])) for one in (f"attributes.end_time >= {lately}", *open_ones)),
            ("DELETED_ONLY", " AND ".join(begun)),
        ]

    def _logged_models_wanted(self, *, thorough: bool) -> str:
        since = self.wanted.since
        parts = [] if since is None else [f"creation_timestamp >= {since // 1000}"]
        if not thorough and self._before is not None:
            parts.append(f"last_updated_timestamp >= {(self._before - _OVERLAP) // 1000}")
        return " AND ".join(parts)

    def _told(
        self,
        kind: str,
        page: Sequence[Row],
        name: Callable[[Row], str],
        tell: Callable[[Look, Row, Mapping[str, Any] | None], Told],
    ) -> dict[str, Told]:
        known = self._known(kind, [name(row) for row in page])
        return {name(row): tell(self._look, row, known.get(name(row))) for row in page}

    def _known(self, kind: str, keys: Sequence[str]) -> dict[str, Any]:
        return {**self.memory.known(kind, keys), **self._values.get(kind, {})}

    def _say(self, kind: str, told: Mapping[str, Told]) -> None:
        """Put facts beside those that wait for the disk, and what to remember beside them."""
        for key, one in told.items():
            self._facts += one.facts
            self._values.setdefault(kind, {})[key] = one.value
        if len(self._facts) >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        """Write facts, then what was seen."""
        self._append(self._facts)
        for kind, values in self._values.items():
            self.memory.keep(kind, values, self._number)
        self._facts, self._values = [], {}

    def _append(self, facts: Sequence[Fact]) -> None:
        self.append(facts)
        self.count.facts += len(facts)

    def _meet(self, kind: str, number: int) -> None:
        self.count.meet(kind, number)
        self.progress(self.count)

    # -------------------------------------------------------------------------------------------------- the movements

    def _conclude(self, registered: Registered, *, thorough: bool) -> None:
        """Say what moved and what is gone, as of one moment, and report the read."""
        moment = self._settled(registered)
        gone = registered.gone(moment)
        if thorough:
            self._runs_gone(gone, moment)
        forgotten = gone.values.get("alias", {})
        before = {key: one for key, one in self.memory.every("alias").items() if key not in forgotten}
        now = registered.aliases()
        facts = [*gone.facts, *stages_changed(moment, registered.moved), *aliases_changed(moment, now, before)]
        self._append(facts)
        at = moment.look.began
        begun = at if self._before is None else self.spans.beginning(self._before)
        self.append([self._report(begun, at)])
        for kind, things in (("alias", {**dict.fromkeys(before), **now}), ("stage", registered.moved)):
            for key, value in things.items():
                gone.remember(kind, key, value)
        noted = {"moment": at, "met": sum(self.count.met.values())} | ({"thorough": at} if thorough else {})
        self.memory.conclude(gone.values, self._number, noted)
        self.spans.keep(begun, at)

    def _settled(self, registered: Registered) -> Moment:
        """Return a moment at which all movement was so: looked at before and after, until two looks agree."""
        since = self._server_began()
        moment = Moment(self._look, self._before)
        for _ in range(_LOOKS):
            if registered.has_moved():
                passed = max(self.clock() - self._looked, 0) / MICROS_PER_SECOND
                self.sleep(max(SETTLED_SECONDS - passed, 0.0))
            moment = Moment(replace(self._look, began=self.clock()), self._before)
            seen = registered.movement()
            self._looked = moment.look.began
            for prompts in (False, True):
                self._models(registered, prompts=prompts)
            self._versions(registered, self.existing.versions_changed_since(since // 1000), prompts=False)
            self._flush()
            if registered.movement() == seen:
                return moment
        self.count.problems.append(
            f"stages or aliases moved at every one of {_LOOKS} looks; some movements in between were not seen"
        )
        return moment

    def _server_began(self) -> int:
        """Return when this read began by the server's clock, a little before: what changed since is looked at again."""
        told = self.existing.server_micros
        offset = 0 if told is None else told - self.clock()
        margin = _CLOCK_MARGIN if told is not None else 30 * _CLOCK_MARGIN
        return self._look.began + min(offset, 0) - margin

    def _runs_gone(self, gone: Change, moment: Moment) -> None:
        """Say which runs and logged models are not there any more, not even as deleted ones."""
        if self.wanted.experiments is not None or self.wanted.since is not None:
            return
        for name, value in self.memory.unmet("run", self._number):
            if readable(lambda name=name: self.existing.run(name)) is None:  # type: ignore[misc]
                gone.remember("run", name, None)
                gone.facts += [gone_run(moment.look, name)] if value.get("l") != "deleted" else []
        for name, _ in self.memory.unmet("logged_model", self._number):
            if readable(lambda name=name: self.existing.logged_model(name)) is None:  # type: ignore[misc]
                gone.remember("logged_model", name, None)
                gone.facts.append(logged_model_gone(moment, name))

    def _report(self, begun: int, at: int) -> Fact:
        """Return the report: covered from the first moment that joins to this one; a first read covers nothing yet."""
        told = list(self.count.problems)
        if self.wanted.experiments is not None:
            told.append("only some experiments are read")
        if self.wanted.since is not None:
            told.append(f"runs begun before {format_time(self.wanted.since)} are not read")
        body = {
            "covered_from": format_time(begun),
            "covered_to": format_time(at),
            "problem": "\n".join(told)[:16_000] or None,
        }
        return {
            "type": "collector.reported",
            "ev": 1,
            "occurred_at": format_time(at),
            "source": {},
            "actor": {"assurance": "system"},
            "body": {name: value for name, value in body.items() if value is not None},
        }


def _run_id(row: Row) -> str:
    return str(row["info"]["run_id"])


def _logged_model_id(row: Row) -> str:
    return str(row["info"]["model_id"])


def _is_named(row: Row, asked: Sequence[str]) -> bool:
    return str(row.get("experiment_id")) in asked or str(row.get("name")) in asked
