"""`lineage collect openlineage`: a file of OpenLineage events, sent as the service takes them from producers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from lineage_service.cli.exits import Exit
from lineage_service.cli.screen import emit_json, say
from lineage_service.cli.service import connected
from lineage_service.errors import InputError

_BATCH: Final = 100


def openlineage(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One OpenLineage event a line, as the file transport writes.")
    ],
) -> None:
    """Record the OpenLineage events of a file. A repeat records nothing twice."""
    totals = {"received": 0, "successful": 0, "failed": 0}
    failed: list[dict[str, Any]] = []
    with connected() as client:
        for first, batch in _batches(file):
            answer = client.request("POST", "/lineage/batch", json=batch)
            for name in totals:
                totals[name] += answer["summary"][name]
            failed += [{**one, "line": first + one["index"]} for one in answer["failed_events"]]
    emit_json({"summary": totals, "failed_events": failed})
    if failed:
        say(f"{len(failed)} events were not accepted; the service kept them in quarantine, with the reason.")
        raise typer.Exit(Exit.BAD_INPUT)


def _batches(file: Path) -> Iterator[tuple[int, list[Any]]]:
    """Give the number of the first line and the events of each batch."""
    first, batch = 1, []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                batch.append(orjson.loads(line))
                if len(batch) == _BATCH:
                    yield first, batch
                    first, batch = number + 1, []
    except orjson.JSONDecodeError as error:
        raise InputError(f"line {first + len(batch)} of {file} is no JSON: {error}", field="FILE") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error}", field="FILE") from error
    if batch:
        yield first, batch
