"""Files of runs in S3, against a server that speaks it: ``python -m tests.journeys.s3_check``; exits 1 if one is wrong.

``pytest`` does not run it, for the minute it takes: run it after a change of ``collectors/mlflow/artifact_store.py`` or
for a new release of MLflow. Files go both ways that MLflow has: straight
from the client into the bucket, and through the MLflow server.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from tests.journeys.conftest import plugin_environment
from tests.journeys.mlflow_server import start_mlflow
from tests.journeys.receiver import Receiver, receiving
from tests.journeys.s3_server import s3_server

BUCKET: Final = "lineage-check"
FILES: Final[Mapping[str, bytes]] = {
    "plots/loss.csv": b"epoch,loss\n1,0.3\n",
    "empty.txt": b"",
    "größe & co/a b+c.txt": "ü\n".encode(),
    # Beyond the size at which boto3 sends several parts, so that S3's own ETag is no digest of the bytes.
    "weights.bin": bytes(range(256)) * 40_000,
}
_SECONDS: Final = 60.0


def access(url: str) -> dict[str, str]:
    """Return the environment in which MLflow finds that server."""
    keys = {"AWS_ACCESS_KEY_ID": "check", "AWS_SECRET_ACCESS_KEY": "check", "AWS_DEFAULT_REGION": "us-east-1"}
    return {**keys, "MLFLOW_S3_ENDPOINT_URL": url, "MLFLOW_DISABLE_TELEMETRY": "true"}


def made_run(url: str, name: str, place: str | None, folder: Path) -> str:
    """Log the files in a run of a new experiment, whose files lie at `place` or where the server keeps them."""
    from mlflow import MlflowClient

    client = MlflowClient(url)
    run: str = client.create_run(client.create_experiment(name, artifact_location=place)).info.run_id
    for path, content in FILES.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    client.log_artifacts(run, str(folder / name))
    client.set_terminated(run)
    return run


def recorded(receiver: Receiver, run: str) -> dict[str, tuple[int, str]]:
    """Return size and digest of each file of a run, as the plugin told them."""
    bodies = [event["body"] for event in receiver.of_type("run.observed") if event["body"]["run"] == run]
    files = [one for body in bodies for one in body.get("artifacts", ())]
    return {one["path"]: (one.get("bytes", -1), one.get("digest", "none")) for one in files}


def main() -> int:
    """Run the check; return the exit code."""
    wanted = {path: (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") for path, data in FILES.items()}
    failed = 0
    with tempfile.TemporaryDirectory() as name, receiving() as receiver, s3_server(Path(name)) as s3:
        folder = Path(name)
        httpx.put(f"{s3}/{BUCKET}", timeout=5).raise_for_status()
        os.environ.update(access(s3))
        settings = {**plugin_environment(receiver, folder / "spool"), **access(s3)}
        server = start_mlflow(folder, settings, artifacts=f"s3://{BUCKET}/served")
        try:
            for how, place in (("direct", f"s3://{BUCKET}/direct"), ("served", None)):
                run = made_run(server.url, how, place, folder)
                receiver.wait_for(lambda run=run: bool(recorded(receiver, run)), _SECONDS)  # type: ignore[misc]
                found = recorded(receiver, run)
                wrong = {path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path)}
                failed += bool(wrong)
                print(f"{how}: {len(found)} files recorded, wrong or missing: {sorted(wrong) or 'none'}")
        finally:
            server.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
