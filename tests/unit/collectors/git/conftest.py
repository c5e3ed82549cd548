from pathlib import Path

import pytest

from tests.unit.collectors.git.repositories import Scratch, new_repository


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return new_repository(tmp_path / "repo")
