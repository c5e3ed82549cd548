"""The page for operators tells commands that exist, in the order of the compose file's head, and its images."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

import lineage_service
from lineage_service.cli.app import app as command_line
from tests.unit.packaging import composition
from tests.unit.packaging.composition import commands, named_by

PAGE = (Path(lineage_service.__file__).parent / "examples" / "README.md").read_text(encoding="utf-8")
HEAD = composition.head()
SERVICES: dict[str, dict[str, Any]] = composition.read()["services"]


def walk_to(arguments: list[str]) -> None:
    """Follow a command line to its verb and let that read the rest; click's errors say what is unknown."""
    command: Any = typer.main.get_command(command_line)
    context = command.make_context("lineage", list(arguments), resilient_parsing=True)
    rest = list(arguments)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        context = context.__class__(command, info_name=name, parent=context)
    command.parse_args(context, rest)


def of_the_page() -> list[list[str]]:
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    return commands(blocks)


def everything_told() -> list[list[str]]:
    return [command for text in (HEAD, PAGE) for command in commands(text)]


@pytest.mark.parametrize("command", everything_told(), ids=" ".join)
def test_a_command_that_is_told_names_services_and_verbs_that_exist(command: list[str]) -> None:
    if command[0] == "run":
        assert {"--rm", "-T"} < set(command), "else it stays, or a terminal mixes what is said with what is printed"
        service, words = named_by(command)
        assert service in SERVICES
        if words:
            assert SERVICES[service]["image"].startswith(("lineage-service", "lineage-collector"))
            walk_to(words)
    elif command[0] == "exec":
        service, (program, *words) = named_by(command)
        assert service in SERVICES
        if program == "lineage":
            walk_to(words)
    else:
        named = {word for word in command if not word.startswith("-")} - {"up", "stop", "build", "cp", "git"}
        assert {word.partition(":")[0] for word in named if not word.startswith("/")} <= set(SERVICES)


def test_the_head_of_the_compose_file_and_the_page_tell_the_same_way() -> None:
    page = of_the_page()
    assert [command for command in commands(HEAD) if command not in page] == []
    assert len(commands(HEAD)) == 11


@pytest.mark.parametrize("text", [HEAD, PAGE], ids=["head", "page"])
def test_every_secret_that_a_service_reads_is_made(text: str) -> None:
    drawn = re.search(r"for name in ([a-z0-9_ ]+); do", text)
    assert drawn
    tokens = [command[-1].removeprefix("secrets/") for command in commands(text) if "secrets/" in command[-1]]
    assert sorted({*drawn[1].split(), *tokens}) == sorted(composition.read()["secrets"])


def test_the_page_names_every_service_with_its_image_and_its_volumes() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    told = {name: row for row in rows for name in re.findall(r"`([a-z0-9]+)`", row.split("|")[1])}
    assert set(told) == set(SERVICES)
    for name, service in SERVICES.items():
        assert (f"target `{service['build']['target']}`" if "build" in service else service["image"]) in told[name]
        assert all(f"`{volume}`" in told[name] for volume in composition.named_volumes(service))


def test_a_command_that_is_none_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option"):
        walk_to(["collect", "mlflow", "http://mlflow:5000", "--evry", "300"])


@pytest.mark.parametrize("name", ["lineage", "embedded", "reconciler", "git"])
def test_what_a_service_is_told_to_do_is_a_command_of_ours(name: str) -> None:
    walk_to(SERVICES[name]["command"])
    assert SERVICES[name].get("entrypoint") in (None, ["with-secrets", "lineage"])
