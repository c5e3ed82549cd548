"""Where words go: answers to stdout, everything else to stderr; no colours and no bars where nobody looks.

Rule kept: what was recorded may have been written by anybody, so no character of it that moves a cursor, changes a
colour or turns the reading direction reaches a terminal.
"""

import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import orjson
from rich.console import Console, RenderableType

Done = TypeVar("Done")


class Screen(Console):
    """A rich console that leaves it to the door what a closed pipe means."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise instead of exiting with 1, which would say that tampering is proven."""
        raise BrokenPipeError


def screen() -> Screen:
    """Return the console of answers."""
    return Screen(file=sys.stdout, highlight=False, markup=False, emoji=False)


def aside() -> Screen:
    """Return the console of everything that is no answer."""
    return Screen(file=sys.stderr, highlight=False, markup=False, emoji=False)


def plain(text: object) -> str:
    """Return a text with every character that does not print written as its escape."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(one if one.isprintable() else _escape(one) for one in shown)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def say(*lines: str) -> None:
    """Print lines on stderr, wrapped at words; one that begins with a space is left alone, since it is to be copied."""
    console = aside()
    for line in lines:
        console.print(line, soft_wrap=line.startswith(" "))


def show(*parts: RenderableType) -> None:
    """Print an answer's parts on stdout."""
    console = screen()
    for part in parts:
        console.print(part)


def show_lines(lines: Iterable[str]) -> None:
    """Print sentences on stdout, wrapped at words; what is wrapped of an indented one stays under it."""
    console = screen()
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()) + 2) if line.startswith(" ") else ""
        shown = textwrap.fill(
            plain(line), console.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        console.print(shown, soft_wrap=True)


def emit(text: str) -> None:
    """Print one line on stdout exactly as it is, never wrapped: what a script reads."""
    _write(f"{text}\n")


def emit_json(value: Any) -> None:
    """Print a value as indented JSON."""
    _write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:  # with its number, Typer would exit with 1, which says that tampering is proven
        raise BrokenPipeError from error


def emit_pairs(pairs: Mapping[str, object]) -> None:
    """Print names and values, one a line."""
    width = max((len(name) for name in pairs), default=0)
    show(*(f"{name:<{width}}  {plain(value)}" for name, value in pairs.items()))


def busy(task: str, work: Callable[[], Done]) -> Done:
    """Do some work with a sign of life on stderr, if that is a terminal."""
    console = aside()
    if not console.is_terminal:
        return work()
    with console.status(task):
        return work()


def telling(task: str, work: Callable[[Callable[[str], None]], Done]) -> Done:
    """Do some work that says by and by what it is at, shown on stderr if that is a terminal."""
    console = aside()
    if not console.is_terminal:
        return work(lambda _task: None)
    with console.status(task) as status:
        return work(status.update)


def moving(task: str, work: Callable[[Callable[[float], None]], Done]) -> Done:
    """Do some work that tells how much of it is done (0 to 1), shown on stderr if that is a terminal."""
    console = aside()
    if not console.is_terminal:
        return work(lambda _part: None)
    with console.status(task) as status:
        return work(lambda part: status.update(f"{task}: {part:.0%}"))


def listed(items: Iterable[str]) -> str:
    """Return items with commas, or a dash for none."""
    return ", ".join(items) or "-"
