"""The README's commands, run as they stand: in order, in a fresh folder, against a service of their own.

A comment above each fenced block says how it is tested: ``serve`` (its last line is the service), ``run``, ``output``
(the block before prints exactly this, times, hashes and pseudonyms apart), or ``elsewhere`` with what runs it.
After a change of what commands print, the failure shows what to put into the README.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.architecture.tree import ROOT
from tests.served import free_port

README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^(?:<!-- test: (\w+)(?: (\S+))? -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOLD = "127.0.0.1:8765"
SEPARATOR = "----- block "
START_SECONDS = 30.0


@dataclass(frozen=True)
class Block:
    """A fenced block: how it is tested, by whom if elsewhere, its language, its text."""

    how: str
    place: str
    language: str
    text: str


BLOCKS = [Block(how or "", place or "", language, text) for how, place, language, text in FENCE.findall(README)]
RUNNABLE = {"sh", "console", "python"}


MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?"), "TIME"),
    (re.compile(r"\b[ps]_[A-Za-z0-9_-]{8,}"), "SOMEBODY"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "HASH"),
    (re.compile(r"\d+\.\d s\b"), "SECONDS"),
)


def masked(text: str) -> str:
    """Return a text as it is the same each time: without times, hashes and pseudonyms, and without its margins."""
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def those(how: str) -> list[Block]:
    return [block for block in BLOCKS if block.how == how]


def script(blocks: list[Block]) -> str:
    """Return one shell session that runs blocks in order and says where each one's output begins."""
    lines = ["set -euo pipefail"]
    for number, block in enumerate(blocks):
        snippet = f"python -W error - <<'END_OF_SNIPPET'\n{block.text}END_OF_SNIPPET"
        lines += [f"echo '{SEPARATOR}{number}'", snippet if block.language == "python" else block.text]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty folder beside a repository with one commit."""
    above = tmp_path_factory.mktemp("readme")
    repository = above / "credit"
    commit = ["git", "-C", str(repository), "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run([*commit, "-q", "--allow-empty", "-m", "first"], check=True)
    (above / "here").mkdir()
    return above / "here"


@pytest.fixture(scope="module")
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def environment(address: str) -> dict[str, str]:
    """Give what a person's shell has: our commands first, and no setting but where this run's service is."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LINEAGE_", "OPENLINEAGE_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**inherited, "PATH": path, "COLUMNS": "120", "LINEAGE_LISTEN": address, "LINEAGE_URL": f"http://{address}"}


@pytest.fixture(scope="module")
def service(place: Path, address: str, environment: dict[str, str]) -> Iterator[None]:
    """Run the one block that serves; whatever stands before its last line runs first."""
    (block,) = those("serve")
    *before, last = block.text.splitlines()
    subprocess.run(["bash", "-euc", "\n".join(before)], cwd=place, env=environment, check=True, capture_output=True)
    with (place / "serve.log").open("wb") as log:
        process = subprocess.Popen(["bash", "-c", f"exec {last}"], cwd=place, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(address):
            assert process.poll() is None, (place / "serve.log").read_text()
            assert time.monotonic() < deadline, (place / "serve.log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        assert process.wait(30) == 0


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/readyz").is_success
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("service")
def test_every_block_runs_in_order_and_prints_what_it_is_said_to(
    place: Path, address: str, environment: dict[str, str]
) -> None:
    blocks = those("run")
    session = script(blocks).replace(TOLD, address)
    ended = subprocess.run(
        ["bash", "-c", session], cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    printed = re.split(rf"^{SEPARATOR}\d+\n", ended.stdout, flags=re.MULTILINE)[1:]
    assert len(printed) == len(blocks)
    output = dict(zip(map(id, blocks), printed, strict=True))
    for before, said in pairwise(BLOCKS):
        if said.how == "output":
            real = output[id(before)]
            assert masked(said.text) == masked(real), f"the README should say:\n{real}"


def test_every_command_and_snippet_says_how_it_is_tested() -> None:
    assert [block.text for block in BLOCKS if block.language in RUNNABLE and not block.how] == []
    assert {block.how for block in BLOCKS} == {"", "serve", "run", "output", "elsewhere"}
    assert README.count("\n```") == 2 * len(BLOCKS), "a fenced block of another form is tested by nobody"


def test_what_is_run_elsewhere_is_run_by_something_that_exists() -> None:
    named = {block.place for block in those("elsewhere")}
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_readme_leads_with_the_two_commands() -> None:
    first, second = those("elsewhere")[:2]
    assert BLOCKS[:2] == [first, second]
    assert first.text == "python3 -m venv .venv && .venv/bin/pip install '.[demo]' && .venv/bin/lineage demo\n"
    assert second.text == "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest\n"
    assert second.text in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
