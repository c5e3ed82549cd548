"""The Dockerfile, stage by stage: its instructions, and the files that are written inside of it."""

import json
import re
from dataclasses import dataclass, field

from tests.architecture.tree import ROOT

FILE = ROOT / "Dockerfile"
_HEREDOC = re.compile(r"<<'([A-Z]+)'")


@dataclass
class Stage:
    """One FROM with what follows it. An instruction is its word and the rest, lines joined."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def of(self, word: str) -> list[str]:
        """Give the arguments of every instruction of a kind."""
        return [rest for kind, rest in self.instructions if kind == word]


def stages(text: str | None = None) -> dict[str, Stage]:
    """Read the file; ARG lines before the first FROM are filled in."""
    found: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    lines = iter((FILE.read_text(encoding="utf-8") if text is None else text).splitlines())
    current: Stage | None = None
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        whole = line
        while whole.endswith("\\"):
            whole = whole[:-1].rstrip() + " " + next(lines).strip()
        word, _, rest = whole.partition(" ")
        if word == "ARG":
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = Stage(re.sub(r"\$\{(\w+)\}", lambda one: arguments[one[1]], base), name)
            found[name] = current
        elif current is not None:
            current.instructions.append((word, rest))
            if heredoc := _HEREDOC.search(rest):
                current.files[rest.split()[-1]] = "".join(f"{one}\n" for one in iter(lambda: next(lines), heredoc[1]))
    return found


def words_of(stage: Stage, word: str, all_of_them: dict[str, Stage]) -> list[str]:
    """Give the words of the last ENTRYPOINT or CMD of a stage, or of the nearest that it is built on; may be none."""
    if given := stage.of(word):
        found: list[str] = json.loads(given[-1])
        return found
    return words_of(all_of_them[stage.base], word, all_of_them) if stage.base in all_of_them else []


def environment_of(stage: Stage, all_of_them: dict[str, Stage]) -> dict[str, str]:
    """Give the variables of a stage, those of the stages it is built on among them."""
    before = environment_of(all_of_them[stage.base], all_of_them) if stage.base in all_of_them else {}
    pairs = (pair.partition("=") for line in stage.of("ENV") for pair in line.split())
    return before | {name: value for name, _, value in pairs}
