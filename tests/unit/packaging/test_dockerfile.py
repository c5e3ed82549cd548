"""The Dockerfile: pinned, without rights, nothing decided that an installation decides, and its own words true."""

import re
import shlex
import tomllib

import pytest

from tests.architecture.tree import ROOT
from tests.unit.packaging import composition
from tests.unit.packaging.dockerfile import FILE, environment_of, stages

STAGES = stages()
TARGETS = {"service", "collector", "mlflow"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# The folders of `base` that a fresh volume takes its owner from.
OWNED = set(re.findall(r"/var/lib/lineage/\w+", " ".join(STAGES["base"].of("RUN"))))


def test_every_target_that_the_compose_file_builds_is_a_stage_and_the_last_is_the_service() -> None:
    built = {one["build"]["target"] for one in composition.read()["services"].values() if "build" in one}
    assert built == TARGETS
    assert set(STAGES) >= TARGETS
    assert list(STAGES)[-1] == "service"


def test_everything_is_built_on_one_base_of_a_patch_release_and_a_release_of_debian() -> None:
    outside = {stage.base for stage in STAGES.values()} - set(STAGES)
    assert len(outside) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-(?:bookworm|trixie)", outside.pop())


def test_mlflow_is_the_release_that_the_plugin_was_checked_against_and_its_drivers_are_pinned() -> None:
    (command,) = STAGES["mlflow-wheels"].of("RUN")
    wanted = dict(word.split("==") for word in shlex.split(command) if "==" in word)
    assert set(wanted) == {"mlflow[auth]", "psycopg2-binary", "boto3"}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", release) for release in wanted.values())
    assert f"mlflow=={wanted['mlflow[auth]']}" in PROJECT["project"]["optional-dependencies"]["demo"]
    tested = PROJECT["project"]["optional-dependencies"]["test"]
    assert {f"{name}=={wanted[name]}" for name in ("psycopg2-binary", "boto3")} <= set(tested)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_an_image_runs_as_nobody_of_rank_and_installs_from_its_own_wheels_only(name: str) -> None:
    stage = STAGES[name]
    line = [*STAGES["base"].instructions, *STAGES[stage.base].instructions, *stage.instructions]
    assert [rest for word, rest in line if word == "USER"][-1] == "10001:10001"
    installs = [rest for word, rest in line if word == "RUN" and "pip install" in rest]
    assert len(installs) == 1
    assert "--no-index" in installs[0]


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_volume_lies_on_a_folder_that_belongs_to_the_user_of_the_image(name: str) -> None:
    mounted = [path for line in STAGES[name].of("VOLUME") for path in re.findall(r'"([^"]+)"', line)]
    assert mounted
    assert set(mounted) <= OWNED
    for service in composition.read()["services"].values():
        if service.get("build", {}).get("target") == name:
            named = [one for one in service.get("volumes", []) if isinstance(one, str)]
            assert {one.split(":")[1] for one in named} <= OWNED


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_image_decides_where_the_ledger_is_or_knows_a_secret(name: str) -> None:
    given = environment_of(STAGES[name], STAGES)
    assert "LINEAGE_STORE" not in given
    assert not [one for one in given if re.search(r"PASSWORD|SECRET|TOKEN", one)]
    assert "password" not in STAGES["mlflow"].files["/etc/mlflow/basic_auth.ini"]


def test_only_the_service_says_when_it_is_well() -> None:
    assert [name for name, stage in STAGES.items() if stage.of("HEALTHCHECK")] == ["service"]


def test_the_copies_are_what_the_wheel_is_built_of() -> None:
    copied = {word for rest in STAGES["wheels"].of("COPY") for word in rest.split()[:-1]}
    packages = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert copied == packages | {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}


def test_the_images_it_tells_to_build_are_those_of_the_compose_file() -> None:
    text = FILE.read_text(encoding="utf-8")
    told = re.findall(r"^#   docker build -t (\S+) (?:--target (\w+) )?\.", text, re.MULTILINE)
    services = composition.read()["services"].values()
    built = {(one["image"], one["build"]["target"]) for one in services if "build" in one}
    assert {(image, target or "service") for image, target in told} == built


def test_instructions_are_read_as_they_are_written() -> None:
    text = "ARG A=b:1\nFROM ${A} AS x\n# no\nRUN one \\\n    && two\nCOPY <<'END' /f\nFROM c\n\nEND\nUSER 1\n"
    (stage,) = stages(text).values()
    assert (stage.base, stage.name, stage.files) == ("b:1", "x", {"/f": "FROM c\n\n"})
    assert stage.instructions == [("RUN", "one && two"), ("COPY", "<<'END' /f"), ("USER", "1")]
