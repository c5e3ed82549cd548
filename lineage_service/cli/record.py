"""`lineage record …`: one line in anybody's pipeline that says what was just done.

The service names who is recorded as the actor: the person whose token is used. With the token of a source it is the
pipeline, as the job claims; so is the human who triggered it. Outside of a pipeline nobody is invented. A step that is
run again states the same fact: it gets the first receipt, as long as nothing else happened there in between
(`server/repeats.py`).
"""

import os
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Annotated, Any, Final

import orjson
import typer

from collectors.ci import PipelineRun, pipeline_run
from graph_schema import names, times
from lineage_service.cli.exits import Exit
from lineage_service.cli.requirements import FAILED, PASSED, checks_of, outcome_of
from lineage_service.cli.screen import emit_json, plain, say, show
from lineage_service.cli.service import connected
from lineage_service.client import LineageClient, Receipt, RefusedError, UnavailableError
from lineage_service.errors import InputError
from lineage_service.recorder.recorder import wall_clock

_recording = typer.Typer(name="record", help="State what was just done.", no_args_is_help=True, rich_markup_mode=None)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Its name, or REGISTRY::NAME.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="Its version in the registry.")]
Ref = Annotated[str | None, typer.Option(metavar="URL", help="The pipeline run that did it. Default: the CI job's.")]
Ticket = Annotated[str | None, typer.Option(help="The ticket or change number.")]
OccurredAt = Annotated[
    str | None, typer.Option(metavar="TIME", help="When it happened, for a late report. Default: now.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")]

_MODES: Final = ("serving", "shadow", "none")
_SIGHTED: Final = frozenset({"deployment.changed"})
_TRIES: Final = 2
_ID_DIGITS: Final = 32


@_recording.callback()
def states() -> None:
    """State what was just done."""


@_recording.command(
    epilog="Example: lineage record deployment credit 3 --target prod/eu --ref https://ci.example.org/runs/7"
)
def deployment(
    model: Model,
    version: Version,
    *,
    target: Annotated[str, typer.Option(metavar="ENV/REGION", help="Where it is served from now on.")],
    ref: Ref = None,
    mode: Annotated[
        str, typer.Option(help="serving; shadow: it runs beside and answers nobody; none: the model is gone there.")
    ] = "serving",
    traffic: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Its share of the traffic: below 1 others serve on, 0 takes it away."),
    ] = None,
    platform: Annotated[str | None, typer.Option(help="What runs there, such as kubernetes or sagemaker.")] = None,
    digest: Annotated[str | None, typer.Option(metavar="ALG:HEX", help="Digest of what is served.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the record, sealed.")] = None,
    ticket: Ticket = None,
    occurred_at: OccurredAt = None,
    json: AsJson = False,
) -> None:
    """Record that a target serves a version of a model from now on."""
    environment, slash, region = target.partition("/")
    if not (environment and slash and region):
        raise typer.BadParameter("write ENVIRONMENT/REGION, such as prod/eu", param_hint="--target")
    if mode not in _MODES:
        raise typer.BadParameter(f"{mode!r}: write {', '.join(_MODES[:-1])} or {_MODES[-1]}", param_hint="--mode")
    stating = _Stating("deployment.changed", ref, occurred_at)
    with connected() as client:
        where = {"environment": environment, "region": region, **_given({"platform": platform})}
        said = _given({"digest": digest, "traffic": traffic, "reason": reason, "ticket": ticket})
        named = {"model": _model_key(client, model), "version": version}
        receipt = stating.send(client, {**named, "target": where, "mode": mode, **said})
    what = {"serving": f"serves {model}/{version}", "shadow": f"runs {model}/{version} as a shadow"}
    _print(receipt, f"{target} {what.get(mode, f'serves {model} no more')}", json=json)


