"""Where the console script enters. The base install has no command line, and this module says which extra has one."""

import os
import sys
from collections.abc import Sequence
from typing import Final

_OF_THE_EXTRA: Final = frozenset({"fastapi", "pydantic_settings", "rich", "starlette", "typer", "uvicorn"})


def main() -> None:
    """Run the command line of this process and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        from lineage_service.cli.app import run_app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _OF_THE_EXTRA:
            raise
        sys.stderr.write(
            f"lineage: the package {error.name} is missing: the command line is not part of the base install.\n"
            "Next: pip install 'lineage-service[server]'\n"
        )
        return os.EX_USAGE
    return run_app(arguments)
