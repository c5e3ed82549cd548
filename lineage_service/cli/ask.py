"""`lineage ask …`: the questions, over HTTP to the running service. Value first, then what it is worth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType

from graph_schema import times
from graph_schema.answers import DRIFTED
from lineage_service.cli import tables
from lineage_service.cli.exits import Exit
from lineage_service.cli.export import write_csv
from lineage_service.cli.screen import emit_json, say, show, show_lines
from lineage_service.cli.service import connected
from lineage_service.client import LineageClient, Result

_asked = typer.Typer(
    name="ask",
    help="Ask what is known. Each answer says for which time, how complete it is, and which records it rests on.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="TIME", help="What was true then: a time or a date. Default: now.")
]
KnownAt = Annotated[
    str | None,
    typer.Option(
        "--known-at", metavar="SEQ|TIME", help="What was recorded by then. Only a number reproduces an answer."
    ),
]
Zone = Annotated[
    str, typer.Option("--tz", metavar="ZONE", help="Zone of dates without a time, and of the times that are printed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, exactly as the service gave it.")]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write the rows as CSV, with FILE.json beside it.")
]
ProofFile = Annotated[
    Path | None, typer.Option("--proof", metavar="FILE", help="Write answer, records and inclusion proofs to FILE.")
]
RequireComplete = Annotated[
    bool, typer.Option("--require-complete", help="Exit with 2 if the answer is not known to be complete.")
]
Depth = Annotated[int | None, typer.Option(min=0, max=100, metavar="N", help="How many edges to follow. Default: 25.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="How many rows or nodes at most.")]
After = Annotated[str | None, typer.Option(metavar="CURSOR", help="Go on where an earlier page ended.")]
Node = Annotated[str, typer.Argument(metavar="NODE", help="Such as model_version:credit/3, or any full key.")]

_MORE: Final = "more rows follow; add:"


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is to be given."""

    zone: str
    json: bool
    csv: Path | None
    proof: Path | None
    require_complete: bool


@_asked.command(epilog="Example: lineage ask provenance model_version:credit/3 --as-of 2026-06-01")
def provenance(
    node: Node,
    *,
    depth: Depth = None,
    limit: Limit = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    tz: Zone = "UTC",
    json: AsJson = False,
    csv: CsvFile = None,
    proof: ProofFile = None,
    require_complete: RequireComplete = False,
) -> None:
    """What made this. The runs, data, code, environments and models it rests on."""
    _give(
        Shape(tz, json, csv, proof, require_complete),
        lambda client: client.provenance(node, depth=depth, limit=limit, as_of=as_of, known_at=known_at, tz=tz),
        lambda result: tables.closure(result.value, down=False),
    )


@_asked.command(epilog="Example: lineage ask impact dataset:s3://bucket::loans.parquet --csv affected.csv")
def impact(
    node: Node,
    *,
    depth: Depth = None,
    limit: Limit = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    tz: Zone = "UTC",
    json: AsJson = False,
    csv: CsvFile = None,
    proof: ProofFile = None,
    require_complete: RequireComplete = False,
) -> None:
    """What this touches. Everything that was made from it."""
    _give(
        Shape(tz, json, csv, proof, require_complete),
        lambda client: client.impact(node, depth=depth, limit=limit, as_of=as_of, known_at=known_at, tz=tz),
        lambda result: tables.closure(result.value, down=True),
    )


