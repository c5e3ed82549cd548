"""Two contracts for import-linter, where its own cannot say what is meant.

`allowed`: its `forbidden` names what must not be imported, and a list of everything in the world cannot be written.
Where purity is the promise (the language, the ledger) the short list is what is allowed.

`importers`: its `protected` refuses to run while an allowed importer does not exist yet. Here such a name may be ahead
of its module; a misspelt one only makes the contract stricter.
"""

import sys
from collections.abc import Iterable
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output


class AllowedImports(Contract):
    """Direct imports out of `source_modules` stay within `allowed`, the standard library and the source itself."""

    type_name = "allowed"

    source_modules: Any = fields.ListField(subfield=fields.StringField())
    allowed: Any = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Collect every direct import that leaves the list."""
        allowed = set(self.allowed or ())
        found = [
            f"{importer} imports {imported}"
            for source in self.source_modules
            for importer in _family(graph, source)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.partition(".")[0] not in sys.stdlib_module_names
            and not _within(imported, {source, *allowed})
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each import too many."""
        _print_lines(check)


class AllowedImporters(Contract):
    """Direct imports of `protected_modules` come from themselves and from `allowed_importers`.

    A protected name in parentheses may be missing.
    """

    type_name = "importers"

    protected_modules: Any = fields.ListField(subfield=fields.StringField())
    allowed_importers: Any = fields.SetField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Collect every direct import by somebody who is not on the list."""
        optional = {name.strip("()") for name in self.protected_modules if name.startswith("(")}
        protected_modules = [name.strip("()") for name in self.protected_modules]
        found = [
            f"{importer} imports {imported}"
            for protected in protected_modules
            if protected in graph.modules or protected not in optional
            for imported in _family(graph, protected)
            for importer in sorted(graph.find_modules_that_directly_import(imported))
            if not _within(importer, {protected, *self.allowed_importers})
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each importer too many."""
        _print_lines(check)


def _family(graph: grimp.ImportGraph, name: str) -> list[str]:
    """Give a module and all below it. A name the graph does not know is an error, or a contract would hold idly."""
    return sorted({name, *graph.find_descendants(name)})


def _within(module: str, names: Iterable[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _print_lines(check: ContractCheck) -> None:
    for line in check.metadata["found"]:
        output.print_error(line)
