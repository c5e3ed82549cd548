"""The stack of docker-compose.yml as processes, by the commands of its head; then what a data scientist does with it.

Real: Neo4j, PostgreSQL, MLflow with the plugin around basic-auth, the service, both collectors. In MinIO's place stands
another server that speaks S3. What is not tried without Docker stands at the end of lineage_service/examples/README.md.
"""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import psutil
import pytest

from lineage_service.client import LineageClient, UnknownNameError
from tests.graphdb.installation import empty_address
from tests.journeys.composed import Composed
from tests.journeys.postgres_server import postgresql, programs
from tests.journeys.s3_server import s3_server
from tests.unit.packaging import composition

pytestmark = pytest.mark.timeout(600)

WEIGHTS: Final = bytes(range(256)) * 40
PASSWORD: Final = "ada has a long password"
ADA: Final = {"name": "ada (mlflow:prod)", "assurance": "authenticated", "via": "mlflow-basic-auth"}
_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Story:
    """A running stack, where its S3 server is, and what a data scientist made in it."""

    stack: Composed
    s3: str
    run: str
    source: str
    commit: str

    def secret(self, name: str) -> str:
        return secret(self.stack.folder, name)

    def asked(self, *words: str) -> Any:
        """Ask as an operator does, on the command line of the stack."""
        return json.loads(self.stack.compose(["run", "--rm", "-T", "cli", "ask", *words, "--json"]))


def secret(folder: Path, name: str) -> str:
    return (folder / "secrets" / name).read_text().strip()


def git(folder: Path, *words: str) -> str:
    as_ada = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *as_ada, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(folder: Path) -> Path:
    """Make a repository that holds the training script."""
    place = folder / "models"
    place.mkdir()
    shutil.copy(Path(__file__).with_name("registering_script.py"), place / "train.py")
    git(place, "init", "--quiet")
    git(place, "add", "train.py")
    git(place, "commit", "--quiet", "--message", "first")
    return place


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Composed, str]]:
    """Draw the secrets, start the foreign servers, and do what the head of the file says; stop all of it at the end."""
    neo4j, folder = empty_address(), tmp_path_factory.mktemp("stack")
    subprocess.run(["bash", "-euc", composition.drawing()], cwd=folder, check=True)
    (folder / "secrets" / "neo4j_password").write_text(neo4j.password)
    given = composition.variables_of(composition.read()["services"]["postgres"])
    file = folder / "secrets" / Path(given["POSTGRES_PASSWORD_FILE"]).name
    with ExitStack() as parts:
        port = parts.enter_context(
            postgresql(user=given["POSTGRES_USER"], database=given["POSTGRES_DB"], password_file=file)
        )
        s3 = parts.enter_context(s3_server(folder))
        composed = Composed(
            folder,
            {
                "neo4j://neo4j:7687": neo4j.url.replace("bolt", "neo4j", 1),
                "postgres:5432": f"127.0.0.1:{port}",
                "http://minio:9000": s3,
            },
            more={"LINEAGE_NEO4J_USER": neo4j.user, "LINEAGE_NEO4J_DATABASE": neo4j.database},
            variables={"GIT_REPOSITORY": str(repository(folder)), "GIT_SECONDS": "2"},
        )
        parts.callback(composed.stop)
        told = composition.commands(composition.head())
        for command in itertools.takewhile(lambda one: "embedded" not in one, told):
            composed.compose(command)
        yield composed, s3


