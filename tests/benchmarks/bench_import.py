"""How fast an MLflow server's past is imported: against a loop that asks for the same pages and does nothing with them.

Run as ``python -m tests.benchmarks.bench_import [--versions 2000] [--rounds 5]`` from the root of the tree. It starts a
real MLflow server with that many versions, each from a run with a logged model, and a real service; both are processes
of their own. The import counts from its first request until the service has given a receipt for the last fact. Each
round does both, on a registry name of its own; the medians are compared. Ends with 1 when the ratio is missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import psutil

from collectors.delivery import Delivery, Spool, Token
from collectors.mlflow.connection import Access, Server
from collectors.mlflow.existing import PROMPTS, Existing, PageSizes
from collectors.mlflow.hand_over import IN_BULK, SWITCH_SECONDS, HandOver
from collectors.mlflow.memory import Memory
from collectors.mlflow.reading import Reading
from lineage_service.recorder.recorder import wall_clock
from tests.benchmarks.figures import Figure, load_now, machine
from tests.benchmarks.mlflow_past import fill
from tests.journeys.mlflow_server import free_port, start_mlflow

EXPECTED: Final = 0.8
_LINEAGE: Final = Path(sys.executable).with_name("lineage")
_START_SECONDS: Final = 60.0


def bare_loop(url: str) -> float:
    """Ask for the pages that an import asks for, and return how long that took; the answers are parsed, no more."""
    sizes, began = PageSizes(), time.perf_counter()
    with httpx.Client(base_url=f"{url}/api/2.0/mlflow/", timeout=120) as client:
        searches: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("GET", "registered-models/search", {"max_results": sizes.models}),
            ("GET", "registered-models/search", {"max_results": sizes.models, "filter": PROMPTS}),
            ("GET", "model-versions/search", {"max_results": sizes.versions}),
            ("GET", "model-versions/search", {"max_results": sizes.versions, "filter": PROMPTS}),
            ("POST", "experiments/search", {"max_results": 1000, "view_type": "ALL"}),
            ("POST", "runs/search", {"max_results": sizes.runs, "experiment_ids": ["0"], "run_view_type": "ALL"}),
            ("POST", "logged-models/search", {"max_results": sizes.logged_models, "experiment_ids": ["0"]}),
        )
        for method, path, asked in searches:
            token: str | None = None
            while token != "":
                page: dict[str, Any] = {**asked, **({"page_token": token} if token else {})}
                reply = client.get(path, params=page) if method == "GET" else client.post(path, json=page)
                token = reply.raise_for_status().json().get("next_page_token", "")
    return time.perf_counter() - began


def imported(url: str, service: str, token: str, folder: Path, registry: str) -> tuple[float, float, int]:
    """Import once; return the seconds until all was read, until all was delivered, and the number of facts."""
    spool = Spool(folder / registry / "spool")
    memory = Memory(folder / registry / "seen.db", registry)
    server, delivery = Server(Access(url)), Delivery(service, Token(token), spool, request=IN_BULK)
    began = time.perf_counter()
    sys.setswitchinterval(SWITCH_SECONDS)  # as the verb does
    hand_over = HandOver(spool, delivery)
    reading = Reading(Existing(server), memory, registry, hand_over.append, wall_clock, time.sleep)
    count = reading.read()
    read = time.perf_counter() - began
    hand_over.finish()
    took = time.perf_counter() - began
    if spool.waiting() or (spool.path / "rejected.ndjson").exists():
        raise SystemExit(f"the service did not take every fact: {delivery.standing.value}")
    for opened in (server, delivery, memory):
        opened.close()
    return read, took, count.facts


def processor(process: int) -> float:
    """Return the seconds of processor that a process and its children used so far."""
    parent = psutil.Process(process)
    times = [one.cpu_times() for one in (parent, *parent.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


@contextmanager
def service_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Start a service; give its address and the token of a source that reads MLflow."""
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    settings = {"LINEAGE_LISTEN": address, "LINEAGE_URL": f"http://{address}", "LINEAGE_DATA_DIR": str(folder / "data")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LINEAGE_")}
    environment = inherited | settings

    def lineage(*arguments: str, **more: str) -> str:
        ended = subprocess.run(
            [_LINEAGE, *arguments], cwd=folder, env=environment | more, capture_output=True, text=True, check=True
        )
        return ended.stdout.strip()

    admin = lineage("init")
    with subprocess.Popen([_LINEAGE, "serve"], cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready(settings["LINEAGE_URL"])
            yield settings["LINEAGE_URL"], lineage("source", "add", "mlflow-poll/bench", LINEAGE_TOKEN=admin)
        finally:
            process.terminate()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("the service did not start")


def measure(folder: Path, versions: int, rounds: int) -> list[Figure]:
    """Take the figures."""
    plugin = {"LINEAGE_URL": "http://127.0.0.1:9", "LINEAGE_TOKEN": "none", "LINEAGE_SPOOL": str(folder / "spool")}
    (folder / "mlflow").mkdir()
    server = start_mlflow(folder / "mlflow", plugin)
    try:
        fill(folder / "mlflow" / "mlflow.db", versions)
        bare_loop(server.url)  # the first reads warm what the server keeps
        with service_in(folder / "service") as service:
            loops, imports, load = [], [], load_now()
            for number in range(rounds):
                used = [processor(server.process.pid)]
                loops.append(bare_loop(server.url))
                used.append(processor(server.process.pid))
                own = time.process_time()
                imports.append(imported(server.url, service[0], service[1], folder, f"round-{number}"))
                used.append(processor(server.process.pid))
                read, took, facts = imports[-1]
                print(
                    f"  loop {loops[-1]:.2f} s; read {read:.2f} s, delivered {took:.2f} s, {facts:,} facts; processor: "
                    f"MLflow {used[1] - used[0]:.2f} s in the loop, {used[2] - used[1]:.2f} s in the import, reader "
                    f"{time.process_time() - own:.2f} s, load {load_now():.1f}",
                    flush=True,
                )
    finally:
        server.stop()
    loop, facts = median(loops), imports[0][2]
    read, took = median(one[0] for one in imports), median(one[1] for one in imports)
    alone = f"read alone {loop / read:.2f}"
    return [
        Figure("bare paging loop", loop, "s", load=load),
        Figure("import, all pages read", read, "s", load=load),
        Figure("import, last receipt", took, "s", load=load, detail=f"{facts / took:,.0f} facts/s"),
        Figure("loop / import", loop / took, "", EXPECTED, ratio=True, load=load, detail=alone),
    ]


def main() -> int:
    """Print figures and return the exit code."""
    parser = argparse.ArgumentParser(description="time the import of an MLflow server's past")
    parser.add_argument("--versions", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-import-") as folder:
        print(machine(Path(folder)))
        print(f"{chosen.versions:,} versions, as many runs and logged models; medians of {chosen.rounds} rounds")
        figures = measure(Path(folder), chosen.versions, chosen.rounds)
    for figure in figures:
        print(figure.line())
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
