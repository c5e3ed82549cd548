"""Make the recordings again: real producers send their events to a sink that keeps what came.

    python -m tests.unit.collectors.openlineage.record dbt VENV      # 'dbt-core<1.11' 'dbt-duckdb<1.11' openlineage-dbt
    python -m tests.unit.collectors.openlineage.record airflow VENV  # the three packages of ``AIRFLOW``
    python -m tests.unit.collectors.openlineage.record feast VENV    # 'feast[openlineage]==0.67.0' grpcio
    python -m tests.unit.collectors.openlineage.record spark VENV    # pyspark==3.5.9, Java 17, and in VENV the file
                                                  # openlineage-spark_2.12-1.53.0.jar (Maven: io.openlineage)

``VENV`` is a virtual environment that holds the named packages and nothing of this project; each producer wants one of
its own. A recording takes about a minute and replaces the file in ``recordings/``. No test runs this: times and run ids
differ each time, so the files under ``expected/`` are to be written anew after it. What tells of the machine (folders,
its name, addresses, people) is replaced by fixed words before anything is written.

Recorded with Python 3.11, dbt-core 1.10.23, dbt-duckdb 1.10.1, openlineage-dbt 1.54.0; Airflow 3.3.2, its OpenLineage
provider 2.20.3 and standard provider 1.21.0; Feast 0.67.0; Spark 3.5.9 with the listener 1.53.0.
"""

import getpass
import gzip
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
PRODUCERS: Final = HERE / "producers"
KEPT_HEADERS: Final = ("Content-Type", "Content-Encoding", "Transfer-Encoding", "User-Agent")
AIRFLOW: Final = (
    "apache-airflow==3.3.2",
    "apache-airflow-providers-openlineage==2.20.3",
    "apache-airflow-providers-standard==1.21.0",
)
PATIENCE: Final = 600
"""Seconds that one command of a producer may take."""

Requests = list[dict[str, Any]]


