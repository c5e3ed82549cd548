"""`lineage ask live --drift`: what a person reads, what a script gets, and how a gate ends."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineage_service.cli.export import COLUMNS
from lineage_service.client import BadRequestError
from tests.served import MODEL, Served, fact, serving, version
from tests.unit.cli.conftest import Command


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a log in which the registry calls 3 Production and champion, prod/eu serves it, and prod/us serves 4."""

    def serves(number: str, region: str) -> dict[str, object]:
        return version(number, target={"environment": "prod", "region": region})

    with serving(tmp_path_factory.mktemp("drifting")) as running:
        with running.client(running.source) as source:
            source.record_events(
                [
                    *(fact("model_version.registered", "2026-03-01T10:00:00Z", version(one)) for one in ("3", "4")),
                    fact("stage.transitioned", "2026-03-02T10:00:00Z", version("3", to="Production")),
                    fact("alias.moved", "2026-03-02T10:00:00Z", version("4", alias="champion")),
                    fact("deployment.changed", "2026-03-03T10:00:00Z", serves("3", "eu")),
                    fact("deployment.changed", "2026-03-03T11:00:00Z", serves("4", "us")),
                ]
            )
        yield running


@pytest.fixture
def lineage(alone: Command, drifting: Served, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("LINEAGE_URL", drifting.url)
    monkeypatch.setenv("LINEAGE_TOKEN", drifting.admin)
    return alone


def test_a_person_reads_both_sides_since_when_and_by_whom_within_80_columns(lineage: Command) -> None:
    ended = lineage("ask", "live", "--drift")
    assert ended.code == 0, ended.err
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["same", "credit/3", "on", "prod/eu", "credit/3"] in lines
    assert ["OTHER", "credit/4", "on", "prod/us", "credit/3"] in lines
    assert ["since", "2026-03-03", "11:00:00", "since", "2026-03-02", "10:00:00"] in lines
    row = json.loads(lineage("ask", "live", "--drift", "--json").out)["value"]["rows"][1]
    who = ["by", "deployer1", "(mlflow:prod)"]
    assert [*who, f"#{row['seq']}", *who, f"#{row['registry_seq']}"] in lines
    assert max(len(line) for line in ended.out.splitlines()) <= 80
    assert "Not known to be complete" in ended.out


def test_a_gate_ends_with_1_where_something_else_is_served_and_with_0_where_not(lineage: Command) -> None:
    assert lineage("ask", "live", "--drift", "--check").code == 1
    assert lineage("ask", "live", "--drift", "--check", "--target", "prod/eu").code == 0
    assert lineage("ask", "live", "--drift", "--check", "--require-complete").code == 1
    assert lineage("ask", "live", "--drift", "--require-complete").code == 2
    assert lineage("ask", "live", "--drift", "--check", "--as-of", "2026-03-02T12:00:00Z").code == 0


def test_an_alias_may_stand_for_production(lineage: Command) -> None:
    answer = json.loads(lineage("ask", "live", "credit", "--drift", "--registry-alias", "champion", "--json").out)
    assert [(row["target"], row["verdict"]) for row in answer["value"]["rows"]] == [
        ("prod/eu", "other"),
        ("prod/us", "same"),
    ]
    assert answer["parameters"] == {"drift": True, "model": "credit", "registry_alias": "champion"}


def test_rows_are_flat_in_a_file(lineage: Command, tmp_path: Path) -> None:
    assert lineage("ask", "live", "--drift", "--csv", "drift.csv", "--as-of", "2026-03-02T12:00:00Z").code == 0
    (row,) = csv.DictReader((tmp_path / "drift.csv").read_text().splitlines())
    assert list(row) == list(COLUMNS["drift"])
    assert (row["verdict"], row["target"], row["registry_version"], row["seq"]) == ("not_served", "", "3", "")


def test_nothing_served_and_nothing_registered_is_said(lineage: Command) -> None:
    out = lineage("ask", "live", "--drift", "--as-of", "2020-01-01").out
    assert out.startswith("Nothing is recorded as served then")


@pytest.mark.parametrize("option", [("--check",), ("--registry-alias", "champion")])
def test_what_belongs_to_drift_is_not_ignored_elsewhere(lineage: Command, option: tuple[str, ...]) -> None:
    ended = lineage("ask", "live", *option)
    assert (ended.code, ended.out) == (64, "")
    assert option[0] in ended.err


def test_the_client_gives_typed_rows_and_a_proof(drifting: Served, tmp_path: Path) -> None:
    with drifting.client() as client:
        answer = client.live(drift=True, model=MODEL)
        assert {row["verdict"] for row in answer.value["rows"]} == {"same", "other"}
        assert answer.question == "drift"
        assert json.loads(answer.save_proof(tmp_path / "proof.json").read_text())["answer"] == answer.raw
        with pytest.raises(BadRequestError, match="drift=true"):
            client.request("GET", "/live", {"registry_alias": "champion"})
