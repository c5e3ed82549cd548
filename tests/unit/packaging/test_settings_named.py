"""Every setting of ours that the files for containers and clusters name is one that somebody reads."""

import re
from pathlib import Path
from typing import Final

import pytest
import yaml

import lineage_service
from lineage_service.server.opening import read_settings
from lineage_service.settings import KNOWN
from tests.architecture.tree import ROOT, relative
from tests.unit.packaging import composition
from tests.unit.packaging.dockerfile import environment_of, stages

SETTING = re.compile(r"\bLINEAGE_[A-Z0-9_]+\b")
EXAMPLES = Path(lineage_service.__file__).parent / "examples"
FILES = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *sorted(EXAMPLES.iterdir())]
WITH_NEO4J: Final = {"LINEAGE_NEO4J_USER", "LINEAGE_NEO4J_PASSWORD_FILE", "LINEAGE_NEO4J_DATABASE"}


def named_in(text: str) -> set[str]:
    return set(SETTING.findall(text))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_setting_that_a_file_names_is_read_by_somebody(path: Path) -> None:
    assert named_in(path.read_text(encoding="utf-8")) - {*KNOWN} == set()


def test_the_stack_and_the_cluster_open_the_store_by_all_its_settings() -> None:
    (pod,) = (one for one in yaml.safe_load_all((EXAMPLES / "kubernetes-service.yaml").read_text(encoding="utf-8"))
              if one["kind"] == "StatefulSet")  # fmt: skip
    of_pod = {one["name"]: one["value"] for one in pod["spec"]["template"]["spec"]["containers"][0]["env"]}
    of_compose = composition.variables_of(composition.read()["services"]["lineage"])
    for given in (of_pod, of_compose):
        assert set(given) >= {"LINEAGE_STORE", *WITH_NEO4J}
        assert re.fullmatch(r"neo4j://[a-z0-9.-]+:7687", given["LINEAGE_STORE"])


@pytest.mark.parametrize("name", ["embedded", "lineage", "cli", "reconciler", "git"])
def test_a_service_can_read_the_settings_it_is_given(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = composition.read()["services"][name]
    given = environment_of(stages()[service["build"]["target"]], stages()) | composition.variables_of(service)
    monkeypatch.chdir(tmp_path)  # away from anybody's lineage.toml
    for variable, value in given.items():
        if variable.startswith("LINEAGE_"):
            monkeypatch.setenv(variable, value)
    settings = read_settings()
    assert (settings.data_dir, settings.keys) == (Path("/var/lib/lineage/data"), Path("/var/lib/lineage/keys"))
    assert (settings.token_file is None) == (name in {"embedded", "lineage"})
    if name == "embedded":
        assert settings.database == Path("/var/lib/lineage/data/lineage.db")
        assert (settings.listen, settings.ack) == ("0.0.0.0:8765", "signed")
