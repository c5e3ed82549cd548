"""An installation of its own for each test, with a clock to turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lineage_service.recorder.installation import Installation, Places, create
from tests.unit.recorder.facts import Clock


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Say where the installation keeps what."""
    return Places(tmp_path / "data" / "lineage.db", tmp_path / "keys")


@pytest.fixture
def clock() -> Clock:
    """Give the clock of the installation."""
    return Clock()


@pytest.fixture
def installation(places: Places, clock: Clock) -> Iterator[Installation]:
    """Give an open log that holds its genesis."""
    created = create(places, origin="test.example/log", clock=clock)
    yield created
    created.close()
