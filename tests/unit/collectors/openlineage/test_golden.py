"""Recordings of real producers against what a person wrote down after reading them: in order, shuffled, twice."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from graph_schema import names, times
from tests.service import Service, make_service
from tests.unit.collectors.openlineage.events import Json, recording
from tests.unit.collectors.openlineage.expectation import HERE, Graph, expected, held

RETRIES = "openlineage-http-retry-observed"
NAMES = sorted(path.stem for path in (HERE / "recordings").glob("*.json"))
LATER = times.parse_time("2026-11-27T00:00:00Z")


def events(name: str) -> list[Json]:
    """Give the events of a recording in the order in which they came, repeats included."""
    sent = recording(f"{name}.json")
    if name != RETRIES:
        return [request["body"] for request in sent]
    # Of these requests only time and type were written down; the client sent its usual event.
    template = recording("openlineage-python-1.54.0-requests.json")[0]["body"]
    return [template | {key: one[key] for key in ("eventTime", "eventType")} for one in sent]


def shuffled(seed: int) -> Callable[[list[Json]], list[Json]]:
    def shuffle(sent: list[Json]) -> list[Json]:
        return Random(seed).sample(sent, len(sent))  # noqa: S311  an order of arrival, not a secret

    shuffle.__name__ = f"shuffled by {seed}"
    return shuffle


def in_order(sent: list[Json]) -> list[Json]:
    return sent


def twice(sent: list[Json]) -> list[Json]:
    return sent + sent


def backwards_and_again(sent: list[Json]) -> list[Json]:
    return sent[::-1] + Random(7).sample(sent, len(sent))  # noqa: S311  an order of arrival, not a secret


ORDERS = [in_order, twice, backwards_and_again, shuffled(1), shuffled(2), shuffled(3)]


def replayed(service: Service, sent: list[Json]) -> Graph:
    """Send events one at a time as their producers do, every second one in gzip, and read the graph."""
    service.clock.now = LATER
    token = service.source_token("openlineage", "recorded")
    for number, event in enumerate(sent):
        raw = json.dumps(event).encode()
        packed = {"Content-Encoding": "gzip"} if number % 2 else {}
        reply = service.post("/api/v1/lineage", gzip.compress(raw) if packed else raw, token, **packed)
        assert reply.status_code == 201, reply.text
    return held(service)


def test_every_recording_has_an_expectation() -> None:
    assert sorted(path.stem for path in (HERE / "expected").glob("*.txt")) == NAMES


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_a_recording_gives_what_a_person_expects_of_it_in_any_order(
    tmp_path: Path, name: str, order: Callable[[list[Json]], list[Json]]
) -> None:
    with make_service(tmp_path) as service:
        found = replayed(service, order(events(name)))
    wanted = expected(name)
    for section in Graph.__dataclass_fields__:
        assert getattr(found, section) == getattr(wanted, section), section


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_the_same_and_its_repeat_records_nothing(tmp_path: Path, name: str) -> None:
    with make_service(tmp_path) as service:
        service.clock.now = LATER
        token = service.source_token("openlineage", "recorded")
        sizes = []
        for _ in range(2):
            reply = service.post("/api/v1/lineage/batch", events(name), token)
            assert (reply.status_code, reply.json()["status"]) == (200, "success")
            sizes.append(service.size)
        assert held(service) == expected(name)
        assert sizes[0] == sizes[1]


def test_all_recordings_in_one_ledger_give_each_its_own(tmp_path: Path) -> None:
    """Only the two recordings of the Python client tell of the same run, in which FAIL is the last word."""
    apart = [name for name in NAMES if name != RETRIES]
    with make_service(tmp_path) as service:
        sent = [event for name in apart for event in events(name)]
        found = replayed(service, shuffled(5)(sent))
    wanted = [expected(name) for name in apart]
    for section in Graph.__dataclass_fields__:
        assert getattr(found, section) == set().union(*(getattr(one, section) for one in wanted)), section


@pytest.mark.parametrize("order", [in_order, shuffled(4)], ids=lambda order: order.__name__)
def test_what_a_rerun_made_rests_on_what_the_rerun_read_although_all_run_ids_are_the_same(
    tmp_path: Path, order: Callable[[list[Json]], list[Json]]
) -> None:
    one, two = "manual__2026-11-26T19:09:54.758672+00:00", "manual__2026-11-26T19:10:06.910798+00:00"
    extract, train = "019b7c01-0400-7ae8-87ef-63ba135bd1b6", "019b7c01-0400-7648-8205-cb8f0b2cb0ab"

    def version(name: str, run: str, execution: str) -> str:
        return names.dataset_version("file", f"/srv/lake/{name}", f"run-{run}/{execution}")

    with make_service(tmp_path) as service:
        replayed(service, order(events("openlineage-airflow-3.3.2-requests")))
        for mine, other in ((one, two), (two, one)):
            model, clean = version("model.bin", train, mine), version("clean_orders.csv", extract, mine)
            above = reached(service, model, "provenance")
            assert clean in above
            assert version("clean_orders.csv", extract, other) not in above
            below = reached(service, clean, "impact")
            assert model in below
            assert version("model.bin", train, other) not in below


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_of_a_recorded_failure_lies_in_clear_on_the_disk(tmp_path: Path, name: str) -> None:
    """The failing tasks of Airflow and Spark were made to name a password in what they raise."""
    secrets = [b"hunter2", b"example.org"]
    sent = events(name)
    told = [secret for secret in secrets if secret in json.dumps(sent).encode()]
    assert bool(told) == ("airflow" in name or "spark" in name)
    with make_service(tmp_path) as service:
        replayed(service, sent)
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in found if any(secret in path.read_bytes() for secret in told)] == []


def reached(service: Service, node: str, question: str) -> set[str]:
    reply = service.client.get(
        f"/api/v1/{question}", params={"node": node}, headers={"Authorization": f"Bearer {service.admin_token}"}
    )
    return set(reply.json()["value"]["nodes"])