class _Sink(BaseHTTPRequestHandler):
    """Answers 201 to everything and keeps it in ``kept``, in the order in which it came."""

    kept: Requests

    def do_POST(self) -> None:
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        body = self._chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name: self.headers[name] for name in KEPT_HEADERS if name in self.headers}
        event = json.loads(body)
        self.kept.append({"method": "POST", "path": self.path, "headers": headers, "body": event, "answered": 201})
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _chunks(self) -> bytes:
        """Read a body that comes in chunks, as Spark sends it in gzip."""
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Say nothing: the producers say enough."""


@contextmanager
def sink() -> Any:
    """Yield the address of a sink on a free port and the list that fills."""
    kept: Requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Sink", (_Sink,), {"kept": kept}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kept
    finally:
        server.shutdown()


def run(command: list[str], folder: Path, settings: Mapping[str, str], *, may_fail: bool = False) -> None:
    """Run one command of a producer; one that fails unasked ends the recording."""
    print("$", *command, flush=True)
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **settings}, timeout=PATIENCE, check=False
    )
    if done.returncode and not may_fail:
        raise SystemExit(f"{command[0]} ended with {done.returncode}; nothing was recorded")


def neutral(requests: Requests, folder: Path, venv: Path, url: str) -> Requests:
    """Return what was recorded without folders, names and addresses of the machine it was recorded on."""
    text = json.dumps(requests)
    for found, word in (
        (str(folder), "/srv/work"),
        (str(venv.resolve()), "/srv/venv"),
        (str(venv), "/srv/venv"),
        (url, "http://127.0.0.1:5000"),
        (socket.gethostbyname(socket.gethostname()), "127.0.0.1"),
        (socket.gethostname(), "host-1"),
        (str(Path.home()), "/home/trainer"),
    ):
        text = text.replace(found, word)
    text = re.sub(r"/srv/venv/lib/python[0-9.]+/site-packages", "/srv/venv/site-packages", text)
    text = text.replace(f': "{getpass.getuser()}"', ': "trainer"')  # a value, never a key: "root" is one
    cleaned: Requests = json.loads(text)
    return cleaned


# ------------------------------------------------------------------------------------------------------- the producers


def dbt(bin_: Path, folder: Path, url: str) -> None:
    """Seed, run and test a project on DuckDB; then a model and a test that fail."""
    settings = {
        "OPENLINEAGE_URL": url,
        "OPENLINEAGE_NAMESPACE": "dbt-shop",
        "DBT_PROFILES_DIR": str(folder),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PATH": f"{bin_}:{os.environ['PATH']}",
    }
    ol = str(bin_ / "dbt-ol")
    run([ol, "seed"], folder, settings)
    run([ol, "run", "--select", "features", "report"], folder, settings)
    run([ol, "test", "--select", "features", "report"], folder, settings, may_fail=True)
    run([ol, "run", "--select", "features", "broken", "after_broken"], folder, settings, may_fail=True)


def airflow(bin_: Path, folder: Path, url: str) -> None:
    """Run a DAG for one logical date, run it again for the same date, and run one whose task fails."""
    transport = {"type": "http", "url": url, "endpoint": "api/v1/lineage"}
    settings = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "airflow-prod",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PATH": f"{bin_}:{os.environ['PATH']}",
    }
    program = str(bin_ / "airflow")
    run([program, "db", "migrate"], folder, settings)
    run([program, "dags", "reserialize"], folder, settings)
    run([program, "dags", "test", "orders", "2026-01-02"], folder, settings)
    run([program, "dags", "test", "orders", "2026-01-02"], folder, settings)
    run([program, "dags", "test", "broken", "2026-01-02"], folder, settings, may_fail=True)


def feast(bin_: Path, folder: Path, url: str) -> None:
    """Apply a repository of one feature view and materialise it."""
    settings = {"FEAST_USAGE": "False", "PATH": f"{bin_}:{os.environ['PATH']}"}
    file = folder / "feature_store.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("http://SINK", url), encoding="utf-8")
    run([str(bin_ / "python"), "make_data.py"], folder, settings)
    run([str(bin_ / "feast"), "apply"], folder, settings)
    run([str(bin_ / "feast"), "materialize", "2026-01-01T00:00:00", "2026-01-03T00:00:00"], folder, settings)


def spark(bin_: Path, folder: Path, url: str) -> None:
    """Write a join of two files, and fail while writing another; events in gzip."""
    python = str(bin_ / "python")
    settings = {"PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python, "PATH": f"{bin_}:{os.environ['PATH']}"}
    conf = {
        "spark.extraListeners": "io.openlineage.spark.agent.OpenLineageSparkListener",
        "spark.openlineage.transport.type": "http",
        "spark.openlineage.transport.url": url,
        "spark.openlineage.transport.endpoint": "/api/v1/lineage",
        "spark.openlineage.transport.compression": "gzip",
        "spark.openlineage.namespace": "spark-prod",
        "spark.openlineage.facets.spark.logicalPlan.disabled": "true",
        "spark.openlineage.facets.environment-properties.disabled": "true",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
    }
    jar = bin_.parent / "openlineage-spark_2.12-1.53.0.jar"
    command = [str(bin_ / "spark-submit"), "--master", "local[1]", "--driver-memory", "1g", "--jars", str(jar)]
    command += [part for name, value in conf.items() for part in ("--conf", f"{name}={value}")]
    run([*command, "jobs.py", "join"], folder, settings)
    run([*command, "jobs.py", "fail"], folder, settings, may_fail=True)


MAKERS: Final[dict[str, tuple[str, Callable[[Path, Path, str], None]]]] = {
    "dbt": ("openlineage-dbt-1.54.0-failing-model-requests.json", dbt),
    "airflow": ("openlineage-airflow-3.3.2-requests.json", airflow),
    "feast": ("openlineage-feast-0.67.0-requests.json", feast),
    "spark": ("openlineage-spark-3.5.9-requests.json", spark),
}


def record(producer: str, venv: Path) -> Path:
    """Record one producer and return the file that was written."""
    name, make = MAKERS[producer]
    with tempfile.TemporaryDirectory() as temporary, sink() as (url, kept):
        folder = Path(temporary).resolve()
        for file in sorted((PRODUCERS / producer).rglob("*")):
            if file.is_file():
                # Programs end in .txt here: they import what this project does not have.
                target = folder / str(file.relative_to(PRODUCERS / producer)).removesuffix(".txt")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
        make(venv / "bin", folder, url)
        requests = neutral(kept, folder, venv, url)
    path = HERE / "recordings" / name
    path.write_text(json.dumps(requests, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    print(record(sys.argv[1], Path(sys.argv[2])))
