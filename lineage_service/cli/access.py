"""`lineage token`, `source`, `role`: who may do what. Each change is a record by whoever holds the token in use.

A new token is printed alone on a line of stdout, once; everything said about it goes to stderr.
"""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from lineage_service.cli import tables
from lineage_service.cli.screen import emit, emit_json, listed, say, show
from lineage_service.cli.service import connected
from lineage_service.client import words

token = typer.Typer(name="token", help="Tokens of people and of sources.", no_args_is_help=True, rich_markup_mode=None)
source = typer.Typer(name="source", help="Systems that may send facts.", no_args_is_help=True, rich_markup_mode=None)
role = typer.Typer(name="role", help="What people may do.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
Days = Annotated[
    int | None, typer.Option(min=1, help="How long the token is valid. Default: 90 (people), 365 (sources).")
]
Reason = Annotated[str | None, typer.Option(help="Why; kept with the record, sealed.")]
Role = Annotated[str, typer.Argument(metavar="ROLE", help="reader, requester, approver, deployer, auditor or admin.")]
Person = Annotated[str, typer.Argument(metavar="PERSON", help="The name an administrator gave, such as alice.")]


@token.command("create", epilog="Example: lineage token create alice --role reader")
def create_token(
    person: Annotated[
        str | None, typer.Argument(metavar="PERSON", help="Whose token; with --source, nobody's.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="Role to grant with it; may be repeated.")] = None,
    source: Annotated[str | None, typer.Option(metavar="KIND/INSTANCE", help="Another token for this source.")] = None,
    days: Days = None,
    reason: Reason = None,
    json: AsJson = False,
) -> None:
    """Make a token and print it, once."""
    if (person is None) == (source is None):
        raise typer.BadParameter("name a person, or a source with --source", param_hint="PERSON")
    wish = {"person": person, "roles": role or None, "source": source, "days": days, "reason": reason}
    with connected() as client:
        answer = client.request("POST", "/tokens", json=_given(wish))
    _print_token(answer, f"the token of {person or source}", json=json)


@token.command("list", epilog="Example: lineage token list")
def list_tokens(json: AsJson = False) -> None:
    """List tokens: whose, until when, and whether they still open anything. Never their texts."""
    with connected() as client:
        found = client.request("GET", "/tokens")["tokens"]
    if json:
        emit_json(found)
        return
    rows = [
        (
            one["id"],
            (one["name"] or one["holder"]).removeprefix("source:"),
            one["state"],
            words.when(one["expires_at"]) if one["expires_at"] else "never",
            one["seq"],
        )
        for one in found
    ]
    show(tables.listing(("Id", "Whose", "State", "Expires", "#"), rows, empty="There are no tokens."))


@token.command("revoke", epilog="Example: lineage token revoke 4f0c2a9b11d3")
def revoke_token(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The id that `lineage token list` shows.")],
    json: AsJson = False,
) -> None:
    """End a token, at once and for good."""
    with connected() as client:
        answer = client.request("DELETE", f"/tokens/{quote(identifier, safe='')}")
    _print_receipt(answer, f"token {identifier} opens nothing any more", json=json)


@source.command("add", epilog="Example: lineage source add mlflow/prod")
def add_source(
    name: Annotated[
        str, typer.Argument(metavar="KIND/INSTANCE", help="Such as mlflow/prod, git/models, openlineage/airflow.")
    ],
    *,
    families: Annotated[
        str | None, typer.Option(metavar="A,B", help="Families of facts it may send. Default: those its kind needs.")
    ] = None,
    assurance: Annotated[
        str | None, typer.Option(help="Highest assurance it may claim: authenticated, claimed or observed.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="How it sees changes: in_path, polled, pushed or declared.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Since when it sees them.")] = None,
    heartbeat: Annotated[int | None, typer.Option(min=1, metavar="SECONDS", help="How often it reports.")] = None,
    days: Days = None,
    json: AsJson = False,
) -> None:
    """Register a system that may send facts, and print its token, once."""
    kind, instance = _kind_and_instance(name)
    form = {
        "kind": kind,
        "instance": instance,
        "families": None if families is None else [word.strip() for word in families.split(",") if word.strip()],
        "assurance": assurance,
        "method": method,
        "since": since,
        "heartbeat_seconds": heartbeat,
        "days": days,
    }
    with connected() as client:
        answer = client.request("POST", "/sources", json=_given(form))
    _print_token(answer, f"the token of source {name}", json=json)


@source.command("retire", epilog="Example: lineage source retire mlflow-poll/old --reason 'imported, now the plugin'")
def retire_source(
    name: Annotated[str, typer.Argument(metavar="KIND/INSTANCE", help="As `lineage source list` shows it.")],
    reason: Reason = None,
    json: AsJson = False,
) -> None:
    """End a source: its tokens open nothing any more, and answers about later times do not wait for it.

    For the time until now answers go on asking what it covered; a source that had stopped reporting before stays a
    reason why they are not complete.
    """
    kind, instance = _kind_and_instance(name)
    path = f"/sources/{quote(kind, safe='')}/{quote(instance, safe='/')}"
    with connected() as client:
        answer = client.request("DELETE", path, json=_given({"reason": reason}))
    _print_receipt(answer, f"source {name} sends nothing any more", json=json)


@source.command("list", epilog="Example: lineage source list")
def list_sources(json: AsJson = False) -> None:
    """List the systems that may send facts: what they may send, and how they see it."""
    with connected() as client:
        found = client.request("GET", "/sources")["sources"]
    if json:
        emit_json(found)
        return
    rows = [
        (
            f"{one['kind']}/{one['instance']}",
            "active" if one["active"] else "retired",
            one["method"],
            one["assurance"],
            listed(one["families"]),
            one["seq"],
        )
        for one in found
    ]
    headings = ("Source", "State", "Method", "May claim", "Families", "#")
    show(tables.listing(headings, rows, empty="No source is registered: lineage source add KIND/INSTANCE"))


@role.command("grant", epilog="Example: lineage role grant alice approver --reason 'model owner'")
def grant_role(person: Person, name: Role, reason: Reason = None, json: AsJson = False) -> None:
    """Let a person do more."""
    with connected() as client:
        answer = client.request("POST", "/roles", json=_given({"person": person, "role": name, "reason": reason}))
    _print_receipt(answer, f"{person} holds the role {name}", json=json)


@role.command("revoke", epilog="Example: lineage role revoke alice approver")
def revoke_role(person: Person, name: Role, json: AsJson = False) -> None:
    """Let a person do less, at once."""
    with connected() as client:
        answer = client.request("DELETE", f"/roles/{quote(name, safe='')}/{quote(person, safe='')}")
    _print_receipt(answer, f"{person} does not hold the role {name} any more", json=json)


@role.command("list", epilog="Example: lineage role list")
def list_roles(json: AsJson = False) -> None:
    """List who holds which roles."""
    with connected() as client:
        found = client.request("GET", "/roles")["roles"]
    if json:
        emit_json(found)
        return
    rows = [(one["name"] or "erased", listed(one["roles"]), one["person"]) for one in found]
    show(tables.listing(("Person", "Roles", "Key"), rows, empty="Nobody holds a role."))


def _kind_and_instance(name: str) -> tuple[str, str]:
    kind, slash, instance = name.partition("/")
    if not (kind and slash and instance):
        raise typer.BadParameter("write KIND/INSTANCE, such as mlflow/prod", param_hint="KIND/INSTANCE")
    return kind, instance


def _given(wish: dict[str, Any]) -> dict[str, Any]:
    """Return what was given; the service has the defaults."""
    return {name: value for name, value in wish.items() if value is not None}


def _print_token(answer: dict[str, Any], what: str, *, json: bool) -> None:
    if json:
        emit_json(answer)
        return
    until = words.when(answer["expires_at"])
    say(f"This is {what}, valid until {until}. It is shown once and kept nowhere: store it now.")
    emit(answer["token"])


def _print_receipt(answer: dict[str, Any], done: str, *, json: bool) -> None:
    if json:
        emit_json(answer)
        return
    show(f"Record {answer['receipts'][-1]['seq']}: {done}.")


def add_to(app: typer.Typer) -> None:
    """Add these families of verbs."""
    for family in (token, source, role):
        app.add_typer(family)