@pytest.fixture(scope="module")
def story(stack: tuple[Composed, str]) -> Story:
    """Let ada train, register a version and move it, with nothing but MLflow's own client."""
    composed, s3 = stack
    url, place = composed.url("mlflow"), composed.folder / "models"
    admin = ("admin", secret(composed.folder, "mlflow_admin_password"))
    account = {"username": "ada", "password": PASSWORD}
    httpx.post(f"{url}/api/2.0/mlflow/users/create", json=account, auth=admin, timeout=30).raise_for_status()
    (composed.folder / "weights.bin").write_bytes(WEIGHTS)
    ada = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": PASSWORD, "MLFLOW_DISABLE_TELEMETRY": "true"}
    ended = subprocess.run(
        [sys.executable, str(place / "train.py"), "credit", str(composed.folder / "weights.bin")], cwd=place,
        env={"PATH": os.environ["PATH"], "HOME": str(composed.folder), "MLFLOW_TRACKING_URI": url, **ada},
        capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    made = json.loads(ended.stdout.splitlines()[-1])
    story = Story(composed, s3, made["run"], made["source"], git(place, "rev-parse", "HEAD"))
    wait_until_told(story)
    return story


def wait_until_told(story: Story) -> None:
    """Wait until plugin and collectors have delivered all that happened."""
    deadline = time.monotonic() + _SECONDS
    with LineageClient(story.stack.url("lineage"), story.secret("admin_token")) as client:
        while not (moved(client) and described(client, f"commit:{story.commit}")):
            logs = "\n".join(story.stack.log(name)[-1500:] for name in ("mlflow", "reconciler", "git"))
            assert time.monotonic() < deadline, logs
            time.sleep(0.5)


def moved(client: LineageClient) -> bool:
    """Say whether the move to production, the last of ada's doings, is on record, and the outside reader has read."""
    answer = client.deployments("prod::credit", stage="Production")
    return bool(answer.rows) and all(one["to"] for one in answer.coverage)


def described(client: LineageClient, node: str) -> bool:
    try:
        return bool(client.node(node)["properties"])
    except UnknownNameError:
        return False


def test_who_moved_which_version_is_answered_with_the_name_that_mlflow_authenticated(story: Story) -> None:
    answer = story.asked("deployments", "prod::credit")
    rows = answer["value"]["rows"]
    assert [(row["version"], row["alias"], row["stage"]) for row in rows] == [
        ("1", "champion", None),
        ("1", None, "Production"),
    ]
    assert all(row["deployed_by"].items() >= ADA.items() for row in rows)
    assert [row["seq"] for row in rows] == [line["seq"] for line in answer["evidence"]]
    assert {(one["source"], one["method"]) for one in answer["coverage"]} == {
        ("mlflow/prod", "in_path"),
        ("mlflow-poll/prod", "polled"),
    }


def test_a_version_rests_on_its_run_the_commit_that_the_collector_read_and_the_file_in_the_bucket(story: Story) -> None:
    value = story.asked("provenance", "model_version:credit/1")["value"]
    nodes, version = value["nodes"], value["root"]
    edges = {(edge["from"], edge["type"], edge["to"]) for edge in value["edges"]}
    run, commit = f"run:{story.run}", f"commit:{story.commit}"
    assert edges >= {(version, "PRODUCED_BY", run), (run, "BUILT_FROM", commit)}
    assert nodes[commit]["properties"], "only named by the run, and not read by the collector"
    assert nodes[version]["properties"]["location"] == story.source
    told = nodes[run]["properties"]["artifact:model/weights.bin"]
    assert told == {"bytes": len(WEIGHTS), "digest": f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"}
    assert in_the_bucket(story, f"{story.source}/weights.bin") == WEIGHTS


def in_the_bucket(story: Story, address: str) -> bytes:
    """Read a file past MLflow: what clients know as mlflow-artifacts: lies where the image's command says."""
    given = story.stack.variables("mlflow")
    s3 = boto3.client(
        "s3", endpoint_url=story.s3, region_name=given["AWS_DEFAULT_REGION"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"], aws_secret_access_key=story.secret("minio_password"),
    )  # fmt: skip
    key = address.replace("mlflow-artifacts:", "artifacts", 1)
    content: bytes = s3.get_object(Bucket="mlflow", Key=key)["Body"].read()
    return content


def test_runs_models_and_accounts_are_tables_of_postgresql(story: Story) -> None:
    asked = "SELECT (SELECT count(*) FROM runs), (SELECT current_stage FROM model_versions), count(*) FROM users"
    given = story.stack.variables("mlflow")
    account = {"PGUSER": given["PGUSER"], "PGPASSWORD": story.secret("postgres_password")}
    where = {name: given[name] for name in ("PGHOST", "PGPORT")}
    command = [str(programs() / "psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--command", asked, "mlflow"]
    told = subprocess.run(command, env={**where, **account}, check=True, capture_output=True, text=True).stdout
    assert told.strip() == "1|Production|2"


def test_whoever_has_no_password_and_no_token_is_refused(story: Story) -> None:
    mlflow = httpx.get(f"{story.stack.url('mlflow')}/api/2.0/mlflow/registered-models/get?name=credit", timeout=30)
    lineage = httpx.get(f"{story.stack.url('lineage')}/api/v1/deployments?model=prod::credit", timeout=30)
    assert (mlflow.status_code, lineage.status_code) == (httpx.codes.UNAUTHORIZED, httpx.codes.UNAUTHORIZED)


def test_no_secret_stands_in_the_list_of_processes_or_in_a_log(story: Story) -> None:
    drawn = {path.name: path.read_text().strip() for path in (story.stack.folder / "secrets").iterdir()}
    assert len(drawn) == len(composition.read()["secrets"])
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    logs = [path.read_text(errors="replace") for path in (story.stack.folder / "logs").iterdir()]
    assert len(logs) == len(story.stack.running) == 5
    assert [name for name, text in drawn.items() if any(text in one for one in [*lines, *logs])] == []


def test_a_deep_verification_finds_nothing_wrong(story: Story) -> None:
    verdict = verified(story)
    assert "Nothing wrong was found: level 2 SIGNED" in verdict
    assert "Neo4j, nodes :Entity: every one is what the records give" in " ".join(verdict.split())


def verified(story: Story) -> str:
    """Verify; the collectors go on reporting, so again where the newest record is not signed yet."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            return story.stack.compose(["exec", "lineage", "lineage", "verify", "--deep"])
        except AssertionError as error:
            if "under no signature yet" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def test_every_service_ends_well_when_it_is_asked_to(story: Story) -> None:
    assert story.stack.stop() == dict.fromkeys(["git", "reconciler", "mlflow", "bucket", "lineage"], 0)
