"""The steps of the Dockerfile without Docker: ``python -m tests.journeys.image_check``; exits 1 if one fails.

For where no daemon is at hand. What it runs is read from the Dockerfile: the files that are copied are copied to an
empty folder, the wheels are built there, and installed without an index in a fresh environment. Then `lineage init`,
`serve` and `source add` run from that environment as in a container of the compose file: a user and group without a
name (10001), no capability and no way to gain one, a root file system that cannot be written, and beside it two folders
and a /tmp that can. With ``--mlflow`` the wheels of that image are built and installed too, and MLflow is asked whether
it finds our application.

``pytest`` does not run it: it needs root, for the mounts, and a package index. Run it after a change of the Dockerfile,
of the dependencies, or of what the service writes. What it cannot see: the base image with its Python and its Debian,
and everything that Docker itself does.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.architecture.test_distribution import PROJECT
from tests.architecture.tree import own_files, relative
from tests.journeys.mlflow_server import free_port
from tests.unit.packaging.dockerfile import Stage, environment_of, stages

USER: Final = 10001
HOME: Final = "/var/lib/lineage"
STEPS: Final = {"service": ("wheels", "installed", "wheels"), "mlflow": ("mlflow-wheels", "mlflow", "wheels-mlflow")}
"""Of each target: the stage that makes its wheels, the one that installs them, and the folder they pass in."""
_SECONDS: Final = 60.0
# The arguments are the folders that can be written, `--`, and the command.
_CONFINED: Final = """
set -eu
mount -t tmpfs tmpfs /tmp
while [ "$1" != -- ]; do mount --bind "$1" "$1"; shift; done
shift
mount -o remount,bind,ro /
exec setpriv --reuid $OWNER --regid $OWNER --clear-groups --bounding-set -all --inh-caps -all --no-new-privs \\
    sh -c 'exec "$@"' sh "$@"