@_asked.command(epilog="Example: lineage ask deployments credit --stage Production --from 2026-07-01 --to 2026-10-01")
def deployments(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Only of this model.")] = None,
    *,
    target: Annotated[str | None, typer.Option(metavar="ENV/REGION", help="Only on this target.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only in this stage, such as Production.")] = None,
    actor: Annotated[
        str | None, typer.Option(metavar="ID", help="Only by this person or account (p_… or s_…).")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Begun at or after this time.")] = None,
    stop: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Begun before this time.")] = None,
    limit: Limit = None,
    after: After = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    tz: Zone = "UTC",
    json: AsJson = False,
    csv: CsvFile = None,
    proof: ProofFile = None,
    require_complete: RequireComplete = False,
) -> None:
    """Who deployed what. And when, why, approved by whom; what has no change request says so."""
    _give(
        Shape(tz, json, csv, proof, require_complete),
        lambda client: client.deployments(
            model,
            target=target,
            stage=stage,
            actor=actor,
            start=start,
            stop=stop,
            limit=limit,
            after=after,
            as_of=as_of,
            known_at=known_at,
            tz=tz,
        ),
        lambda result: tables.deployments(result.value["rows"], tz),
    )


@_asked.command(epilog="Example: lineage ask live --as-of 2026-06-01T10:00:00Z --target prod/eu")
def live(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Only of this model.")] = None,
    *,
    target: Annotated[str | None, typer.Option(metavar="ENV/REGION", help="Only on this target.")] = None,
    drift: Annotated[
        bool, typer.Option("--drift", help="Does anything serve a version that the registry does not call Production?")
    ] = False,
    registry_alias: Annotated[
        str | None, typer.Option(metavar="ALIAS", help="With --drift: what it names counts as Production.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="With --drift: exit with 1 if something does.")] = False,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    tz: Zone = "UTC",
    json: AsJson = False,
    csv: CsvFile = None,
    proof: ProofFile = None,
    require_complete: RequireComplete = False,
) -> None:
    """What was live at an instant. In every stage, under every alias, on every target."""
    shape = Shape(tz, json, csv, proof, require_complete)
    if drift:
        _give(
            shape,
            lambda client: client.live(
                target=target,
                model=model,
                drift=True,
                registry_alias=registry_alias,
                as_of=as_of,
                known_at=known_at,
                tz=tz,
            ),
            lambda result: tables.drift(result.value["rows"], tz, registry_alias or "Production"),
            proven=lambda result: check and any(row["verdict"] in DRIFTED for row in result.value["rows"]),
        )
        return
    for option, given in (("--registry-alias", registry_alias), ("--check", check)):
        if given:
            raise typer.BadParameter("this belongs to --drift", param_hint=option)
    _give(
        shape,
        lambda client: client.live(target=target, model=model, as_of=as_of, known_at=known_at, tz=tz),
        lambda result: tables.live(result.value["rows"], tz),
    )


@_asked.command(epilog="Example: lineage ask history model:credit --known-at 812")
def history(
    node: Node,
    *,
    limit: Limit = None,
    after: After = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    tz: Zone = "UTC",
    json: AsJson = False,
    csv: CsvFile = None,
    proof: ProofFile = None,
    require_complete: RequireComplete = False,
) -> None:
    """What happened to something. Oldest first, each with the record that says so."""
    _give(
        Shape(tz, json, csv, proof, require_complete),
        lambda client: client.history(node, limit=limit, after=after, as_of=as_of, known_at=known_at, tz=tz),
        lambda result: tables.history(result.value["rows"], tz),
    )


def _give(
    shape: Shape,
    ask: Callable[[LineageClient], Result[Any]],
    picture: Callable[[Result[Any]], RenderableType],
    proven: Callable[[Result[Any]], bool] = lambda _: False,
) -> None:
    """Ask, then print or write the answer in the shape that was asked for; exit with 1 if the check is failed."""
    times.parse_instant("2000-01-01", shape.zone)  # an unknown zone is said before anything is asked
    with connected() as client:
        result = ask(client)
        if shape.csv is not None:
            sidecar = write_csv(result, shape.csv)
            say(f"{len(result.rows)} rows are in {shape.csv}; what they answer, and their digest, in {sidecar}.")
        if shape.proof is not None:
            result.save_proof(shape.proof)
            say(f"{len(result.evidence)} records with their proofs are in {shape.proof}.")
    if shape.json:
        emit_json(result.raw)
    else:
        _print(result, shape, picture)
    if proven(result):
        raise typer.Exit(Exit.PROVEN)
    if shape.require_complete and not result.complete:
        raise typer.Exit(Exit.INCOMPLETE)


def _print(result: Result[Any], shape: Shape, picture: Callable[[Result[Any]], RenderableType]) -> None:
    if shape.csv is None:
        show(picture(result), "")
    show_lines(result.footer(shape.zone))
    after = result.value.get("after")
    if after is not None:
        show(f"{_MORE} --after '{after}' --known-at {result.known_at['seq']} --as-of {result.as_of}")


def add_to(app: typer.Typer) -> None:
    """Add this family of verbs."""
    app.add_typer(_asked)
