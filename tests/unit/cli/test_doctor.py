"""`lineage doctor` on installations with a fault: each is named where it is, with the command that mends it."""

import json
import os
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lineage_service
from collectors.delivery import Spool
from graph_schema import times
from lineage_service.cli.doctor import verb
from lineage_service.cli.doctor.seen import Seen, shown, span
from lineage_service.cli.doctor.versions import MLFLOW, version_in
from lineage_service.evidence.last_verdict import LastVerdict, Word, leave, place_of
from lineage_service.recorder.recorder import wall_clock
from tests.architecture.tree import ROOT
from tests.served import Served, fact, serving
from tests.unit.cli.conftest import Command

DAY = 86_400 * times.MICROS_PER_SECOND
MINUTE = 60 * times.MICROS_PER_SECOND
UNCOVERED = "this server has routes that are not recorded and not known: ['POST /api/3.0/mlflow/joanna']"


@pytest.fixture
def ill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Serve an installation of its own that a test may spoil, and point the doctor to its files and its address."""
    with serving(tmp_path / "ill") as served:
        monkeypatch.setenv("LINEAGE_DATA_DIR", str(served.folder))
        monkeypatch.setenv("LINEAGE_URL", served.url)
        monkeypatch.setenv("LINEAGE_TOKEN", served.admin)
        yield served


def report(served: Served, ago: int, **body: Any) -> None:
    """Let the MLflow source report that it covered an hour up to ``ago`` microseconds before now."""
    end = wall_clock() - ago
    told = {"covered_from": times.format_time(end - 60 * MINUTE), "covered_to": times.format_time(end), **body}
    with served.client(served.source) as source:
        source.record_events([fact("collector.reported", times.format_time(end), told, {"assurance": "system"})])


def examined(doctor: Command, code: int) -> list[dict[str, Any]]:
    ended = doctor("doctor", "--json")
    assert ended.code == code, ended.out + ended.err
    found: list[dict[str, Any]] = json.loads(ended.out)
    return found


def about(found: list[dict[str, Any]], part: str, text: str) -> dict[str, Any]:
    (one,) = [one for one in found if one["about"] == part and text in one["what"]]
    return one


def test_a_healthy_installation_has_nothing_to_mend_but_what_was_left_to_do(alone: Command, ill: Served) -> None:
    report(ill, 1_000_000, spooled=3)
    assert alone("verify").code == 0
    ill.places.root_key.unlink()
    assert [one for one in examined(alone, 0) if one["how"] != "good"] == []
    ended = alone("doctor")
    assert ended.out.endswith("Nothing to mend.\n")
    for part in ("Settings", "Versions", "Disk", "Keys", "Ledger", "Sources", "Service"):
        assert f"\n{part}\n" in f"\n{ended.out}"


def test_what_a_source_could_not_see_is_told_from_its_last_report_of_a_problem(alone: Command, ill: Served) -> None:
    report(ill, 40 * MINUTE, problem="an older problem")
    report(ill, 30 * MINUTE, problem=f"2026-11-26T19:00:00Z: {UNCOVERED}")
    for minutes in range(5):
        report(ill, minutes * MINUTE)
    one = about(examined(alone, 0), "sources", "reported a hole")
    assert one["how"] == "note"
    assert UNCOVERED in one["what"]
    assert "30 min ago" in one["what"]
    assert "lineage-service[mlflow]" in one["mend"]
    assert "an older problem" not in alone("doctor").out


def test_a_problem_is_told_without_its_text_where_the_keys_do_not_open_it(alone: Command, ill: Served) -> None:
    report(ill, MINUTE, problem=UNCOVERED)
    ill.places.kek.chmod(0o644)
    found = examined(alone, 2)
    assert "its text cannot be opened here" in about(found, "sources", "reported a hole")["what"]
    assert "joanna" not in json.dumps(found)


def test_a_source_that_fell_silent_is_late(alone: Command, ill: Served) -> None:
    report(ill, 10 * MINUTE)
    one = about(examined(alone, 0), "sources", "covered everything up to 10 min ago")
    assert one["how"] == "note"
    assert "every 60 s" in one["what"]


def test_a_source_that_never_reported_is_told(alone: Command, ill: Served) -> None:
    assert about(examined(alone, 0), "sources", "mlflow/prod never reported")["how"] == "note"


def test_a_full_spool_and_a_wrong_clock_elsewhere_are_told(alone: Command, ill: Served) -> None:
    report(ill, MINUTE, spooled=5000, clock_offset_us=-90 * 1_000_000)
    found = examined(alone, 0)
    assert about(found, "sources", "5000 facts of mlflow/prod waited")["how"] == "note"
    one = about(found, "sources", "the clock of mlflow/prod differs from ours by -90.0 s")
    assert "set-ntp" in one["mend"]


def test_tokens_of_sources_and_people_that_end_soon_are_told(alone: Command, ill: Served) -> None:
    with ill.client() as admin:
        admin.request("POST", "/sources", json={"kind": "git", "instance": "team", "days": 3})
        admin.request("POST", "/tokens", json={"person": "joe", "roles": ["reader"], "days": 5})
    found = examined(alone, 0)
    one = about(found, "sources", "the last token of git/team ends in 2 days")
    assert one["mend"] == "lineage token create --source git/team"
    assert about(found, "sources", "people whose last token ends within 14 days: 1")["how"] == "note"
    with ill.client() as admin:
        admin.request("POST", "/tokens", json={"source": "git/team"})
    assert not [one for one in examined(alone, 0) if "git/team ends" in one["what"]]


def test_a_source_without_a_valid_token_is_a_problem(alone: Command, ill: Served) -> None:
    with ill.client() as admin:
        (token,) = [one for one in admin.request("GET", "/tokens")["tokens"] if one["holder"] == "source:mlflow/prod"]
        admin.request("DELETE", f"/tokens/{token['id']}")
    assert about(examined(alone, 2), "sources", "mlflow/prod has no valid token any more")["how"] == "wrong"


@pytest.mark.parametrize(
    ("token", "code", "how", "text"),
    [
        ("short", 0, "note", "the token that is set here ends in 2 days"),
        ("lin_000000000000_" + "x" * 43, 2, "wrong", "the token is not known here"),
        ("", 0, "note", "no token is set here"),
        ("admin", 0, "good", "valid for 14 days and more"),
    ],
)
def test_the_token_in_use_is_tried(
    alone: Command, ill: Served, monkeypatch: pytest.MonkeyPatch, token: str, code: int, how: str, text: str
) -> None:
    with ill.client() as admin:
        short = admin.request("POST", "/tokens", json={"person": "joe", "roles": ["reader"], "days": 3})["token"]
    monkeypatch.setenv("LINEAGE_TOKEN", {"short": short, "admin": ill.admin}.get(token, token))
    assert about(examined(alone, code), "service", text)["how"] == how
    assert short not in alone("doctor").out


def test_a_token_file_that_cannot_be_read_is_a_problem(
    alone: Command, ill: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LINEAGE_TOKEN")
    monkeypatch.setenv("LINEAGE_TOKEN_FILE", "nowhere.token")
    assert about(examined(alone, 2), "service", "nowhere.token")["how"] == "wrong"


@pytest.mark.parametrize(
    ("url", "code", "text"),
    [("http://a:b", 2, "is no address"), ("nonsense", 0, "no service"), ("http://127.0.0.1:1", 0, "no service")],
)
def test_an_address_nobody_answers_at_is_told(
    alone: Command, ill: Served, monkeypatch: pytest.MonkeyPatch, url: str, code: int, text: str
) -> None:
    monkeypatch.setenv("LINEAGE_URL", url)
    assert about(examined(alone, code), "service", text)["mend"]


@pytest.mark.parametrize(
    ("minutes", "code", "how", "text"),
    [(-1, 2, "note", "behind the service's"), (1, 0, "note", "ahead of the service's"), (10, 2, "wrong", "5 minutes")],
)
def test_a_clock_that_differs_from_the_services_is_told(
    alone: Command, ill: Served, monkeypatch: pytest.MonkeyPatch, minutes: int, code: int, how: str, text: str
) -> None:
    monkeypatch.setattr(verb, "wall_clock", lambda: wall_clock() + minutes * MINUTE)
    one = about(examined(alone, code), "service", text)  # a clock that is behind the last record is a problem itself
    assert (one["how"], one["mend"]) == (how, "set both clocks: timedatectl set-ntp true")


def test_another_version_than_the_services_is_told(
    alone: Command, ill: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage_service, "__version__", "0.0.9")
    one = about(examined(alone, 0), "service", "and this is 0.0.9")
    assert (one["how"], "pip install" in one["mend"]) == ("note", True)


@pytest.mark.parametrize(
    ("word", "days", "code", "how", "text"),
    [
        ("fine", 0, 0, "good", "found nothing wrong in 9 records"),
        ("fine", 8, 0, "note", "that is long ago"),
        ("incomplete", 0, 0, "note", "ended incomplete"),
        ("below_level", 0, 0, "note", "ended below level"),
        ("tampering", 0, 2, "wrong", "tampering is proven"),
    ],
)
def test_what_the_last_verification_said_is_told_and_proves_nothing(
    alone: Command, ill: Served, word: Word, days: int, code: int, how: str, text: str
) -> None:
    leave(ill.places.file, LastVerdict(wall_clock() - days * DAY, word, 2, 9, deep=True))
    one = about(examined(alone, code), "ledger", text)
    assert one["how"] == how
    assert bool(one["mend"]) == (how != "good")


def test_verify_leaves_its_verdict_for_the_doctor(alone: Command, ill: Served) -> None:
    assert about(examined(alone, 0), "ledger", "nothing tells of a verification")["mend"] == "lineage verify --deep"
    assert alone("verify").code == 0
    assert about(examined(alone, 0), "ledger", "the last `lineage verify`, 0 s ago, found nothing")["how"] == "good"
    place_of(ill.places.file).write_text("{")
    assert about(examined(alone, 0), "ledger", "nothing tells of a verification")["how"] == "note"


def test_facts_that_wait_on_this_machine_are_told(
    alone: Command, ill: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    moving = Spool(ill.folder / "collect/git-moving/spool")
    moving.append([{"n": 1}, {"n": 2}])
    stuck = Spool(ill.folder / "collect/git-stuck/spool")
    stuck.append([{"n": 1}])
    stuck.set_aside({"n": 0}, "no such thing")
    hours_ago = time.time() - 3 * 3600
    for path in stuck.path.glob("events-*.ndjson"):
        os.utime(path, (hours_ago, hours_ago))
    Spool(tmp_path / "plugin").append([{"n": 1}])
    monkeypatch.setenv("LINEAGE_SPOOL", str(tmp_path / "plugin"))
    found = examined(alone, 0)
    assert about(found, "spools here", f"2 facts wait in {moving.path}")["how"] == "good"
    assert about(found, "spools here", "none was delivered for 3 h")["how"] == "note"
    one = about(found, "spools here", "1 facts were not accepted")
    assert one["mend"] == f"less {stuck.path}/rejected.ndjson"
    assert about(found, "spools here", f"1 facts wait in {tmp_path / 'plugin'}")["how"] == "good"


def test_a_command_is_never_broken_and_what_does_not_print_is_escaped() -> None:
    long = "lineage token create --source " + "x" * 100
    said = shown([("Part", [Seen("note", "word " * 40 + "\x1b[31m", long)]), ("Empty", [])], 60)
    lines = "\n".join(said).split("\n")
    assert lines[0] == "Part"
    assert lines[1].startswith("  !   word")
    assert all(len(line) <= 60 for line in lines[:-2])
    assert lines[-2] == f"      -> {long}"
    assert "\x1b" not in "".join(lines)
    assert lines[-1] == "0 problems (x), 1 warning (!)."


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 days"), (-60, "60 s")]
)
def test_a_stretch_of_time_is_told_in_one_unit(seconds: int, text: str) -> None:
    assert span(seconds * times.MICROS_PER_SECOND) == text


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("git version 2.39.5 (Apple Git-154)", (2, 39, 5)),
        ("3.17.2.dev0", (3, 17, 2)),
        ("4.0rc1", (4, 0)),
        ("2.45.windows.1", (2, 45)),
        ("nothing", (0,)),
    ],
)
def test_a_version_is_found_in_what_a_program_says(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


def test_the_range_of_mlflow_is_the_one_that_is_installed() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (need,) = extras["mlflow"]
    bounds = re.fullmatch(r"mlflow-skinny>=([\d.]+),<([\d.]+)", need)
    assert bounds
    assert (version_in(bounds[1]), version_in(bounds[2])) == MLFLOW
