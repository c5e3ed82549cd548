"""Runs what is claimed of releases of MLflow: ``python -m tests.versions [--mlflow 2.9.2,3.10.0,…]``.

Each release gets an environment of its own (minutes, once; kept in a folder of this user's). Its real server is started
with the plugin, with and without accounts, its own client does what people do, and what arrives is compared with
`expected/`. Releases before the plugin's are read from outside only. Ends with 1 if anything differs.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.journeys.mlflow_server import MlflowStartError
from tests.versions.environments import EnvironmentFailedError, ScriptFailedError, interpreter, usual_folder
from tests.versions.release import Release
from tests.versions.rights import UnexpectedAnswerError

_USUAL: Final = "2.9.2,3.10.0,3.12.0,3.13.0,3.17.2"
_FAILURES: Final = (EnvironmentFailedError, MlflowStartError, ScriptFailedError, UnexpectedAnswerError)


def main() -> int:
    """Print a line for each release, and what differs; return the exit code."""
    described = "run what is claimed of MLflow's releases"
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=described)
    parser.add_argument("--mlflow", default=_USUAL, metavar="RELEASES", help=f"by default {_USUAL}")
    parser.add_argument("--cache", type=Path, default=usual_folder(), metavar="FOLDER", help="where environments are")
    chosen = parser.parse_args()
    wrong = [release for release in chosen.mlflow.split(",") if not _fits(release, chosen.cache)]
    return 1 if wrong else 0


def _fits(release: str, cache: Path) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlflow-release-") as folder:
        try:
            one = Release(release, interpreter(cache, release), Path(folder))
            one.check()
        except _FAILURES as error:
            print(f"{release:8} failed: {error}", flush=True)
            return False
    word = "as expected" if not one.differences else f"{len(one.differences)} differences"
    print(f"{release:8} {word}: {', '.join(one.figures)} ({time.monotonic() - began:.0f} s)", flush=True)
    for line in one.differences:
        print(f"         {line}")
    return not one.differences


if __name__ == "__main__":
    sys.exit(main())
