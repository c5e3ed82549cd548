"""Puts the verbs together, and turns whatever a verb raises into an exit code and three sentences on stderr."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import typer

import lineage_service
from lineage_service.cli import access, ask, backup, installation, moving, rebuild, record, verify
from lineage_service.cli.collect import verbs as collect
from lineage_service.cli.demo import story
from lineage_service.cli.doctor import verb as doctor
from lineage_service.cli.exits import Exit, ending_of, unforeseen
from lineage_service.cli.screen import aside, emit, plain

_USAGE_ERROR: Final = cast("type[Exception]", typer.BadParameter.__bases__[0])
"""What a wrong command line raises, wherever this version of Typer keeps it."""

app = typer.Typer(
    name="lineage",
    help="Who deployed what, what made it, what it touches: a signed ledger and the graph folded from it.",
    epilog="Begin with: lineage init, then lineage serve. Settings are LINEAGE_… variables or lineage.toml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _family in (story, installation, doctor, verify, rebuild, backup, moving, record, ask, collect, access):
    _family.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(lineage_service.__version__)
        raise typer.Exit


@app.callback()
def main(
    _version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Who deployed what, what made it, what it touches: a signed ledger and the graph folded from it."""


def run_app(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    command = cast("Callable[..., Any]", app)
    try:
        code = command(args=list(arguments), prog_name="lineage", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _leave_the_pipe()
    except SystemExit as error:  # Typer's own words (--help) met a closed pipe, and it would say 1: proven
        if isinstance(error.__context__, BrokenPipeError):
            return _leave_the_pipe()
        raise
    except Exception as error:  # noqa: BLE001  the door: every error becomes a code and a sentence
        return _tell(error)
    return code if isinstance(code, int) else Exit.FINE


def _leave_the_pipe() -> int:
    """Let the interpreter flush into nowhere when whoever read us has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.PIPE_CLOSED


def _tell(error: Exception) -> int:
    """Say what happened, whether data is safe, and what to do next; return the exit code."""
    if isinstance(error, _USAGE_ERROR):
        return _tell_usage(error)
    ending = ending_of(error)
    if ending is not None:
        _say(str(error), ending.safe, ending.then)
        return ending.code
    if isinstance(error, OSError):
        _say(f"the operating system refused: {error}", "nothing was changed", "check the file or address it names")
        return Exit.UNAVAILABLE
    _say(unforeseen(error), "everything that was acknowledged is safe", "report this line with the command you ran")
    return Exit.INCOMPLETE


def _tell_usage(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        aside().print(error.format_message())
        return Exit.USAGE
    context = error.ctx
    verb = "lineage" if context is None else context.command_path
    _say(error.format_message(), "nothing was changed", f"see: {verb} --help")
    return Exit.USAGE


def _say(happened: str, safe: str, then: str) -> None:
    console = aside()
    for line in (*f"lineage: {happened}".splitlines(), f"Data: {safe}.", f"Next: {then}"):
        console.print(plain(line), soft_wrap=True)
