"""Every rule of the MLflow that is installed stands in one of the two tables; the rules are asked of MLflow itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.mlflow.left_out import LEFT_OUT
from collectors.mlflow.routes import MUTATING, OF_OTHER_RELEASES, RECORDED, action_of, uncovered

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Ask a process for all rules: with accounts, workspaces and what FastAPI serves itself."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "versions" / "rules.py"], env=environment,
        cwd=tmp_path_factory.mktemp("rules"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [(rule, method) for rule, method in json.loads(done.stdout)]


def test_every_route_that_could_change_something_is_recorded_or_left_out_with_a_reason(
    rules: list[tuple[str, str]],
) -> None:
    assert uncovered(rules) == []
    assert len({action_of(rule, method) for rule, method in rules if method in MUTATING}) > 150


def test_no_row_of_the_tables_is_about_a_route_that_is_gone(rules: list[tuple[str, str]]) -> None:
    existing = {action_of(rule, method) for rule, method in rules}
    assert {*RECORDED, *LEFT_OUT} - existing == set(OF_OTHER_RELEASES)


def test_no_route_is_in_both_tables_and_each_reason_is_a_sentence() -> None:
    assert set(RECORDED) & set(LEFT_OUT) == set()
    assert all(len(reason.split()) > 3 for reason in LEFT_OUT.values())


@pytest.mark.parametrize(
    ("rule", "method"),
    [
        ("/api/2.0/mlflow/model-versions/promote", "POST"),
        ("/api/4.0/mlflow/models/<name>", "DELETE"),
        ("/ajax-api/3.0/mlflow/mcp-servers/{name:path}/promote", "POST"),
        ("/oidc/permissions/<user>", "PUT"),
    ],
)
def test_a_route_that_a_later_release_or_another_application_adds_is_said(rule: str, method: str) -> None:
    assert uncovered([(rule, method), ("/api/2.0/mlflow/registered-models/alias", "POST")]) == [f"{method} {rule}"]
    assert uncovered([(rule, "GET")]) == []


def test_a_prefix_of_the_server_changes_nothing() -> None:
    under = [("/ml/api/2.0/mlflow/registered-models/alias", "POST"), ("/ml/graphql", "POST")]
    assert uncovered(under, prefix="/ml") == []
