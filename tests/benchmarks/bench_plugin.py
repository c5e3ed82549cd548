"""What the MLflow plugin costs its server: the same calls of MLflow's own client, with and without it, in turns.

Two real servers on SQLite, one worker each, stand side by side; a receiver takes the facts. Registry calls move an
alias to and fro, since each is one write of MLflow. Rounds alternate, so that what else the machine does hits both; the
ratio compares medians over all rounds.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.figures import Figure, load_now, percentile
from tests.journeys.conftest import plugin_environment
from tests.journeys.mlflow_server import MlflowProcess, start_mlflow
from tests.journeys.receiver import receiving

CALLS: Final = 600
METRICS: Final = 10_000
ROUNDS: Final = 20
_REGISTRY_RATIO: Final = 1.1
_METRIC_RATIO: Final = 1.02

Times = dict[str, list[float]]


def measure(scale: float = 1.0) -> list[Figure]:
    """Start both servers and return the figures; ``scale`` shortens the loops."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with tempfile.TemporaryDirectory() as name, receiving() as receiver:
        folders = {how: Path(name) / how for how in ("without", "with")}
        for folder in folders.values():
            folder.mkdir()
        bare = start_mlflow(folders["without"], {}, app=None)
        try:
            watched = start_mlflow(folders["with"], plugin_environment(receiver, folders["with"] / "spool"))
        except BaseException:
            bare.stop()
            raise
        try:
            servers = {"without": bare, "with": watched}
            return [*_registry(servers, int(CALLS * scale)), *_metrics(servers, int(METRICS * scale))]
        finally:
            bare.stop()
            watched.stop()


def _registry(servers: dict[str, MlflowProcess], calls: int) -> list[Figure]:
    acts: dict[str, Callable[[int], object]] = {}
    for how, server in servers.items():
        client = _client(server)
        client.create_registered_model("credit")
        for _ in range(2):
            client.create_model_version("credit", source="s3://models/credit")
        acts[how] = _alias_mover(client)
    figures = _compared("registry call (alias), median", _timed(acts, calls), _REGISTRY_RATIO)
    transitions = {how: _stage_mover(_client(server)) for how, server in servers.items()}
    return figures + _compared("stage transition, median", _timed(transitions, calls // 2), _REGISTRY_RATIO)


def _alias_mover(client: Any) -> Callable[[int], object]:
    return lambda n: client.set_registered_model_alias("credit", "champion", str(1 + n % 2))


def _stage_mover(client: Any) -> Callable[[int], object]:
    def move(n: int) -> object:
        return client.transition_model_version_stage("credit", "1", ("Staging", "Production")[n % 2])

    return move


def _metrics(servers: dict[str, MlflowProcess], calls: int) -> list[Figure]:
    acts: dict[str, Callable[[int], object]] = {}
    for how, server in servers.items():
        client = _client(server)
        acts[how] = _metric_logger(client, client.create_run("0").info.run_id)
    times = _timed(acts, calls)
    shown = f"log-metric, a loop of {calls:,}"
    whole = {how: sum(spent) for how, spent in times.items()}
    figures = _compared("log-metric, median", times, None)
    ratio = whole["with"] / whole["without"]
    detail = f"{whole['with']:.1f} s with, {whole['without']:.1f} s without"
    return [
        *figures,
        Figure(shown, ratio, "x", _METRIC_RATIO, at_most=True, ratio=True, detail=detail, load=load_now()),
    ]


def _metric_logger(client: Any, run: str) -> Callable[[int], object]:
    return lambda n: client.log_metric(run, "auc", n / 7, step=n)


def _client(server: MlflowProcess) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient
    return MlflowClient(server.url)


def _timed(acts: dict[str, Callable[[int], object]], calls: int) -> Times:
    """Return the seconds of each call; the order of the two changes from round to round."""
    times: Times = {how: [] for how in acts}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for act in acts.values():
            act(0), act(1)
        each = max(calls // ROUNDS, 2)
        for turn in range(ROUNDS):
            for how in sorted(acts, reverse=turn % 2 == 0):
                for n in range(each):
                    began = time.perf_counter()
                    acts[how](n)
                    times[how].append(time.perf_counter() - began)
    return times


def _compared(name: str, times: Times, expected: float | None) -> list[Figure]:
    load = load_now()
    figures = []
    for how, spent in times.items():
        detail = f"p99 {1000 * percentile(spent, 0.99):.1f} ms, {len(spent):,} calls"
        median = 1000 * percentile(spent, 0.5)
        figures.append(Figure(f"{name}, {how} the plugin", median, "ms", detail=detail, load=load))
    ratio = percentile(times["with"], 0.5) / percentile(times["without"], 0.5)
    judged = Figure(f"{name}, ratio", ratio, "x", expected, at_most=True, ratio=expected is not None, load=load)
    return [*figures, judged]
