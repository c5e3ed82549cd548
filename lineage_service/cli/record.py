"""`lineage record …`: one line in anybody's pipeline that says what was just done.

The service names who is recorded as the actor: the person whose token is used. In a CI job the human who triggered it
is recorded as claimed by the job; outside of one nobody is invented.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from graph_schema import names, times
from lineage_service.cli.screen import emit_json, plain, show
from lineage_service.cli.service import connected
from lineage_service.client import LineageClient, RefusedError
from lineage_service.errors import InputError
from lineage_service.recorder.recorder import wall_clock

_recording = typer.Typer(name="record", help="State what was just done.", no_args_is_help=True, rich_markup_mode=None)


@_recording.callback()
def states() -> None:
    """State what was just done."""


@_recording.command(
    epilog="Example: lineage record deployment credit 3 --target prod/eu --ref https://ci.example.org/runs/7"
)
def deployment(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its name, or REGISTRY::NAME.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Its version in the registry.")],
    *,
    target: Annotated[str, typer.Option(metavar="ENV/REGION", help="Where it is served from now on.")],
    ref: Annotated[
        str | None, typer.Option(metavar="URL", help="The pipeline run that did it. Default: the CI job's.")
    ] = None,
    digest: Annotated[str | None, typer.Option(metavar="ALG:HEX", help="Digest of what is served.")] = None,
    traffic: Annotated[str | None, typer.Option(metavar="SHARE", help="Its share of the traffic, such as 0.1.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the record, sealed.")] = None,
    ticket: Annotated[str | None, typer.Option(help="The ticket or change number.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
) -> None:
    """Record that a target serves a version of a model from now on."""
    environment, slash, region = target.partition("/")
    if not (environment and slash and region):
        raise typer.BadParameter("write ENVIRONMENT/REGION, such as prod/eu", param_hint="--target")
    link = ref or _ci_run(os.environ)
    if link is None:
        raise typer.BadParameter("name the pipeline run; this is no CI job that tells it", param_hint="--ref")
    with connected() as client:
        body = {
            "model": _model_key(client, model),
            "version": version,
            "target": {"environment": environment, "region": region},
            **_given({"digest": digest, "traffic": traffic, "reason": reason, "ticket": ticket}),
        }
        receipt = client.record_events([_event("deployment.changed", link, body)])[0]
    if json:
        emit_json(asdict(receipt))
    else:
        show(
            plain(f"Record {receipt.seq} ({receipt.ack}): {target} serves {model}/{version}, recorded {receipt.time}.")
        )


def _event(kind: str, ref: str, body: Mapping[str, Any]) -> dict[str, Any]:
    behalf = _ci_human(os.environ)
    return {
        "type": kind,
        "ev": 1,
        "occurred_at": times.format_time(wall_clock()),
        "source": {"ref": ref},
        "actor": {"assurance": "observed", **({"on_behalf_of": behalf} if behalf else {})},
        "body": dict(body),
    }


def _model_key(client: LineageClient, text: str) -> str:
    """Return the key of a model named in full or, where the token may ask, by its name alone."""
    short = text.removeprefix("model:")
    if "::" in short:
        return names.canonical(f"model:{short}")
    try:
        return str(client.node(f"model:{short}")["node"])
    except RefusedError:
        raise InputError(f"name the model in full, as REGISTRY::{short}: this token may record but not ask") from None


def _ci_run(environment: Mapping[str, str]) -> str | None:
    """Return the address of the CI job's run, as GitHub Actions or GitLab CI give it."""
    server, repository, run = (environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    if server and repository and run:
        return f"{server}/{repository}/actions/runs/{run}"
    return environment.get("CI_JOB_URL") or None


def _ci_human(environment: Mapping[str, str]) -> dict[str, str] | None:
    """Return who triggered the CI job, as the job claims."""
    via, subject, issuer = "github-actions", environment.get("GITHUB_ACTOR"), "github"
    if not (environment.get("GITHUB_ACTIONS") and subject):
        via, subject, issuer = "gitlab-ci", environment.get("GITLAB_USER_LOGIN"), "gitlab"
        if not (environment.get("GITLAB_CI") and subject):
            return None
    run = _ci_run(environment)
    return {"issuer": issuer, "subject": subject, "via": via, **({"ref": run} if run else {})}


def _given(wish: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in wish.items() if value is not None}


def add_to(app: typer.Typer) -> None:
    """Add this family of verbs."""
    app.add_typer(_recording)
