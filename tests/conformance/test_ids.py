"""The promises are a list, and every store runs the whole of it: no test is left out for one of them."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.conformance.kinds import KINDS

HERE = Path(__file__).parent
LIST = HERE / "test_ids.txt"


def collected() -> dict[str, list[str]]:
    """Return for each kind of store the ids of its tests, without the kind, in the order of the files."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", "-p", "no:cacheprovider", str(HERE)]
    listed = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = defaultdict(list)
    for line in listed.splitlines():
        if match := re.fullmatch(r"tests/conformance/(\S+)\[([^\]-]+)\]", line):
            found[match[2]].append(match[1])
    return found


def test_every_store_runs_exactly_the_committed_list() -> None:
    promises = LIST.read_text().split()
    assert len(promises) == len(set(promises)) >= 60
    assert {kind: sorted(ids) for kind, ids in collected().items()} == {kind: sorted(promises) for kind in KINDS}
