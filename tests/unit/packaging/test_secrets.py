"""Nothing starts on a missing or feeble secret: the scripts of both files, in the shells that they are written for."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.packaging import composition, dockerfile
from tests.unit.packaging.composition import read

SERVICES = read()["services"]
WITH_SECRETS = "/usr/local/bin/with-secrets"
DRAWN = "5f0c1d9be2a84c67a1b3"
# What stands in for the program that would be started: it tells what it was given.
TELLING = '#!/bin/sh\necho "${0##*/} $*"\nenv\n'


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run with the programs of this folder before all others, and with these variables only."""
    path = f"{folder}:/usr/local/bin:/usr/bin:/bin"
    return subprocess.run(
        command, env={"PATH": path, **variables}, cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with the programs that the scripts hand over to."""
    for name in ("tini", "minio", "mlflow"):
        (tmp_path / name).write_text(TELLING)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def start(name: str, folder: Path, secret: str | None) -> subprocess.CompletedProcess[str]:
    """Run what a service of the compose file begins with, its secrets in this folder."""
    if secret is not None:
        (folder / f"{name}_password").write_text(secret)
    return run([word.replace("/run/secrets", str(folder)) for word in SERVICES[name]["entrypoint"]], folder)


@pytest.mark.parametrize("secret", [None, "", "\n", "feeble", "slashes/are/not/taken/in", f"{DRAWN}\n{DRAWN}"])
def test_neo4j_does_not_start_on_a_password_that_is_missing_or_feeble(folder: Path, secret: str | None) -> None:
    ended = start("neo4j", folder, secret)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert ended.stderr
    assert not secret or secret.strip() == "" or secret.strip() not in ended.stderr


@pytest.mark.parametrize("secret", [DRAWN, f"{DRAWN}\n"])
def test_neo4j_starts_as_its_image_does_with_the_password_of_the_file(folder: Path, secret: str) -> None:
    ended = start("neo4j", folder, secret)
    assert ended.stdout.splitlines()[0] == "tini -g -- /startup/docker-entrypoint.sh neo4j"
    assert f"NEO4J_AUTH=neo4j/{DRAWN}" in ended.stdout.splitlines()


@pytest.mark.parametrize("secret", [None, "", "\n", "minioadmin"])
def test_minio_does_not_start_on_a_password_that_is_missing_or_feeble(folder: Path, secret: str | None) -> None:
    ended = start("minio", folder, secret)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert ended.stderr


@pytest.mark.parametrize("secret", [DRAWN, f"{DRAWN}\n"])
def test_minio_starts_with_the_password_in_its_file_alone(folder: Path, secret: str) -> None:
    ended = start("minio", folder, secret)
    assert ended.stdout.splitlines()[0] == "minio server /data --address :9000"
    assert DRAWN not in ended.stdout


def with_secrets(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program behind the script of the Dockerfile."""
    script = folder / "with-secrets"
    script.write_text(dockerfile.stages()["base"].files[WITH_SECRETS])
    script.chmod(0o755)
    return run([str(script), "mlflow", "server", "a b"], folder, **variables)


def secret_files() -> list[tuple[str, str]]:
    """Give each variable that a service behind the script is given for a program that reads no files."""
    behind = [one for one in SERVICES.values() if one["image"].startswith("lineage-mlflow") or "entrypoint" in one]
    pairs = {pair for one in behind for pair in composition.variables_of(one).items() if pair[0].endswith("_FILE")}
    return sorted((name, path) for name, path in pairs if not name.startswith(("LINEAGE_", "MINIO_")))


def test_every_secret_of_a_program_that_reads_its_environment_is_one_the_script_knows() -> None:
    script = dockerfile.stages()["base"].files[WITH_SECRETS]
    known = re.search(r"for name in ([A-Z0-9_ ]+)\n", script)
    assert known
    assert sorted(f"{name}_FILE" for name in known[1].split()) == [name for name, _ in secret_files()]


@pytest.mark.parametrize("name", [name for name, _ in secret_files()])
def test_a_secret_in_a_file_becomes_one_in_the_environment_and_nothing_else_does(folder: Path, name: str) -> None:
    (folder / "secret").write_text(f"{DRAWN} $HOME 'x'\n")
    ended = with_secrets(folder, **{name: str(folder / "secret"), "LINEAGE_TOKEN_FILE": "/nowhere"})
    told = ended.stdout.splitlines()
    assert told[0] == "mlflow server a b"
    assert f"{name.removesuffix('_FILE')}={DRAWN} $HOME 'x'" in told
    assert "LINEAGE_TOKEN_FILE=/nowhere" in told
    assert not any(line.startswith(f"{name}=") for line in told)


@pytest.mark.parametrize("secret", [None, "", "\n", "password1234"])
def test_a_program_does_not_start_behind_a_secret_that_is_missing_or_feeble(folder: Path, secret: str | None) -> None:
    if secret is not None:
        (folder / "secret").write_text(secret)
    ended = with_secrets(folder, PGPASSWORD_FILE=str(folder / "secret"))
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert str(folder / "secret") in ended.stderr
    assert not (secret or "").strip() or (secret or "").strip() not in ended.stderr


def test_what_the_head_of_the_compose_file_draws_is_taken_by_all(folder: Path) -> None:
    assert run(["bash", "-euc", composition.drawing()], folder).stderr == ""
    drawn = folder / "secrets"
    assert drawn.stat().st_mode & 0o777 == 0o700
    assert len({path.read_text() for path in drawn.iterdir()}) == len(list(drawn.iterdir())) == 5
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in drawn.iterdir())
    for name in ("neo4j", "minio"):
        assert start(name, folder, (drawn / f"{name}_password").read_text()).returncode == 0
    for name, path in secret_files():
        assert with_secrets(folder, **{name: path.replace("/run/secrets", str(drawn))}).returncode == 0
