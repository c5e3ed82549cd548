"""The README documents everything a user can set, call, send or meet, and nothing that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from collectors.mlflow import settings as plugin_settings
from graph_schema.events import EVENT_TYPES, OWN_TYPES
from graph_schema.events.registry import BY_NAME
from lineage_service.cli.app import app as command_line
from lineage_service.cli.exits import Exit
from lineage_service.server.api import events
from lineage_service.server.limits import MAX_BODY, MAX_INFLATED
from lineage_service.settings import ELSEWHERE, KNOWN, Settings
from tests.architecture.tree import ROOT
from tests.service import make_service

README = (ROOT / "README.md").read_text(encoding="utf-8")
LANGUAGE = (ROOT / "graph_schema/README.md").read_text(encoding="utf-8")
SETTING = re.compile(r"\bLINEAGE_[A-Z0-9_]+")
CODE = re.compile(r"`([^`]+)`")
MOST_LINES = 460


def section(title: str, page: str = README) -> str:
    """Return what stands under a heading, up to the next of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,3}} |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title!r}"
    return found[2]


def first_cells(title: str, page: str = README) -> Iterator[str]:
    """Give the first cell of each row of the tables of a section."""
    for line in section(title, page).splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            yield line.split("|")[1].strip()


def coded(title: str, page: str = README) -> list[str]:
    """Return what the first cells of a section's tables name in code, in order."""
    return [word for cell in first_cells(title, page) for word in CODE.findall(cell)]


def plugin_names() -> set[str]:
    """Return every variable that the plugin reads or refuses."""
    return set(SETTING.findall(Path(plugin_settings.__file__).read_text(encoding="utf-8")))


def verbs(command: Any, path: str = "") -> Iterator[str]:
    """Give every command that does something, by its whole name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path
        return
    for name, child in inner.items():
        yield from verbs(child, f"{path} {name}".strip())


def test_every_setting_is_documented_in_a_table_and_every_documented_one_exists() -> None:
    ours = {f"LINEAGE_{name.upper()}" for name in Settings.model_fields}
    read = {name for name, by in ELSEWHERE.items() if "plugin" in by}
    assert set(coded("Settings")) == ours | read


def test_every_name_that_other_programs_read_or_refuse_is_mentioned_with_the_settings() -> None:
    mentioned = set(SETTING.findall(section("Settings")))
    assert mentioned >= set(KNOWN) | plugin_names()
    assert mentioned <= set(KNOWN) | plugin_names()


def test_every_setting_the_readme_mentions_anywhere_means_something() -> None:
    assert set(SETTING.findall(README)) <= set(KNOWN) | plugin_names()


def test_the_default_of_a_setting_is_the_one_it_has() -> None:
    rows = {name: line for line in section("Settings").splitlines() for name in CODE.findall(line.partition("|")[2])}
    for name, field in Settings.model_fields.items():
        if field.default not in (None, ""):
            assert f"| `{field.default}` |" in rows[f"LINEAGE_{name.upper()}"], name


def test_every_route_is_documented_and_every_documented_one_exists(tmp_path: Path) -> None:
    with make_service(tmp_path) as service:
        paths = service.app.openapi()["paths"]
    described = [f"{method.upper()} {path}" for path, ways in paths.items() for method in ways]
    assert sorted(coded("HTTP")) == sorted([*described, "GET /openapi.json"])


def test_every_type_of_event_is_documented_once_with_its_family() -> None:
    assert sorted(coded("9. Types of events", LANGUAGE)) == sorted(EVENT_TYPES)
    rows = [line.split("|") for line in section("9. Types of events", LANGUAGE).splitlines() if line.startswith("| `")]
    for row in rows:
        word, family = row[1].strip(" `"), row[2].strip()
        if word == "edge.withdrawn":
            assert family == "admin"
        elif word in OWN_TYPES:
            assert family == "ours", word
        else:
            real = EVENT_TYPES[word].family
            assert family == ("by name" if real in BY_NAME else real), word


def test_every_verb_is_documented_and_every_documented_one_exists() -> None:
    assert sorted(coded("Commands")) == sorted(verbs(typer.main.get_command(command_line)))


def test_every_exit_code_is_documented_and_every_documented_one_exists() -> None:
    told = [int(code) for cell in first_cells("Exit codes") for code in re.findall(r"\d+", cell)]
    assert told == [int(code) for code in Exit]


def test_the_limits_it_tells_are_the_ones_that_hold() -> None:
    told = section("Limits")
    assert f"{MAX_BODY // 2**20} MiB ({MAX_INFLATED // 2**20} MiB unzipped)" in told
    assert f"{events.MOST_EVENTS:,} events" in told


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "lineage_service/README.md", "collectors/README.md",
     "graph_schema/README.md", "lineage_service/examples/README.md"],
)  # fmt: skip
def test_every_link_into_the_tree_leads_somewhere(name: str) -> None:
    page = ROOT / name
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_stays_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= MOST_LINES
