"""`lineage collect …`: the observers put together."""

from typing import Final

import typer

from lineage_service.cli.collect import mlflow
from lineage_service.cli.collect.git import EPILOG, git
from lineage_service.cli.collect.openlineage import openlineage

_collecting: Final = typer.Typer(
    name="collect", help="Observe a system and record what changed.", no_args_is_help=True, rich_markup_mode=None
)
_collecting.command(epilog=EPILOG)(git)
mlflow.add_to(_collecting)
_collecting.command(epilog="Example: lineage collect openlineage events.ndjson")(openlineage)


def add_to(app: typer.Typer) -> None:
    """Add this family of verbs."""
    app.add_typer(_collecting)
