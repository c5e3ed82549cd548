"""What is shipped: three packages with their data, no tests, a light base, and names that nobody else owns."""

import email
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT, own_files, relative

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = {"cryptography", "httpx", "orjson", "pydantic"}
# Import names of what only the extras bring.
HEAVY = {
    "apprise", "fastapi", "flask", "jinja2", "mlflow", "neo4j", "openlineage", "pandas", "prometheus_client",
    "pydantic_settings", "pyhanko", "rich", "scipy", "sklearn", "starlette", "typer", "typst", "uvicorn",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build the wheel as an installer would, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as built_wheel:
        yield built_wheel


def test_the_wheel_holds_the_three_packages_and_nothing_beside_them(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {*PACKAGES, f"lineage_service-{PROJECT['version']}.dist-info"}


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    expected = {name for name in map(relative, own_files()) if name.partition("/")[0] in PACKAGES}
    assert expected - set(wheel.namelist()) == set()
    assert {f"{package}/py.typed" for package in PACKAGES} <= expected


def test_the_base_install_needs_four_distributions(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    needs = email.message_from_bytes(wheel.read(name)).get_all("Requires-Dist") or []
    base = {re.split(r"[<>=!~ ;\[]", need)[0] for need in needs if "extra ==" not in need}
    assert base == BASE


def test_no_other_distribution_owns_our_packages() -> None:
    owners = importlib.metadata.packages_distributions()
    others = {package: set(owners.get(package, [])) - {"lineage-service", "lineage_service"} for package in PACKAGES}
    assert others == {package: set() for package in PACKAGES}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_imported_from_this_tree(package: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import {package}; print({package}.__file__)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()).resolve().is_relative_to(ROOT)


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_that_an_extra_brings(package: str) -> None:
    program = f"import sys, {package}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    command = [sys.executable, "-W", "error", "-c", program]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert set(loaded.stdout.split()) & HEAVY == set()


def test_the_command_and_the_mlflow_application_are_registered(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    registered = wheel.read(name).decode()
    assert "lineage = lineage_service.cli.door:main" in registered
    assert "[mlflow.app]\nlineage = collectors.mlflow.plugin:create_app" in registered
