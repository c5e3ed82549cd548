"""The layers of the tree, checked by import-linter from the contracts in pyproject.toml."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter import Contract

from tests.architecture.import_contracts import AllowedImporters, AllowedImports
from tests.architecture.tree import ROOT

_CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
_CONTRACTS: dict[str, dict[str, Any]] = {contract["id"]: contract for contract in _CONFIG["contracts"]}


def test_every_import_contract_is_kept() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    run = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"Contracts: {len(_CONTRACTS)} kept, 0 broken." in run.stdout


def test_every_part_of_the_service_stands_in_a_layer() -> None:
    named = {name.strip(" ()") for layer in _CONTRACTS["river"]["layers"] for name in layer.split("|")}
    graph = grimp.build_graph("lineage_service")
    assert sorted(graph.find_children("lineage_service") - named) == []


def is_kept(contract: type[Contract], importer: str, imported: str, **options: list[str]) -> bool:
    """Judge a graph of one import."""
    graph = grimp.ImportGraph()
    for name in {"pure", "pure.inner", "other", importer, imported}:
        graph.add_module(name)
    graph.add_import(importer=importer, imported=imported)
    made = contract("one", session_options={"root_packages": ["pure"]}, contract_options=options)
    return made.check(graph, verbose=False).kept


@pytest.mark.parametrize(
    ("imported", "kept"),
    [("json", True), ("orjson", True), ("orjson.fast", True), ("pure", True), ("httpx", False), ("purest", False)],
)
def test_a_pure_package_may_import_its_list_and_nothing_else(imported: str, kept: bool) -> None:
    assert is_kept(AllowedImports, "pure.inner", imported, source_modules=["pure"], allowed=["orjson"]) is kept


@pytest.mark.parametrize(
    ("importer", "kept"),
    [("pure", True), ("door.open", True), ("door", True), ("other", False), ("doors", False)],
)
def test_a_protected_package_is_imported_by_its_list_and_nobody_else(importer: str, kept: bool) -> None:
    options = {"protected_modules": ["pure", "(not_yet)"], "allowed_importers": ["door"]}
    assert is_kept(AllowedImporters, importer, "pure.inner", **options) is kept


def test_a_contract_about_a_package_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(Exception, match="no_such_package"):
        is_kept(AllowedImports, "pure", "json", source_modules=["no_such_package"])
