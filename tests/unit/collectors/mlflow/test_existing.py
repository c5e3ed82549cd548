"""What a server holds, page by page, while it changes."""

import base64
import json

import httpx
import pytest

from collectors.mlflow.connection import MlflowUnavailableError
from collectors.mlflow.existing import OVERLAP, Existing, PageSizes, stepped_back
from tests.unit.collectors.mlflow.stand_in import RECORDING, StandIn, answered

SMALL = PageSizes(models=10, versions=10, runs=10, logged_models=10)


def names(existing: Existing) -> list[str]:
    return [str(row["version"]) for page in existing.versions() for row in page]


def test_the_recorded_server_is_read_whole() -> None:
    existing = Existing(StandIn.recorded().server())
    assert [row["name"] for page in existing.models() for row in page] == ["credit", "scores"]
    assert [row["name"] for page in existing.models(prompts=True) for row in page] == ["greet"]
    assert len(names(existing)) == 3
    experiments = [str(row["experiment_id"]) for row in existing.experiments()]
    assert [len(page) for page in existing.runs(experiments)] == [3]
    assert [len(page) for page in existing.logged_models(experiments)] == [1]
    assert existing.model("credit") is not None
    assert existing.version("credit", "9") is existing.run("0") is existing.logged_model("m-00") is None


def test_what_is_not_there_is_answered_as_was_recorded() -> None:
    for name in ("no model", "no version", "no run", "no logged model"):
        assert RECORDING[name]["status"] == 404
        assert answered(name, "error_code") == "RESOURCE_DOES_NOT_EXIST"


def test_a_page_token_is_stepped_back_if_it_holds_an_offset_and_left_alone_if_not() -> None:
    assert json.loads(base64.b64decode(answered("first page", "next_page_token"))) == {"offset": 2}
    whole = {"experiment_ids": ["1"], "filter_string": None, "order_by": None, "offset": 100}
    back = stepped_back(base64.b64encode(json.dumps(whole).encode()).decode())
    assert back is not None
    assert json.loads(base64.b64decode(back)) == {**whole, "offset": 100 - OVERLAP}
    assert stepped_back("an-opaque-token") is None


def test_a_listing_is_whole_and_without_repeats() -> None:
    held = StandIn()
    held.make("credit", 47)
    assert names(Existing(held.server(), SMALL)) == [str(n) for n in range(1, 48)]


def test_rows_that_go_while_pages_are_read_hide_no_other() -> None:
    held = StandIn()
    held.make("credit", 40)
    pages = iter(("1", "2"))

    def before(path: str) -> None:
        if path == "model-versions/search" and len(held.asked) > 1 and (gone := next(pages, None)):
            held.delete("credit", gone)

    held.before = before
    found = names(Existing(held.server(), SMALL))
    assert set(found) >= {str(n) for n in range(3, 41)}


def test_rows_that_come_while_pages_are_read_are_told_once() -> None:
    held = StandIn()
    held.make("credit", 40)

    def before(_path: str) -> None:
        if len(held.asked) == 2:
            held.make("another", 2)
            held.versions = held.versions[-2:] + held.versions[:-2]

    held.before = before
    found = [(row["name"], row["version"]) for page in Existing(held.server(), SMALL).versions() for row in page]
    assert len(found) == len(set(found))
    assert {version for name, version in found if name == "credit"} == {str(n) for n in range(1, 41)}


def test_a_listing_that_lost_more_rows_than_pages_overlap_is_read_anew() -> None:
    held = StandIn()
    held.make("credit", 40)

    def before(_path: str) -> None:
        if len(held.asked) == 2:
            held.versions = held.versions[OVERLAP + 5 :]

    held.before = before
    existing = Existing(held.server(), SMALL)
    assert set(names(existing)) >= {str(n) for n in range(OVERLAP + 6, 41)}
    assert existing.read_anew == 1


def test_a_listing_that_never_holds_still_is_given_up() -> None:
    held = StandIn()
    held.make("credit", 400)

    def before(_path: str) -> None:
        held.versions = held.versions[OVERLAP + 15 :]

    held.before = before
    with pytest.raises(MlflowUnavailableError, match="changed faster"):
        names(Existing(held.server(), SMALL))


def test_a_server_without_logged_models_has_none() -> None:
    held = StandIn.recorded()
    held.before = lambda path: httpx.Response(404, text="not found") if path.startswith("logged") else None
    assert list(Existing(held.server()).logged_models(["1"])) == [[]]
