"""How often an answer asks its store: as often for many rows as for few, since on a server each time is a way there."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lineage_service.queries.asking import Asking, Opener, asking_of
from lineage_service.queries.deployments import DeploymentFilter, deployments
from lineage_service.queries.live import live
from lineage_service.recorder.disclosure import Disclosure
from lineage_service.store.protocol import Reader
from lineage_service.store.vault import Vault
from tests.unit.queries.test_envelope import MODEL, NOW, House, version


class Counted:
    """Stands for a Reader or a Vault, passes everything on, and counts."""

    def __init__(self, asked: object, times: Counter[str]) -> None:
        self._asked = asked
        self._times = times

    def __getattr__(self, name: str) -> Any:
        if name not in {"head", "note"}:  # read when the snapshot was opened
            self._times[name] += 1
        return getattr(self._asked, name)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    built.register("in_path", ["movement", "model"])
    for number in range(1, 4):
        deploy(built, number)
    yield built
    built.log.close()


def deploy(house: House, number: int) -> None:
    """Tell of a version that goes to production, where it takes the place of the last, with a reason and a claim."""
    at = f"09:{number:02}:00"
    house.tell("model_version.registered", at, version(str(number)))
    moved = {**version(str(number)), "to": "Production", "archive_others": True, "reason": f"reason {number}"}
    house.tell("stage.transitioned", at, moved)
    house.covered(at, f"09:{number:02}:30")


def asked(house: House, ask: Callable[[Asking], Any]) -> Counter[str]:
    """Return how often reader and vault were asked for an answer that has rows."""
    times: Counter[str] = Counter()
    disclosure = Disclosure(house.log.secrets, cast("Vault", Counted(house.log.store.vault(), times)))
    opener = Opener(disclosure.name, disclosure.value, disclosure.look_up)
    with house.log.store.read() as reader:
        counted = cast("Reader", Counted(reader, times))
        answer = ask(asking_of(counted, as_of=None, known_at=None, tz="UTC", now=NOW, opener=opener))
    assert all(row["deployed_by"]["name"] for row in answer.value["rows"])
    return times


@pytest.mark.parametrize(
    ("ask", "most"),
    [
        (lambda asking: deployments(asking, DeploymentFilter(model=MODEL)), 14),
        (lambda asking: deployments(asking, DeploymentFilter()), 14),
        (live, 12),
    ],
)
def test_many_rows_are_asked_for_as_often_as_few(house: House, ask: Callable[[Asking], Any], most: int) -> None:
    few = asked(house, ask)
    for number in range(4, 40):
        deploy(house, number)
    assert asked(house, ask) == few
    assert few.total() <= most, few
    assert few["look_up"] == 1
