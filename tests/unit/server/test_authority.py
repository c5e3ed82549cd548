"""The two committed tables: route x caller, and type of fact x token."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graph_schema.events import EVENT_TYPES
from tests.service import Service, bearer, make_service

FOLDER = Path(__file__).parent
PARAMETERS = {
    "{identifier}": "000000000000",
    "{role}": "reader",
    "{person:path}": "nobody",
    "{kind}": "mlflow",
    "{instance:path}": "absent",
    "{which}": "0",
    "{level}": "0",
    "{number:path}": "000.p/1",
}
PERSONS = ("reader", "requester", "approver", "deployer", "auditor")
EVERYTHING = [
    "code", "data", "run", "model", "movement", "collector.reported", "attempt.denied", "person.declared",
    "identity.linked",
    "permission.observed",
]  # fmt: skip


def table(name: str, words: int) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Read a committed table whose row names have so many words."""
    lines = [line.split() for line in (FOLDER / name).read_text().splitlines() if not line.startswith("#")]
    columns = lines[0][1:]
    return columns, {" ".join(line[:words]): dict(zip(columns, line[words:], strict=True)) for line in lines[1:]}


CALLERS, ROUTES = table("routes_by_caller.txt", 2)
TOKENS, FACTS = table("events_by_token.txt", 1)


def routes_of(routes: Iterable[Any]) -> Iterator[str]:
    """Name every route of an application, whatever it is nested in."""
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if not hasattr(route, "methods") or route.methods is None:
            yield from routes_of(getattr(inner, "routes", None) or route.routes)
        else:
            yield from (f"{method} {route.path}" for method in sorted(route.methods - {"HEAD"}))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with make_service(tmp_path_factory.mktemp("authority")) as made:
        yield made


@pytest.fixture(scope="module")
def tokens(service: Service) -> dict[str, str]:
    """Return a token for each caller and each token of the tables."""
    made = {kind: service.source_token(kind) for kind in ("mlflow", "openlineage", "git")}
    made["granted"] = service.source_token("registry", families=EVERYTHING, assurance="authenticated")
    made.update({role: service.person_token(f"the {role}", role) for role in PERSONS})
    made["nothing"] = service.person_token("nobody in particular")
    made["admin"] = service.admin_token
    made["revoked"] = service.person_token("former admin", "admin")
    assert service.delete(f"/api/v1/tokens/{made['revoked'].split('_')[1]}").status_code == 200
    return made


def denials(service: Service) -> int:
    return len(service.records("attempt.denied"))


def test_the_table_has_exactly_the_routes_of_the_application(service: Service) -> None:
    assert sorted(ROUTES) == sorted(routes_of(service.app.routes))


def test_the_walk_over_the_routes_misses_none_that_is_described(service: Service) -> None:
    described = {
        f"{method.upper()} {path}" for path, methods in service.app.openapi()["paths"].items() for method in methods
    }
    assert described == {route.replace(":path", "") for route in ROUTES} - {"GET /openapi.json"}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_route_lets_in_whom_the_table_says(service: Service, tokens: dict[str, str], route: str, caller: str) -> None:
    method, path = route.split()
    for name, value in PARAMETERS.items():
        path = path.replace(name, value)
    headers = bearer(tokens[caller]) if caller != "stranger" else {}
    before, counted = denials(service), service.app.state.parts.strangers.total
    reply = service.client.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    expected = ROUTES[route][caller]
    found = str(reply.status_code) if reply.status_code in (401, 403) else "in"
    assert (found, reply.status_code < 500) == (expected, True), reply.text
    assert denials(service) - before == (expected == "403")
    assert service.app.state.parts.strangers.total - counted == (expected == "401")


def test_a_denial_says_who_tried_what_and_why_not(service: Service, tokens: dict[str, str]) -> None:
    service.get("/api/v1/tokens", tokens["reader"])
    record = service.records("attempt.denied")[-1]
    assert record["actor"]["assurance"] == "authenticated"
    assert record["actor"]["id"].startswith("p_")
    assert record["body"]["action"] == "GET /api/v1/tokens"
    assert record["body"]["rule"] == "role"
    assert record["body"]["detail"] == {"sd": 0}


def test_a_denied_source_is_named(service: Service, tokens: dict[str, str]) -> None:
    service.get("/api/v1/tokens", tokens["git"])
    assert service.records("attempt.denied")[-1]["body"]["node"] == "source:git/prod"


def test_equal_denials_at_one_instant_are_two_records(service: Service, tokens: dict[str, str]) -> None:
    before = denials(service)
    for _ in range(2):
        assert service.get("/api/v1/tokens", tokens["reader"]).status_code == 403
    assert denials(service) - before == 2


def test_the_table_has_exactly_the_facts_of_the_language() -> None:
    assert sorted(FACTS) == sorted(EVENT_TYPES)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("fact", FACTS)
def test_a_token_may_state_what_the_table_says(service: Service, tokens: dict[str, str], fact: str, token: str) -> None:
    before = denials(service)
    service.clock.advance(3600)  # a new hour of quarantine for each: a fact without a body is bad input
    reply = service.send({"type": fact}, token=tokens[token])
    assert reply.status_code == (403 if FACTS[fact][token] == "403" else 422), reply.text
    assert denials(service) - before == (reply.status_code == 403)


def test_one_forbidden_fact_keeps_a_whole_request_out(service: Service, tokens: dict[str, str]) -> None:
    good = {
        "type": "collector.reported",
        "occurred_at": "2026-11-22T09:00:00Z",
        "actor": {"assurance": "system"},
        "body": {"covered_from": "2026-11-22T08:00:00Z", "covered_to": "2026-11-22T09:00:00Z"},
    }
    before = len(service.records("collector.reported"))
    reply = service.send(good, {"type": "role.granted"}, token=tokens["mlflow"])
    assert reply.status_code == 403
    assert len(service.records("collector.reported")) == before
