"""On Neo4j, as on the embedded store, nobody pays for another's mistake; and no fact is too long for its indexes."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph_schema import names
from graph_schema.changes import order_key
from lineage_service.errors import InputError, LineageError, StoreConflictError, StoreRefusedError
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Prepared
from lineage_service.store.protocol import MAX_KEY_BYTES
from tests.graphdb.installation import new_installation
from tests.unit.recorder.facts import MLFLOW, MODEL, bodies, event, move, prepare, record, require_intact_chain
from tests.unit.recorder.grouping import WAIT_SECONDS, one_group


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Give an open log on a server, which holds its genesis."""
    with closing(new_installation(tmp_path)) as opened:
        yield opened


def told_twice(prepared: Prepared) -> Prepared:
    """Return a record with one sealed value twice, which a constraint refuses."""
    return replace(prepared, sealed=prepared.sealed * 2)


def too_long(prepared: Prepared) -> Prepared:
    """Return a record that names what no index can hold; the preparation would not have let it pass."""
    prepared.changes.node(names.dataset("s3://lake", "x" * 2 * MAX_KEY_BYTES))
    return prepared


@pytest.mark.parametrize(("poison", "told"), [(told_twice, StoreConflictError), (too_long, StoreRefusedError)])
def test_a_request_that_the_server_refuses_fails_alone(
    installation: Installation, poison: Callable[[Prepared], Prepared], told: type[LineageError]
) -> None:
    (secret,) = prepare(installation, event("run.observed", {"run": "r1", "error": "a secret"}))
    sound = [prepare(installation, move(number)) for number in range(3)]
    with one_group(installation) as ask:
        before, bad, *after = [ask(sound[0]), ask([poison(secret)]), ask(sound[1]), ask(sound[2])]
    with pytest.raises(told):
        bad.result(WAIT_SECONDS)
    assert [future.result(WAIT_SECONDS).receipts[0].seq for future in (before, *after)] == [2, 3, 4]
    assert secret.id not in {body["id"] for body in bodies(installation)}
    require_intact_chain(installation)


def moved(length: int) -> Any:
    """Return a move of a version whose point has a key of so many bytes, with some letters of three."""
    fact = move(body={"model": MODEL})
    order = order_key(0, MLFLOW.key, 0, "0" * 32)
    room = length - len(f"{names.model_version('mlflow-prod', 'credit', '1', 1)}stage".encode()) - 2 * len(order)
    name = MODEL + "\u20ac" * (room // 3) + "x" * (room % 3)
    return fact.model_copy(update={"body": fact.body.model_copy(update={"model": name})})


def declared(length: int) -> Any:
    """Return the declaration of a dataset whose key has so many bytes."""
    room = length - len(names.dataset("s3://lake", ""))
    return event("dataset.declared", {"namespace": "s3://lake", "name": "\u20ac" * (room // 3) + "x" * (room % 3)})


@pytest.mark.parametrize("made", [moved, declared])
def test_the_longest_names_that_are_taken_can_be_written_and_longer_ones_are_bad_input(
    installation: Installation, made: Callable[[int], Any]
) -> None:
    assert record(installation, made(MAX_KEY_BYTES)).receipts[0].seq == 1
    with pytest.raises(InputError, match=f"a key of {MAX_KEY_BYTES + 1} bytes, more than {MAX_KEY_BYTES}") as caught:
        record(installation, move(1), made(MAX_KEY_BYTES + 1))
    assert (caught.value.index, caught.value.field) == (1, "body")
    assert len(bodies(installation)) == 2
