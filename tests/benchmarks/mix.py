"""The realistic mix: typed facts of a machine learning shop, as its collectors would send them.

Of five facts two are runs (10 parameters, 5 metrics, 2 inputs, 1 output, a commit, a runtime, a job, an actor), one is
a registration, one a stage move, one a dataset version; each record becomes about 11 rows. The history is layered: raw
tables are cleaned, joined into features, trained on and scored, so that what lies above a score has a bound and what
lies below a much-used table does not. Commits, runtimes, jobs and actors are shared by many runs; some versions are
read again and again; every tenth input is named without its version, every fifth output too.

The same seed gives the same facts, and every fact lies in the past.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from graph_schema import times

START: Final = times.parse_time("2024-01-01T00:00:00Z")
STEP: Final = 30 * times.MICROS_PER_SECOND
RUN_LAYERS: Final = 4
"""Layers of runs above the raw tables."""

_LAYER_WORDS: Final = ("raw", "clean", "joined", "features", "scores")
_DATASETS: Final = 400
_WINDOW: Final = 200
_REPOSITORIES: Final = 20
_COMMIT_EVERY: Final = 25
_RUNTIMES: Final = 30
_JOBS: Final = 200
_MODELS: Final = 40
_STAGES: Final = ("Staging", "Production", "Archived")
_CREATED: Final = 1_704_067_200_000


@dataclass(slots=True)
class _Layer:
    """The versions of one layer that are still read: the newest ones, and the one that everybody reads."""

    word: str
    recent: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    reference: tuple[str, str] | None = None

    def add(self, name: str, version: str, random: Random) -> None:
        self.recent.append((name, version))
        if self.reference is None or random.random() < 1 / 40:
            self.reference = (name, version)

    def pick(self, random: Random) -> tuple[str, str]:
        if self.reference is not None and random.random() < 0.3:
            return self.reference
        return random.choice(self.recent)


class Mix:
    """Gives facts one after another, in the order in which they happened.

    Every ``unnamed_every``-th run names one of its two inputs without a version (0: none does), so that questions have
    to find out which version it read.
    """

    def __init__(self, seed: int = 1, unnamed_every: int = 5) -> None:
        self._random = Random(seed)  # noqa: S311  the same facts each time, nothing secret
        self._unnamed_every = unnamed_every
        self._layers = [_Layer(word) for word in _LAYER_WORDS]
        self._number = 0
        self._runs = 0
        self._commits = [self._hex(40) for _ in range(_REPOSITORIES)]
        self._runtimes = [f"sha256:{self._hex(64)}" for _ in range(_RUNTIMES)]
        self._trained: deque[str] = deque(["none"], maxlen=_WINDOW)
        self._registered: deque[tuple[str, str, int]] = deque(maxlen=_WINDOW)
        self._versions: dict[str, int] = {}
        self._raw_next: dict[str, int] = {}
        for _ in range(_WINDOW):  # before the first run there is something to read
            name, version = self._next_raw()
            self._layers[0].add(name, version, self._random)

    def facts(self) -> Iterator[dict[str, Any]]:
        """Yield facts on the wire, without an end."""
        makers = (self.run, self.registration, self.run, self.stage_move, self.dataset_version)
        while True:
            for make in makers:
                yield make()

    def run(self) -> dict[str, Any]:
        """Return one finished run of the next layer that has something to read."""
        self._runs += 1
        layer = self._layer_of(self._runs)
        identifier = self._hex(32)
        lines = range(self._runs, self._runs + 9)
        named = not (self._unnamed_every and self._runs % self._unnamed_every == 0)
        body = {
            "run": identifier,
            "state": "complete",
            "name": f"nightly {self._runs}",
            "experiment": str(self._runs % 50),
            "params": [["max_depth", str(self._runs % 12)], *([f"option_{n % 40}", f"value {n}"] for n in lines)],
            "metrics": [{"key": f"metric_{n}", "value": f"0.{self._random.randrange(10**6):06d}"} for n in range(5)],
            "inputs": [self._input(layer - 1, named=True), self._input(layer - 1, named=named)],
            "outputs": [self._output(layer)],
            "job": {"namespace": "airflow", "name": f"{_LAYER_WORDS[layer]}_{self._runs % _JOBS}"},
            "commit": self._commit(),
            "runtime": self._runtime(),
        }
        if layer == RUN_LAYERS:
            self._trained.append(identifier)
        return self._fact("run.observed", body, f"trainer{self._runs % 30}")

    def registration(self) -> dict[str, Any]:
        """Return the registration of the next version of a model, made by a run of the last layer."""
        model = f"model:prod::model_{self._random.randrange(_MODELS)}"
        number = self._versions[model] = self._versions.get(model, 0) + 1
        version = (model, str(number), _CREATED + self._number)
        self._registered.append(version)
        body = {
            **_version(version),
            "run": self._random.choice(self._trained),
            "location": f"s3://models/{model.rpartition(':')[2]}/{number}",
            "tags": [["mlflow.source.type", "JOB"], ["owner", "somebody"]],
        }
        return self._fact("model_version.registered", body, f"trainer{self._number % 30}")

    def stage_move(self) -> dict[str, Any]:
        """Return a move of one of the newest versions."""
        body = {
            **_version(self._random.choice(self._registered)),
            "to": self._random.choice(_STAGES),
            "archive_others": self._number % 3 == 0,
            "reason": f"because of {self._number}",
            "ticket": f"CHG-{self._number}",
        }
        return self._fact("stage.transitioned", body, f"deployer{self._number % 7}")

    def dataset_version(self) -> dict[str, Any]:
        """Return, by turns, a new version of a raw table and what a catalogue says of one that a run wrote."""
        if self._number % 2 or not self._layers[1].recent:
            name, version = self._next_raw()
            self._layers[0].add(name, version, self._random)
        else:
            name, version = self._random.choice(self._layers[1].recent)
        body = {
            "namespace": "s3://lake",
            "name": name,
            "version": version,
            "digest": f"sha256:{self._hex(64)}",
            "rows": self._random.randrange(10**7),
            "columns": [{"name": f"column_{n}", "type": "double"} for n in range(6)],
        }
        return self._fact("dataset_version.observed", body, None)

    def _fact(self, word: str, body: dict[str, Any], who: str | None) -> dict[str, Any]:
        self._number += 1
        actor: dict[str, Any] = {"assurance": "observed"}
        if who is not None:
            actor = {"issuer": "mlflow:prod", "subject": who, "assurance": "authenticated", "via": "basic-auth"}
        return {
            "type": word,
            "ev": 1,
            "occurred_at": times.format_time(START + self._number * STEP),
            "source": {"order": self._number, "event_id": f"e{self._number}"},
            "actor": actor,
            "body": body,
        }

    def _layer_of(self, number: int) -> int:
        layer = number % RUN_LAYERS + 1
        while not self._layers[layer - 1].recent:
            layer -= 1
        return layer

    def _input(self, layer: int, *, named: bool) -> dict[str, Any]:
        name, version = self._layers[layer].pick(self._random)
        reference: dict[str, Any] = {"namespace": "s3://lake", "name": name, "roles": ["training"]}
        return {**reference, "version": version} if named else reference

    def _output(self, layer: int) -> dict[str, Any]:
        name = f"{_LAYER_WORDS[layer]}/{self._random.randrange(_DATASETS)}"
        reference: dict[str, Any] = {"namespace": "s3://lake", "name": name}
        if self._runs % 5 == 1:
            return reference
        version = str(self._runs)
        self._layers[layer].add(name, version, self._random)
        return {**reference, "version": version}

    def _commit(self) -> dict[str, Any]:
        place = self._random.randrange(_REPOSITORIES)
        if self._random.random() < 1 / _COMMIT_EVERY:
            self._commits[place] = self._hex(40)
        return {"sha": self._commits[place], "repository": f"https://git.example/team/{place}", "branch": "main"}

    def _runtime(self) -> dict[str, Any]:
        return {"digest": self._random.choice(self._runtimes), "os": "linux", "python": "3.11"}

    def _next_raw(self) -> tuple[str, str]:
        name = f"raw/{self._random.randrange(_DATASETS)}"
        self._raw_next[name] = self._raw_next.get(name, 0) + 1
        return name, str(self._raw_next[name])

    def _hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(digits * 4):0{digits}x}"


def _version(version: tuple[str, str, int]) -> dict[str, Any]:
    model, number, created = version
    return {"model": model, "version": number, "created_ms": created}
