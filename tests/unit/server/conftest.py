from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import Service, make_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with make_service(tmp_path) as made:
        yield made
