"""Budgets that keep the tree readable. A limit is raised only with a decision record.

Enforced: length of files and functions, no cycle between modules, late imports only of what is optional or slow.
Printed and not enforced (run with `-s`): the medians and how many public names are explained.
"""

import ast
import graphlib
import statistics
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from tests.architecture.tree import PACKAGES, ROOT, package_modules, relative

FILE_CEILING = 400
STORE_CEILING = 700
FUNCTION_CEILING = 60
CONFTEST_CEILING = 150
STORES = {"lineage_service/store/sqlite.py", "lineage_service/store/neo4j.py"}

# What comes with an extra may be missing, so it is imported where it is used.
OPTIONAL = {
    "apprise", "fastapi", "flask", "gunicorn", "IPython", "jinja2", "metaflow", "mlflow", "neo4j", "openlineage",
    "pandas", "prometheus_client", "pydantic_settings", "pyhanko", "rich", "scipy", "sklearn", "sqlalchemy", "typer",
    "typst", "uvicorn", "werkzeug", "yaml",
}  # fmt: skip
# Modules of our own that need an extra, or cost every other verb half a second, and who may import them late.
LATE = {
    ("lineage_service/cli/door.py", "lineage_service.cli"),
    ("lineage_service/cli/installation.py", "lineage_service.server.serve"),
    ("lineage_service/store/opening.py", "lineage_service.store.neo4j"),
    ("lineage_service/store/opening.py", "lineage_service.store.neo4j_contents"),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    """Give every function of a module, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(node: Function) -> int:
    """Count a function's lines, its docstring with them and its decorators without."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def late_imports(tree: ast.Module) -> Iterator[str]:
    """Give the name of every module that is imported inside a function."""
    for function in functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield "." * node.level + (node.module or "")


def is_excused(path: str, module: str) -> bool:
    """Say whether this late import is of something optional, or stands in the list of our own."""
    own = any(path == place and f"{module}.".startswith(f"{name}.") for place, name in LATE)
    return own or module.partition(".")[0] in OPTIONAL


def parse(path: Path) -> ast.Module:
    """Read one module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


MODULES = package_modules()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_file_stays_under_its_ceiling(path: Path) -> None:
    ceiling = STORE_CEILING if relative(path) in STORES else FILE_CEILING
    assert len(path.read_text(encoding="utf-8").splitlines()) <= ceiling


def test_a_conftest_stays_short() -> None:
    long = [p for p in (ROOT / "tests").rglob("conftest.py") if len(p.read_text().splitlines()) > CONFTEST_CEILING]
    assert long == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_function_stays_under_its_ceiling(path: Path) -> None:
    long = [f"{node.name}: {length(node)} lines" for node in functions(parse(path)) if length(node) > FUNCTION_CEILING]
    assert long == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_what_is_optional_is_imported_inside_a_function(path: Path) -> None:
    late = [module for module in late_imports(parse(path)) if not is_excused(relative(path), module)]
    assert late == []


def test_no_two_modules_import_each_other() -> None:
    graph = grimp.build_graph(*PACKAGES)
    imported = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    graphlib.TopologicalSorter(imported).prepare()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import json", []),
        ("def f():\n    import json", ["json"]),
        ("def f():\n    def g():\n        from a.b import c", ["a.b", "a.b"]),
        ("class C:\n    async def f(self):\n        from .x import y", [".x"]),
    ],
)
def test_an_import_inside_a_function_is_seen(source: str, found: list[str]) -> None:
    assert list(late_imports(ast.parse(source))) == found


def public(tree: ast.Module) -> Iterator[bool]:
    """Say of every public class and function whether it has a docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield ast.get_docstring(node) is not None


def test_the_medians_are_printed() -> None:
    trees = [parse(path) for path in MODULES]
    files = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES)
    lengths = sorted(length(node) for tree in trees for node in functions(tree))
    explained = [has for tree in trees for has in public(tree)]
    print(f"\nfiles: {len(files)}, lines: {sum(files)}, median {statistics.median(files):.0f} (aim 160)")
    p90 = lengths[len(lengths) * 9 // 10]
    print(f"functions: {len(lengths)}, median {statistics.median(lengths):.0f}, p90 {p90} (aim 30)")
    print(f"public names with a docstring: {sum(explained)} of {len(explained)} (aim 95 %)")
    assert files
    assert lengths
