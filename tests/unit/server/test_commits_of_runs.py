"""The list of commits that runs name: what it shows, to whom, and that it goes on where it ended."""

from pathlib import Path
from typing import Any

import pytest

from lineage_service.queries import commits
from tests.service import Service, make_service

SHA = "0123456789abcdef0123456789abcdef0123456{}"


def run_of(run: str, **commit: Any) -> dict[str, Any]:
    """Return a fact of a run; with a commit if one is given."""
    body = {"run": run, "state": "complete", "params": [["commit", '"commit":{"sha":"f00"}']]}
    return {
        "type": "run.observed",
        "occurred_at": "2026-11-22T09:57:16Z",
        "actor": {"assurance": "system"},
        "body": body | ({"commit": commit} if commit else {}),
    }


def list_from(service: Service, after: int, token: str | None = None) -> Any:
    return service.get(f"/api/v1/commits?after={after}", token).json()


def test_each_commit_is_listed_once_as_the_runs_gave_it_and_with_nothing_else(service: Service) -> None:
    mlflow, git = service.source_token("mlflow"), service.source_token("git")
    service.send(
        run_of("a", sha=SHA.format(1), repository="https://git.example/secret", branch="b", dirty=True),
        run_of("b", sha=SHA.format(1)), run_of("c", sha="abc1234"), run_of("d"),
        token=mlflow,
    )  # fmt: skip
    assert list_from(service, 0, git) == {"commits": [SHA.format(1), "abc1234"], "after": service.size, "more": False}


def test_the_list_goes_on_with_what_was_recorded_since(service: Service) -> None:
    mlflow, git = service.source_token("mlflow"), service.source_token("git")
    service.send(run_of("a", sha=SHA.format(1)), token=mlflow)
    end = list_from(service, 0, git)["after"]
    assert list_from(service, end, git) == {"commits": [], "after": end, "more": False}
    service.send(run_of("b", sha=SHA.format(2)), token=mlflow)
    assert list_from(service, end, git)["commits"] == [SHA.format(2)]


def test_a_long_list_comes_in_parts_that_leave_nothing_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "SCANNED", 2)
    mlflow = service.source_token("mlflow")
    service.send(*(run_of(f"run{n}", sha=SHA.format(n)) for n in range(5)), token=mlflow)
    found: list[str] = []
    after, parts = 0, 0
    while True:
        part = list_from(service, after)
        found, after, parts = found + part["commits"], part["after"], parts + 1
        if not part["more"]:
            break
    assert (sorted(found), after, parts) == ([SHA.format(n) for n in range(5)], service.size, 3)


def test_a_place_behind_the_end_of_the_log_is_refused(service: Service) -> None:
    reply = service.get(f"/api/v1/commits?after={service.size + 1}")
    assert (reply.status_code, reply.json()["field"]) == (422, "after")
    assert "another log" in reply.json()["detail"]


def test_a_source_without_the_right_to_record_commits_is_told_nothing(tmp_path: Path) -> None:
    with make_service(tmp_path) as service:
        token = service.source_token("git", families=["collector.reported"])
        reply = service.get("/api/v1/commits", token)
        assert reply.status_code == 403
        assert "does not cover code facts" in reply.json()["detail"]
