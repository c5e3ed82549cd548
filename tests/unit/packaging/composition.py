"""The compose file as Compose sees it: defaults filled in, who refers to what, and the commands that its head tells.

The parser of the specification leaves some references unlooked at (volumes, `depends_on`); ``dangling`` looks at all.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.architecture.tree import ROOT

FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Z][A-Z0-9_]*):-(?P<default>[^}]*)\}|(?P<other>))")

Service = dict[str, Any]


def head() -> str:
    """Give what the comment at the top says, as it would stand on a page."""
    lines = FILE.read_text(encoding="utf-8").partition("\nname:")[0].splitlines()
    return "\n".join(line.removeprefix("#").strip() for line in lines)


def drawing() -> str:
    """Give the lines of shell by which the head of the file draws its secrets, for a folder that has none."""
    lines = FILE.read_text(encoding="utf-8").partition("docker compose ")[0].splitlines()
    return "umask 022\n" + "\n".join(line.removeprefix("#   ") for line in lines if line.startswith("#   "))


def commands(text: str) -> list[list[str]]:
    """Give what is typed after each `docker compose`, word by word, without what is said beside it."""
    found = re.findall(r"docker compose ([a-z-].*?)(?:   .*|`.*)?$", text.replace(" && ", "\n"), re.MULTILINE)
    return [shlex.split(command) for command in found]


def named_by(command: list[str]) -> tuple[str, list[str]]:
    """Give the service that a `run` or `exec` names, and the words for its entry point."""
    words = iter(command[1:])
    flags = []
    for word in words:
        if not word.startswith("-"):
            rest = list(words)
            return word, [] if "--entrypoint" in flags else rest[: rest.index(">")] if ">" in rest else rest
        flags.append(word)
        if word == "--entrypoint":
            next(words)
    raise ValueError(f"no service is named: {command}")


def filled_in(value: Any, environment: Mapping[str, str]) -> Any:
    """Replace variables in every text; an empty one takes its default, and a dollar sign is written twice."""
    if isinstance(value, dict):
        return {key: filled_in(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, environment) for item in value]
    return _VARIABLE.sub(lambda found: _of(found, environment), value) if isinstance(value, str) else value


def _of(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    if found["name"] is None:
        raise ValueError(f"{found.string!r}: a variable without a default, or a lone dollar sign")
    return environment.get(found["name"]) or found["default"]


def read(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the file with these variables set, and no others."""
    document: dict[str, Any] = filled_in(yaml.safe_load(FILE.read_text(encoding="utf-8")), environment or {})
    return document


def variables_of(service: Service) -> dict[str, str]:
    """Give the environment of a service."""
    given: dict[str, str] = service.get("environment", {})
    return given


def words(value: Any) -> Iterator[str]:
    """Give every text in a value, wherever it stands, names of settings among them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from words(key)
            yield from words(item)
    elif isinstance(value, list):
        for item in value:
            yield from words(item)
    else:
        yield str(value)


def named_volumes(service: Service) -> Iterator[str]:
    """Give the volumes of a service that have a name, not the folders of the host."""
    for volume in service.get("volumes", []):
        source = volume["source"] if isinstance(volume, dict) else volume.partition(":")[0]
        if not source.startswith((".", "/")):
            yield source


def _references(service: Service) -> Iterator[tuple[str, str]]:
    for kind in ("networks", "secrets"):
        yield from ((kind, name) for name in service.get(kind, ()))
    yield from (("volumes", name) for name in named_volumes(service))
    yield from (("services", name) for name in service.get("depends_on", ()))


def dangling(document: Mapping[str, Any]) -> list[str]:
    """Give every reference to what is not defined, everything defined that nobody uses, and waits across profiles."""
    services: dict[str, Service] = document["services"]
    used = {(name, *reference) for name, service in services.items() for reference in _references(service)}
    missing = [f"{who} refers to {kind} {what}" for who, kind, what in used if what not in document.get(kind, {})]
    idle = [
        f"nobody uses {kind} {what}"
        for kind in ("networks", "secrets", "volumes")
        for what in document.get(kind, {})
        if (kind, what) not in {(one, other) for _, one, other in used}
    ]
    hidden = [
        f"{who} waits for {what}, which a profile leaves out"
        for who, kind, what in used
        if kind == "services" and what in services and _left_out(services[what], services[who])
    ]
    return sorted([*missing, *idle, *hidden])


def _left_out(awaited: Service, waiting: Service) -> bool:
    theirs, ours = set(awaited.get("profiles", [])), set(waiting.get("profiles", []))
    return bool(theirs) and not (ours and ours <= theirs)
