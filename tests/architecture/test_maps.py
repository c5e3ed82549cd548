"""The maps are whole: every module is named in the README of its package, and every module named there exists."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT, package_modules

MODULE = re.compile(r"`((?:[a-z_]+/)*[a-z0-9_]+\.py)`")


def modules_of(package: str) -> set[str]:
    """Give the modules of a package as its map names them; a folder's own file says nothing that its map does not."""
    inside = [path.relative_to(ROOT / package) for path in package_modules() if path.is_relative_to(ROOT / package)]
    return {path.as_posix() for path in inside if path.name != "__init__.py"}


def mapped_in(package: str) -> set[str]:
    """Give every module that a map names, without those of other packages and the files it refers to by their end."""
    text = (ROOT / package / "README.md").read_text(encoding="utf-8")
    return {name for name in MODULE.findall(text) if not name.startswith(("tests/", *(f"{p}/" for p in PACKAGES)))}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_is_named_in_the_map_of_its_package(package: str) -> None:
    assert sorted(modules_of(package) - mapped_in(package)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_a_map_names_exists(package: str) -> None:
    ends = {Path(name).name for name in modules_of(package)}
    assert sorted(name for name in mapped_in(package) - modules_of(package) if name not in ends) == []