"""
# The last line is no ornament: setpriv itself still has its rights when it starts a program, and what that is could be
# a file that the user may not read.


@dataclass(frozen=True)
class Image:
    """What a target of the Dockerfile gives, in a folder of this machine: an environment, and a home with volumes."""

    stage: str
    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / "environment" / "bin"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def volumes(self) -> list[Path]:
        return [self.home / name for name in ("data", "keys", "spool")]

    def confined(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command as a container would; its output is read by the caller, what it says besides is shown."""
        print("+", shlex.join(words), file=sys.stderr)
        unshared = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _CONFINED, "sh"]
        return subprocess.Popen(
            [*unshared, *(str(volume) for volume in self.volumes), "--", *words],
            env={**self.environment(), **variables}, cwd=self.home, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Give the variables of the target, with the folders of this machine."""
        given = environment_of(stages()[self.stage], stages())
        found = {name: value.replace(HOME, str(self.home)) for name, value in given.items()}
        return {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.home), "OWNER": str(USER), **found}

    def told(self, *words: str, **variables: str) -> str:
        """Run a command to its end and return what it printed."""
        process = self.confined(*words, **variables)
        output, _ = process.communicate(timeout=_SECONDS)
        if process.returncode:
            raise SystemExit(f"{shlex.join(words)} ended with {process.returncode}")
        return output


def copied(stage: Stage, into: Path) -> Path:
    """Make a folder of exactly the files that a stage copies, as far as they belong to the tree."""
    for line in stage.of("COPY"):
        *sources, target = line.split()
        for path in own_files():
            name = relative(path)
            if any(name == source or name.startswith(f"{source}/") for source in sources):
                place = into / target / (name if target == "./" else name.removeprefix(f"{target}/"))
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)
    return into


def pip(stage: Stage, python: str, environment: Path, places: Mapping[str, Path], folder: Path) -> None:
    """Run the one pip command of a stage in a fresh environment, with the folders of this machine."""
    (line,) = (line for line in stage.of("RUN") if "pip " in line)
    words = [word for word in shlex.split(line) if not word.startswith("--mount=")]
    command = [str(places.get(word, word)) for word in words[1:]]
    subprocess.run([python, "-m", "venv", environment], check=True)
    print("+ pip", shlex.join(command), file=sys.stderr)
    subprocess.run([environment / "bin" / "pip", "--quiet", *command], cwd=folder, check=True)


def built(target: str, python: str, folder: Path, sources: Path) -> Image:
    """Build the wheels of a target and install them, as two of the stages do."""
    making, installing, wheels = STEPS[target]
    places = {f"/{wheels}": folder / wheels}
    folder.mkdir()
    pip(stages()[making], python, folder / "builder", places, sources)
    pip(stages()[installing], python, folder / "environment", places, folder)
    image = Image(target, folder)
    for place in (image.home, *image.volumes):
        place.mkdir(mode=0o700)
        os.chown(place, USER, USER)
    return image


def answers(address: str) -> bool:
    """Say whether the service is ready."""
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:  # noqa: S310  an address of our own
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def check_service(image: Image) -> None:
    """Open a log, serve it, use it and end it, without a right to write anywhere else."""
    version = image.told("lineage", "--version")
    assert PROJECT["version"] in version, version
    assert "Usage: lineage" in image.told("lineage", "--help")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    token = image.told("lineage", "init").strip()
    assert token.startswith("lin_"), "init printed no token"
    service = image.confined("lineage", "serve", LINEAGE_LISTEN=f"127.0.0.1:{port}")
    try:
        until = time.monotonic() + _SECONDS
        while not answers(f"{address}/readyz"):
            if service.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the service is not ready; it ended with {service.poll()}")
            time.sleep(0.2)
        added = image.told("lineage", "source", "add", "mlflow/prod", LINEAGE_URL=address, LINEAGE_TOKEN=token)
        assert added.startswith("lin_"), "source add printed no token"
    finally:
        service.terminate()
        code = service.wait(_SECONDS)
    assert code in (0, -15), f"the service ended with {code}"
    print(image.told("lineage", "verify"))
    written = sorted(str(path.relative_to(image.home)) for path in image.home.rglob("*") if path.is_file())
    print("written, and nothing else could be:", *written)
    assert all(path.startswith(("data/", "keys/")) for path in written)
    ended = image.confined("sh", "-c", "touch here || touch /var/tmp/here").wait(_SECONDS)
    assert ended != 0, "the root file system could be written, so this shows nothing"


def check_mlflow(image: Image) -> None:
    """Ask MLflow of the image for its release and for our application."""
    print(image.told("mlflow", "--version"))
    asked = "import importlib.metadata as m; print(*(e.name for e in m.entry_points(group='mlflow.app')))"
    apps = image.told("python", "-c", asked).split()
    assert "lineage" in apps, apps
    print(image.told("python", "-c", "import boto3, psycopg2; print(boto3.__version__, psycopg2.__version__)"))


def require_python(python: str) -> None:
    """End if the user without rights cannot run this Python: then nothing here would mean anything."""
    as_user = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
    if subprocess.run([*as_user, "sh", "-c", '"$0" --version', python], check=False).returncode:
        raise SystemExit(f"{python} cannot be run by everybody on this machine: name one that can, with --python")


def main() -> None:
    """Build and check."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--python", default="/usr/bin/python3", help="3.11 or newer, for everybody (%(default)s)")
    options.add_argument("--mlflow", action="store_true", help="build and ask the image of MLflow too")
    wish = options.parse_args()
    if os.geteuid():
        raise SystemExit("run this as root: it confines what it runs by mounts of its own")
    require_python(wish.python)
    began = time.monotonic()
    # Not under /tmp: that is what a container's own /tmp is put over.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="lineage-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        sources = copied(stages()["wheels"], folder / "src")
        check_service(built("service", wish.python, folder / "service", sources))
        print(f"the service: {time.monotonic() - began:.0f} s")
        if wish.mlflow:
            check_mlflow(built("mlflow", wish.python, folder / "mlflow", sources))
    print(f"all steps ran: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
