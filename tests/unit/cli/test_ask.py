import csv
import json
import unicodedata
from hashlib import sha256
from pathlib import Path

import pytest

from lineage_service.cli.export import COLUMNS
from tests.served import Served
from tests.unit.cli.conftest import Command

CREDIT = "model_version:credit/3"
QUESTIONS = [
    ("provenance", CREDIT),
    ("impact", "dataset:s3://b::loans"),
    ("deployments", "credit"),
    ("live", "--as-of", "2026-03-03"),
    ("history", "model:credit"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_an_answer_says_its_two_times_its_completeness_and_its_evidence_within_80_columns(
    lineage: Command, question: tuple[str, ...]
) -> None:
    ended = lineage("ask", *question)
    assert ended.code == 0, ended.err
    said = " ".join(ended.out.split())
    assert "What was true at 20" in said
    assert "according to what was recorded up to record" in said
    assert "Not known to be complete: " in said
    assert "mlflow/prod: in the path of every change, has not reported yet" in said
    assert "Evidence: rests on" in said
    assert "under a signed checkpoint of" in said
    assert max(len(line) for line in ended.out.splitlines()) <= 80
    assert ended.err == ""


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_nothing_that_was_recorded_can_steer_a_terminal(lineage: Command, question: tuple[str, ...]) -> None:
    ended = lineage("ask", *question)
    steering = {one for one in ended.out if unicodedata.category(one) in {"Cc", "Cf"}}
    assert steering == {"\n"}


def test_a_deployment_shows_who_when_why_both_times_and_that_nobody_requested_it(
    lineage: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    out = lineage("ask", "deployments", "credit", "--stage", "Production").out
    said = " ".join(out.split())
    for part in (
        "credit/3",
        "Production",
        "from 2026-03-02 09:00:00",
        "until 2026-03-04 09:00:00",
        "noted 20",
        "deployer1",
        "authenticated",
        "=CHG-7",
        "no change request",
        "\\x1b[31m",
    ):
        assert part in said, out


def test_an_effect_that_was_only_seen_names_nobody(lineage: Command) -> None:
    said = " ".join(lineage("ask", "live", "--as-of", "2026-03-05").out.split())
    assert "champion" in said
    assert "unknown" in said
    assert "p_" not in said


def test_times_are_printed_in_the_zone_that_dates_are_read_in(lineage: Command) -> None:
    out = lineage("ask", "deployments", "credit", "--stage", "Production", "--tz", "Europe/Zurich").out
    assert "When (Europe/Zurich)" in out
    assert "from  2026-03-02 10:00:00" in out
    assert "CET" in out


def test_a_date_is_midnight_of_the_zone(lineage: Command) -> None:
    answer = json.loads(lineage("ask", "live", "--as-of", "2026-03-03", "--tz", "Europe/Zurich", "--json").out)
    assert answer["as_of"] == "2026-03-02T23:00:00.000000Z"


def test_provenance_is_a_tree_whose_edges_are_verbs_and_whose_diamond_is_whole(lineage: Command) -> None:
    out = lineage("ask", "provenance", CREDIT).out
    lines = [line.strip("│├└─ ") for line in out.splitlines()]
    assert lines[0] == "model version credit/3"
    assert lines[1].startswith("produced by run train-1 of airflow/credit.train (auc 0.9281")
    assert any(line.startswith("trained on and tested on dataset version clean@2") for line in lines)
    assert any(line.startswith("trained on dataset version loans@7") for line in lines)
    assert sum("dataset version loans@7" in line for line in lines) == 2
    assert any(line.startswith("built from commit abababababab") for line in lines)


def test_a_run_says_of_which_job_it_is_and_what_it_measured(
    lineage: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    out = lineage("ask", "provenance", CREDIT).out
    told = "produced by run train-1 of airflow/credit.train (auc 0.9281, f1 0.9281, loss 0.9281, 1 more metric) #"
    assert told in out
    assert "produced by run clean-1 #" in out


def test_impact_reads_the_edges_from_the_other_end(lineage: Command) -> None:
    out = lineage("ask", "impact", "dataset_version:s3://b::loans@7").out
    assert "was used to train run train-1" in out
    assert "produced model version credit/3" in out


def test_an_answer_about_nothing_is_no_empty_table(lineage: Command) -> None:
    out = lineage("ask", "deployments", "credit", "--stage", "Staging").out
    assert out.startswith("No deployment is recorded that fits.")
    assert "Not known to be complete" in out


def test_json_is_the_answer_and_nothing_else(lineage: Command, served: Served) -> None:
    answer = json.loads(
        lineage("ask", "history", "model:credit", "--known-at", "9", "--as-of", "2026-06-01", "--json").out
    )
    with served.client() as client:
        assert answer == client.history("model:credit", known_at=9, as_of="2026-06-01").raw


def test_csv_has_fixed_columns_and_a_sidecar_that_reproduces_it(lineage: Command, tmp_path: Path) -> None:
    ended = lineage("ask", "deployments", "credit", "--csv", "rows.csv")
    assert ended.code == 0, ended.err
    content = (tmp_path / "rows.csv").read_bytes()
    assert content.count(b"\r\n") == 3
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert list(rows[0]) == list(COLUMNS["deployments"])
    assert rows[0]["ticket"] == "=CHG-7"
    assert rows[0]["from"] == "2026-03-02T09:00:00.250000Z"
    assert rows[0]["deployed_by.assurance"] == "authenticated"
    sidecar = json.loads((tmp_path / "rows.csv.json").read_text())
    assert sidecar["sha256"] == sha256(content).hexdigest()
    assert (sidecar["rows"], sidecar["question"]) == (2, "deployments")
    assert sidecar["head"]["size"] > sidecar["known_at"]["seq"]
    assert sidecar["cells_a_spreadsheet_may_run"] == 1
    again = ["--known-at", str(sidecar["known_at"]["seq"]), "--as-of", sidecar["as_of"]]
    lineage("ask", "deployments", "credit", "--csv", "again.csv", *again)
    assert (tmp_path / "again.csv").read_bytes() == content


def test_csv_without_rows_still_says_which_columns_there_are(lineage: Command, tmp_path: Path) -> None:
    lineage("ask", "live", "--as-of", "2020-01-01", "--csv", "rows.csv")
    assert (tmp_path / "rows.csv").read_text().strip() == ",".join(COLUMNS["live"])


def test_a_page_that_ends_early_says_how_to_go_on(lineage: Command) -> None:
    first = lineage("ask", "deployments", "credit", "--limit", "1").out
    assert "cut off" in first
    assert "more rows follow; add: --after '[" in first.replace("\n", "")


def test_an_incomplete_answer_is_fine_unless_completeness_was_required(lineage: Command) -> None:
    assert lineage("ask", "live").code == 0
    assert lineage("ask", "live", "--require-complete").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ask", "history", "model:nobody"), 65, "nothing named model:nobody is recorded"),
        (("ask", "live", "--as-of", "yesterday"), 65, "as_of"),
        (("ask", "live", "--tz", "Mars/Olympus"), 65, "IANA"),
        (("ask", "provenance", "nonsense"), 65, "nonsense"),
        (("ask", "provenance"), 64, "lineage ask provenance --help"),
        (("ask", "deployments", "--limit", "0"), 64, "lineage ask deployments --help"),
        (("ask", "deploymnts"), 64, "deployments"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why_and_what_next(
    lineage: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = lineage(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "Data: nothing was changed." in ended.err
    assert "Next: " in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("verb", ["provenance", "impact", "deployments", "live", "history"])
def test_the_help_of_a_question_has_one_example(alone: Command, verb: str) -> None:
    ended = alone("ask", verb, "--help")
    assert ended.code == 0
    assert f"Example: lineage ask {verb}" in " ".join(ended.out.split())
