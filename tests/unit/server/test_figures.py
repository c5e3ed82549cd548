"""What /metrics tells of sources, tokens, latencies and the last verification, and that it tells of nobody else."""

import re
from pathlib import Path

import pytest

from graph_schema import times
from lineage_service.evidence.findings import Draft
from lineage_service.evidence.last_verdict import LastVerdict, last_verdict, leave, place_of
from tests.service import START, Service, stage

DAY = 86_400


def report(service: Service, covered_to: int, **body: object) -> None:
    """Let the MLflow source report that it covered an hour up to a time (microseconds)."""
    told = {"covered_from": times.format_time(covered_to - 3_600_000_000), "covered_to": times.format_time(covered_to)}
    fact = {
        "type": "collector.reported",
        "occurred_at": times.format_time(covered_to),
        "actor": {"assurance": "system"},
        "body": {**told, **body},
    }
    reply = service.send(fact, token=service.source_token("mlflow"))
    assert reply.status_code == 201, reply.text


def figure(service: Service, name: str) -> float | None:
    """Return one figure by its whole name with labels; None if there is no such series."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", service.get("/metrics").text, re.MULTILINE)
    return None if found is None else float(found[1])


def test_a_source_shows_how_far_it_is_behind_and_what_waits_in_its_spool(service: Service) -> None:
    report(service, START - 30_000_000, spooled=7, clock_offset_us=-250_000)
    service.clock.advance(60)
    assert figure(service, 'lineage_source_lag_seconds{source="mlflow/prod"}') == 90
    assert figure(service, 'lineage_source_spooled{source="mlflow/prod"}') == 7
    assert figure(service, 'lineage_source_clock_offset_seconds{source="mlflow/prod"}') == -0.25


def test_the_newest_report_counts_in_whatever_order_reports_arrive(service: Service) -> None:
    report(service, START - 30_000_000, spooled=1)
    report(service, START - 90_000_000, spooled=99)
    assert figure(service, 'lineage_source_spooled{source="mlflow/prod"}') == 1


def test_a_source_that_never_reported_or_was_retired_has_no_lag(service: Service) -> None:
    service.source_token("git", "team")
    report(service, START)
    assert figure(service, 'lineage_source_lag_seconds{source="git/team"}') is None
    assert figure(service, "lineage_sources") == 2
    assert service.delete("/api/v1/sources/mlflow/prod").status_code == 200
    assert figure(service, 'lineage_source_lag_seconds{source="mlflow/prod"}') is None
    assert figure(service, "lineage_sources") == 1


def test_only_registered_sources_have_series_of_their_own_and_nobody_is_named(service: Service) -> None:
    service.person_token("joanna.doe", "deployer")
    service.send(stage(), token=service.source_token("mlflow"))
    text = service.get("/metrics").text
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {"source", "type", "holder", "verdict", "le"}
    assert set(re.findall(r'source="([^"]*)"', text)) == {"mlflow/prod"}
    assert not [word for word in ("joanna", "deployer1", "ada", "credit", "person:") if word in text]


def test_commits_and_signatures_are_timed(service: Service) -> None:
    before = figure(service, "lineage_commit_seconds_count") or 0
    service.send(stage(), token=service.source_token("mlflow"))
    after = figure(service, "lineage_commit_seconds_count") or 0
    assert after >= before + 2  # the source's registration and the fact
    assert figure(service, 'lineage_commit_seconds_bucket{le="+Inf"}') == after
    assert (figure(service, "lineage_commit_seconds_sum") or 0) > 0
    assert (figure(service, "lineage_sign_seconds_count") or 0) > 0


@pytest.mark.parametrize(("days", "told"), [(13, True), (15, False)])
def test_a_token_that_ends_within_two_weeks_is_told_on_every_answer_to_it(
    service: Service, days: int, told: bool
) -> None:
    token = service.person_token("joe", "reader", days=days)
    end = times.format_time(service.clock.now + days * DAY * times.MICROS_PER_SECOND)
    for path, status in (("/api/v1/sources", 200), ("/api/v1/records", 403), ("/api/v1/node?node=model:x::y", 404)):
        reply = service.get(path, token)
        assert reply.status_code == status
        assert reply.headers.get("Lineage-Token-Expires") == (end if told else None)
    assert "Lineage-Token-Expires" not in service.client.get("/healthz").headers
    assert figure(service, 'lineage_tokens_ending{holder="person"}') == float(told)


def test_the_end_of_a_sources_last_token_is_a_figure_until_it_is_over(service: Service) -> None:
    service.source_token("mlflow", days=3)
    name = 'lineage_source_token_end_seconds{source="mlflow/prod"}'
    assert figure(service, name) == service.clock.now / 1e6 + 3 * DAY
    assert figure(service, 'lineage_tokens_ending{holder="source"}') == 1
    service.clock.advance(4 * DAY)
    assert figure(service, name) is None
    assert figure(service, 'lineage_tokens_ending{holder="source"}') == 0


def test_the_last_verification_is_told_with_its_time_and_decides_nothing(service: Service) -> None:
    database = service.installation.places.beside
    assert figure(service, "lineage_verified_at_seconds") is None
    draft = Draft()
    draft.find("edit", 3, "", "", "a record was altered")
    leave(database, LastVerdict.of(draft.report(0, 1, 0.1), deep=True, time=START))
    assert place_of(database).stat().st_mode & 0o777 == 0o600
    assert figure(service, "lineage_verified_at_seconds") == START / 1e6
    assert figure(service, 'lineage_verdict{verdict="tampering"}') == 1
    assert figure(service, 'lineage_verdict{verdict="fine"}') == 0
    assert service.client.get("/readyz").json() == {"status": "ok", "findings": {}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"form":2}',
        '{"form":1,"time":"x","verdict":"fine","level":1,"records":1,"deep":true}',
        '{"form":1,"time":"2026-11-26T00:00:00Z","verdict":"great","level":1,"records":1,"deep":true}',
        '{"form":1,"time":"2026-11-26T00:00:00Z","verdict":["fine"],"level":1,"records":1,"deep":true}',
        '{"form":1,"time":"2026-11-26T00:00:00Z","verdict":"fine","level":"1","records":1,"deep":true}',
        '{"form":1,"pad":"' + "x" * 10_000 + '"}',
    ],
)
def test_a_verdict_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    database = tmp_path / "lineage.db"
    place_of(database).write_text(text)
    assert last_verdict(database) is None


def test_a_verdict_is_read_as_it_was_left(tmp_path: Path) -> None:
    verdict = LastVerdict(START, "incomplete", 2, 17, deep=True)
    leave(tmp_path / "lineage.db", LastVerdict(START - 1, "fine", 1, 1, deep=False))
    leave(tmp_path / "lineage.db", verdict)
    assert last_verdict(tmp_path / "lineage.db") == verdict
    assert [path.name for path in tmp_path.iterdir()] == ["lineage.db.verified.json"]
