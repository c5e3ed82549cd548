"""`lineage collect openlineage`: a file of OpenLineage events, sent as the service takes them from producers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from collectors.openlineage import lines
from lineage_service.cli.exits import Exit
from lineage_service.cli.screen import emit_json, say
from lineage_service.cli.service import connected
from lineage_service.client import LineageClient
from lineage_service.client.errors import BadRequestError
from lineage_service.errors import InputError


def openlineage(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One OpenLineage event a line, as the file transport writes.")
    ],
) -> None:
    """Record the OpenLineage events of a file. A repeat records nothing twice.

    A line that is no JSON is refused and kept in quarantine like any other; the lines around it are recorded.
    """
    totals = {"received": 0, "successful": 0, "failed": 0}
    failed: list[dict[str, Any]] = []
    try:
        with file.open("rb") as opened, connected() as client:
            for portion in lines.portions(opened):
                refused = _send_events(client, portion)
                totals["received"] += len(portion.numbers)
                totals["failed"] += len(refused)
                failed += refused
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error}", field="FILE") from error
    totals["successful"] = totals["received"] - totals["failed"]
    emit_json({"summary": totals, "failed_events": failed})
    if failed:
        say(f"{len(failed)} events were not accepted; the service kept them in quarantine, with the reason.")
        raise typer.Exit(Exit.BAD_INPUT)


def _send_events(client: LineageClient, portion: lines.Portion) -> list[dict[str, Any]]:
    """Send some lines and return those that were refused, by the number of their line."""
    if portion.sound:
        answer = client.request("POST", "/lineage/batch", content=portion.body())
        return [{**one, "line": portion.numbers[one["index"]]} for one in answer["failed_events"]]
    try:
        client.request("POST", "/lineage", content=portion.body())
    except BadRequestError as error:
        return [{"index": 0, "reason": str(error), "field": None, "retriable": False, "line": portion.numbers[0]}]
    return []