@_recording.command(
    epilog="Example: lineage record validation credit 3 --name 'holdout AUC' --metric auc=0.87 --require 'auc>=0.85'"
)
def validation(
    model: Model,
    version: Version,
    *,
    name: Annotated[str, typer.Option(help="What was validated, such as 'holdout AUC' or 'bias review'.")],
    outcome: Annotated[
        str | None, typer.Option(help="passed, failed or inconclusive. Default: what the requirements say.")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="NAME=NUMBER", help="Measured; may be repeated.")] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="NAME>=NUMBER", help="Required of a metric; may be repeated.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(metavar="NAMESPACE::NAME@VERSION", help="Done on this; may be repeated.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="The run that did it, such as an MLflow run.")] = None,
    ref: Ref = None,
    digest: Annotated[str | None, typer.Option(metavar="ALG:HEX", help="Digest of the artefact validated.")] = None,
    link: Annotated[str | None, typer.Option(metavar="URL", help="The report. Default: the pipeline run.")] = None,
    comment: Annotated[str | None, typer.Option(help="What else is to be said; kept with the record, sealed.")] = None,
    ticket: Ticket = None,
    identifier: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Its id. Default: made of pipeline run, version and name.")
    ] = None,
    occurred_at: OccurredAt = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 if it failed, with 2 if it was inconclusive.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Record what a validation of a version found; a failed one that is recorded is no error."""
    checks = checks_of(metric or (), require or ())
    found = outcome_of(outcome, checks)
    stating = _Stating("validation.recorded", ref, occurred_at)
    datasets = [_dataset_version(text) for text in data or ()]
    with connected() as client:
        named = {"model": _model_key(client, model), "version": version}
        said = _given({"run": run, "digest": digest, "link": link or stating.ref, "ticket": ticket, "comment": comment})
        body = {
            **named,
            "validation": identifier or stating.identity(named, name),
            "name": name,
            "outcome": found,
            "checks": checks,
            "data": datasets,
            **said,
        }
        receipt = stating.send(client, body)
    _print(receipt, f"validation {name} of {model}/{version}: {found}", json=json)
    if check and found != PASSED:
        raise typer.Exit(Exit.PROVEN if found == FAILED else Exit.INCOMPLETE)


class _Stating:
    """One fact on its way: which pipeline run states it, when it happened, how it is told again."""

    def __init__(self, kind: str, ref: str | None, occurred_at: str | None) -> None:
        self._kind = kind
        self._pipeline: PipelineRun | None = pipeline_run(os.environ)
        told = None if self._pipeline is None else self._pipeline.address
        if ref is None and told is None:
            raise typer.BadParameter("name the pipeline run; this is no CI job that tells it", param_hint="--ref")
        self.ref = str(ref or told)
        self._step = ref or (self._pipeline and self._pipeline.step) or self.ref
        self._late = None if occurred_at is None else times.format_time(_instant(occurred_at))

    def identity(self, *parts: object) -> str:
        """Return an id that the same step always makes of the same parts."""
        return sha256(orjson.dumps([self._step, *parts], option=orjson.OPT_SORT_KEYS)).hexdigest()[:_ID_DIGITS]

    def send(self, client: LineageClient, body: Mapping[str, Any]) -> Receipt:
        """Record the fact; one whose answer was lost is sent once more as it is, which never makes it two."""
        actor: dict[str, Any] = {"assurance": "observed"}
        behalf = None
        if self._pipeline is not None:
            actor, behalf = dict(self._pipeline.actor), self._pipeline.on_behalf_of
        at = self._late or times.format_time(wall_clock())
        # Where nobody is named the fact is a sighting: one that says when it happened is not taken for an older act.
        seen = {"not_before": at} if self._kind in _SIGHTED and actor["assurance"] == "observed" else {}
        event = {
            "type": self._kind,
            "ev": 1,
            "occurred_at": at,
            "source": {"ref": self.ref, "event_id": self.identity(self._kind, body, self._late)},
            "actor": {**actor, **({"on_behalf_of": behalf} if behalf else {})},
            "body": {**body, **seen},
        }
        for _ in range(_TRIES - 1):
            try:
                return client.record_events([event])[0]
            except UnavailableError:
                continue
        return client.record_events([event])[0]


def _instant(text: str) -> int:
    try:
        return times.parse_instant(text, "UTC")
    except times.TimeError as error:
        raise typer.BadParameter(str(error), param_hint="--occurred-at") from None


def _model_key(client: LineageClient, text: str) -> str:
    """Return the key of a model named in full or, where the token may ask, by its name alone."""
    short = text.removeprefix("model:")
    if "::" in short:
        return names.canonical(f"model:{short}")
    try:
        return str(client.node(f"model:{short}")["node"])
    except RefusedError:
        raise InputError(f"name the model in full, as REGISTRY::{short}: this token may record but not ask") from None


def _dataset_version(text: str) -> dict[str, str]:
    try:
        namespace, name, version = names.parse(names.canonical(f"dataset_version:{text}")).parts
    except names.NameSyntaxError as error:
        raise typer.BadParameter(str(error), param_hint="--data") from None
    return {"namespace": namespace, "name": name, "version": version}


def _given(wish: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in wish.items() if value is not None}


def _print(receipt: Receipt, what: str, *, json: bool) -> None:
    if receipt.remark is not None:
        say(f"Warning: {plain(receipt.remark)}. If that is a typing error, record what is right.")
    if json:
        emit_json(asdict(receipt))
    else:
        show(plain(f"Record {receipt.seq} ({receipt.ack}): {what}, recorded {receipt.time}."))


def add_to(app: typer.Typer) -> None:
    """Add this family of verbs."""
    app.add_typer(_recording)
