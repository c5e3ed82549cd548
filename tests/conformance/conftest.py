"""Every test here runs once for each kind of store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lineage_service.store.protocol import Store
from tests.conformance.kinds import KINDS, Place


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Give an empty ledger of one kind."""
    return KINDS[request.param](tmp_path)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """Give an open, empty store of one kind."""
    opened = place.open()
    yield opened
    opened.close()
