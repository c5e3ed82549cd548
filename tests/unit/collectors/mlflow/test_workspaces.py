"""What is told of the models of a workspace that is deleted."""

from typing import Any

import pytest

from collectors.mlflow.act import Act, Before, HeldModel, Version
from collectors.mlflow.parts import MOST_CARRIED
from collectors.mlflow.routes import RECORDED
from collectors.mlflow.translate import translate
from collectors.mlflow.workspaces import CASCADE, DELETE, SET_DEFAULT
from graph_schema.events import parse_event

MADE = 1_795_393_750_000
CREDIT = HeldModel("credit", False, (Version("1", MADE, "Production"),))
GREETING = HeldModel("greeting", True)


def told(mode: str, *held: HeldModel, status: int = 200, asked_in: str | None = None) -> list[dict[str, Any]]:
    act = Act(
        "r1",
        RECORDED[DELETE],
        {"workspace_name": "team-a", "mode": mode},
        MADE * 1000,
        MADE * 1000 + 1,
        status,
        {},
        f"prod/{asked_in}" if asked_in else "prod",
        "ada",
        "basic",
        "mlflow:prod",
        Before(models=held),
        workspace=asked_in,
    )
    facts = translate(act)
    for fact in facts:
        parse_event(fact)
    assert all(fact["actor"]["subject"] == "ada" for fact in facts)
    return facts


@pytest.mark.parametrize("asked_in", [None, "team-b", "team-a"])
def test_models_and_prompts_that_went_with_their_workspace_are_deleted_by_whoever_did_it(asked_in: str | None) -> None:
    facts = told(CASCADE, CREDIT, GREETING, asked_in=asked_in)
    assert [(fact["type"], fact["body"]) for fact in facts] == [
        ("model.deleted", {"model": "model:prod/team-a::credit"}),
        ("model.deleted", {"model": "prompt:prod/team-a::greeting"}),
    ]


def test_models_that_were_moved_are_called_otherwise_and_keep_their_versions() -> None:
    (fact,) = told(SET_DEFAULT, CREDIT)
    assert fact["type"] == "model.renamed"
    assert fact["body"] == {
        "model": "model:prod/team-a::credit",
        "to": "model:prod::credit",
        "carried": [{"version": "1", "created_ms": MADE}],
    }


def test_more_versions_than_a_fact_holds_are_several_facts() -> None:
    many = HeldModel("credit", False, tuple(Version(str(n), MADE, "None") for n in range(MOST_CARRIED + 1)))
    assert [len(fact["body"]["carried"]) for fact in told(SET_DEFAULT, many)] == [MOST_CARRIED, 1]


@pytest.mark.parametrize("status", [400, 404])
def test_a_workspace_that_stayed_lost_nothing(status: int) -> None:
    assert told(CASCADE, CREDIT, status=status) == []


def test_an_empty_workspace_takes_nothing_with_it() -> None:
    assert told("RESTRICT") == []
