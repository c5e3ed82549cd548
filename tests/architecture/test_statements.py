"""A statement that names an index has it looked up in: `USING INDEX` alone lets the server read the whole index too."""

import re

from tests.architecture.tree import package_modules, relative

HINT = re.compile(r"\bUSING INDEX +(SEEK\b)?")


def test_an_index_that_a_statement_names_is_never_read_whole() -> None:
    hints = {
        relative(path): [hit.group(1) for hit in HINT.finditer(path.read_text(encoding="utf-8"))]
        for path in package_modules()
    }
    assert sum(map(len, hints.values())) > 10
    assert [name for name, found in hints.items() if None in found] == []
